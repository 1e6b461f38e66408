"""Atomic models as extended XYZ and PDB."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.io.atomic import atomic_path
from nanonet.records import AtomTable, InputError

if TYPE_CHECKING:
    from ase import Atoms

_IN_XYZ_ALREADY = frozenset({"x_angstrom", "y_angstrom", "z_angstrom", "element"})
_SERIALS = 100_000  # a PDB serial number has five digits
_RESIDUES = 9_999
_CHAINS = string.ascii_uppercase + string.ascii_lowercase + string.digits
_PDB_LOW, _PDB_HIGH = -999.9995, 9999.9995  # what eight columns with three decimals hold
_LEAST_B, _MOST_B = -99.99, 999.99  # what six columns with two decimals hold
_MOST_U = 99.9999  # and seven with four


def write_extxyz(path: str | os.PathLike[str], atoms: Atoms, table: AtomTable | None = None) -> None:
    """Write atoms as extended XYZ, every column of their table as a property of its name.

    Parameters
    ----------
    path
        Where to write, .extxyz or .xyz.
    atoms
        Positions (x, y, z) in Å, stored with 8 decimals.
    table
        Per-atom statistics, a row an atom in the same order; unknown numbers become nan.

    Raises
    ------
    ValueError
        If the table has another number of rows than there are atoms.
    InputError
        If the disk refuses.
    """
    from ase.io import write

    atoms = atoms.copy()
    if table is not None:
        if len(table) != len(atoms):
            raise ValueError(f"the table has {len(table)} rows, there are {len(atoms)} atoms")
        for name in table.data.columns:
            if name not in _IN_XYZ_ALREADY:
                atoms.set_array(name, _plain(table.data[name]))
    with atomic_path(path) as temporary:
        write(temporary, atoms, format="extxyz")


def _plain(column: pd.Series) -> np.ndarray:
    """Return a column as an array of bool, int, float or str, unknown as nan or "?"."""
    if pd.api.types.is_bool_dtype(column.dtype) and not column.hasnans:
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_integer_dtype(column.dtype) and not column.hasnans:
        return column.to_numpy(dtype=np.int64)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    # White space would end the word in an XYZ line.
    words = ["?" if pd.isna(value) else "_".join(str(value).split()) or "?" for value in column]
    return np.array(words, dtype=str)


def write_pdb(
    path: str | os.PathLike[str],
    atoms: Atoms,
    b_factors: Float[np.ndarray, " n"] | None = None,
    anisou: Float[np.ndarray, "n 6"] | None = None,
) -> None:
    """Write atoms as PDB, one residue an atom.

    Serial numbers start again after 99,999, as readers expect that take them for integers; each atom stays
    identified by its chain (A-Z, a-z, 0-9) and residue (1-9999), which bounds a file to 619,938 atoms.

    Parameters
    ----------
    path
        Where to write, .pdb.
    atoms
        Positions in Å from -999.999 to 9999.999, stored with 3 decimals.
    b_factors
        B = 8 π² u_iso [Å²], or any statistic in its place, within -99.99 and 999.99, what the column holds;
        0 where unknown (NaN).
    anisou
        U11, U22, U33, U12, U13, U23 [Å²], stored with 4 decimals; no record of an atom where they are unknown
        or do not fit it.

    Raises
    ------
    ValueError
        If the arrays do not match the atoms.
    InputError
        If there are too many atoms for the format, a coordinate does not fit its column, or the disk refuses.
    """
    count = len(atoms)
    if count > len(_CHAINS) * _RESIDUES:
        raise InputError(f"a pdb holds {len(_CHAINS) * _RESIDUES} atoms at most, got {count}: write extxyz")
    positions = atoms.get_positions()
    _require_in_columns(positions)
    values = np.zeros(count) if b_factors is None else np.asarray(b_factors, dtype=float)
    if values.shape != (count,) or (anisou is not None and np.shape(anisou) != (count, 6)):
        raise ValueError(f"b_factors must be ({count},) and anisou ({count}, 6)")
    b_column = np.clip(np.nan_to_num(values, nan=0.0), _LEAST_B, _MOST_B)
    with atomic_path(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
        file.write(_cell_record(atoms))
        file.writelines(_atom_records(atoms.get_chemical_symbols(), positions, b_column, anisou))
        file.write("END\n")


def _require_in_columns(positions: np.ndarray) -> None:
    outside = ~((positions > _PDB_LOW) & (positions < _PDB_HIGH))
    if outside.any():
        worst = positions[outside][0]
        raise InputError(
            f"a pdb holds coordinates from -999.999 to 9999.999 Å, got {worst:g} Å: "
            "shift the atoms or write extxyz"
        )


def _cell_record(atoms: Atoms) -> str:
    """Return the unit cell of a periodic model, nothing for a particle."""
    if not atoms.pbc.all() or not atoms.cell.volume:
        return ""
    a, b, c, alpha, beta, gamma = atoms.cell.cellpar()
    return f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{alpha:7.2f}{beta:7.2f}{gamma:7.2f} P 1           1\n"


def _atom_records(
    symbols: list[str], positions: np.ndarray, b_factors: np.ndarray, anisou: np.ndarray | None
) -> Iterator[str]:
    for i, (symbol, (x, y, z), b_factor) in enumerate(zip(symbols, positions, b_factors, strict=True)):
        # An element of one letter stands in the second of the two columns that elements have.
        name = f"{symbol.upper():>2}  "
        chain, residue = _CHAINS[i // _RESIDUES], i % _RESIDUES + 1
        label = f"{(i + 1) % _SERIALS:5d} {name} {symbol.upper():>3} {chain}{residue:4d} "
        end = f"{symbol.upper():>2}  \n"
        yield f"HETATM{label}   {x:8.3f}{y:8.3f}{z:8.3f}{1.0:6.2f}{b_factor:6.2f}          {end}"
        if anisou is not None and (np.abs(anisou[i]) <= _MOST_U).all():
            yield f"ANISOU{label} {_anisotropic(anisou[i])}      {end}"


def _anisotropic(displacements: np.ndarray) -> str:
    """Return the six numbers in units of 1e-4 Å², seven columns each."""
    return "".join(f"{number:7d}" for number in np.round(displacements * 1e4).astype(np.int64))
