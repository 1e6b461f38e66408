"""What readers made of movies, kept: a reader that is as it was does not read the same movie again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from column_depth_exposures import Exposure, KnownMovie
from column_depth_readers import NAMES, Reader


@dataclass(frozen=True, kw_only=True)
class Case:
    """One movie, recorded once.

    Parameters
    ----------
    condition
        Under which its counts are added up with those of other cases.
    dose
        In units of the movie's own.
    stretch
        What the true pixel size is multiplied by before readers are told it.
    """

    condition: str
    particle: int
    seed: int
    dose: float
    variant: str = ""
    stretch: float = 1.0


def reading(
    folder: Path, name: str, reader: Reader, case: Case, movie: KnownMovie, expose: Callable[[], Exposure]
) -> pd.DataFrame:
    """Return what a reader makes of a case, from its file in a folder where it is there.

    The file's name holds digests of the reader and of the movie: weights, configs, code or images that are
    others are read anew.

    Parameters
    ----------
    expose
        Makes the exposure, which a file makes unnecessary.
    """
    from nanonet.io.atomic import atomic_path

    frames = reader.frames(len(movie.depths), case.seed)
    place = folder / f"{name}_{reader.identity[:12]}"
    file = place / f"{case.condition}_{case.particle:02d}_{case.seed}_{_digest(case, movie, frames)}.npz"
    if not file.exists():
        table = reader.read(expose().only(frames))
        with atomic_path(file) as hidden:
            np.savez_compressed(
                hidden,
                frame=table["frame"].to_numpy(np.int32),
                values=table[list(NAMES)].to_numpy(np.float32),
            )
    # From the file even now: a second run must not differ by a rounding.
    with np.load(file) as stored:
        data = pd.DataFrame(stored["values"].astype(float), columns=list(NAMES))
        data.insert(0, "frame", stored["frame"].astype(int))
    return data


def _digest(case: Case, movie: KnownMovie, frames: range) -> str:
    told = repr((sorted(asdict(case).items()), movie.setting, frames))
    digest = hashlib.sha256(told.encode())
    for array in (movie.expected, movie.positions):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]
