"""Calibration of the linear HAADF model: what each atom of a crystal's columns scatters, by multislice.

``python -m simulate.stem.calibrate`` makes the library that is shipped, entry by entry; entries that are
there are kept, so that a stopped run goes on.

Averaged over the positions of the probe in a periodic crystal, the beams of its cone do not interfere: the
signal is the mean over plane waves of all directions of the cone, whatever defocus and aberrations do to
their phases. So the cross-section of a column of a crystal follows from tilted plane waves, each of which
meets all columns at once. That is some hundred times cheaper than scanning a probe, and one calculation
serves all semi-angles, detector angles and aberrations.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanonet.records import InputError
from simulate.crystals import Crystal, crystal, repeat_along
from simulate.stem.cross_sections import LIBRARY, Entry, read_entries, write_entries
from simulate.stem.plane_waves import PlaneWaves
from simulate.stem.planes import Planes, crystal_planes
from simulate.truth import group_columns


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How a crystal's columns are calibrated.

    Parameters
    ----------
    frozen_phonons
        Configurations of thermal displacements; each is met by one wave of every ring of directions and
        every mistilt.
    width
        Least edge of the cell across the beam [Å].
    thickness
        Greatest along the beam [Å].
    outer
        Largest angle of scattering that the grid holds [mrad]: what a detector collects at 160 mrad of a wave
        that comes in at 30 mrad from the other side has been scattered by 190 mrad.
    seed
        Of displacements and directions.
    """

    frozen_phonons: int = 16
    width: float = 13.0
    thickness: float = 64.0
    outer: float = 188.0
    seed: int = 0


def calibrate(material: Crystal, zone_axis: Sequence[int], energy: float, calibration: Calibration) -> Entry:
    """Return the library's entry of a crystal along a zone axis.

    Raises
    ------
    InputError
        If counted and other atoms share columns: what each adds cannot be told apart.
    """
    planes = crystal_planes(material, zone_axis, calibration.width)
    if _mixed(planes, material):
        raise InputError(f"columns of {material.name} along {list(zone_axis)} hold counted and other atoms")
    depths = int(calibration.thickness / repeat_along(material, zone_axis))
    bench = PlaneWaves(planes, material, energy, calibration.outer)
    runs = np.stack(
        [
            bench.run(depths, np.random.default_rng([calibration.seed, index]))
            for index in range(calibration.frozen_phonons)
        ]
    )
    return Entry(
        material=material.name,
        zone_axis=(int(zone_axis[0]), int(zone_axis[1]), int(zone_axis[2])),
        energy=energy,
        spacing=float(repeat_along(material, zone_axis)),
        counted=material.counted[0],
        others=_others(planes, material),
        area=planes.area,
        scattered=(runs.mean(axis=0) * planes.area).astype(np.float32),
        error=(runs.std(axis=0, ddof=1) / np.sqrt(len(runs)) * planes.area).astype(np.float32),
    )


def _mixed(planes: Planes, material: Crystal) -> bool:
    """Return whether any column holds counted atoms and others."""
    columns = group_columns(planes.atoms.positions)
    counted = np.isin(planes.atoms.get_chemical_symbols(), material.counted)
    return bool(np.isin(columns[counted], columns[~counted]).any())


def _others(planes: Planes, material: Crystal) -> dict[str, float]:
    """Return how many atoms of each element that is not counted there are for one that is."""
    symbols = planes.atoms.get_chemical_symbols()
    counted = sum(symbol in material.counted for symbol in symbols)
    return {s: symbols.count(s) / counted for s in sorted(set(symbols) - set(material.counted))}


def main() -> None:
    """Make the library, or add to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("materials", nargs="+", help="names of built-in cubic crystals")
    parser.add_argument("--zone-axes", nargs="+", default=["110", "100", "111"])
    parser.add_argument("--energies", nargs="+", type=float, default=[200e3, 300e3], help="eV")
    parser.add_argument("--frozen-phonons", type=int, default=Calibration.frozen_phonons)
    parser.add_argument("--output", type=Path, default=LIBRARY)
    words = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for energy in words.energies:
        for axis in words.zone_axes:
            for name in words.materials:
                entries = read_entries(words.output)
                zone_axis = tuple(int(index) for index in axis)
                if any(
                    (e.material, e.zone_axis, e.energy) == (name, zone_axis, energy) for e in entries.values()
                ):
                    continue
                calibration = Calibration(frozen_phonons=words.frozen_phonons)
                try:
                    made = calibrate(crystal(name), zone_axis, energy, calibration)
                except InputError as error:
                    sys.stderr.write(f"left out: {error}\n")
                    continue
                write_entries(words.output, {**entries, made.name: made})


if __name__ == "__main__":
    main()
