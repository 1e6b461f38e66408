"""Is a frame like those that a network was trained on? What can be told without the answer."""

from __future__ import annotations

import numpy as np

from nanonet.records import Micrograph, TrainedNetwork

_UNITS = {"dose": "e/Å²", "pixel_size": "Å", "energy": "eV", "frame_time": "s"}
_SLACK = 1.02  # a calibration is not better than this
_COARSE = 1.5  # times the network's pixel: the frame does not hold what the network looks for
_GUESS = 2.0  # a dose that is estimated from the noise is not better than this factor


def range_warnings(micrograph: Micrograph, network: TrainedNetwork) -> tuple[str, ...]:
    """Return a line for each way in which a frame lies outside of what a network was trained for.

    Compared are the modality, every setting of ``network.trained_range`` that the frame has a value for, the
    pixel size, and where a transmission image has no dose, one estimated from its noise: vacuum has relative
    intensity 1, so that counts of mean m and variance v a pixel stand for a dose of m² / (v · pixel_size²)
    whatever the detector's gain.
    """
    found = []
    if network.modality and micrograph.modality and network.modality != micrograph.modality:
        found.append(f"this is a {micrograph.modality} image, the network was trained on {network.modality}")
    for name, (low, high) in network.trained_range.items():
        value = getattr(micrograph, name, None)
        if isinstance(value, int | float) and not low / _SLACK <= value <= high * _SLACK:
            found.append(_outside(name, float(value), low, high))
    if (
        "pixel_size" not in network.trained_range
        and (micrograph.pixel_size or 0) > _COARSE * network.pixel_size
    ):
        found.append(
            f"pixels of {micrograph.pixel_size:.3g} Å are coarse for a network of {network.pixel_size:.3g} Å"
        )
    return (*found, *_dose_warning(micrograph, network))


def _outside(name: str, value: float, low: float, high: float) -> str:
    unit = _UNITS.get(name, "")
    trained = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
    return f"{name} {value:.6g} {unit} is outside the {trained} {unit} of the network's training"


def _dose_warning(micrograph: Micrograph, network: TrainedNetwork) -> tuple[str, ...]:
    if "dose" not in network.trained_range or micrograph.dose is not None:
        return ()
    dose = noise_equivalent_dose(micrograph)
    low, high = network.trained_range["dose"]
    if dose is None or low / _GUESS <= dose <= high * _GUESS:
        return ()
    said = _outside("dose", float(f"{dose:.2g}"), low, high)
    return (f"{said} (estimated from the noise; the file gives none)",)


def noise_equivalent_dose(micrograph: Micrograph) -> float | None:
    """Return the dose whose shot noise explains the noise of a transmission image [e/Å²], or None.

    The noise is measured from second differences along both axes (Immerkær, 1996), in the frame's median, so
    that the crystal counts little; a detector that blurs makes it too high.
    """
    if micrograph.modality != "HRTEM" or micrograph.pixel_size is None:
        return None
    from scipy import ndimage

    image = micrograph.image.astype(float)
    rough = ndimage.convolve1d(ndimage.convolve1d(image, [1, -2, 1], axis=0), [1, -2, 1], axis=1)
    deviation = 1.4826 * float(np.median(np.abs(rough))) / 6.0
    mean = float(image.mean())
    if deviation <= 0 or mean <= 0:
        return None
    return mean**2 / (deviation**2 * micrograph.pixel_size**2)
