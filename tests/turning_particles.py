"""Small gold particles seen from everywhere."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from nanonet.atoms.crystal import Crystal, crystal_of
from nanonet.tumbling.boxes import Boxes

PIXEL = 0.4
SIDE = 56
GOLD = crystal_of("Au")
U_ISO = 0.2
WEIGHT = 30.0


@dataclass(frozen=True, kw_only=True)
class Turning:
    """Boxes of a particle, and where its atoms are from the middle; shifts (x, y) are in pixels."""

    boxes: Boxes
    positions: Float[np.ndarray, "n 3"]
    rotations: Float[np.ndarray, "t 3 3"]
    shifts: Float[np.ndarray, "t 2"]


def projection(
    positions: Float[np.ndarray, "n 3"], shift: Float[np.ndarray, "2"], side: int = SIDE
) -> Float[np.ndarray, "s s"]:
    """Return the picture of Gaussian atoms."""
    ticks = (np.arange(side) - side // 2) * PIXEL
    x, y = (
        np.exp(-((ticks - positions[:, axis, None] - shift[axis] * PIXEL) ** 2) / (2 * U_ISO))
        / np.sqrt(2 * np.pi * U_ISO)
        for axis in (0, 1)
    )
    return np.asarray(WEIGHT * y.T @ x)


def particle(crystal: Crystal = GOLD) -> Float[np.ndarray, "n 3"]:
    """Return a particle that lacks a corner, an atom in its middle."""
    from ase.cluster import Octahedron

    sites = Octahedron("Au", 7, 2, latticeconstant=crystal.lattice_constant).get_positions()
    sites = sites - sites.mean(0)
    return np.asarray(sites[sites @ [1.0, 0.8, 0.5] < 8.5])


def turning(count: int, noise: float, seed: int = 0, stretch: float = 1.0) -> Turning:
    """Return boxes of a particle seen from everywhere."""
    rng = np.random.default_rng(seed)
    positions = particle() * stretch
    rotations = Rotation.random(count, rng=rng).as_matrix()
    shifts = rng.normal(scale=1.0, size=(count, 2))
    clean = [projection(positions @ r.T, s) for r, s in zip(rotations, shifts, strict=True)]
    pictures = np.stack(clean) + rng.normal(scale=np.sqrt(noise), size=(count, SIDE, SIDE))
    boxes = Boxes(
        pictures=pictures.astype(np.float32),
        rows=np.arange(count),
        frames=np.arange(count),
        centres=np.full((count, 2), SIDE // 2),
        pixel_size=PIXEL,
        noise=np.full(SIDE // 2 + 1, noise),
    )
    return Turning(boxes=boxes, positions=positions, rotations=rotations, shifts=shifts)
