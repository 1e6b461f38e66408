"""The pixel size and the frame time in the tags of a TIFF: OME's, ImageJ's, the microscopes' own.

A plain TIFF's resolution in dots per inch or cm is that of a printer and is no pixel size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tifffile

from nanonet.io.readers.units import angstrom, positive, seconds, tidy


def calibration(path: Path, file: Any) -> tuple[tuple[float, float] | None, float | None]:
    """Return Å along y and x, and s a frame, as far as the file says."""
    described = file.pages.first.description
    if described.rstrip().endswith("OME>"):
        return _from_ome(described)
    if file.is_imagej:
        return _from_imagej(file)
    return _from_microscope(path), None


def _from_ome(text: str) -> tuple[tuple[float, float] | None, float | None]:
    described = tifffile.xml2dict(text)["OME"]["Image"]
    pixels = (described[0] if isinstance(described, list) else described)["Pixels"]
    y, x = (angstrom(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "YX")
    time = seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    return (None if y is None or x is None else (y, x)), time


def _from_imagej(file: Any) -> tuple[tuple[float, float] | None, float | None]:
    """Read ImageJ's pixels per unit; inch and cm are what it writes for pictures without calibration."""
    described, tags = file.imagej_metadata or {}, file.pages.first.tags
    unit = described.get("unit", "")
    y, x = (angstrom(_per_pixel(tags, name), unit) for name in ("YResolution", "XResolution"))
    trusted = tidy(unit).lower() not in ("inch", "cm", "pixel", "") and y is not None and x is not None
    pixel = (y, x) if trusted and y is not None and x is not None else None
    return pixel, seconds(described.get("finterval"), described.get("tunit", "s"))


def _per_pixel(tags: Any, name: str) -> float | None:
    if name not in tags:
        return None
    number, per = tags[name].value
    return positive(per / number) if number else None


def _from_microscope(path: Path) -> tuple[float, float] | None:
    """Ask RosettaSciIO for the calibration in tags of FEI, Zeiss, TVIPS, Olympus, JEOL and Gatan."""
    from rsciio.tiff import file_reader

    try:
        axes = file_reader(str(path), lazy=True)[0]["axes"]
    except Exception:  # these tags are an extra: without them the pixel size is asked for
        return None
    sizes = {str(a.get("name")): angstrom(a.get("scale"), a.get("units")) for a in axes}
    y, x = sizes.get("y", sizes.get("height")), sizes.get("x", sizes.get("width"))
    return None if y is None or x is None else (y, x)
