"""The spellings of units in microscope files, in Å and seconds."""

from __future__ import annotations

import re

import numpy as np

_LENGTHS = {
    1e10: ("m", "meter", "meters", "metre", "metres"),
    1e8: ("cm",),
    1e7: ("mm",),
    1e4: ("µm", "um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    10.0: ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    1.0: ("Å", "A", "Ang", "ang", "angstrom", "angstroms", "Ångström", "ångström"),
    0.01: ("pm", "picometer", "picometers", "picometre", "picometres"),
}
_ANGSTROM = {spelling: factor for factor, spellings in _LENGTHS.items() for spelling in spellings}
_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "µs": 1e-6,
    "us": 1e-6,
    "ns": 1e-9,
    "min": 60.0,
    "h": 3600.0,
}
_ENERGIES = ("ev", "kev", "mev")
_ANGLES = ("mrad", "rad", "µrad", "deg", "°", "mrads")


def tidy(unit: object) -> str:
    r"""Return a unit in one spelling: µ as U+00B5, Å as U+00C5, no brackets, underscores or spaces.

    EMD files write ``[n_m]``, ImageJ writes ``\u00B5m`` with the escape spelt out.
    """
    text = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit or "")
    text = text.replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace("μ", "µ").replace("\u212b", "Å")
    text = text.replace("\\u00C5", "Å").replace("\\u00c5", "Å")
    return re.sub(r"[\[\]_\s\x00]", "", text)


def angstrom(value: object, unit: object) -> float | None:
    """Return a length in Å; None where the unit is no length or the value is not positive and finite."""
    tidied = tidy(unit)
    factor = _ANGSTROM.get(tidied, _ANGSTROM.get(tidied.lower()))
    return positive(value, factor)


def seconds(value: object, unit: object) -> float | None:
    """Return a time in s; None where the unit is no time or the value is not positive and finite."""
    return positive(value, _SECONDS.get(tidy(unit).lower()))


def positive(value: object, factor: float | None = 1.0) -> float | None:
    """Return ``value`` times ``factor``, or None where that is not a positive, finite number."""
    if factor is None:
        return None
    try:
        number = float(value) * factor  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def is_reciprocal(unit: object) -> bool:
    """Whether a unit is one of diffraction space: 1/nm, nm^-1, mrad, 1/px."""
    text = tidy(unit).lower()
    return text.startswith("1/") or text.endswith(("^-1", "-1", "⁻¹")) or text in _ANGLES


def is_energy(unit: object) -> bool:
    """Whether a unit is one of a spectrum's axis: eV, keV."""
    return tidy(unit).lower() in _ENERGIES
