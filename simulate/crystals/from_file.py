"""Crystals of the user: the cell that a cif file describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError
from simulate.crystals.crystal import Crystal
from simulate.crystals.library import crystal

if TYPE_CHECKING:
    from ase import Atoms


def named(name: str) -> Crystal:
    """Return the crystal of a formula, or the one that a cif file describes.

    Raises
    ------
    InputError
        If there is no such crystal or file, or the file cannot be used.
    """
    if not name.lower().endswith(".cif"):
        return crystal(name)
    path = Path(name)
    return _from_file_once(name, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=16)
def _from_file_once(path: str, changed: int) -> Crystal:
    return from_file(path)


def from_file(
    path: str,
    *,
    name: str | None = None,
    counted: Sequence[str] = (),
    surface_energies: Mapping[str, float] | None = None,
    thermal_displacements: Mapping[str, float] | None = None,
) -> Crystal:
    """Return the crystal that a cif file describes; the cell may be of any shape.

    Sites that elements share come as `Crystal.mixtures` where the file gives their occupancies.

    Parameters
    ----------
    path
        A cif file.
    name
        The formula in the file where none is given.
    counted, surface_energies, thermal_displacements
        As in `Crystal`.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or has no cell.
    """
    atoms = read_cell(Path(path))
    symbols, mixtures = _shared_sites(atoms)
    return Crystal(
        name=name or atoms.get_chemical_formula("metal", empirical=True),
        cell=[float(value) for value in atoms.cell.cellpar()],
        symbols=symbols,
        scaled_positions=[[float(x) for x in point] for point in atoms.get_scaled_positions()],
        counted=counted,
        surface_energies=surface_energies or {},
        thermal_displacements=thermal_displacements or {},
        mixtures=mixtures,
    )


def read_cell(path: Path) -> Atoms:
    """Return the cell of a cif file.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or has no cell.
    """
    import warnings

    from ase.io import read

    if not path.is_file():
        raise InputError(f"there is no crystal file {path}: give the path of a cif")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of occupancies and settings: the cell is checked here
            atoms = read(path, format="cif", index=0, fractional_occupancies=True)
    except Exception as error:  # a broken cif raises anything
        raise InputError(f"{path.name} cannot be read as a cif file: {_line(error)}") from error
    if not len(atoms) or not np.isfinite(atoms.cell.volume) or atoms.cell.volume < 1.0:
        raise InputError(f"{path.name} describes no crystal: it has no cell with atoms")
    return atoms


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _shared_sites(atoms: Atoms) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Return the element that names each site, and what sites of a name hold if it is more than one element.

    Raises
    ------
    InputError
        If sites of one name are shared in different ways: a `Crystal` cannot tell them apart.
    """
    occupancy: Mapping[str, Mapping[str, float]] = atoms.info.get("occupancy") or {}
    kinds = atoms.arrays.get("spacegroup_kinds")
    symbols = atoms.get_chemical_symbols()
    if not occupancy or kinds is None:
        return symbols, {}
    mixtures: dict[str, dict[str, float]] = {}
    for symbol, kind in zip(symbols, kinds, strict=True):
        shares = {element: float(share) for element, share in occupancy[str(int(kind))].items()}
        total = sum(shares.values())
        if total < 0.999:
            raise InputError(
                f"the {symbol} sites of the cif are only {total:.2f} full: give a vacancy defect"
            )
        known = mixtures.setdefault(symbol, shares)
        if known != shares:
            raise InputError(
                f"the cif shares its {symbol} sites in more than one way, which is not supported"
            )
    return symbols, {site: shares for site, shares in mixtures.items() if len(shares) > 1}
