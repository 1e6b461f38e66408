"""Run a pipeline over a series: a chunk of frames at a time, resumable, with memory that does not grow."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.io.check import check_frame
from nanonet.io.chunks import ChunkStore
from nanonet.io.lock import alone
from nanonet.pipeline.conclusion import Pipeline
from nanonet.pipeline.outputs import Finished, is_finished, write_outputs
from nanonet.pipeline.progress import progress_bar
from nanonet.provenance import collect, fingerprint
from nanonet.records import FrameResult, InputError, Series

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
    open_chunks = [index for index in range(_chunks(job)) if index not in done]
    left = sum(min(job.chunk, total - index * job.chunk) for index in open_chunks)
    with progress_bar("frames", total=total, done=total - left) as advance, _team(job) as look:
        for index in open_chunks:
            frames = range(index * job.chunk, min((index + 1) * job.chunk, total))
            results = []
            for result in look(frames):
                results.append(result)
                advance(1)
            store.write(index, results)


@contextmanager
def _team(job: Run) -> Iterator[Callable[[range], Iterator[FrameResult]]]:
    """Yield a function that analyses frames, several at a time, and gives the results in their order."""
    workers = min(job.workers or cores(), len(job.series))
    if workers == 1:
        yield lambda frames: (_look(job, frame) for frame in frames)
        return
    with ThreadPoolExecutor(workers) as pool, one_thread_each():
        try:
            yield lambda frames: pool.map(partial(_look, job), frames)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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


def _look(job: Run, index: int) -> FrameResult:
    """Analyse one frame, with the warnings that the frame itself gives rise to."""
    micrograph = job.series[index]
    warning = check_frame(micrograph.image, micrograph.name, index)
    found = job.pipeline.frame(micrograph)
    return found if warning is None else replace(found, warnings=(warning, *found.warnings))


def _require_content(series: Series) -> None:
    """Refuse a series whose first, middle and last frame are all of one value each: nothing was recorded."""
    for index in {0, len(series) // 2, len(series) - 1}:
        if np.ptp(series[index].image) > 0:
            return
    value = float(series[0].image.flat[0])
    raise InputError(f"{series.name} is empty: all pixels of its first, middle and last frame are {value:g}")
