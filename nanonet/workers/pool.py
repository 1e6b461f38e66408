"""Jobs in the threads or processes of a pool, a few of them in hand at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import islice
from typing import TypeVar

# No import of numpy here, directly or through others: see `nanonet.workers.local`.

Result = TypeVar("Result")

AHEAD = 2
"""Jobs in hand for each worker: that none waits for work, and results do not pile up."""


def side_by_side(
    pool: Executor, workers: int, job: Callable[[int], Result], indices: Sequence[int]
) -> Generator[tuple[int, Result], None, None]:
    """Yield each index with its result, in the order in which they are done.

    Where a job fails no further one is begun, those that run are waited for and yielded, and the error of the
    first that failed is raised: the same for any number of workers. Closing the iterator drops the jobs that
    have not begun.
    """
    rest = iter(indices)
    in_hand: dict[Future[Result], int] = {}
    errors: dict[int, BaseException] = {}
    try:
        while not errors or in_hand:
            for index in islice(rest, AHEAD * workers - len(in_hand)):
                in_hand[pool.submit(job, index)] = index
            if not in_hand:
                return
            done, _ = wait(in_hand, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=in_hand.__getitem__):
                index, error = in_hand.pop(future), future.exception()
                if error is None:
                    yield index, future.result()
                else:
                    errors[index] = error
            if errors:
                rest = iter(())
                in_hand = {future: index for future, index in in_hand.items() if not future.cancel()}
        raise errors[min(errors)]
    finally:
        for future in in_hand:
            future.cancel()
