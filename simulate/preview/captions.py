"""What is said of a sample on a sheet."""

from __future__ import annotations

import re

import numpy as np

from simulate.preview.samples import PreviewSample

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def title(sample: PreviewSample) -> str:
    """Return what the specimen is and how it lies: CeO₂ [110], 0.3° off."""
    about = sample.about
    material = formula(str(about.get("material", "unknown material")))
    axis = about.get("zone_axis")
    if axis is None:
        return f"{material}, off all zone axes"
    tilt = float(np.hypot(*np.ravel(about.get("mistilt_degrees") or (0.0, 0.0))))
    # A bar over a digit is what crystallographers write for a minus.
    indices = "".join(f"{abs(round(i))}{chr(0x304) if i < 0 else ''}" for i in axis)
    return f"{material} [{indices}]" + (f", {tilt:.1f}° off" if tilt >= 0.05 else "")


def formula(name: str) -> str:
    """Return a chemical formula with its numbers below the line, another name as it is."""
    is_formula = re.fullmatch(r"(?:[A-Z][a-z]?\d*)+", name) is not None
    return name.translate(_SUBSCRIPTS) if is_formula else name


def conditions(sample: PreviewSample) -> str:
    """Return how it was imaged: dose, defocus, pixel size, expected electrons a pixel."""
    parts = [f"{_number(sample.settings['dose'])} e/Å²"]
    if "defocus" in sample.settings:
        parts.append(f"defocus {sample.settings['defocus']:.0f} Å".replace("-", "−"))
    parts.append(f"{sample.pixel_size:.3g} Å/px")
    low, high = np.percentile(sample.expected, [0.1, 99.9])
    parts.append(f"{_number(low)}–{_number(high)} e/px")
    return "   ".join(parts)


def contents(sample: PreviewSample) -> str:
    """Return what is seen: how deep the columns are, how thick the particles."""
    depths = sample.truth.columns.counted().depths
    parts = []
    if len(depths):
        span = f"{depths.min()}" if depths.min() == depths.max() else f"{depths.min()}–{depths.max()}"
        parts.append(f"{len(depths)} columns, {span} atoms deep")
    if len(sample.truth.particles) != 1:
        parts.append(f"{len(sample.truth.particles)} particles")
    if sample.truth.particles:
        parts.append(f"{sample.truth.thickness.max() / 10:.1f} nm thick")
    return "   ".join(parts)


def _number(value: float) -> str:
    """Return a number in two or three digits, thousands apart; what is below 0.05 is nothing to see."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", " ")
    if value < 0.05:
        return "0"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"
