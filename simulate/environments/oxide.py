"""Crystalline oxides that particles lie on: a grain in random orientation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.crystals import CRYSTALS, Crystal
from simulate.environments.amorphous_carbon import Face, film_start
from simulate.environments.surroundings import square_corner, surrounded
from simulate.ranges import Range, drawn, require_range
from simulate.specimen import Specimen

if TYPE_CHECKING:
    from ase import Atoms


# Lattice constants and free coordinates at room temperature: anatase of Horn et al., Z. Kristallogr. 136
# (1972) 273, corundum of Lewis et al., Acta Cryst. A38 (1982) 733. γ-Al2O3, of which supports are made, is a
# disordered spinel of 9 % less density.
_CELLS: Mapping[str, tuple[int, tuple[float, ...], Mapping[str, tuple[float, float, float]]]] = {
    "anatase": (141, (3.7845, 3.7845, 9.5143, 90, 90, 90), {"Ti": (0, 0, 0), "O": (0, 0, 0.2081)}),
    "Al2O3": (
        167,
        (4.7588, 4.7588, 12.992, 90, 90, 120),
        {"Al": (0, 0, 0.35220), "O": (0.30624, 0, 0.25)},
    ),
}


def support_crystal(material: str | Crystal) -> Crystal:
    """Return a crystal by its name: one of `simulate.crystals`, anatase or Al2O3 (corundum).

    Raises
    ------
    InputError
        If there is none, listing those that there are.
    """
    if isinstance(material, Crystal):
        return material
    if material in _CELLS:
        return _from_space_group(material)
    if material not in CRYSTALS:
        raise InputError(
            f"there is no crystal '{material}'; known: {', '.join(sorted({*CRYSTALS, *_CELLS}))}"
        )
    return CRYSTALS[material]


def _from_space_group(name: str) -> Crystal:
    from ase.spacegroup import crystal

    spacegroup, cell, basis = _CELLS[name]
    atoms = crystal(list(basis), list(basis.values()), spacegroup=spacegroup, cellpar=list(cell))
    return Crystal(
        name=name,
        cell=cell,
        symbols=atoms.get_chemical_symbols(),
        scaled_positions=atoms.get_scaled_positions().tolist(),
    )


@dataclass(frozen=True, kw_only=True)
class OxideSupport:
    """A slab of a crystalline oxide, in a random orientation, under or over the particle.

    A crystal that is turned at random does not repeat with the box. Where its two ends meet, at the edge
    of the box, it has a grain boundary: of atoms that come nearer than ``SEAM`` one is left out. The edge
    is as far from the particle as the box allows; within the footprint of the particle the crystal is whole.

    Parameters
    ----------
    materials
        Names that `support_crystal` knows, or crystals of your own; one is drawn.
    thickness
        [lowest, highest] [Å].
    face
        As for `AmorphousCarbon`.
    gap
        [lowest, highest] distance [Å] between the planes of the particle's outermost atom and the slab's.
    """

    materials: Sequence[str | Crystal] = ("TiO2",)
    thickness: Range = (20.0, 60.0)
    face: Face = "either"
    gap: Range = (1.8, 2.5)

    def __post_init__(self) -> None:
        require_range("thickness", self.thickness, "Å", low=1.0)
        require_range("gap", self.gap, "Å", low=0.0)
        if not self.materials:
            raise InputError("materials must name at least one crystal, got none")
        for material in self.materials:
            support_crystal(material)

    def surround(self, specimen: Specimen, side: float, rng: np.random.Generator) -> Specimen:
        """Return the specimen with the slab; see `simulate.specimen.Environment`."""
        corner = square_corner(specimen, side)
        crystal = support_crystal(self.materials[int(rng.integers(len(self.materials)))])
        thickness, gap = drawn(self.thickness, rng), drawn(self.gap, rng)
        face = str(rng.choice(["exit", "entrance"])) if self.face == "either" else self.face
        rotation = random_rotation(rng)
        slab = oxide_slab(crystal.unit_cell(), rotation, side, thickness, rng)
        slab.positions += [*corner, film_start(specimen, face, thickness, gap)]
        about = {
            "kind": "oxide",
            "material": crystal.name,
            "face": face,
            "thickness": thickness,
            "gap": gap,
            "rotation": rotation.tolist(),
        }
        return surrounded(specimen, slab, about, crystal.thermal_displacements)


SEAM = 1.6
"""Atoms of an oxide's two ends keep this distance [Å]: cation and oxygen lie 1.8 Å apart or more."""


def oxide_slab(
    cell: Atoms, rotation: Float[np.ndarray, "3 3"], side: float, thickness: float, rng: np.random.Generator
) -> Atoms:
    """Return a turned crystal that fills a box, shifted at random, periodic along x and y but for a seam.

    Returns
    -------
    slab
        x and y in 0..side, z in 0..thickness [Å].
    """
    box = np.array([side, side, thickness])
    vectors = np.asarray(cell.cell) @ rotation.T
    basis = cell.positions @ rotation.T
    # Cells of which some corner may lie in the box, from the box's corners in lattice coordinates.
    corners = np.array(list(product((0, 1), repeat=3))) * box @ np.linalg.inv(vectors)
    low, high = np.floor(corners.min(axis=0)) - 2, np.ceil(corners.max(axis=0)) + 2
    steps = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    origins = (steps + rng.random(3)) @ vectors
    points = (origins[:, None] + basis).reshape(-1, 3)
    numbers = np.tile(cell.numbers, len(origins))
    inside = ((points >= 0) & (points < box)).all(axis=1)
    return _without_clashes(points[inside], numbers[inside], side)


def _without_clashes(positions: Float[np.ndarray, "n 3"], numbers: np.ndarray, side: float) -> Atoms:
    """Return the atoms less those of the seam that come too near another one."""
    from ase import Atoms
    from scipy.spatial import cKDTree

    # No period along z: one that is beyond all atoms.
    period = [side, side, 2 * np.ptp(positions[:, 2]) + 10 * SEAM]
    tree = cKDTree(positions - [0, 0, positions[:, 2].min()], boxsize=period)
    keep = np.ones(len(positions), dtype=bool)
    keep[tree.query_pairs(SEAM, output_type="ndarray")[:, 1]] = False
    return Atoms(numbers=numbers[keep], positions=positions[keep])


def random_rotation(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """Return a rotation drawn uniformly from all."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.random(random_state=rng).as_matrix())
