"""Movies in the format that their suffix says, written frame by frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Shaped

from nanonet.records import InputError, Modality

Target: TypeAlias = str | os.PathLike[str]
Frames: TypeAlias = Iterable[Shaped[np.ndarray, "y x"]]


@dataclass(frozen=True, kw_only=True)
class MovieFacts:
    """What is known of a movie before its first frame.

    Parameters
    ----------
    shape
        (t, y, x).
    dtype
        Of the pixels: "int8", "int16", "uint16" or "float32", which every format has.
    pixel_size
        Å.
    frame_time
        Seconds between the starts of two frames.
    energy
        Beam energy [eV].
    dose
        e/Å² in one frame.
    """

    shape: tuple[int, int, int]
    dtype: str
    pixel_size: float | None
    frame_time: float | None = None
    energy: float | None = None
    dose: float | None = None
    modality: Modality | None = None

    def in_words(self) -> str:
        """Return what formats have no field for."""
        told = (
            (self.modality, "{}"),
            (self.energy, "{:g} eV"),
            (self.dose, "{:g} electrons per square angstrom and frame"),
        )
        return ", ".join(words.format(value) for value, words in told if value is not None)


def require_movie_name(file: str) -> None:
    """Raise an InputError unless ``file`` is a plain name that ends in the suffix of a format."""
    if Path(file).name != file or Path(file).suffix.lower() not in _WRITERS:
        raise InputError(f"file must be a name that ends in {', '.join(_WRITERS)}, got '{file}'")


def write_movie(path: Target, frames: Frames, facts: MovieFacts) -> None:
    """Write a movie; it appears whole or not at all, and one frame is held at a time.

    MRC has no place for frame time, energy and dose; tif says energy and dose in its description only;
    DigitalMicrograph and hyperspy files hold no dose.

    Parameters
    ----------
    path
        Its suffix says the format: .mrc, .mrcs, .tif, .tiff, .hspy, .emd, .dm3 or .dm4.

    Raises
    ------
    InputError
        If the suffix is of none of these formats, or the disk refuses.
    ValueError
        If the frames are not as ``facts`` say.
    """
    require_movie_name(Path(path).name)
    _WRITERS[Path(path).suffix.lower()](path, _checked(frames, facts), facts)


def _checked(frames: Frames, facts: MovieFacts) -> Iterator[np.ndarray]:
    """Yield the frames, each of the announced size and type, in the announced number."""
    count = 0
    for frame in frames:
        if (frame.shape, frame.dtype.name) != (facts.shape[1:], facts.dtype):
            wanted = f"{facts.dtype} {facts.shape[1:]}"
            raise ValueError(f"frame {count} must be {wanted}, got {frame.dtype} {frame.shape}")
        count += 1
        yield frame
    if count != facts.shape[0]:
        raise ValueError(f"{facts.shape[0]} frames were announced, {count} came")


def _dm(path: Target, frames: Frames, facts: MovieFacts) -> None:
    from nanonet.io.writers.dm import write_dm

    write_dm(
        path,
        frames,
        facts.shape,
        facts.dtype,
        pixel_size=facts.pixel_size,
        energy=facts.energy,
        frame_time=facts.frame_time,
        modality=facts.modality,
    )


def _emd(path: Target, frames: Frames, facts: MovieFacts) -> None:
    from nanonet.io.writers.emd import write_emd

    write_emd(
        path,
        frames,
        pixel_size=facts.pixel_size,
        frame_time=facts.frame_time,
        energy=facts.energy,
        dose=facts.dose,
        modality=facts.modality,
    )


def _hspy(path: Target, frames: Frames, facts: MovieFacts) -> None:
    from nanonet.io.writers.hspy import write_hspy

    write_hspy(path, frames, pixel_size=facts.pixel_size, frame_time=facts.frame_time, energy=facts.energy)


def _mrc(path: Target, frames: Frames, facts: MovieFacts) -> None:
    from nanonet.io.writers.stacks import write_mrc_stack

    write_mrc_stack(path, frames, pixel_size=facts.pixel_size)


def _tif(path: Target, frames: Frames, facts: MovieFacts) -> None:
    from nanonet.io.writers.images import TifWriter

    with TifWriter(
        path,
        pixel_size=facts.pixel_size,
        n_frames=facts.shape[0],
        frame_time=facts.frame_time,
        description=facts.in_words(),
    ) as tif:
        for frame in frames:
            tif.write(frame)


_WRITERS: Mapping[str, Callable[[Target, Frames, MovieFacts], None]] = {
    **dict.fromkeys((".mrc", ".mrcs"), _mrc),
    **dict.fromkeys((".tif", ".tiff"), _tif),
    ".hspy": _hspy,
    ".emd": _emd,
    **dict.fromkeys((".dm3", ".dm4"), _dm),
}
