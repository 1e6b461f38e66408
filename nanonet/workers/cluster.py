"""What every place to do jobs has in common."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Protocol, TypeVar

from nanonet.workers.progress import progress

Result = TypeVar("Result")


class Cluster(Protocol):
    """Does independent jobs; where they are done in other processes, each does one at a time."""

    def map(
        self, job: Callable[[int], Result], indices: Sequence[int]
    ) -> Generator[tuple[int, Result], None, None]:
        """Yield each index with what the job returned for it, in the order in which they are done.

        Closing the iterator (also by an error or Ctrl-C) drops the jobs that have not begun.

        Parameters
        ----------
        job
            Can be pickled, where it is done in other processes; may be begun again where a worker died.
        """


def completed(
    job: Callable[[int], Result],
    indices: Sequence[int],
    *,
    cluster: Cluster,
    title: str,
    done: int = 0,
) -> Generator[tuple[int, Result], None, None]:
    """Do a job for every index with a progress bar on stderr; yield index and result as they come.

    Parameters
    ----------
    done
        How many were done before, by a run that was stopped.
    """
    with (
        progress(title, len(indices) + done, done) as advance,
        closing(cluster.map(job, indices)) as results,
    ):
        for pair in results:
            advance()
            yield pair


def run(
    job: Callable[[int], Result], indices: Sequence[int], *, cluster: Cluster, title: str
) -> list[Result]:
    """Do a job for every index, with a progress bar; return the results in the order of ``indices``."""
    results = dict(completed(job, indices, cluster=cluster, title=title))
    return [results[index] for index in indices]
