"""How else a picture of the same particles could look: contrast, inversion, blur, noise, uneven light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

FLATTEN = (12.0, 40.0)
"""Pixels."""
_HILLS = (60.0, 160.0)
"""Pixels from one hill of a support to the next."""
_LEAST = 0.01
"""Local variance below which contrast is not raised, as a share of the mean: what is empty stays so."""


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """What a picture is turned into at random; chances are between 0 and 1.

    Parameters
    ----------
    inversion
        Chance that dark and bright are exchanged.
    gamma
        Standard deviation of the logarithm of the exponent.
    noise
        Largest standard deviation of added white noise, in standard deviations of the picture.
    blur
        Largest standard deviation of a Gaussian blur [px].
    uneven
        Largest difference of brightness across the picture, in standard deviations.
    clutter
        Largest standard deviation of a support that is thick here and thin there, in those of the picture.
    flatten
        Chance that brightness and contrast are made even, as over `FLATTEN` pixels.
    strikes
        Chance of each other kind of change but inversion; half of it for clutter.
    """

    inversion: float = 0.3
    gamma: float = 0.3
    noise: float = 0.5
    blur: float = 1.0
    uneven: float = 1.0
    clutter: float = 1.5
    flatten: float = 0.15
    strikes: float = 0.4

    def change(self, image: Float[np.ndarray, "y x"], rng: np.random.Generator) -> Float32[np.ndarray, "y x"]:
        """Return the picture as it could look, with mean 0 and variance 1."""
        from scipy.ndimage import gaussian_filter

        gamma, blur, uneven, noise, smooth = rng.random(5) < self.strikes
        scored = _standard(image)
        if gamma:
            low, high = np.percentile(scored, [0.5, 99.5])
            span = max(float(high - low), 1e-6)
            scored = _standard(np.clip((scored - low) / span, 0, 1) ** np.exp(rng.normal(0, self.gamma)))
        if blur:
            scored = _standard(gaussian_filter(scored, rng.uniform(0, self.blur), mode="nearest"))
        if uneven:
            scored = scored + rng.uniform(0, self.uneven) * _light(scored.shape, rng)
        if rng.random() < self.strikes / 2:
            scored = scored + rng.uniform(0, self.clutter) * _support(scored.shape, rng)
        if rng.random() < self.flatten:
            scored = flattened(scored, rng.uniform(*FLATTEN))
        if noise:
            grain = rng.standard_normal(scored.shape).astype(np.float32)
            if smooth:
                grain = _standard(gaussian_filter(grain, rng.uniform(0.3, 1.2), mode="wrap"))
            scored = scored + rng.uniform(0, self.noise) * grain
        if rng.random() < self.inversion:
            scored = -scored
        return np.ascontiguousarray(scored, np.float32)


def _standard(image: Float[np.ndarray, "y x"]) -> Float32[np.ndarray, "y x"]:
    values = image.astype(np.float32)
    values = values - values.mean()
    spread = float(values.std())
    return np.asarray(values / spread if spread > 0 else values)


def flattened(image: Float[np.ndarray, "y x"], sigma: float) -> Float32[np.ndarray, "y x"]:
    """Return a picture of even brightness and contrast: less its Gaussian mean, over its local spread.

    Parameters
    ----------
    sigma
        Of the Gaussian mean [px]; twice that of the spread.
    """
    from scipy.ndimage import gaussian_filter

    values = image.astype(np.float32)
    values = values - gaussian_filter(values, sigma)
    spread = gaussian_filter(values**2, 2 * sigma)
    return np.asarray(values / np.sqrt(spread + _LEAST * values.var() + 1e-12))


def _support(shape: tuple[int, ...], rng: np.random.Generator) -> Float32[np.ndarray, "y x"]:
    """Return hills and valleys wider than particles, of mean 0 and variance 1."""
    from scipy.ndimage import zoom

    wide = rng.uniform(*_HILLS)
    coarse = rng.standard_normal([int(np.ceil(n / wide)) + 3 for n in shape]).astype(np.float32)
    fine = zoom(coarse, wide, order=3)
    return _standard(fine[tuple(slice(int(wide), int(wide) + n) for n in shape)])


def _light(shape: tuple[int, ...], rng: np.random.Generator) -> Float32[np.ndarray, "y x"]:
    """Return a slope that bends a little, from -1/2 to 1/2 across the picture."""
    y, x = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in shape)
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1)
    along = np.sin(angle) * y[:, None] + np.cos(angle) * x
    return np.asarray(along + np.float32(bend) * (along**2 - np.float32(1 / 12)), np.float32)
