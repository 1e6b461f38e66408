"""Numbers as people write them: rounded by their uncertainty, units with their own signs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nanonet.records import Estimate

THIN_SPACE = "\u202f"
NO_BREAK_SPACE = "\u00a0"
UNITS = {"angstrom": "Å", "angstrom2": "Å²", "nm2": "nm²", "px2": "px²", "degree": "°", "deg": "°"}


@dataclass(frozen=True, kw_only=True)
class EstimateText:
    """A headline number in words: "12.3", "nm", what stands between, "[11.9, 12.7]" or ""."""

    value: str
    unit: str
    space: str
    interval: str


def unit_text(unit: str) -> str:
    """Return a unit with its own sign: Å for angstrom, nm² for nm2."""
    return UNITS.get(unit, unit)


def decimals_for(half_width: float) -> int:
    """Return the decimals to which an uncertainty is worth writing: two digits if it starts with 1, else one.

    Negative where whole tens or hundreds are uncertain.
    """
    power = math.floor(math.log10(half_width))
    first = half_width / 10.0**power
    return -power + 1 if first < 1.95 else -power


def number_text(value: float, decimals: int) -> str:
    """Return ``value`` rounded, with a true minus sign and thin spaces between groups of thousands."""
    rounded = round(value, decimals) + 0.0
    text = f"{rounded:,.{max(decimals, 0)}f}"
    if abs(rounded) < 1e4:
        text = text.replace(",", "")
    return text.replace(",", THIN_SPACE).replace("-", "−")


def plain_text(value: float, significant: int | None = None) -> str:
    """Return a number of unknown uncertainty with a few digits; whole numbers keep all of theirs.

    ``significant`` is 4 where not given, and 3 below 1.
    """
    if not math.isfinite(value):
        return "not known"
    if value == 0 or (float(value).is_integer() and abs(value) < 1e15):
        return number_text(value, 0)
    power = math.floor(math.log10(abs(value)))
    significant = significant or (4 if power >= 0 else 3)
    if -4 <= power < 7:
        return number_text(value, max(significant - 1 - power, 0))
    mantissa = number_text(value / 10.0**power, significant - 1)
    exponent = str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}{THIN_SPACE}×{THIN_SPACE}10{exponent}"


def interval_text(value: float, low: float | None, high: float | None) -> tuple[str, str]:
    """Return a number and its interval, both rounded by the width of the interval.

    The interval is empty where it is not known, or where the number is exact.
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return plain_text(value), ""
    half_width = (high - low) / 2
    if not math.isfinite(value) or half_width <= 0:
        return plain_text(value), f"[{plain_text(low)}, {plain_text(high)}]"
    decimals = decimals_for(half_width)
    if decimals > 9:
        return plain_text(value), f"[{plain_text(low, 6)}, {plain_text(high, 6)}]"
    return number_text(value, decimals), f"[{number_text(low, decimals)}, {number_text(high, decimals)}]"


def estimate_text(estimate: Estimate) -> EstimateText:
    """Return a headline number in words."""
    value, interval = interval_text(estimate.value, estimate.low, estimate.high)
    unit = unit_text(estimate.unit)
    return EstimateText(value=value, unit=unit, space=space_before(unit), interval=interval)


def with_unit(value: float, low: float | None, high: float | None, unit: str) -> str:
    """Return "12.3 [11.9, 12.7] nm"."""
    text = " ".join(part for part in interval_text(value, low, high) if part)
    return text + space_before(unit_text(unit)) + unit_text(unit)


def space_before(unit: str) -> str:
    """Return what stands between a number and its unit: a space that no line breaks at, none before °."""
    return "" if unit in ("", "°") else NO_BREAK_SPACE
