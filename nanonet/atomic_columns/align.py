"""Frames in a row, laid onto the one in the middle: drift is taken off by whole pixels, noise stays noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.scale import binned
from nanonet.records import InputError

_ENOUGH = 256  # px a side
_RINGS = 48  # of the power spectrum
_ROUNDS = 5
_STILL = 0.25  # px
_LAZY = 0.02  # of the correlation's span: what a shift by the whole reach must be better by than none


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
    if not all(good := [_shows_something(frame) for frame in frames]):
        frames = np.where(np.array(good)[:, None, None], frames, middle)
    found = shifts(frames, max_shift=max_shift)
    if not found.any():
        return frames, found
    return np.stack([_moved(frame, step, middle) for frame, step in zip(frames, found, strict=True)]), found


def shifts(frames: Float[np.ndarray, "t y x"], *, max_shift: float) -> Int[np.ndarray, "t 2"]:
    """Return the (y, x) [px] by which each frame is to be moved to lie on the middle one.

    Each frame is correlated with the mean of the others as they lie so far, a few times over: the mean of
    six frames is a better target than any single one. The target is filtered after Wiener, with the signal
    and noise that the frames' mean power spectrum has at each spatial frequency. Of a crystal all shifts by
    a period correlate; its outline and its surroundings decide, and of nearly equal ones the shortest is
    taken. Large frames are binned: to that end there are pixels enough.
    """
    middle = len(frames) // 2
    binning = max(1, min(frames.shape[1:]) // _ENOUGH)
    reach = int(min(max_shift / binning, min(frames.shape[1:]) / (2 * binning) - 1))
    if reach < 1 or all(np.array_equal(frame, frames[middle]) for frame in frames):
        return np.zeros((len(frames), 2), dtype=int)
    small = np.stack([_contrast(binned(frame, binning)) for frame in frames])
    found = np.rint(binning * _settled(small, middle, reach)).astype(int)
    return np.asarray(np.clip(found, -int(max_shift), int(max_shift)))


def _shows_something(frame: Float[np.ndarray, "y x"]) -> bool:
    low, high = float(frame.min()), float(frame.max())  # NaN where there is one
    return bool(np.isfinite(low) and np.isfinite(high) and low < high)


def _settled(frames: Float[np.ndarray, "t y x"], middle: int, reach: int) -> Float[np.ndarray, "t 2"]:
    """Return shifts to a fraction of a pixel."""
    from scipy import fft

    size = (frames.shape[1], frames.shape[2])
    ky, kx = fft.fftfreq(size[0])[:, None], fft.rfftfreq(size[1])
    spectra = fft.rfft2(frames)
    filtered = spectra * _wiener(spectra, np.hypot(ky, kx), len(frames) - 1)
    found = np.zeros((len(frames), 2))
    for _ in range(_ROUNDS):
        before = found.copy()
        along_y = np.exp(-2j * np.pi * ky * found[:, None, :1]).astype(np.complex64)
        along_x = np.exp(-2j * np.pi * kx * found[:, None, 1:]).astype(np.complex64)
        placed = filtered * along_y * along_x
        total = placed.sum(axis=0)
        for i, spectrum in enumerate(spectra):
            found[i] = _peak(fft.irfft2((total - placed[i]) * np.conj(spectrum), s=size), reach)
        found -= found[middle]
        if np.abs(found - before).max() < _STILL:
            break
    return found


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


def _peak(correlation: Float[np.ndarray, "y x"], reach: int) -> Float[np.ndarray, " 2"]:
    """Return the shift of the highest correlation, not further than ``reach`` along each axis."""
    steps = np.arange(-reach, reach + 1)
    near = correlation[np.ix_(steps % correlation.shape[0], steps % correlation.shape[1])]
    far = np.hypot(*np.meshgrid(steps, steps, indexing="ij"))
    best = near - _LAZY * np.ptp(near) * far / reach
    y, x = np.unravel_index(int(best.argmax()), best.shape)
    top = [_top(near[:, x], int(y)), _top(near[y], int(x))]
    return np.array([steps[y], steps[x]]) + top


def _top(values: Float[np.ndarray, " n"], at: int) -> float:
    """Return how far the top of the parabola through a maximum and its neighbours lies from it."""
    if not 0 < at < len(values) - 1:
        return 0.0
    below, here, above = (float(values[at + step]) for step in (-1, 0, 1))
    bend = below - 2 * here + above
    return float(np.clip(0.5 * (below - above) / bend, -0.5, 0.5)) if bend < 0 else 0.0


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
