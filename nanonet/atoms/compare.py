"""Two models of a particle: common, lost, gained and displaced atoms, and what noise alone makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import chi2

from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detected import Detected
from nanonet.atoms.docking import Pose, dock, paired
from nanonet.atoms.gaussian_atoms import draw
from nanonet.atoms.noise import Grid
from nanonet.atoms.scene import Scene
from nanonet.records import Volume

_COMMON = 0.45
"""Of the lattice constant, within which an atom is the same (Wietfeldt et al., 2024)."""
_RATE = 0.05


@dataclass(frozen=True, kw_only=True)
class Model:
    """Atoms: positions (n, 3) as (x, y, z) in Å, and their standard deviations, NaN where not known."""

    name: str
    positions: Float[np.ndarray, "n 3"]
    errors: Float[np.ndarray, "n 3"]

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a model has in common with an earlier one.

    Parameters
    ----------
    pose
        Takes the earlier model onto this one.
    own, other
        (k,) atoms of this model and of the earlier that are the same.
    distances
        (k,) Å between them.
    p_values
        (k,) chance that errors alone put them as far apart; NaN where errors are not known.
    displaced
        (k,) farther than errors explain, at a false-discovery rate of 5 %.
    gained, lost
        Atoms of this model that the earlier lacks, and of the earlier that this lacks.
    """

    pose: Pose
    own: Int[np.ndarray, " k"]
    other: Int[np.ndarray, " k"]
    distances: Float[np.ndarray, " k"]
    p_values: Float[np.ndarray, " k"]
    displaced: Bool[np.ndarray, " k"]
    gained: Int[np.ndarray, " g"]
    lost: Int[np.ndarray, " l"]

    @property
    def rmsd(self) -> float:
        """Root mean square distance of common atoms [Å]."""
        return float(np.sqrt((self.distances**2).mean())) if len(self.distances) else float("nan")

    @property
    def counts(self) -> dict[str, int]:
        """How many atoms are common, displaced (of the common), gained and lost."""
        return {
            "common": len(self.own),
            "displaced": int(self.displaced.sum()),
            "gained": len(self.gained),
            "lost": len(self.lost),
        }


def compare(model: Model, earlier: Model, crystal: Crystal) -> Comparison:
    """Return how a model differs from an earlier one, which is docked onto it first."""
    pose = dock(earlier.positions, model.positions, crystal)
    moved = pose(earlier.positions)
    own, other, distances = paired(model.positions, moved, _COMMON * crystal.lattice_constant)
    turned = np.sqrt(np.einsum("ij,nj->ni", pose.rotation**2, earlier.errors**2))
    variance = model.errors[own] ** 2 + turned[other] ** 2
    p_values = chi2.sf(((model.positions[own] - moved[other]) ** 2 / variance).sum(axis=1), 3)
    return Comparison(
        pose=pose,
        own=own,
        other=other,
        distances=distances,
        p_values=p_values,
        displaced=_below_rate(p_values),
        gained=np.setdiff1d(np.arange(len(model)), own),
        lost=np.setdiff1d(np.arange(len(earlier)), other),
    )


def _below_rate(p_values: Float[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    """Return which are discoveries at a rate of 5 % (Benjamini and Hochberg, 1995)."""
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    passed = p_values[order] <= _RATE * np.arange(1, len(order) + 1) / max(len(order), 1)
    found = np.zeros(len(p_values), dtype=bool)
    found[order[: int(np.flatnonzero(passed).max(initial=-1)) + 1]] = True
    return found


def model_of(detected: Detected, name: str) -> Model:
    """Return the atoms of a map as a model."""
    return Model(name=name, positions=detected.fit.atoms.positions, errors=detected.fit.position_errors)


def by_noise(
    detected: Detected,
    detect: Callable[[Volume, Crystal], Detected],
    crystal: Crystal,
    draws: int,
    rng: np.random.Generator,
) -> Iterator[Comparison]:
    """Yield comparisons of models of the same atoms, of maps that differ by nothing but noise.

    The found atoms are drawn with noise of the map's spectrum, ``draws`` times, and found again as they were
    (parametric bootstrap); each is compared with the one before, the second with the first and so on.
    """
    scene, before = detected.scene, None
    z, y, x = scene.density.shape
    clean = scene.seen(draw(detected.fit.atoms, (z, y, x), scene.voxel_size))
    for number in range(draws + 1):
        volume = Volume(density=clean + noise_like(scene, rng), voxel_size=scene.voxel_size)
        model = model_of(detect(volume, crystal), f"noise {number}")
        if before is not None:
            yield compare(model, before, crystal)
        before = model


def noise_like(scene: Scene, rng: np.random.Generator) -> Float[np.ndarray, "z y x"]:
    """Return noise of a map's spectrum, in the directions that were measured."""
    z, y, x = scene.density.shape
    grid = Grid(shape=(z, y, x), voxel_size=scene.voxel_size, margin=0.0)
    noise = scene.noise
    power = np.interp(grid.frequency, noise.frequency, noise.power) * (grid.frequency <= noise.highest)
    power *= noise.coverage.measured[grid.cells]
    white = rng.normal(size=grid.padded).astype(np.float32)
    field = grid.back(np.fft.rfftn(white) * np.sqrt(power / scene.voxel_size**3))
    return np.asarray(field, dtype=np.float32)


def in_every(count: int, comparisons: list[Comparison]) -> Bool[np.ndarray, " n"]:
    """Return which of a model's atoms all others have too: the core that they share."""
    shared = np.ones(count, dtype=bool)
    for one in comparisons:
        has = np.zeros(count, dtype=bool)
        has[one.own] = True
        shared &= has
    return shared
