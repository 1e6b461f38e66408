"""Is a frame like those that a network was trained on? What can be told without the answer."""

from __future__ import annotations

from nanonet.records import Micrograph, TrainedNetwork

_UNITS = {"dose": "e/Å²", "energy": "eV", "frame_time": "s"}
_SLACK = 1.02  # a calibration is not better than this
_COARSE = 1.5  # times the network's pixel: the frame does not hold what the network looks for
_GUESS = 2.0  # a dose that is estimated from the noise is not better than this factor
_TOO_QUIET = 2.0  # times the stated dose: no detector has less noise than its electrons


def range_warnings(
    micrograph: Micrograph, network: TrainedNetwork, noise_dose: float | None
) -> tuple[str, ...]:
    """Return a line for each way in which a frame lies outside of what a network was trained for.

    Compared are the modality, every setting of ``network.trained_range`` that the frame has a value for, the
    pixel size where it is too coarse, and the dose that the noise stands for: with the range where the file
    gives no dose, else with that dose, since noise below its shot noise means that the image was processed.
    What the image itself looks like is compared by `nanonet.atomic_columns.familiar`.

    Parameters
    ----------
    micrograph
        The frame.
    network
        Whose training it is compared with.
    noise_dose
        What `nanonet.atomic_columns.dose.noise_equivalent_dose` says of the frame [e/Å²].
    """
    found = []
    if float(micrograph.image.mean()) <= 0:
        found.append(
            "the mean intensity is not positive, so nothing can be read: the network takes raw counts, from "
            "which no background was subtracted"
        )
    if network.modality and micrograph.modality and network.modality != micrograph.modality:
        found.append(f"this is a {micrograph.modality} image, the network was trained on {network.modality}")
    for name, (low, high) in network.trained_range.items():
        value = getattr(micrograph, name, None)
        if name == "pixel_size" or not isinstance(value, int | float):  # it is resampled to the network's
            continue
        if not low / _SLACK <= value <= high * _SLACK:
            found.append(_outside(name, float(value), low, high))
    if (micrograph.pixel_size or 0) > _COARSE * network.sampling:
        found.append(
            f"pixels of {micrograph.pixel_size:.3g} Å are coarse for a network of {network.sampling:.3g} Å"
        )
    return (*found, *_dose_warning(micrograph, network, noise_dose))


def _outside(name: str, value: float, low: float, high: float) -> str:
    unit = _UNITS.get(name, "")
    trained = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
    return f"{name} {value:.6g} {unit} is outside the {trained} {unit} of the network's training"


def _dose_warning(micrograph: Micrograph, network: TrainedNetwork, dose: float | None) -> tuple[str, ...]:
    """Return what the noise says of the dose: out of range, or less than the shot noise of the stated one."""
    if "dose" not in network.trained_range or dose is None:
        return ()
    if micrograph.dose is not None:
        if dose <= _TOO_QUIET * micrograph.dose:
            return ()
        return (
            f"the noise is that of {dose:.2g} e/Å², less than the shot noise of the stated "
            f"{micrograph.dose:.2g} e/Å²: was the image filtered or averaged, or is the dose wrong?",
        )
    low, high = network.trained_range["dose"]
    if low / _GUESS <= dose <= high * _GUESS:
        return ()
    said = _outside("dose", float(f"{dose:.2g}"), low, high)
    return (f"{said} (estimated from the noise; the file gives none)",)
