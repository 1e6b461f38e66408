"""Specimens from a file of atoms of the user's own: cif, xyz, extxyz, pdb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.crystals import thermal_displacement, turn_onto_beam
from simulate.crystals.crystal import NONMETALS
from simulate.crystals.from_file import read_cell
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Specimen
from simulate.structures.orientation import Pose, draw_mistilt
from simulate.truth import group_columns

if TYPE_CHECKING:
    from ase import Atoms

FORMATS: Mapping[str, str] = {
    ".xyz": "extxyz",  # which reads plain xyz as well
    ".extxyz": "extxyz",
    ".pdb": "proteindatabank",
    ".ent": "proteindatabank",
}
"""Formats by suffix; a cif is read as a cell."""


@dataclass(frozen=True, kw_only=True)
class FileRecipe:
    """The atoms of a file, used as they are, in an orientation that is asked for.

    A crystal that is to be cut to shapes is `simulate.crystals.from_file` in the materials of a
    `ParticleRecipe` instead.

    Parameters
    ----------
    path
        A cif, xyz, extxyz or pdb file.
    zone_axis
        Direction that is turned onto the beam: [uvw] of the cell of a cif, (x, y, z) of other files
        ([0, 0, 1] leaves them as they lie). Atoms are put into columns then. None leaves the file's z along
        the beam, and no columns are told.
    mistilt
        Largest angle by which the beam is off that [degrees]; its direction is random.
    in_plane
        Rotation about the beam [degrees], lowest and highest.
    random_orientation
        Turn it uniformly on SO(3) instead; ``zone_axis`` must be None.
    repeat
        Cells of a cif along a, b, c.
    tolerance
        Projected distance within which atoms are of one column [Å]: relaxed structures need more than ideal
        ones, and it must stay below the distance of neighbouring columns.
    counted
        Elements that count for the depth of a column; the metals of a compound where none is named.
    thermal_displacements
        Root mean square displacement along one axis of elements [Å]; others have those of
        `simulate.crystals.thermal_displacement`.
    max_atoms
        More than that are refused.
    """

    path: str
    zone_axis: Sequence[float] | None = None
    mistilt: float = 0.0
    in_plane: Sequence[float] = (0.0, 360.0)
    random_orientation: bool = False
    repeat: Sequence[int] = (1, 1, 1)
    tolerance: float = 0.3
    counted: Sequence[str] = ()
    thermal_displacements: Mapping[str, float] = field(default_factory=dict)
    max_atoms: int = 500_000

    def __post_init__(self) -> None:
        suffix = Path(self.path).suffix.lower()
        if suffix not in (".cif", *FORMATS):
            known = ", ".join((".cif", *FORMATS))
            raise InputError(f"{self.path} is of no format that atoms are read from; known: {known}")
        if self.zone_axis is not None and (len(self.zone_axis) != 3 or not any(self.zone_axis)):
            raise InputError(f"zone_axis must be a direction of three numbers, got {list(self.zone_axis)}")
        if self.random_orientation and self.zone_axis is not None:
            raise InputError("random_orientation and zone_axis exclude each other: give one of them")
        if len(self.repeat) != 3 or min(self.repeat) < 1:
            raise InputError(f"repeat must be three whole numbers from 1, got {list(self.repeat)}")
        if not self.tolerance > 0:
            raise InputError(f"tolerance must be positive, got {self.tolerance} Å")
        if not Path(self.path).is_file():
            raise InputError(f"there is no file of atoms {self.path}: give its path")

    def draw(self, rng: np.random.Generator) -> Specimen:
        """Read the atoms and lay them into the beam.

        Raises
        ------
        InputError
            If the file is missing, cannot be read, or holds no atoms or too many.
        """
        from ase import Atoms

        found = read_atoms(Path(self.path), repeat=self.repeat, max_atoms=self.max_atoms)
        rotation = self._rotation(found, rng)
        middle = (found.positions.min(axis=0) + found.positions.max(axis=0)) / 2
        ideal = (found.positions - middle) @ rotation.T
        elements = dict.fromkeys(found.get_chemical_symbols())
        counted = self.counted or [e for e in elements if e not in NONMETALS] or list(elements)
        pose = Pose(rotation=rotation, mistilt=draw_mistilt(self.mistilt, rng))
        tilt = pose.tilt()
        atoms = Atoms(numbers=found.numbers, positions=ideal @ tilt.T)
        on_axis = self.zone_axis is not None
        columns = group_columns(ideal, tolerance=self.tolerance) if on_axis else np.full(len(atoms), -1)
        atoms.set_array(COLUMN, columns)
        atoms.set_array(COUNTED, np.isin(found.get_chemical_symbols(), counted))
        atoms.set_array(INSTANCE, np.ones(len(atoms), dtype=np.int64))
        atoms.set_array(DISPLACEMENT, np.zeros((len(atoms), 3)))
        sigmas = {e: thermal_displacement(e) for e in elements} | dict(self.thermal_displacements)
        about = {
            "material": found.get_chemical_formula("metal", empirical=True),
            "file": Path(self.path).name,
            "zone_axis": None if self.zone_axis is None else list(self.zone_axis),
            "rotation": (tilt @ rotation).tolist(),
            "mistilt_degrees": [float(angle) for angle in np.degrees(pose.mistilt)],
        }
        return Specimen(atoms=atoms, thermal_displacements=sigmas, about=about)

    def _rotation(self, atoms: Atoms, rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
        from scipy.spatial.transform import Rotation

        if self.random_orientation:
            return np.asarray(Rotation.random(random_state=rng).as_matrix())
        turn = np.radians(rng.uniform(self.in_plane[0], self.in_plane[1]))
        along = np.array(self.zone_axis or (0.0, 0.0, 1.0), dtype=float)
        if self.zone_axis is not None and Path(self.path).suffix.lower() == ".cif":
            along = along @ np.asarray(atoms.cell)
        return turn_onto_beam(along / np.linalg.norm(along), turn)


def read_atoms(path: Path, *, repeat: Sequence[int] = (1, 1, 1), max_atoms: int = 500_000) -> Atoms:
    """Return the atoms of a file; of a cif, ``repeat`` cells.

    Raises
    ------
    InputError
        If the file is missing, cannot be read, or holds no atoms or too many.
    """
    from ase.io import read

    if not path.is_file():
        raise InputError(f"there is no file of atoms {path}: give its path")
    if path.suffix.lower() == ".cif":
        cell = read_cell(path)
        _require_number(path, len(cell) * int(np.prod(repeat)), max_atoms)
        return cell.repeat(tuple(int(n) for n in repeat))
    try:
        atoms = read(path, format=FORMATS[path.suffix.lower()], index=0)
    except Exception as error:  # a broken file raises anything
        what = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path.name} cannot be read as {path.suffix[1:]}: {what}") from error
    _require_number(path, len(atoms), max_atoms)
    if not np.isfinite(atoms.positions).all():
        raise InputError(f"{path.name} holds positions that are no numbers")
    if (atoms.numbers == 0).any():
        raise InputError(f"{path.name} holds atoms of an unknown element")
    return atoms


def _require_number(path: Path, number: int, most: int) -> None:
    if number == 0:
        raise InputError(f"{path.name} holds no atoms")
    if number > most:
        raise InputError(f"{path.name} holds {number} atoms, more than max_atoms = {most}")
