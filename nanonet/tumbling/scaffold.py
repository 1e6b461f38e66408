"""The sites that atoms of a crystal may be at, about a centre of full symmetry, and maps of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree

from nanonet.atoms.crystal import Crystal
from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.reconstruct.point_group import operations
from nanonet.records import InputError

_SAME = 0.05
"""Å within which two sites are one."""
_CENTRES = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5))
"""Points of a cubic cell that may have its full symmetry."""
_STRETCH = 0.02
"""By which the lattice may be stretched to fit a map."""
_LONGEST = 1.15
"""Of the waves that tell the lattice, over the bond: the first line of fcc and bcc has 0.82, that of sc 1."""
_ROUNDS = 6
_STEP = 0.7


@dataclass(frozen=True, kw_only=True)
class Scaffold:
    """Sites, and the rotations and rotations with inversion that bring them to each other.

    Parameters
    ----------
    sites
        (n, 3) as (x, y, z) from the centre, along the axes of the point group [Å].
    operations
        (g, 3, 3) orthogonal, those of determinant 1 first, the identity the first of all.
    point_group
        Of those of determinant 1.
    name
        What stands in the centre.
    """

    sites: Float[np.ndarray, "n 3"]
    operations: Float[np.ndarray, "g 3 3"]
    point_group: str
    name: str

    def __len__(self) -> int:
        return len(self.sites)

    @cached_property
    def distance(self) -> Float[np.ndarray, " n"]:
        """Of each site from the centre [Å]."""
        return np.asarray(np.linalg.norm(self.sites, axis=1))

    @cached_property
    def images(self) -> Int[np.ndarray, "g n"]:
        """Site that each operation brings each site to."""
        tree = cKDTree(self.sites)
        return np.stack([tree.query(self.sites @ one.T)[1] for one in self.operations])

    def symmetrised(self, occupancies: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the mean of occupancies over all operations."""
        return np.asarray(occupancies[self.images].mean(0))


def scaffolds(crystal: Crystal, reach: float) -> tuple[Scaffold, ...]:
    """Return the sites of a cubic crystal up to a distance [Å] from each kind of centre of its full symmetry.

    Raises
    ------
    InputError
        If the crystal is not cubic, or has atoms of several kinds.
    """
    if crystal.of_ions or crystal.is_alloy:
        raise InputError(
            f"a tumbling particle of {'-'.join(crystal.elements)}: only crystals of one element can be "
            "started from"
        )
    proper = operations("O")
    found: list[Scaffold] = []
    for centre in _CENTRES:
        sites = _sites(crystal, reach, np.array(centre) * crystal.lattice_constant)
        tree = cKDTree(sites)
        if any(len(one) == len(sites) and tree.query(one.sites)[0].max() < _SAME for one in found):
            continue  # of bcc both centres are alike
        whole = np.concatenate([proper, -proper])
        if all(tree.query(sites @ one.T)[0].max() < _SAME for one in whole):
            name = (
                "an atom in the centre"
                if (np.linalg.norm(sites, axis=1) < _SAME).any()
                else "a gap in the centre"
            )
            found.append(Scaffold(sites=sites, operations=whole, point_group="O", name=name))
    if not found:
        raise InputError(
            f"structure={crystal.structure} has no centre of cubic symmetry, which a start needs"
        )
    return tuple(found)


def _sites(crystal: Crystal, reach: float, centre: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "n 3"]:
    """Return the sites of a lattice within a ball, from its centre."""
    vectors = crystal.primitive * crystal.lattice_constant
    most = (
        int(np.ceil((reach + np.linalg.norm(centre)) * np.linalg.norm(np.linalg.inv(vectors), axis=0).max()))
        + 1
    )
    nodes = np.stack(np.meshgrid(*[np.arange(-most, most + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    nodes = nodes[crystal.allowed(nodes)]
    places = nodes @ vectors - centre
    return np.asarray(places[np.linalg.norm(places, axis=1) <= reach])


@dataclass(frozen=True, kw_only=True)
class SiteMaps:
    """Draws the sites of a scaffold into maps of few voxels, and reads occupancies from maps.

    A map's unit is such that its transform's value at frequency 0 is the sum of a picture's pixels.

    Parameters
    ----------
    side, voxel_size
        Voxels of a side, and Å.
    pixel_size
        Of the pictures [Å].
    highest
        Frequency up to which maps hold anything [cycles a side].
    weight
        Integral of one atom's picture [intensity · Å²].
    u_iso
        Variance of an atom's picture along a direction [Å²].
    """

    scaffold: Scaffold
    side: int
    voxel_size: float
    pixel_size: float
    highest: int
    weight: float
    u_iso: float

    def density(self, occupancies: Float[np.ndarray, " n"]) -> Float[np.ndarray, "s s s"]:
        """Return the map of sites with these occupancies."""
        there = np.flatnonzero(occupancies)
        unit = self.weight * self.voxel_size**3 / self.pixel_size**2
        atoms = GaussianAtoms(
            positions=self.scaffold.sites[there] + self.voxel_size * (self.side // 2),
            weights=occupancies[there] * unit,
            u_iso=np.full(len(there), self.u_iso),
        )
        drawn = np.fft.rfftn(draw(atoms, (self.side,) * 3, self.voxel_size))
        return np.asarray(np.fft.irfftn(drawn * self._seen, s=(self.side,) * 3))

    def occupancies(
        self, density: Float[np.ndarray, "s s s"], lowest: float, highest: float
    ) -> Float[np.ndarray, " n"]:
        """Return the occupancies, within limits, whose map is nearest to a map at the sites.

        Each is the map under an atom's bell, less what the neighbours leave there (Jacobi's iteration).
        """
        data = self._under_bells(density)
        found = np.clip(data / self._own, lowest, highest)
        for _ in range(_ROUNDS):
            rest = data - self._under_bells(self.density(found))
            found = np.clip(found + _STEP * rest / self._own, lowest, highest)
        return np.asarray(found)

    def fitted(self, density: Float[np.ndarray, "s s s"]) -> SiteMaps:
        """Return these with the sites as far apart as explains the lines of a map best."""
        coarsest = _LONGEST * float(cKDTree(self.scaffold.sites).query(self.scaffold.sites, 2)[0][:, 1].min())
        fine = self._square > coarsest**-2
        seen = np.fft.rfftn(density) * fine

        def unlike(stretch: float) -> float:
            maps = self._stretched(stretch)
            made = np.fft.rfftn(maps.density(maps.occupancies(density, 0.0, 2.0))) * fine
            size = float(np.linalg.norm(made)) * float(np.linalg.norm(seen))
            return -float(np.vdot(made, seen).real) / max(size, 1e-12)

        limits = (1 - _STRETCH, 1 + _STRETCH)
        return self._stretched(
            float(minimize_scalar(unlike, bounds=limits, method="bounded", options={"xatol": 1e-4}).x)
        )

    def _stretched(self, stretch: float) -> SiteMaps:
        return replace(self, scaffold=replace(self.scaffold, sites=stretch * self.scaffold.sites))

    @cached_property
    def _square(self) -> Float[np.ndarray, "z y h"]:
        """Squared spatial frequency [1/Å²] of `numpy.fft.rfftn`."""
        whole, half = np.fft.fftfreq(self.side, self.voxel_size), np.fft.rfftfreq(self.side, self.voxel_size)
        return np.asarray(whole[:, None, None] ** 2 + whole[:, None] ** 2 + half**2)

    @cached_property
    def _seen(self) -> Float[np.ndarray, "z y h"]:
        edge = (self.highest + 0.5) / (self.side * self.voxel_size)
        return np.asarray((self._square <= edge**2).astype(float))

    @cached_property
    def _bell(self) -> Float[np.ndarray, "z y h"]:
        return np.asarray(np.exp(-2 * np.pi**2 * self.u_iso * self._square) * self._seen)

    @cached_property
    def _own(self) -> float:
        """What an atom of occupancy 1 leaves under its own bell."""
        middle = int(self.scaffold.distance.argmin())
        alone = np.zeros(len(self.scaffold))
        alone[middle] = 1.0
        return float(self._under_bells(self.density(alone))[middle])

    def _under_bells(self, density: Float[np.ndarray, "s s s"]) -> Float[np.ndarray, " n"]:
        smooth = np.fft.irfftn(np.fft.rfftn(density) * self._bell, s=(self.side,) * 3)
        at = (self.scaffold.sites / self.voxel_size + self.side // 2)[:, ::-1].T
        return np.asarray(map_coordinates(smooth, at, order=3))
