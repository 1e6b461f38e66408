"""Jobs of a SLURM queue, each of which runs dask workers."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from nanonet.records import InputError
from nanonet.workers.dask import distribute

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Jobs of a SLURM queue; one that ends before all is done is replaced.

    Run it where sbatch is, with what the jobs read and write on a disk that the nodes share.

    Parameters
    ----------
    jobs
        At most.
    cores
        Of a job; each is a worker of one thread.
    memory
        Of a job, in words: 32 GiB.
    walltime
        Of a job, HH:MM:SS.
    queue, account
        SLURM's partition and account; None for the site's own.
    directives
        Further lines of #SBATCH: --constraint=avx2, ...
    prologue
        Shell lines before the workers start: module load, source .venv/bin/activate, ...
    interface
        Network interface of the nodes, as ib0; None for the default.
    logs
        Folder for the jobs' output; None for where the command is run.
    """

    jobs: int = 10
    cores: int = 16
    memory: str = "32 GiB"
    walltime: str = "04:00:00"
    queue: str | None = None
    account: str | None = None
    directives: Sequence[str] = ()
    prologue: Sequence[str] = ()
    interface: str | None = None
    logs: str | None = None

    def __post_init__(self) -> None:
        for name in ("jobs", "cores"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")

    def map(
        self, job: Callable[[int], Result], indices: Sequence[int]
    ) -> Generator[tuple[int, Result], None, None]:
        """Yield each index with its result, in the order in which they are done.

        Raises
        ------
        InputError
            If there is no SLURM here, or as `nanonet.workers.dask.distribute` raises it.
        """
        if not indices:
            return
        if shutil.which("sbatch") is None:
            raise InputError("there is no sbatch here: run cluster=slurm where jobs are submitted to SLURM")
        from distributed import Client

        with self.cluster() as cluster, Client(cluster) as client:
            jobs = min(self.jobs, -(-len(indices) // self.cores))
            # As many as that at any time: each job that ends is replaced. A lower minimum would let dask give
            # back workers that run while it counts on others that still queue.
            cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)
            yield from distribute(client, job, indices)

    def cluster(self) -> SLURMCluster:
        """Return the cluster, with no job submitted yet.

        Raises
        ------
        InputError
            If dask-jobqueue is not installed.
        """
        try:
            from dask_jobqueue import SLURMCluster
        except ImportError as error:
            raise InputError("cluster=slurm needs dask-jobqueue: pip install 'nanonet[hpc]'") from error
        # Workers leave before the queue kills them, and not all in one moment, so that little is done twice.
        return SLURMCluster(
            cores=self.cores,
            processes=self.cores,
            memory=self.memory,
            walltime=self.walltime,
            queue=self.queue,
            account=self.account,
            job_extra_directives=list(self.directives),
            job_script_prologue=list(self.prologue),
            interface=self.interface,
            log_directory=self.logs,
            worker_extra_args=["--lifetime", f"{lifetime(self.walltime)}s", "--lifetime-stagger", "60s"],
            scheduler_options={"dashboard_address": ":0"},
        )


def lifetime(walltime: str) -> int:
    """Return how long a worker lives [s]: nine tenths of its job, or five minutes less if that is longer.

    Raises
    ------
    InputError
        If ``walltime`` is not HH:MM:SS.
    """
    try:
        hours, minutes, seconds = (int(part) for part in walltime.split(":"))
    except ValueError as error:
        raise InputError(f"walltime must be HH:MM:SS, got '{walltime}'") from error
    total = 3600 * hours + 60 * minutes + seconds
    return max(int(0.9 * total), total - 300)
