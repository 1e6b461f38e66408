"""Movies to read: a simulated particle of ceria, as it is or side by side in frames of any size."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nanonet.io.read import read_series
from nanonet.io.writers.images import write_mrc_stack
from nanonet.records import Series
from nanonet.records.images import mirrored

PIXEL_SIZE = 0.25
"""Å, that of the network: frames of the same size in pixels cannot take longer."""
DOSE = 800.0
"""e/Å² that is simulated; half of the electrons are kept in each copy."""
_VACUUM = 16
"""Rows at the top of the simulated frames that show nothing."""


def particle(folder: Path) -> Series:
    """Return a movie of one particle, 160 x 160 pixels, about 65 columns that come and go.

    It takes half a minute to simulate and is kept in the folder.
    """
    movie = folder / "particle" / "movie.dm4"
    if not movie.exists():
        words = ["simulate", "experiment=demo_movie", f"microscope.dose={DOSE:g}", f"output={movie.parent}"]
        done = subprocess.run([sys.executable, "-m", "nanonet", *words], stdout=subprocess.DEVNULL)
        if done.returncode:
            raise SystemExit(done.returncode)
    return read_series(movie)


def write_movie(path: Path, one: Series, *, frames: int, side: int, copies: bool) -> Path:
    """Write a movie of counts, ``side`` pixels square, as an mrc stack; one that is there is kept.

    Parameters
    ----------
    one
        The movie of one particle; after its last frame it is played backwards, and so on.
    copies
        Whether the particle fills the frame with copies of itself; else one of it is in the middle of vacuum.
    """
    if not path.exists():
        write_mrc_stack(path, _frames(one, frames, side, copies), pixel_size=PIXEL_SIZE)
    return path


def _frames(one: Series, frames: int, side: int, copies: bool) -> Iterator[np.ndarray]:
    """Yield frames of counts; copies differ in their noise, since each keeps a random half of the counts."""
    rng = np.random.default_rng([0])
    for frame in range(frames):
        counts = one[mirrored(frame, len(one))].image.astype(np.int64)
        whole = _tiled(counts, side) if copies else _amid_vacuum(counts, side, rng)
        yield rng.binomial(whole, 0.5).astype(np.uint16)


def _tiled(counts: np.ndarray, side: int) -> np.ndarray:
    times = -(-side // min(counts.shape))
    return np.tile(counts, (times, times))[:side, :side]


def _amid_vacuum(counts: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return the particle in the middle; around it is what its own frame shows above it, with its noise."""
    strips = [
        np.roll(np.tile(counts[:_VACUUM], (1, -(-side // counts.shape[1]))), step, 1)
        for step in rng.integers(counts.shape[1], size=-(-side // _VACUUM))
    ]
    whole = np.concatenate(strips)[:side, :side]
    first = (side - counts.shape[0]) // 2
    whole[first : first + counts.shape[0], first : first + counts.shape[1]] = counts
    return whole
