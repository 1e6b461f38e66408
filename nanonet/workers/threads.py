"""Threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from nanonet.workers.local import cores, one_thread, require_workers
from nanonet.workers.pool import side_by_side

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Threads:
    """Threads of this process, for jobs that mostly compute in libraries, which let other threads run.

    They begin at once and share what the job holds. Where there is one, libraries use all cores for its job.

    Parameters
    ----------
    workers
        Threads; None for one a core that this process may use.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        require_workers(self.workers)

    def map(
        self, job: Callable[[int], Result], indices: Sequence[int]
    ) -> Generator[tuple[int, Result], None, None]:
        """Yield each index with its result, in the order in which they are done."""
        workers = min(self.workers or cores(), len(indices))
        if workers < 2:
            yield from ((index, job(index)) for index in indices)
            return
        with one_thread(), ThreadPoolExecutor(workers) as pool:
            yield from side_by_side(pool, workers, job, indices)
