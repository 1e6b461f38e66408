"""A crystal as planes of atoms across the beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.crystals import Crystal, repeat_along

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class Planes:
    """A crystal as planes of atoms across the beam, which repeat along it.

    Parameters
    ----------
    atoms
        One period in its rectangular cell.
    plane
        (n,) which plane each atom is of.
    gaps
        (p,) from each plane to the next [Å].
    per_atom
        Planes between two counted atoms of a column.
    area
        Of the cell per column that holds counted atoms [Å²].
    """

    atoms: Atoms
    plane: Int[np.ndarray, " n"]
    gaps: Float[np.ndarray, " p"]
    per_atom: int
    area: float


def crystal_planes(material: Crystal, zone_axis: Sequence[int], width: float) -> Planes:
    """Return a cubic crystal as planes across a zone axis, repeated to at least ``width`` [Å] across it."""
    from ase.build import make_supercell

    cell = material.unit_cell()
    edges = np.diag(cell.cell.array)
    if not np.allclose(cell.cell.array, np.diag(edges)) or not np.allclose(edges, edges[0]):
        raise InputError(f"only cubic crystals are calibrated, {material.name} is none")
    vectors = _right_angled(zone_axis)
    repeats = np.ceil(width / np.linalg.norm(vectors[:2] * edges[0], axis=1)).astype(int)
    atoms = make_supercell(cell, np.diag([*repeats, 1]) @ vectors)
    frame = atoms.cell.array / np.linalg.norm(atoms.cell.array, axis=1, keepdims=True)
    atoms.set_cell(np.diag(np.linalg.norm(atoms.cell.array, axis=1)))
    atoms.positions = atoms.positions @ frame.T
    atoms.positions[:, 2] += 1e-3  # rounding must not part the atoms of the first plane
    atoms.wrap()
    period = atoms.cell[2, 2]
    plane = np.unique(np.round(atoms.positions[:, 2], 2), return_inverse=True)[1]
    heights = np.bincount(plane, weights=atoms.positions[:, 2]) / np.bincount(plane)
    counted = np.isin(atoms.get_chemical_symbols(), material.counted)
    columns = np.unique(np.round(atoms.positions[counted, :2], 2) % 1e3, axis=0)
    per_atom = len(heights) * repeat_along(material, zone_axis) / period
    if abs(per_atom - round(per_atom)) > 1e-3:
        raise InputError(
            f"planes of {material.name} along {list(zone_axis)} do not divide between its columns"
        )
    return Planes(
        atoms=atoms,
        plane=plane,
        gaps=np.diff(np.append(heights, heights[0] + period)),
        per_atom=round(per_atom),
        area=float(atoms.cell[0, 0] * atoms.cell[1, 1] / len(columns)),
    )


def _right_angled(zone_axis: Sequence[int]) -> Int[np.ndarray, "3 3"]:
    """Return three directions at right angles of a cubic lattice, one a row, the last the zone axis."""
    axis = np.asarray(zone_axis, dtype=int)
    steps = np.array(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij")).reshape(3, -1).T
    steps = steps[steps.any(axis=1) & (steps @ axis == 0)]
    if not len(steps):
        raise InputError(f"zone_axis must have small indices, got {list(zone_axis)}")
    first = steps[np.argmin((steps**2).sum(axis=1))]
    second = np.cross(axis, first)
    return np.array([first, second // np.gcd.reduce(second), axis])
