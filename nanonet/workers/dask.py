"""A dask cluster: one that runs somewhere, or one of this machine's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from nanonet.provenance import versions
from nanonet.records import InputError
from nanonet.workers.local import cores, require_workers

if TYPE_CHECKING:
    from distributed import Client

Result = TypeVar("Result")

AHEAD = 1000
"""Jobs that are handed out at once, so that 10⁵ of them do not fill the scheduler's memory."""
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Dask:
    """Workers of a dask cluster. A worker that dies is replaced, and what it had in hand is done again.

    Parameters
    ----------
    scheduler
        Address of a cluster that is running (tcp://host:8786); None starts one on this machine. Its workers
        should have one thread each, and see the files that the jobs read or write under the same path.
    workers
        Processes of the cluster that is started here; None for one a core.
    timeout
        How long to wait for the scheduler, and for its first worker [s].
    """

    scheduler: str | None = None
    workers: int | None = None
    timeout: float = 60.0

    def __post_init__(self) -> None:
        require_workers(self.workers)

    def map(
        self, job: Callable[[int], Result], indices: Sequence[int]
    ) -> Generator[tuple[int, Result], None, None]:
        """Yield each index with its result, in the order in which they are done.

        Raises
        ------
        InputError
            If no scheduler or worker answers, workers have other versions than this process, or one job kills
            one worker after another.
        """
        if not indices:
            return
        with self._client(len(indices)) as client:
            yield from distribute(client, job, indices)

    @contextmanager
    def _client(self, n_jobs: int) -> Iterator[Client]:
        from distributed import Client, LocalCluster

        if self.scheduler is not None:
            with connect(Client, self.scheduler, self.timeout) as client:
                yield client
            return
        local = LocalCluster(
            n_workers=min(self.workers or cores(), n_jobs),
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # a worker that dask pauses for its memory would never go on
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            preload=[__name__],
        )
        with local, Client(local) as client:
            yield client


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the process that asks, which stops handing out work; dask calls this in a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def connect(make: Callable[..., Client], address: str, timeout: float) -> Iterator[Client]:
    """Connect to a running scheduler that has a worker.

    Raises
    ------
    InputError
        If it does not answer, or has none.
    """
    try:
        client = make(address, timeout=timeout)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {address}: is the address right? ({error})"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise InputError(
                f"the dask scheduler at {address} has no workers: start some with dask worker {address} "
                "--nthreads 1"
            ) from error
        yield client


def distribute(
    client: Client, job: Callable[[int], Result], indices: Sequence[int], *, ahead: int = AHEAD
) -> Generator[tuple[int, Result], None, None]:
    """Yield each index with the job's result for it, from the workers of a dask client."""
    from distributed import KilledWorker, as_completed

    here, rest = versions(), iter(indices)

    def submit(count: int) -> list[object]:
        return [client.submit(on_worker, job, here, index, pure=False) for index in islice(rest, count)]

    window = as_completed(submit(ahead))
    try:
        for future in window:
            yield future.result()
            window.update(submit(1))
    except KilledWorker as error:
        raise InputError(
            "a job killed one worker after another, perhaps for want of memory: what is done is kept; run "
            "again with more memory for each worker"
        ) from error
    finally:
        client.cancel(list(window.futures))


def on_worker(job: Callable[[int], Result], wanted: Mapping[str, str], index: int) -> tuple[int, Result]:
    """Do a job on a worker, one at a time in a process, if its packages are those of the process that asks.

    Raises
    ------
    InputError
        If they are not: the same job would not give the same bytes.
    """
    found = _versions_here()
    other = [name for name in wanted if found.get(name) != wanted[name]]
    if other:
        name = other[0]
        raise InputError(
            f"a worker has {name} {found.get(name, '(none)')}, this process {wanted[name]}: the same job "
            "would give other results; install the same versions on both"
        )
    with _ONE_AT_A_TIME:
        return index, job(index)


@cache
def _versions_here() -> dict[str, str]:
    return versions()
