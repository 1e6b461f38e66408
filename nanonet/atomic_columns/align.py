"""Frames in a row, laid onto the one in the middle: drift is taken off by whole pixels, noise stays noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError

_RINGS = 48  # of the power spectrum
_ROUNDS = 5


def aligned(
    frames: Float[np.ndarray, "t y x"], *, max_shift: float
) -> tuple[Float[np.ndarray, "t y x"], Int[np.ndarray, "t 2"]]:
    """Return frames shifted onto the middle one.

    What a shifted frame does not show is taken from the middle one, and so is a frame that is blank or holds
    NaN. Shifts are whole pixels: interpolation would smooth the noise of some frames and not of others.

    Parameters
    ----------
    frames
        An odd number of them.
    max_shift
        Largest shift of a frame against the middle one along each axis [px].

    Returns
    -------
    frames
        As given, shifted.
    shifts
        (y, x) by which each was moved [px]; 0 of the middle one.

    Raises
    ------
    InputError
        If the number of frames is even, or the shift is negative.
    """
    if len(frames) % 2 == 0:
        raise InputError(f"an odd number of frames has one in the middle, got {len(frames)}")
    if not max_shift >= 0:
        raise InputError(f"max_shift must not be negative, got {max_shift} px")
    middle = frames[len(frames) // 2]
    good = np.array([bool(np.isfinite(frame).all() and np.ptp(frame) > 0) for frame in frames])
    frames = np.where(good[:, None, None], frames, middle)
    found = shifts(frames, max_shift=max_shift)
    return np.stack([_moved(frame, step, middle) for frame, step in zip(frames, found, strict=True)]), found


def shifts(frames: Float[np.ndarray, "t y x"], *, max_shift: float) -> Int[np.ndarray, "t 2"]:
    """Return the (y, x) [px] by which each frame is to be moved to lie on the middle one.

    Each frame is correlated with the mean of the others as they lie so far, a few times over: the mean of
    six frames is a better target than any single one. The target is filtered after Wiener, with the signal
    and noise that the frames' mean power spectrum has at each spatial frequency. Of a crystal all shifts by
    a period correlate; its outline and its surroundings decide, and of nearly equal ones the shortest is
    taken.
    """
    from scipy import fft

    count, middle = len(frames), len(frames) // 2
    found = np.zeros((count, 2), dtype=int)
    size = (frames.shape[1], frames.shape[2])
    reach = int(min(max_shift, min(size) / 2 - 1))
    if reach < 1 or all(np.array_equal(frame, frames[middle]) for frame in frames):
        return found
    ky, kx = fft.fftfreq(size[0])[:, None], fft.rfftfreq(size[1])
    spectra = np.stack([fft.rfft2(_contrast(frame)) for frame in frames])
    filtered = spectra * _wiener(spectra, np.hypot(ky, kx), count - 1)
    for _ in range(_ROUNDS):
        before = found.copy()
        placed = filtered * np.exp(-2j * np.pi * (ky * found[:, :1, None] + kx * found[:, 1:, None]))
        total = placed.sum(axis=0)
        for i in range(count):
            correlation = fft.irfft2((total - placed[i]) * np.conj(spectra[i]), s=size)
            found[i] = _peak(correlation, reach)
        found -= found[middle]
        if np.array_equal(found, before):
            break
    return np.clip(found, -reach, reach)


def _contrast(frame: Float[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return a frame less its mean, fading at its edges: it is no periodic image."""
    values = frame.astype(np.float32)
    mean = max(float(values.mean()), 1e-12)
    edge = np.outer(_taper(frame.shape[0]), _taper(frame.shape[1]))
    return np.asarray((values / mean - 1) * edge, dtype=np.float32)


def _wiener(
    spectra: np.ndarray, frequency: Float[np.ndarray, "y k"], others: int
) -> Float[np.ndarray, "y k"]:
    """Return signal / (signal + noise of the mean of the others) at each frequency [1/px]."""
    power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
    ring = np.minimum((frequency * 2 * _RINGS).astype(int), _RINGS)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    noise = float(np.median(mean[-max(len(mean) // 5, 1) :]))
    signal = np.maximum(mean - noise, 0.0)
    return np.asarray((signal / (signal + noise / max(others, 1) + 1e-12))[ring], dtype=np.float32)


def _taper(length: int) -> Float[np.ndarray, " n"]:
    """Return a window that falls to zero over a sixteenth at both ends: frames are no periodic images."""
    from scipy.signal import windows

    return np.asarray(windows.tukey(length, 0.125), dtype=np.float32)


def _peak(correlation: Float[np.ndarray, "y x"], reach: int) -> Int[np.ndarray, " 2"]:
    """Return the shift of the highest correlation, not further than ``reach`` along each axis."""
    steps = np.arange(-reach, reach + 1)
    near = correlation[np.ix_(steps % correlation.shape[0], steps % correlation.shape[1])]
    far = np.hypot(*np.meshgrid(steps, steps, indexing="ij"))
    span = float(near.max() - near.min())
    best = near - 0.02 * span * far / max(reach, 1)  # a period further is no better by chance
    y, x = np.unravel_index(int(best.argmax()), best.shape)
    return np.array([steps[y], steps[x]])


def _moved(
    frame: Float[np.ndarray, "y x"], step: Int[np.ndarray, " 2"], middle: Float[np.ndarray, "y x"]
) -> Float[np.ndarray, "y x"]:
    if not step.any():
        return frame
    moved = middle.copy()
    (y_to, y_from), (x_to, x_from) = (_overlap(int(s), n) for s, n in zip(step, frame.shape, strict=True))
    moved[y_to, x_to] = frame[y_from, x_from]
    return moved


def _overlap(step: int, length: int) -> tuple[slice, slice]:
    return slice(max(step, 0), length + min(step, 0)), slice(max(-step, 0), length + min(-step, 0))
