"""Processes of this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

from nanonet.workers.pool import side_by_side

# No import of numpy here, directly or through others: `_begin` must come before it in a new process.

Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class Local:
    """Processes of this machine; where one would do, the work is done in the process that asks.

    Parameters
    ----------
    workers
        Processes; None for one a core that this process may use.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        require_workers(self.workers)

    def map(
        self, job: Callable[[int], Result], indices: Sequence[int]
    ) -> Generator[tuple[int, Result], None, None]:
        """Yield each index with its result, in the order in which they are done.

        Raises
        ------
        InputError
            If a process is killed.
        """
        workers = min(self.workers or cores(), len(indices))
        if workers < 2:
            yield from ((index, job(index)) for index in indices)
            return
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)
        try:
            yield from side_by_side(pool, workers, job, indices)
        except BrokenProcessPool as error:
            from nanonet.records import InputError

            raise InputError(
                "a worker process was killed, perhaps for want of memory: what is done is kept; run "
                "again with fewer workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def require_workers(workers: int | None) -> None:
    """Refuse a number of workers that does no work."""
    if workers is not None and workers < 1:
        from nanonet.records import InputError

        raise InputError(f"workers must be at least 1, or null for one a core, got {workers}")


def cores() -> int:
    """Return how many cores this process may use: fewer than the machine has where a queue system says so."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep linear algebra and torch to one thread: one job a core is faster, and sums keep their order."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch = sys.modules.get("torch")  # where nothing needs it, it stays unloaded
    before = torch.get_num_threads() if torch else 1
    with threadpool_limits(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def _begin() -> None:
    """Leave Ctrl-C to the parent, which stops handing out work, and keep libraries to one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process if the parent is killed: it would wait for work for ever."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
