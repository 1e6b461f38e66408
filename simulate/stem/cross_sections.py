"""Cross-sections of the atoms of columns: a free atom's, times what channelling makes of it.

The library holds, for columns of crystals along zone axes, what 1, 2, 3, ... atoms scatter into rings of
angles, by multislice with frozen phonons (`simulate.stem.calibrate`). Divided by the free atom's
cross-sections it is smooth in the detector's angles, so that any annulus follows from a few rings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.stem.atom import ring_cross_sections

LIBRARY = Path(__file__).parent / "library" / "columns.npz"
MISTILTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Angles between beam and zone axis of the library [degrees], in any direction."""
TILTS = (0.0, 10.0, 15.0, 20.0, 25.0, 30.0)
"""Bounds of the rings of directions within the illumination's cone [mrad]."""
RINGS = (40.0, 60.0, 80.0, 100.0, 120.0, 140.0, 160.0)
"""Bounds of the rings of the detector [mrad]."""
WIDEST = 40.0
"""Semi-angle [mrad] up to which the directions beyond the library's last ring are taken to be like it."""
ENERGY_TOLERANCE = 0.05
_ARRAYS = ("scattered", "error")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Columns of a crystal along a zone axis, at one energy.

    Parameters
    ----------
    material
        Name of the crystal.
    zone_axis
        [uvw] along the beam.
    energy
        eV.
    spacing
        Of counted atoms along a column [Å].
    counted
        Element of the columns.
    others
        Atoms of other elements for each that is counted.
    area
        Of the crystal across the beam per column [Å²].
    scattered
        Cross-section of 1, 2, ... atoms of a column with the other elements' share, for each mistilt, ring of
        directions of the incident wave and ring of the detector [Å²].
    error
        Standard error of it.
    """

    material: str
    zone_axis: tuple[int, int, int]
    energy: float
    spacing: float
    counted: str
    others: Mapping[str, float]
    area: float
    scattered: Float[np.ndarray, "mistilt tilt depth ring"]
    error: Float[np.ndarray, "mistilt tilt depth ring"]

    @property
    def name(self) -> str:
        """Material, axis and energy in a word."""
        return f"{self.material}_{''.join(map(str, self.zone_axis))}_{self.energy / 1e3:g}kV"

    def enhancement(self) -> Float[np.ndarray, "mistilt tilt depth ring"]:
        """Return what the 1st, 2nd, ... counted atom scatters, over what it does as a free atom.

        The other elements' atoms are taken for free ones: light beside the counted ones, they channel little.
        """
        depths = np.arange(1, self.scattered.shape[2] + 1)[:, None]
        rest = sum(n * ring_cross_sections(s, self.energy, RINGS) for s, n in self.others.items())
        alone = ring_cross_sections(self.counted, self.energy, RINGS)
        return np.asarray(np.diff((self.scattered - rest * depths) / alone, axis=2, prepend=0.0))


def read_entries(path: Path = LIBRARY) -> dict[str, Entry]:
    """Return the entries of a library by their names; none where there is no file."""
    if not path.exists():
        return {}
    with np.load(path) as data:
        about = json.loads(str(data["about"]))
        arrays = {
            name: {
                "scattered": data[f"{name}_added"].astype(np.float32).cumsum(axis=2),
                "error": data[f"{name}_error"].astype(np.float32),
            }
            for name in about
        }
    return {
        name: Entry(**{**facts, "zone_axis": tuple(facts["zone_axis"])}, **arrays[name])
        for name, facts in about.items()
    }


def write_entries(path: Path, entries: Mapping[str, Entry]) -> None:
    """Write a library, whole or not at all."""
    about = {
        name: {f.name: getattr(entry, f.name) for f in fields(entry) if f.name not in _ARRAYS}
        for name, entry in entries.items()
    }
    # What each atom adds, in half precision: 0.05 %, well below the entries' errors.
    arrays = {
        f"{name}_{key}": values.astype(np.float16)
        for name, entry in entries.items()
        for key, values in {
            "added": np.diff(entry.scattered, axis=2, prepend=0.0),
            "error": entry.error,
        }.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.stem + ".part.npz")
    np.savez_compressed(part, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
    part.replace(path)


@lru_cache(maxsize=4)
def library(energy: float) -> tuple[Entry, ...]:
    """Return the shipped entries for a beam energy [eV].

    Raises
    ------
    InputError
        If there are none, saying which energies there are and how to add one.
    """
    entries = read_entries().values()
    found = tuple(e for e in entries if abs(e.energy / energy - 1) <= ENERGY_TOLERANCE)
    if not found:
        known = ", ".join(f"{e / 1e3:g}" for e in sorted({entry.energy for entry in entries}))
        raise InputError(
            f"energy must be one that HAADF is calibrated for ({known} kV), got {energy / 1e3:g} kV: "
            f"use prism, or run python -m simulate.stem.calibrate MATERIAL --energies {energy:g}"
        )
    return found


def nearest_entry(entries: Sequence[Entry], element: str, spacing: float | None) -> tuple[Entry, bool]:
    """Return the entry whose columns are most like those of an element with a spacing [Å].

    Returns
    -------
    entry
        Of the same element where there is one, else of the one nearest in atomic number (channelling follows
        the charge along a column).
    on_axis
        Whether its spacing agrees within 6 %: if not, it serves for directions off all zone axes.
    """
    from ase.data import atomic_numbers

    def unlike(entry: Entry) -> tuple[bool, int, float]:
        away = abs(entry.spacing / spacing - 1) if spacing else 0.0
        return away > 0.06, abs(atomic_numbers[entry.counted] - atomic_numbers[element]), away

    best = min(entries, key=unlike)
    return best, spacing is not None and not unlike(best)[0]


def annulus_rings(inner: float, outer: float) -> list[tuple[float, float, int]]:
    """Return the parts (low, high, ring) of an annulus [mrad] that fall on each of the library's rings.

    Below and above the library's rings its first and last ring's channelling is taken.
    """
    bounds = [inner, *(edge for edge in RINGS if inner < edge < outer), outer]
    last = len(RINGS) - 2
    return [
        (low, high, int(np.clip(np.searchsorted(RINGS, (low + high) / 2) - 1, 0, last)))
        for low, high in pairwise(bounds)
    ]


def cone_shares(semiangle_cutoff: float) -> Float[np.ndarray, " tilt"]:
    """Return the weight of each of the library's rings of directions in an illumination's cone [mrad].

    Raises
    ------
    InputError
        If the cone is wider than what is calibrated.
    """
    if not 0 < semiangle_cutoff <= WIDEST:
        raise InputError(f"semiangle_cutoff must lie within 0 and {WIDEST} mrad, got {semiangle_cutoff} mrad")
    edges = np.array(TILTS)
    middles = (edges[:-1] ** 2 + edges[1:] ** 2) / 2
    # Directions fill the cone evenly, so their angles squared do; between the rings' middles is interpolated.
    squares = (np.arange(1000) + 0.5) / 1000 * semiangle_cutoff**2
    return np.array([np.interp(squares, middles, ring).mean() for ring in np.eye(len(middles))])
