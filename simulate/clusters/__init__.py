"""Where simulations run: this machine, a dask cluster, jobs of SLURM: all give the same bytes."""
