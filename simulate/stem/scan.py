"""What a scan does to an image: lines that jump, a beam that flies back, a slow detector, few electrons.

The fast direction is x, the slow one y. Positions change before electrons are counted: the clean image is
sampled where the beam was, not its noise moved about.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32

from nanonet.records import InputError

if TYPE_CHECKING:
    import torch

TAPS = 12
"""Pixels along each axis that a value between pixels is interpolated from."""
_KAISER = 6.0  # of the window of the interpolating sinc: 1e-3 up to 0.75 of Nyquist's frequency
_FRACTIONS = 4096  # of a pixel that weights are tabulated for: 2e-4 of the image's contrast
TIMES = ("dwell", "flyback_time", "flyback_decay", "afterglow_time")


@dataclass(frozen=True, kw_only=True)
class ScanNoise:
    """One setting of a scan and its detector; by default a perfect one.

    Parameters
    ----------
    dwell
        Time on a pixel [s].
    flyback_time
        From the end of a line to the start of the next [s].
    jitter
        Standard deviation along x and along y of where a line lies [Å].
    jitter_lines
        Lines over which a shift decays to 1/e; 0 for lines that jump independently.
    flyback
        By how much the beam lags behind (lies towards -x) at the start of a line [Å].
    flyback_decay
        In which that decays to 1/e [s].
    line_gain
        Standard deviation of a line's relative intensity (beam current, pick-up of the mains).
    afterglow, afterglow_time
        Share of the signal that the detector gives late, and the time in which that decays to 1/e [s].
    gain
        Counts that an electron gives.
    dark
        Electrons a pixel that the detector shows without a beam.
    readout
        Standard deviation of the electronics' noise [counts].
    """

    dwell: float = 1e-5
    flyback_time: float = 1e-4
    jitter: float = 0.0
    jitter_lines: float = 0.0
    flyback: float = 0.0
    flyback_decay: float = 1e-4
    line_gain: float = 0.0
    afterglow: float = 0.0
    afterglow_time: float = 1e-5
    gain: float = 1.0
    dark: float = 0.0
    readout: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, unit = getattr(self, field.name), _unit(field.name)
            positive = field.name in (*TIMES, "gain")
            if not np.isfinite(value) or value < 0 or (positive and value == 0):
                rule = "must be positive" if positive else "must not be negative"
                raise InputError(f"{field.name} {rule}, got {value}{unit}")
        if not self.afterglow < 1:
            raise InputError(f"afterglow must be below 1, got {self.afterglow}")

    def line_time(self, pixels: int) -> float:
        """Return the time from the start of a line of some pixels to that of the next [s]."""
        return self.dwell * pixels + self.flyback_time


def _unit(name: str) -> str:
    return " s" if name in TIMES else " Å" if name in ("jitter", "flyback") else ""


def record_scan(
    expected: torch.Tensor, noise: ScanNoise, pixel_size: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the image (y, x), float32, that a scan gives of an expected one [electrons a pixel].

    Raises
    ------
    InputError
        If the image has not two axes.
    """
    if expected.ndim != 2:
        raise InputError(f"a scan is of one image (y, x), got shape {tuple(expected.shape)}")
    clean = np.asarray(expected.detach().cpu().numpy(), dtype=np.float32)
    dy, dx = line_shifts(noise, clean.shape[0], rng)
    lag = lag_along(noise, clean.shape[1])
    if noise.jitter or noise.flyback:
        clean = resample(clean, dy / pixel_size, (dx[:, None] - lag) / pixel_size)
    gains = np.maximum(1 + noise.line_gain * rng.standard_normal(clean.shape[0]), 0.0)
    counts = rng.poisson(np.maximum(clean * gains[:, None], 0.0) + noise.dark).astype(np.float32)
    signal = noise.gain * linger(counts, noise)
    if noise.readout:
        signal = signal + noise.readout * rng.standard_normal(signal.shape)
    return np.asarray(signal, dtype=np.float32)


def line_shifts(
    noise: ScanNoise, lines: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, " y"], Float[np.ndarray, " y"]]:
    """Return how far each line lies off along y and x [Å]: normal, of standard deviation ``jitter``.

    Neighbouring lines are correlated by exp(-1 / jitter_lines) (an autoregressive process of first order).
    """
    from scipy.signal import lfilter

    kept = np.exp(-1 / noise.jitter_lines) if noise.jitter_lines else 0.0
    driven = rng.standard_normal((2, lines)) * np.sqrt(1 - kept**2)
    driven[:, 0] /= np.sqrt(1 - kept**2)
    shifts = noise.jitter * lfilter([1.0], [1.0, -kept], driven, axis=1)
    return shifts[0], shifts[1]


def lag_along(noise: ScanNoise, pixels: int) -> Float[np.ndarray, " x"]:
    """Return how far the beam lags behind at each pixel of a line [Å]."""
    return np.asarray(noise.flyback * np.exp(-noise.dwell * np.arange(pixels) / noise.flyback_decay))


def resample(
    image: Float[np.ndarray, "y x"], down: Float[np.ndarray, " y"], right: Float[np.ndarray, "y x"]
) -> Float[np.ndarray, "y x"]:
    """Return an image's values at (i + down_i, j + right_ij) [pixels], by a windowed sinc.

    That is exact to 1e-3 for images without frequencies above 0.75 of Nyquist's, as a probe gives at pixels
    below 0.19 λ / α. Beyond the edges the image goes on as at its edge.
    """
    edge = ((TAPS, TAPS), (TAPS, TAPS))
    padded = np.pad(image, edge, mode="edge")
    rows, weights = _taps(np.arange(len(image)) + down, len(image))
    lines = np.einsum("yt,ytx->yx", weights, padded[rows])
    columns, weights = _taps(np.arange(image.shape[1]) + right, image.shape[1])
    values = np.take_along_axis(lines[:, None, :], columns.reshape(len(lines), 1, -1), axis=2)
    return np.asarray((values.reshape(columns.shape) * weights).sum(axis=-1), dtype=np.float32)


def _taps(places: Float[np.ndarray, "*n"], count: int) -> tuple[np.ndarray, Float[np.ndarray, "*n tap"]]:
    """Return which pixels of an axis with an edge of `TAPS` are added, and by what weights."""
    places = np.clip(places, -TAPS / 2, count - 1 + TAPS / 2)
    first = np.floor(places).astype(np.int64)
    weights = _kernel()[np.rint((places - first) * _FRACTIONS).astype(np.int64)]
    columns = first[..., None] + np.arange(1 - TAPS // 2, TAPS // 2 + 1) + TAPS
    return columns, weights


@cache
def _kernel() -> Float32[np.ndarray, "fraction tap"]:
    """Return the weights for each fraction of a pixel: a sinc in a Kaiser window."""
    away = np.arange(1 - TAPS // 2, TAPS // 2 + 1) - np.linspace(0, 1, _FRACTIONS + 1)[:, None]
    window = np.i0(_KAISER * np.sqrt(np.maximum(1 - (2 * away / TAPS) ** 2, 0.0)))
    weights = np.sinc(away) * window
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True), dtype=np.float32)


def linger(signal: Float[np.ndarray, "y x"], noise: ScanNoise) -> Float[np.ndarray, "y x"]:
    """Return the signal of a detector that gives a share of it late, on pixels and lines to come.

    The late share leaves with a decay by exp(-dwell / afterglow_time) a pixel, and through the flyback.
    """
    from scipy.signal import lfilter

    if not noise.afterglow:
        return signal
    kept = np.exp(-noise.dwell / noise.afterglow_time)
    between = np.exp(-noise.flyback_time / noise.afterglow_time)
    # What is stored at a pixel, by what came in on its line and then on those before;
    # (1 - kept) of it leaves there.
    held = lfilter([1.0], [1.0, -kept], noise.afterglow * signal.astype(np.float64), axis=1)
    fading = kept ** np.arange(signal.shape[1])
    carried = between * kept
    from_before = lfilter([0.0, carried], [1.0, -carried * fading[-1]], held[:, -1])
    held += from_before[:, None] * fading
    return np.asarray((1 - noise.afterglow) * signal + held * (1 - kept), dtype=np.float32)
