"""Where independent jobs are done: threads or processes of this machine, a dask cluster, jobs of SLURM."""
