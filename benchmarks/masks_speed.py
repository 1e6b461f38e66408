"""How long an image of 1,024 x 1,024 pixels with some 500 particles takes from file to table."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from overlap_scenes import scene

from nanonet.io import read_series
from nanonet.io.writers.images import write_tif
from nanonet.measure.properties import measure
from nanonet.segment.network import segment
from nanonet.train.checkpoint import load_network

SIDE = 1024
GROUPS = 680
REPEATS = 3


def sizes(rng: np.random.Generator) -> np.ndarray:
    """Return the diameters [px] of a particle or of two that touch."""
    return 24.0 * rng.uniform(0.5, 1.0, int(rng.integers(1, 3)))


def picture(rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return an image (y, x) of some 500 particles, and how many it shows."""
    drawn = scene(partial(sizes, rng), groups=GROUPS, overlap=0.15, noise=0.7, rng=rng)
    image = drawn.image(rng)[:SIDE, :SIDE].astype(np.float32)
    return image, len(np.unique(drawn.visible[:SIDE, :SIDE])) - 1


def main() -> None:
    """Print and return the least seconds of the clock and of all processors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    parser.add_argument("--checkpoint", default="zoo:particle_masks")
    words = parser.parse_args()
    image, true = picture(np.random.default_rng(0))
    network = load_network(words.checkpoint, task="particle_mask")
    clock, processor, found = [], [], 0
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "image.tif"
        write_tif(path, [image], pixel_size=5.0)
        for _ in range(REPEATS):
            start = time.perf_counter(), time.process_time()
            micrograph = read_series(path)[0]
            found = len(measure(micrograph, segment(micrograph, network=network)))
            clock.append(time.perf_counter() - start[0])
            processor.append(time.process_time() - start[1])
    print(f"{found} of {true} found: {min(clock):.2f} s by the clock, {min(processor):.2f} s of a processor")
    print(json.dumps({"true": true, "found": found, "clock_s": min(clock), "processor_s": min(processor)}))


if __name__ == "__main__":
    main()
