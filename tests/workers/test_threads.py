"""Threads, and the window of jobs in hand that they share with processes."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from threadpoolctl import threadpool_info

from nanonet.records import InputError
from nanonet.workers.pool import AHEAD, side_by_side
from nanonet.workers.threads import Threads


def square(index: int) -> int:
    return index * index


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_index_comes_once_with_its_result(workers: int) -> None:
    found = list(Threads(workers=workers).map(square, range(3, 40)))
    assert sorted(found) == [(n, n * n) for n in range(3, 40)]


def test_no_jobs_are_done_at_once() -> None:
    assert list(Threads(workers=2).map(square, [])) == []


def test_jobs_come_as_they_are_done_and_a_slow_one_holds_up_none() -> None:
    go = threading.Event()
    jobs = {0: lambda: go.wait(10), 1: lambda: True, 2: lambda: go.set() or True}
    results = Threads(workers=2).map(lambda index: jobs[index](), range(3))
    assert next(index for index, done in results if done) == 1


def test_jobs_in_hand_do_not_run_far_ahead_of_what_is_taken() -> None:
    begun = []
    results = Threads(workers=2).map(begun.append, range(100))
    for taken in range(1, 20):
        next(results)
        time.sleep(0.005)
        assert len(begun) <= taken + 2 * AHEAD
    results.close()
    assert len(begun) <= 19 + 2 * AHEAD


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_the_first_job_that_fails_is_told_and_what_was_done_before_it_is_kept(workers: int) -> None:
    def job(index: int) -> int:
        time.sleep(0.02 if index == 5 else 0.0)  # the later failures are there before
        if index in (5, 6, 7):
            raise InputError(f"number {index} is bad")
        return index

    found: list[int] = []

    def take(results: Iterable[tuple[int, int]]) -> None:
        for index, _ in results:
            found.append(index)

    with pytest.raises(InputError, match="number 5 is bad"):
        take(Threads(workers=workers).map(job, range(30)))
    assert set(range(5)) <= set(found)
    assert max(found) < 5 + workers * (AHEAD + 1)


def test_a_job_that_is_interrupted_interrupts() -> None:
    def job(index: int) -> None:
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool, pytest.raises(KeyboardInterrupt):
        list(side_by_side(pool, 2, job, range(4)))


def test_side_by_side_libraries_keep_to_one_thread_and_get_theirs_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        seen = dict(Threads(workers=2).map(lambda _: (torch.get_num_threads(), _most()), range(4)))
        assert set(seen.values()) == {(1, 1)}
        assert torch.get_num_threads() == 2
        alone = dict(Threads(workers=1).map(lambda _: torch.get_num_threads(), range(2)))
        assert set(alone.values()) == {2}
    finally:
        torch.set_num_threads(before)


def _most() -> int:
    return max(library["num_threads"] for library in threadpool_info())
