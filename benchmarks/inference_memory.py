"""What a run takes: seconds and peak memory of `nanonet infer` in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run took.

    Parameters
    ----------
    frames
        That were read.
    columns
        In a frame, on average.
    wall, processor
        Seconds, the second those of all cores together.
    peak
        Most memory that the process held [MiB].
    """

    frames: int
    columns: float
    wall: float
    processor: float
    peak: float


def run(movie: Path, frames: int, checkpoint: str, output: Path, *more: str) -> Cost:
    """Read the first frames of a movie from file to the last table and the report."""
    forget(output)
    command = [
        sys.executable,
        "-m",
        "nanonet",
        *words(movie, frames, checkpoint, output),
        *more,
    ]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    with (output / "columns.csv").open(encoding="utf-8") as file:
        rows = sum(1 for _ in file) - 1
    return Cost(
        frames=frames,
        columns=rows / frames,
        wall=wall,
        processor=usage.ru_utime + usage.ru_stime,
        peak=usage.ru_maxrss / 1024,
    )


def forget(output: Path) -> None:
    """Delete the folder of a run."""
    shutil.rmtree(output, ignore_errors=True)


def words(movie: Path, frames: int, checkpoint: str, output: Path) -> list[str]:
    """Return the command that reads the first frames of a movie."""
    return [
        "infer",
        "pipeline=columns",
        f"input={movie}",
        f"checkpoint={checkpoint}",
        "read.modality=HRTEM",
        f"read.frames=0:{frames}",
        f"output={output}",
    ]


def slope(costs: list[Cost]) -> float:
    """Return how much more memory 1,000 more frames take [MiB], by least squares."""
    frames, peak = (np.array([getattr(cost, name) for cost in costs], float) for name in ("frames", "peak"))
    return float(1000 * np.polyfit(frames, peak, 1)[0])


def further(short: Cost, long: Cost) -> tuple[float, float]:
    """Return seconds of the wall clock and of the processor that one frame more takes.

    What a run takes however long the movie is (imports, the report) is left out.
    """
    more = long.frames - short.frames
    return (long.wall - short.wall) / more, (long.processor - short.processor) / more
