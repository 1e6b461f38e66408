"""A microscope read from an image: ``microscope=from_file file=movie.dm4``."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from nanonet.records import InputError
from simulate.tem.microscope import Microscope

if TYPE_CHECKING:
    from nanonet.records import Micrograph
    from simulate.camera.camera import Camera

SPREAD = 2.0
"""The dose is drawn from that of the file divided and multiplied by this."""
SCANNED = ("HAADF", "ADF", "BF-STEM", "SEM")


def from_file(
    file: str | None,
    *,
    camera: Camera | None = None,
    counts_per_electron: float | None = None,
    dataset: str | None = None,
    **settings: Any,
) -> Microscope:
    """Return a microscope with the pixel size, the energy and the dose of an image or movie.

    What the file does not say keeps the defaults of `Microscope`. Files seldom say the dose: it is the mean
    of the first frame over counts per electron and pixel area, where these are known, so that the frame
    should be mostly vacuum or thin.

    Parameters
    ----------
    file
        Any that `nanonet.io.read_series` reads.
    camera
        The camera that recorded the file, and is to be simulated.
    counts_per_electron
        Of the file's numbers; None for those of ``camera``, if that is given.
    dataset
        Which of the images in a file that holds several.
    settings
        Settings of `Microscope` that go before those of the file.

    Raises
    ------
    InputError
        If the file cannot be read, does not say its pixel size, is not a TEM image, or a setting is unknown.
    """
    if not file:
        raise InputError("file is missing: give file=movie.dm4, the image that the microscope is read from")
    known = [field.name for field in fields(Microscope)]
    for name in settings:
        if name not in known:
            raise InputError(f"'{name}' is no setting of a microscope; known: {', '.join(sorted(known))}")
    frame = _first_frame(file, dataset, said="pixel_size" in settings)
    if frame.modality in SCANNED:
        raise InputError(f"{frame.name} is a {frame.modality} image: a TEM cannot be read from it")
    pixel_size = settings.get("pixel_size", frame.pixel_size)
    found = {"pixel_size": pixel_size, "energy": frame.energy, "camera": camera}
    if isinstance(pixel_size, (int, float)) and "dose" not in settings:
        dose = _dose(frame, float(pixel_size), counts_per_electron, camera)
        found |= {} if dose is None else {"dose": (dose / SPREAD, dose * SPREAD)}
    return Microscope(**{**found, **settings})


def _first_frame(file: str, dataset: str | None, *, said: bool) -> Micrograph:
    """Read the first frame of a file; ``said`` if the user gives its pixel size."""
    from nanonet.io import read_series

    try:
        return read_series(file, dataset=dataset, pixel_size="px" if said else None)[0]
    except InputError as error:
        if "does not say its pixel size" in str(error):
            text = f"{file} does not say its pixel size: give microscope.pixel_size=0.2 (Å)"
            raise InputError(text) from error
        raise InputError(str(error).replace("read.", "microscope.")) from error


def _dose(
    frame: Micrograph, pixel_size: float, counts_per_electron: float | None, camera: Camera | None
) -> float | None:
    """Return the dose of a frame [e/Å²], None where it cannot be known."""
    if frame.dose is not None:
        return frame.dose
    if counts_per_electron is None and camera is not None:
        counts_per_electron = camera.counts_per_electron
    if counts_per_electron is None:
        return None
    if not counts_per_electron > 0:
        raise InputError(f"counts_per_electron must be positive, got {counts_per_electron}")
    mean = float(frame.image.mean(dtype=float))
    if not mean > 0:
        raise InputError(
            f"the mean of {frame.name}, {mean:.3g} counts, is no dose: give microscope.dose=1000 (e/Å²)"
        )
    return mean / counts_per_electron / pixel_size**2
