"""The files of an atomic model: extended XYZ, PDB by several statistics, maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanonet.atoms.detected import Detected
from nanonet.atoms.gaussian_atoms import draw
from nanonet.atoms.statistics import AtomStatistics
from nanonet.io.writers.atoms import write_extxyz, write_pdb
from nanonet.io.writers.volumes import write_mrc
from nanonet.records import Volume

if TYPE_CHECKING:
    from ase import Atoms as AseAtoms

_IN_B_COLUMN = (
    "coordination_number",
    "generalized_coordination_number",
    "bond_length_angstrom",
    "max_intensity_z_score",
    "validation_correlation",
    "degree_of_isotropy",
    "radial_strain",
    "bulk_radial_strain",
    "probability",
    "depth_angstrom",
    "grain",
)
_PERCENT = (
    "radial_strain",
    "bulk_radial_strain",
    "probability",
    "validation_correlation",
    "degree_of_isotropy",
)
"""Written as per cent, since the column has but two decimals."""


def write_models(statistics: AtomStatistics, detected: Detected, folder: Path) -> None:
    """Write atoms.extxyz with all statistics, atoms.pdb with B and U, pdb/ with others in place of B.

    The files of pdb/ hold the atoms whose statistic is known.
    """
    model = _model(statistics, detected)
    data = statistics.table.data
    write_extxyz(folder / "atoms.extxyz", model, statistics.table)
    u = statistics.tensors
    six = np.stack([u[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], axis=1)
    write_pdb(folder / "atoms.pdb", model, 8 * np.pi**2 * data["u_iso_angstrom2"].to_numpy(), six)
    (folder / "pdb").mkdir(exist_ok=True)
    for name in _IN_B_COLUMN:
        values = data[name].to_numpy(dtype=float) * (100 if name in _PERCENT else 1)
        known = np.isfinite(values)
        if known.any():
            write_pdb(folder / "pdb" / f"{name}.pdb", model[known], values[known])


def write_maps(detected: Detected, folder: Path) -> None:
    """Write maps/denoised.mrc, maps/simulated.mrc, and maps/components.mrc where a threshold made some."""
    scene = detected.scene
    shape = (scene.density.shape[0], scene.density.shape[1], scene.density.shape[2])
    maps = {
        "denoised": detected.denoised,
        "simulated": draw(detected.fit.atoms, shape, scene.voxel_size),
    }
    if detected.binarised is not None:
        maps["components"] = detected.binarised.labels.astype(np.float32)
    (folder / "maps").mkdir(exist_ok=True)
    for name, density in maps.items():
        write_mrc(folder / "maps" / f"{name}.mrc", Volume(density=density, voxel_size=scene.voxel_size))


def _model(statistics: AtomStatistics, detected: Detected) -> AseAtoms:
    from ase import Atoms as AseAtoms

    symbols = statistics.table.data["element"].tolist()
    return AseAtoms(symbols, positions=detected.fit.atoms.positions)
