"""What passes between stages: frozen records that carry their units.

Lengths are in Å, energies in eV, angles of optics in mrad, times in s, doses in e/Å². Unknown is
``None``, never 0. Where the user measures in pixels (``read.pixel_size=px``) ``pixel_size`` is ``None``
and tables name their lengths ``_px``. Axes, centres and signs are in docs/conventions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

Modality = Literal["HRTEM", "BF-TEM", "HAADF", "ADF", "BF-STEM", "SEM"]


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line that says what to do about it."""


@runtime_checkable
class Frames(Protocol):
    """A lazy stack of frames: ``frames[i]`` reads frame i as a float32 array (y, x)."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Float[np.ndarray, "y x"]: ...


@dataclass(frozen=True, kw_only=True)
class Micrograph:
    """One frame, read into memory.

    Parameters
    ----------
    image
        Intensities as the file gives them (no normalisation), float32, (y, x).
    name
        File name of the image or movie it comes from.
    frame
        Index of the frame in its series, from 0.
    pixel_size
        Å per pixel along y and x, or None where lengths are measured in pixels.
    modality
        How it was recorded, None where unknown.
    energy
        Beam energy [eV].
    dose
        Electrons per Å² in this frame.
    frame_time
        Seconds between the starts of two frames.
    """

    image: Float[np.ndarray, "y x"]
    name: str
    frame: int = 0
    pixel_size: float | None = None
    modality: Modality | None = None
    energy: float | None = None
    dose: float | None = None
    frame_time: float | None = None

    def __post_init__(self) -> None:
        _require_positive(self, "pixel_size", "Å")
        _require_positive(self, "energy", "eV")
        _require_positive(self, "dose", "e/Å²")
        _require_positive(self, "frame_time", "s")
        if self.image.ndim != 2:
            raise InputError(f"an image must have 2 axes (y, x), got shape {self.image.shape} in {self.name}")


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The frames of one file, read when asked for, with the calibration that the file gives.

    Parameters
    ----------
    frames
        Lazy frames, each float32 (y, x), all of one ``shape``.
    shape
        (t, y, x).
    name
        File name.
    path
        Where the file lies, for provenance; None for arrays that come from no file.
    notes
        What was done on reading that the user should know ("pixels 0.20 x 0.25 Å resampled to 0.20 Å").
    """

    frames: Frames
    shape: tuple[int, int, int]
    name: str
    path: str | None = None
    pixel_size: float | None = None
    modality: Modality | None = None
    energy: float | None = None
    dose: float | None = None
    frame_time: float | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_positive(self, "pixel_size", "Å")
        if len(self.frames) != self.shape[0]:
            raise InputError(f"{self.name} holds {len(self.frames)} frames, its shape says {self.shape[0]}")

    def __len__(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Frames in order: one movie, or the images of a folder (which may differ in shape and pixel size).

    ``series[i]`` reads frame i as a `Micrograph`; nothing else is held in memory.
    """

    name: str
    stacks: tuple[Stack, ...]

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError(f"{self.name} holds no frames")

    def __len__(self) -> int:
        return sum(len(stack) for stack in self.stacks)

    def __getitem__(self, index: int) -> Micrograph:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        stack, local = self.locate(index)
        return Micrograph(
            image=stack.frames[local],
            name=stack.name,
            frame=index,
            pixel_size=stack.pixel_size,
            modality=stack.modality,
            energy=stack.energy,
            dose=stack.dose,
            frame_time=stack.frame_time,
        )

    def __iter__(self) -> Iterator[Micrograph]:
        return (self[i] for i in range(len(self)))

    def locate(self, index: int) -> tuple[Stack, int]:
        """Return the stack that holds frame ``index``, and the frame's index in that stack."""
        for stack in self.stacks:
            if index < len(stack):
                return stack, index
            index -= len(stack)
        raise IndexError(index)

    @property
    def is_movie(self) -> bool:
        """Whether the frames follow each other in time: one file of several frames."""
        return len(self.stacks) == 1 and len(self) > 1

    @property
    def is_folder(self) -> bool:
        """Whether the frames are files of a folder or glob, rather than those of one named file."""
        return len(self.stacks) > 1 or self.name != self.stacks[0].name

    @property
    def pixel_size(self) -> float | None:
        """The pixel size that all frames share [Å]; an `InputError` where they differ."""
        sizes = {stack.pixel_size for stack in self.stacks}
        if len(sizes) > 1:
            raise InputError(f"the images of {self.name} differ in pixel size: {sorted(map(str, sizes))} Å")
        return sizes.pop()


@dataclass(frozen=True, kw_only=True)
class Probabilities:
    """Per-pixel class probabilities of one frame; ``values`` is (class, y, x) and sums to 1 over classes."""

    values: Float[np.ndarray, "c y x"]
    classes: tuple[str, ...]
    pixel_size: float | None = None


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """Instances of one frame.

    Parameters
    ----------
    labels
        0 is background, particle i is i (1..n without gaps), int32 (y, x).
    separated
        (n,) True where particle i + 1 was cut from a touching neighbour.
    confidence
        (n,) chance that the particle is real, 0..1; NaN where the method gives none.
    """

    labels: Int[np.ndarray, "y x"]
    separated: Bool[np.ndarray, " n"]
    confidence: Float[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: its name, its unit ("" for none), what it means and how it was obtained."""

    name: str
    unit: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the output contract: ``data`` has just the columns that ``columns`` describes, in order.

    Raises
    ------
    ValueError
        If ``data`` lacks a described column or has one that is not described.
    """

    stem: ClassVar[str] = "table"
    data: pd.DataFrame
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if sorted(names) != sorted(self.data.columns):
            odd = sorted(set(names) ^ set(self.data.columns))
            raise ValueError(f"{type(self).__name__} and its described columns differ in {odd}")
        if names != list(self.data.columns):
            object.__setattr__(self, "data", self.data[names])

    def __len__(self) -> int:
        return len(self.data)

    def with_data(self, data: pd.DataFrame) -> Table:
        """Return the same kind of table with other rows."""
        return replace(self, data=data)


class ParticleTable(Table):
    """particles.csv: one row a particle and frame."""

    stem = "particles"


class ColumnTable(Table):
    """columns.csv: one row an atomic column and frame."""

    stem = "columns"


class LatticeTable(Table):
    """lattice.csv: the two-dimensional lattice fitted to the columns of each frame."""

    stem = "lattice"


class SummaryTable(Table):
    """summary.csv: the headline numbers of a run, each with its 90 % interval."""

    stem = "summary"


class ClassTable(Table):
    """classes.csv: the class of each particle, with its probability."""

    stem = "classes"


class AtomTable(Table):
    """atoms.csv: one row an atom."""

    stem = "atoms"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A headline number with its 90 % interval; ``low`` and ``high`` are None where it is exact (a count)."""

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """What a pipeline found in one frame: tables, and maps (y, x) under the stem of the file they go to."""

    frame: int
    tables: tuple[Table, ...] = ()
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Orientations:
    """Poses: ``rotations`` (n, 3, 3) act on column vectors (x, y, z); ``shifts`` (n, 2) are (y, x) in Å."""

    rotations: Float[np.ndarray, "n 3 3"]
    shifts: Float[np.ndarray, "n 2"]
    particle_ids: Int[np.ndarray, " n"]
    class_ids: Int[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A 3D map (z, y, x) with cubic voxels of ``voxel_size`` [Å], and its two independent halves if any."""

    density: Float[np.ndarray, "z y x"]
    voxel_size: float
    half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]] | None = None

    def __post_init__(self) -> None:
        _require_positive(self, "voxel_size", "Å")


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a result comes from: versions, commit, seed, resolved config, hashes of the inputs."""

    created: str
    command: str
    versions: Mapping[str, str]
    commit: str | None
    seed: int | None
    machine: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ColumnSample:
    """A drawn training image of a crystal on a zone axis, with its exact truth.

    Parameters
    ----------
    image
        Counts (y, x), float32.
    positions
        (n, 2) column positions (y, x) in Å from the centre of the first pixel, of columns of depth >= 1.
    depths
        (n,) atoms in the column.
    structure
        Which simulated structure it was drawn from; splits go by this.
    settings
        What was drawn: dose [e/Å²], defocus [Å], ... each under its name.
    """

    image: Float[np.ndarray, "y x"]
    pixel_size: float
    positions: Float[np.ndarray, "n 2"]
    depths: Int[np.ndarray, " n"]
    structure: int
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A network ready to be applied, free of any framework.

    Parameters
    ----------
    predict
        Maps counts (b, y, x), float32, of any size to logits (b, class, y, x) of the same y and x. The
        network normalises by itself, so that training and inference can never differ in it.
    task
        "column_depth" (class d is a column of d atoms, class 0 background) or "particle_mask".
    pixel_size
        Å per pixel of the images it was trained on: an image is resampled to it first.
    trained_range
        Lowest and highest value of each setting in training, e.g. {"dose": (200.0, 4000.0)}.
    name
        Where it was loaded from, and the SHA-256 of its weights.
    """

    predict: Callable[[np.ndarray], np.ndarray]
    task: str
    pixel_size: float
    modality: Modality | None
    trained_range: Mapping[str, tuple[float, float]]
    name: str
    sha256: str


def _require_positive(record: object, name: str, unit: str) -> None:
    value = getattr(record, name)
    if value is not None and not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} must be positive and finite, got {value} {unit}")
