"""A platinum particle that lies askew, and maps of it with white noise."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.records import Volume

VOXEL = 0.36
LATTICE = 3.96


@dataclass(frozen=True)
class Particle:
    """Atoms of one kind in a box, and a map of them."""

    atoms: GaussianAtoms
    side: int

    def map(self, noise: float, seed: int = 0) -> Volume:
        """Return the map with white noise of a standard deviation."""
        clean = draw(self.atoms, (self.side,) * 3, VOXEL)
        added = np.random.default_rng(seed).normal(scale=noise, size=clean.shape)
        return Volume(density=(clean + added).astype(np.float32), voxel_size=VOXEL)


@pytest.fixture(scope="session")
def particle() -> Particle:
    """The truncated octahedron of 201 atoms, turned, U of 0.2 Å²."""
    from ase.cluster import Octahedron

    sites = Octahedron("Pt", 7, 2, latticeconstant=LATTICE).get_positions()
    sites -= sites.mean(0)
    turned = sites @ Rotation.from_rotvec([0.4, -0.7, 0.3]).as_matrix().T
    side = 68
    count = len(sites)
    return Particle(
        GaussianAtoms(
            positions=turned + VOXEL * (side // 2 + 0.3),
            weights=np.full(count, 100.0),
            u_iso=np.full(count, 0.2),
        ),
        side,
    )
