"""Peak memory and speed of `pipeline=particles` on movies of two lengths: memory must not grow with length.

A movie of 512 x 512 frames (bright discs that drift, Poisson noise) is written as an MRC stack of bytes; with
``--images`` it is a folder of images of 1,024 x 1,024 pixels with some 500 particles each. Each length runs
in a process of its own, whose peak resident memory the system reports: with ``cluster=local`` or
``cluster=dask``, words that are handed on, that of the largest of its processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

SIDE = 512
PIXEL_SIZE = 2.0
PARTICLES = 12
LENGTHS = {"network": (50, 400), "classical": (200, 2000)}
"""Frames of the shorter and of the longer movie."""
IMAGES = (10, 100)
"""Images of the smaller and of the larger folder."""


def frames(count: int) -> Iterator[np.ndarray]:
    """Yield frames (y, x) of discs of 10 to 25 px radius that drift slowly; uint8."""
    rng = np.random.default_rng([2])
    places, radii = rng.uniform(40, SIDE - 40, (PARTICLES, 2)), rng.uniform(10, 25, PARTICLES)
    y, x = np.mgrid[:SIDE, :SIDE]
    for _ in range(count):
        places = np.clip(places + rng.normal(0, 0.3, places.shape), 30, SIDE - 30)
        mean = np.full((SIDE, SIDE), 10.0)
        for (cy, cx), radius in zip(places, radii, strict=True):
            mean += 25.0 * ((y - cy) ** 2 + (x - cx) ** 2 < radius**2)
        yield rng.poisson(mean).clip(0, 255).astype(np.uint8)


def write_movie(place: Path, count: int) -> Path:
    """Write a movie of so many frames; return its file."""
    from nanonet.io.writers.images import write_mrc_stack

    movie = place / "movie.mrcs"
    write_mrc_stack(movie, frames(count), pixel_size=PIXEL_SIZE)
    return movie


def write_images(place: Path, count: int) -> Path:
    """Write so many images; return their folder."""
    from masks_speed import picture

    from nanonet.io.writers.images import write_tif

    folder = place / "images"
    folder.mkdir()
    for number in range(count):
        image, _ = picture(np.random.default_rng([number]))
        write_tif(folder / f"{number}.tif", [image], pixel_size=5.0)
    return folder


def measure(source: Path, count: int, words: Sequence[str]) -> dict[str, float]:
    """Run the pipeline on the first ``count`` frames in a child process; return its peak memory and time."""
    words = ["infer", "pipeline=particles", f"input={source}", f"read.frames=0:{count}", *words]
    words.append(f"output={source.with_name(f'run_{count}')}")
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "nanonet", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    rate = count / (time.perf_counter() - start)
    return {"frames": count, "peak_MiB": usage.ru_maxrss / 1024, "frames_per_s": rate}


def main() -> None:
    """Print a table, then its headline figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the frames")
    parser.add_argument("--segment", choices=LENGTHS, default="network")
    parser.add_argument("--images", action="store_true", help="a folder of images in place of a movie")
    parser.add_argument("words", nargs="*", help="more of nanonet infer, such as cluster=local workers=2")
    chosen = parser.parse_args()
    write, lengths = (write_images, IMAGES) if chosen.images else (write_movie, LENGTHS[chosen.segment])
    short, long = (count // 5 if chosen.quick else count for count in lengths)
    words = [f"segment={chosen.segment}", *chosen.words]
    with tempfile.TemporaryDirectory() as place:
        source = write(Path(place), long)
        rows = [measure(source, count, words) for count in (short, long)]
    print(f"{'frames':>8} {'peak MiB':>10} {'frames/s':>10}")
    for row in rows:
        print(f"{row['frames']:8.0f} {row['peak_MiB']:10.0f} {row['frames_per_s']:10.1f}")
    ratio = rows[1]["peak_MiB"] / rows[0]["peak_MiB"]
    headline = {"peak_MiB_short": rows[0]["peak_MiB"], "peak_MiB_long": rows[1]["peak_MiB"], "ratio": ratio}
    print(json.dumps(headline | {"frames_per_s": rows[1]["frames_per_s"]}))


if __name__ == "__main__":
    main()
