"""The pixel size that a crystal of known lattice implies: the best ruler that a micrograph can hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nanonet.records import Estimate, InputError, LatticeTable


def implied_pixel_size(
    lattice: LatticeTable, pixel_size: float, known_cell: Sequence[float]
) -> tuple[Estimate, ...]:
    """Return the pixel size at which the fitted cell has the area of the known one.

    The area is what rotation and pure shear (drift, a skew scan) leave alone, so that one number is enough;
    it cannot tell a stretch along one axis from a wrong magnification. The interval takes the errors of a and
    b as wholly correlated, which is the wide side.

    Parameters
    ----------
    lattice
        Measured with ``pixel_size`` [Å].
    known_cell
        a, b [Å] and gamma [°] (90 where left out) of the projected cell, e.g. 3.905, 3.905 for SrTiO3 [001].

    Raises
    ------
    InputError
        If the known cell is not two lengths and at most one angle, or the frames have no pixel size.
    """
    area = _area(known_cell)
    if "a_angstrom" not in lattice.data:
        raise InputError("known_cell needs a pixel size to correct: give read.pixel_size=… (Å)")
    found = lattice.data.dropna()
    if not len(found):
        return ()
    sine = np.sin(np.radians(found["gamma_degree"].to_numpy(float)))
    implied = {}
    for end in ("", "_low", "_high"):
        a, b = (found[f"{name}{end}_angstrom"].to_numpy(float) for name in ("a", "b"))
        implied[end] = pixel_size * float(np.sqrt(area / np.mean(a * b * sine)))
    off = 100 * (pixel_size / implied[""] - 1)
    note = f"the area of the known cell; the pixel size in use, {pixel_size:.5g} Å, is {off:+.1f} % off"
    return (
        Estimate(
            name="pixel size by the known cell",
            value=implied[""],
            unit="Å",
            low=implied["_high"],
            high=implied["_low"],
            note=note,
        ),
    )


def _area(cell: Sequence[float]) -> float:
    if len(cell) not in (2, 3) or not all(np.isfinite(value) and value > 0 for value in cell):
        raise InputError(f"known_cell must be [a, b] or [a, b, gamma] in Å and degrees, got {list(cell)}")
    angle = np.radians(cell[2] if len(cell) == 3 else 90.0)
    return float(cell[0] * cell[1] * np.sin(angle))
