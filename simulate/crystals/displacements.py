"""Thermal displacements of the elements at room temperature."""

from __future__ import annotations

from collections.abc import Mapping

TYPICAL = 0.08
"""Of an element that is not in the table [Å]: B = 0.5 Å², in the middle of the elemental crystals."""

# sqrt(B / 8 π²) [Å]. Elemental crystals at 293 K: Peng, Ren, Dudarev & Whelan, Acta Cryst. A52 (1996) 456.
# Not in there, and known to some 15 %: Co, Ru, Rh, Ir from their Debye temperatures; Mg, Ce, O as in their
# oxides (B of 0.3 to 0.5 Å²); H as in ice (2 Å²); C as in a film of mostly sp2 carbon, stiff in its planes
# and soft across them; N, F, Cl as in nitrides and salts.
THERMAL_DISPLACEMENTS: Mapping[str, float] = {
    "H": 0.160,
    "C": 0.080,
    "N": 0.070,
    "O": 0.075,
    "F": 0.095,
    "Mg": 0.063,
    "Al": 0.100,
    "Si": 0.078,
    "Cl": 0.130,
    "Ti": 0.081,
    "V": 0.085,
    "Cr": 0.056,
    "Fe": 0.064,
    "Co": 0.067,
    "Ni": 0.067,
    "Cu": 0.084,
    "Zn": 0.120,
    "Ge": 0.087,
    "Zr": 0.085,
    "Mo": 0.052,
    "Ru": 0.055,
    "Rh": 0.060,
    "Pd": 0.076,
    "Ag": 0.097,
    "Ce": 0.056,
    "W": 0.045,
    "Ir": 0.050,
    "Pt": 0.069,
    "Au": 0.088,
    "Pb": 0.164,
}


def thermal_displacement(element: str) -> float:
    """Return the root mean square displacement along one axis of an element at room temperature [Å].

    It depends on the compound by some tens of percent; a `Crystal` may give its own.
    """
    return THERMAL_DISPLACEMENTS.get(element, TYPICAL)
