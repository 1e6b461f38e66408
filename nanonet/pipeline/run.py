"""Run a pipeline over a series: a chunk of frames at a time, resumable, with memory that does not grow."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.io.check import check_frame
from nanonet.io.chunks import ChunkStore, PackedFrame, pack
from nanonet.io.lock import alone
from nanonet.pipeline.conclusion import Pipeline
from nanonet.pipeline.outputs import Finished, is_finished, write_outputs
from nanonet.pipeline.progress import progress_bar
from nanonet.provenance import collect, fingerprint
from nanonet.records import InputError, Series

UNFINISHED = ".unfinished"
"""Folder inside the output that holds the finished chunks of a run that is not yet done."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that a run needs.

    Parameters
    ----------
    settings
        The resolved config, for provenance and fingerprint.
    chunk
        Frames between two saves.
    workers
        Frames that are analysed at the same time; None for one a core.
    """

    pipeline: Pipeline
    series: Series
    output: Path
    settings: Mapping[str, Any]
    chunk: int = 8
    workers: int | None = None
    xlsx: bool = False
    command: str = ""


def run(job: Run) -> Path:
    """Analyse every frame, then conclude; goes on where an earlier run of the same settings was stopped.

    Raises
    ------
    InputError
        If ``output`` holds anything but a run of the same settings and input, or if the frames are empty.
    """
    if job.chunk < 1:
        raise InputError(f"chunk must be at least 1 frame, got {job.chunk}")
    if job.workers is not None and job.workers < 1:
        raise InputError(f"workers must be at least 1, got {job.workers}")
    paths = [stack.path for stack in job.series.stacks if stack.path is not None]
    provenance = collect(config=job.settings, inputs=paths, command=job.command)
    mark = fingerprint(
        {k: v for k, v in job.settings.items() if k not in ("output", "workers")}, provenance.inputs
    )
    if is_finished(job.output, mark, UNFINISHED):
        return job.output
    _require_content(job.series)
    store = ChunkStore(job.output / UNFINISHED, mark)
    finished = Finished(
        series=job.series, results=store, chunks=_chunks(job), provenance=provenance, fingerprint=mark
    )
    with alone(store.folder):
        _fill(store, job)
        write_outputs(job.output, job.pipeline, finished, xlsx=job.xlsx)
    store.remove()
    return job.output


def _chunks(job: Run) -> int:
    return -(-len(job.series) // job.chunk)


def _fill(store: ChunkStore, job: Run) -> None:
    """Analyse the chunks that the store does not hold yet."""
    total, done = len(job.series), store.done()
    chunks = {
        index: range(index * job.chunk, min((index + 1) * job.chunk, total))
        for index in range(_chunks(job))
        if index not in done
    }
    left = sum(map(len, chunks.values()))
    with progress_bar("frames", total=total, done=total - left) as advance, _team(job) as look:
        found = look(frame for frames in chunks.values() for frame in frames)
        for index, frames in chunks.items():
            results = []
            for _ in frames:
                results.append(next(found))
                advance(1)
            store.write(index, results)


@contextmanager
def _team(job: Run) -> Iterator[Callable[[Iterable[int]], Iterator[PackedFrame]]]:
    """Yield a function that analyses frames, several at a time, and gives the results in their order."""
    workers = min(job.workers or cores(), len(job.series))
    if workers == 1:
        yield lambda frames: (_look(job, frame) for frame in frames)
        return
    with ThreadPoolExecutor(workers) as pool, one_thread_each():
        try:
            yield partial(_side_by_side, pool, partial(_look, job), 2 * workers)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _side_by_side(
    pool: Executor, look: Callable[[int], PackedFrame], ahead: int, frames: Iterable[int]
) -> Iterator[PackedFrame]:
    """Yield the results of frames in their order, of which ``ahead`` are begun before they are asked for."""
    begun: deque[Future[PackedFrame]] = deque()
    for frame in frames:
        begun.append(pool.submit(look, frame))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep torch and BLAS to one thread a worker: frames side by side use the cores better."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch = sys.modules.get("torch")  # of a pipeline without a network it stays unloaded
    before = torch.get_num_threads() if torch else 1
    with threadpool_limits(limits=1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def _look(job: Run, index: int) -> PackedFrame:
    """Analyse one frame, with the warnings that the frame itself gives rise to, and pack what was found."""
    micrograph = job.series[index]
    warning = check_frame(micrograph.image, micrograph.name, index)
    found = job.pipeline.frame(micrograph)
    return pack(found if warning is None else replace(found, warnings=(warning, *found.warnings)))


def _require_content(series: Series) -> None:
    """Refuse a series whose first, middle and last frame are all of one value each: nothing was recorded."""
    for index in {0, len(series) // 2, len(series) - 1}:
        if np.ptp(series[index].image) > 0:
            return
    value = float(series[0].image.flat[0])
    raise InputError(f"{series.name} is empty: all pixels of its first, middle and last frame are {value:g}")
