"""What stages find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records.checks import require_positive
from nanonet.records.tables import Table


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
        (n,) chance that the particle is real, 0..1; NaN where the method gives none. 0 is what the separation
        was asked to keep although it breaks its rule of what a single particle is.
    unresolved
        Share of the frame, 0..1, in overlapping particles that could not be told apart, dropped or kept; None
        where the method does not tell.
    note
        How settings were chosen where the image decides them, for the user to read.
    """

    labels: Int[np.ndarray, "y x"]
    separated: Bool[np.ndarray, " n"]
    confidence: Float[np.ndarray, " n"]
    unresolved: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """What a pipeline found in one frame: tables, and maps (y, x) under the stem of the file they go to."""

    frame: int
    tables: tuple[Table, ...] = ()
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ParticleImages:
    """Particles cut out of their images, for clustering and reconstruction.

    Parameters
    ----------
    images
        (n, y, x) square; the particle lies near pixel n // 2 of each side, the background is subtracted and
        neighbours are blanked to 0, the mean of the background. Intensities are otherwise the detector's.
    particle_ids
        (n,) number of each in the table of particles.
    pixel_size
        Å, the same for all.
    noise
        (n,) standard deviation of a pixel of the background around each.
    """

    images: Float[np.ndarray, "n y x"]
    particle_ids: Int[np.ndarray, " n"]
    pixel_size: float
    noise: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        require_positive(self, "pixel_size", "Å")

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class ShellCorrelation:
    """Fourier shell correlation of two maps: ``correlation`` (k,) at ``frequency`` (k,) [1/Å], rising."""

    frequency: Float[np.ndarray, " k"]
    correlation: Float[np.ndarray, " k"]


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
        require_positive(self, "voxel_size", "Å")


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
