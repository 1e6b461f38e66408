"""Which column of the library each atom of a specimen is like, and how deep in it the atom lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE
from simulate.stem.atom import ring_cross_sections
from simulate.stem.cross_sections import MISTILTS, TILTS, Entry, annulus_rings, nearest_entry

if TYPE_CHECKING:
    from ase import Atoms

BROADENING = 0.0012
"""By how much the square of the width that an atom appears with grows with the square of its depth [Å²]."""
BROADENED = 8
"""Depth up to which it does."""
DENSE = 4.6
"""Spacing of the atoms of a column [Å] below which channelling must be known."""
RADIUS = 2.0
"""Within which atoms before an atom shade it, where there are no columns [Å]."""


@dataclass(frozen=True, kw_only=True)
class Channelled:
    """What channelling makes of atoms.

    Parameters
    ----------
    scattered
        What each atom scatters onto the annulus [Å²], for each ring of directions of the illumination.
    broadening
        Mean square along one axis [Å²] of how much farther from an atom than the probe reaches electrons are
        that it scatters: a column draws in those that fall beside it.
    """

    scattered: Float[np.ndarray, "n tilt"]
    broadening: Float[np.ndarray, " n"]


def channelled(
    atoms: Atoms, entries: Sequence[Entry], *, energy: float, inner: float, outer: float
) -> Channelled:
    """Return what atoms scatter onto an annulus.

    The counted atoms of columns channel as those of the library's columns of the same element, spacing and
    mistilt, by how many atoms of the column lie before them. Those of axes so high that columns hardly
    channel are taken like atoms off all zone axes, which are shaded by what lies before them. All other atoms
    scatter as free ones.

    Parameters
    ----------
    atoms
        With the per-atom arrays of `simulate.specimen`; all counted and of one particle where they have none.
    entries
        Of the library, for one energy.
    inner, outer
        Of the annulus [mrad].

    Raises
    ------
    InputError
        If columns channel of which the library has none alike.
    """
    rings = annulus_rings(inner, outer)
    edges = [low for low, _, _ in rings] + [outer]
    which = [ring for _, _, ring in rings]
    enhancement = np.ones((len(atoms), len(TILTS) - 1, len(rings)))
    broadening = np.zeros(len(atoms))
    for rows, entry, mistilt, depth in _groups(atoms, entries):
        table = _at_mistilt(entry, mistilt)
        enhancement[rows] = _at_depth(table[:, :, which], depth)
        kept = _kept(_at_mistilt(entry, 0.0), table)
        broadening[rows] = BROADENING * kept * np.minimum(depth, BROADENED) ** 2
    symbols = np.array(atoms.get_chemical_symbols())
    alone = {s: ring_cross_sections(s, energy, edges) for s in np.unique(symbols)}
    free = np.array([alone[s] for s in symbols]).reshape(len(atoms), len(rings))
    return Channelled(scattered=(enhancement * free[:, None, :]).sum(axis=2), broadening=broadening)


def _kept(
    aligned: Float[np.ndarray, "depth tilt ring"], tilted: Float[np.ndarray, "depth tilt ring"]
) -> float:
    """Return the share of channelling on the zone axis that is left at a mistilt."""
    full, left = (table[:BROADENED].mean() - table[0].mean() for table in (aligned, tilted))
    return float(np.clip(left / max(full, 1e-6), 0.0, 1.0))


Group = tuple[Int[np.ndarray, " m"], Entry, float, Float[np.ndarray, " m"]]


def _groups(atoms: Atoms, entries: Sequence[Entry]) -> list[Group]:
    """Return atoms that channel alike: rows, entry, mistilt [degrees], how many atoms lie before each."""
    columns, counted, instances = _labels(atoms)
    symbols = np.array(atoms.get_chemical_symbols())
    # The lattice says what kind of column it is: a relaxed surface or strain does not make it another.
    ideal = atoms.positions - atoms.arrays.get(DISPLACEMENT, 0.0)
    found: list[Group] = []
    for instance in np.unique(instances[counted]):
        rows = np.flatnonzero(counted & (instances == instance))
        on_axis = columns[rows] >= 0
        if on_axis.any():
            found += _column_groups(rows[on_axis], columns, symbols, ideal, entries)
        if not on_axis.all():
            loose = rows[~on_axis]
            found += _loose_groups(loose, symbols, atoms.positions, entries)
    return found


def _labels(
    atoms: Atoms,
) -> tuple[Int[np.ndarray, " n"], Bool[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    count = len(atoms)
    columns = atoms.arrays.get(COLUMN, np.full(count, -1))
    counted = atoms.arrays.get(COUNTED, np.ones(count, dtype=bool)).astype(bool)
    return columns, counted, atoms.arrays.get(INSTANCE, np.ones(count, dtype=int))


def _column_groups(
    rows: Int[np.ndarray, " m"],
    columns: Int[np.ndarray, " n"],
    symbols: np.ndarray,
    positions: Float[np.ndarray, "n 3"],
    entries: Sequence[Entry],
) -> list[Group]:
    """Return the groups of a particle that lies on a zone axis: one an element."""
    order = rows[np.lexsort((positions[rows, 2], columns[rows]))]
    first = np.append(True, np.diff(columns[order]) != 0)
    starts = np.flatnonzero(first)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    steps = np.diff(positions[order], axis=0)[~first[1:]]
    spacing = float(np.median(steps[:, 2])) if len(steps) else None
    mistilt = _mistilt(steps) if len(steps) else 0.0
    groups: list[Group] = []
    for symbol in np.unique(symbols[order]):
        chosen = symbols[order] == symbol
        entry, on_axis = nearest_entry(entries, str(symbol), spacing)
        if not on_axis and spacing is not None and spacing < DENSE:
            known = ", ".join(f"{each:.2f}" for each in sorted({round(e.spacing, 2) for e in entries}))
            raise InputError(
                f"HAADF is not calibrated for columns of {symbol} of {spacing:.2f} Å at "
                f"{entry.energy / 1e3:g} kV (known: {known} Å): use imaging=haadf_prism, or add them with "
                "python -m simulate.stem.calibrate MATERIAL --zone-axes AXIS"
            )
        # Particles of one atomic layer have no spacing; the first atom channels alike on all axes.
        angle = mistilt if on_axis or spacing is None else MISTILTS[-1]
        groups.append((order[chosen], entry, angle, rank[chosen].astype(float)))
    return groups


def _mistilt(steps: Float[np.ndarray, "m 3"]) -> float:
    """Return the angle between beam and columns [degrees], of the steps from atom to atom in columns."""
    along = steps.sum(axis=0)
    return float(np.degrees(np.arctan2(np.hypot(along[0], along[1]), along[2])))


def _loose_groups(
    rows: Int[np.ndarray, " m"],
    symbols: np.ndarray,
    positions: Float[np.ndarray, "n 3"],
    entries: Sequence[Entry],
) -> list[Group]:
    """Return the groups of atoms off all zone axes, where what lies before an atom counts by its density."""
    before = _before(positions[rows]) / (np.pi * RADIUS**2)
    groups: list[Group] = []
    for symbol in np.unique(symbols[rows]):
        chosen = symbols[rows] == symbol
        entry, _ = nearest_entry(entries, str(symbol), None)
        groups.append((rows[chosen], entry, MISTILTS[-1], before[chosen] * entry.area))
    return groups


def _before(positions: Float[np.ndarray, "m 3"]) -> Float[np.ndarray, " m"]:
    """Return how many atoms lie before each one, within `RADIUS` across the beam."""
    from scipy.spatial import cKDTree

    pairs = cKDTree(positions[:, :2]).query_pairs(RADIUS, output_type="ndarray")
    first = positions[pairs[:, 0], 2] < positions[pairs[:, 1], 2]
    behind = np.where(first, pairs[:, 1], pairs[:, 0])
    return np.bincount(behind, minlength=len(positions)).astype(float)


def _at_mistilt(entry: Entry, mistilt: float) -> Float[np.ndarray, "depth tilt ring"]:
    """Return the enhancement by depth, interpolated between the library's mistilts [degrees]."""
    table = entry.enhancement()
    place = np.interp(mistilt, MISTILTS, np.arange(len(MISTILTS)))
    low = min(int(place), len(MISTILTS) - 2)
    mixed = table[low] + (place - low) * (table[low + 1] - table[low])
    return np.asarray(mixed.transpose(1, 0, 2))


def _at_depth(
    table: Float[np.ndarray, "depth tilt ring"], depth: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m tilt ring"]:
    """Return the enhancement at depths between the table's; beyond it, that of its last atoms."""
    known = np.concatenate([table, table[-3:].mean(axis=0, keepdims=True)])
    place = np.clip(depth, 0, len(known) - 1)
    low = np.minimum(place.astype(int), len(known) - 2)
    part = (place - low)[:, None, None]
    return np.asarray(known[low] * (1 - part) + known[low + 1] * part)
