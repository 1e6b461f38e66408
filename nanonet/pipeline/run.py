"""Run a pipeline over a series: a chunk of frames at a time, resumable, with memory that does not grow."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nanonet.io.chunks import ChunkStore, PackedFrame
from nanonet.io.lock import alone
from nanonet.pipeline.analysis import Analysis
from nanonet.pipeline.conclusion import Pipeline, ReadsMore
from nanonet.pipeline.outputs import WORKSPACE, Extra, Finished, is_finished, write_outputs
from nanonet.pipeline.progress import progress_bar
from nanonet.provenance import collect, fingerprint
from nanonet.records import InputError, Series
from nanonet.workers.cluster import Cluster
from nanonet.workers.threads import Threads

UNFINISHED = ".unfinished"
"""Folder inside the output that holds the finished chunks of a run that is not yet done."""
_NO_MATTER = ("output", "workers", "cluster")
"""Settings that change no result."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that a run needs.

    Parameters
    ----------
    settings
        The resolved config, for provenance and fingerprint.
    chunk
        Frames between two saves.
    cluster
        Where frames are analysed.
    extras
        What is written besides what every run leaves behind.
    """

    pipeline: Pipeline
    series: Series
    output: Path
    settings: Mapping[str, Any]
    chunk: int = 8
    cluster: Cluster = field(default_factory=Threads)
    extras: tuple[Extra, ...] = ()
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
    more = job.pipeline.inputs if isinstance(job.pipeline, ReadsMore) else ()
    paths = [Path(path) for stack in job.series.stacks for path in (stack.path, *stack.parts) if path]
    provenance = collect(config=job.settings, inputs=[*paths, *more], command=job.command)
    mark = fingerprint({k: v for k, v in job.settings.items() if k not in _NO_MATTER}, provenance.inputs)
    if is_finished(job.output, mark, UNFINISHED):
        return job.output
    _require_content(job.series)
    store = ChunkStore(job.output / UNFINISHED, mark)
    finished = Finished(
        series=job.series, results=store, chunks=_chunks(job), provenance=provenance, fingerprint=mark
    )
    with alone(store.folder):
        _fill(store, job)
        write_outputs(job.output, job.pipeline, finished, job.extras)
    shutil.rmtree(store.folder / WORKSPACE, ignore_errors=True)
    store.remove()
    return job.output


def _chunks(job: Run) -> int:
    return -(-len(job.series) // job.chunk)


def _fill(store: ChunkStore, job: Run) -> None:
    """Analyse the frames of the chunks that the store lacks; each chunk is stored once it is whole."""
    total, done = len(job.series), store.done()
    missing = {
        index: range(index * job.chunk, min((index + 1) * job.chunk, total))
        for index in range(_chunks(job))
        if index not in done
    }
    frames = [frame for chunk in missing.values() for frame in chunk]
    analysis = Analysis(pipeline=job.pipeline, series=job.series, settings=job.settings)
    found: defaultdict[int, dict[int, PackedFrame]] = defaultdict(dict)
    with (
        progress_bar("frames", total=total, done=total - len(frames)) as advance,
        closing(job.cluster.map(analysis, frames)) as results,
    ):
        for frame, result in results:
            advance(1)
            index = frame // job.chunk
            found[index][frame] = result
            if len(found[index]) == len(missing[index]):
                whole = found.pop(index)
                store.write(index, [whole[frame] for frame in missing[index]])


def _require_content(series: Series) -> None:
    """Refuse a series whose first, middle and last frame are all of one value each: nothing was recorded.

    Frames in between are looked at only where those are empty: a folder may begin and end with blank images.
    """
    some = [0, len(series) // 2, len(series) - 1]
    for index in [*some, *range(len(series))]:
        image = series[index].image
        finite = image[np.isfinite(image)]
        if finite.size and np.ptp(finite) > 0:
            return
    value = float(series[0].image.flat[0])
    raise InputError(
        f"{series.name} is empty: all pixels of its first frame are {value:g}, and no other varies"
    )
