"""Views of particles at a size of their own: what is left is shape, and how much matter fills it.

A network that is to know a body from any side is given its image cut at a multiple of its own length, and
beside it that length and the density; networks are trained on and applied to what is made here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32

from nanonet.records import ParticleImages

EDGE = 40
"""Pixels of a view's side."""
_FIELD = 2.5
"""Side of a view in lengths of the particle: of a rod of six widths the ends just fit."""
_SUPPORT = 0.1
"""Of the highest smoothed intensity, above which pixels are a particle's; one pixel around belongs to it."""
_NM10 = 100.0
"""Å that lengths are given in."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """Particles, each at its own scale.

    Parameters
    ----------
    images
        (n, y, x) of `EDGE` pixels; the mean over a particle's effective area is 1, beside it it is 0.
    length
        (n,) square root of the effective area [Å], (Σ I)² / Σ I²: that of a square plate is its edge.
    density
        (n,) logarithm of the whole intensity over the length cubed, less the median of all: in HAADF, of mass
        in a volume. The unknown factor from matter to counts, which all share, drops out.
    """

    images: Float32[np.ndarray, "n y x"]
    length: Float[np.ndarray, " n"]
    density: Float[np.ndarray, " n"]

    def planes(self) -> Float32[np.ndarray, "n 3 y x"]:
        """Return what a network is given: the image, a plane of the density, a plane of the log length."""
        flat = np.ones(self.images.shape[1:], np.float32)
        scale = np.log(self.length / _NM10)
        parts = (self.images, self.density[:, None, None] * flat, scale[:, None, None] * flat)
        return np.stack(parts, axis=1).astype(np.float32)


def views(particles: ParticleImages) -> Views:
    """Return particles at their own scale; one not brighter than what is around it is 0 everywhere."""
    pixel = particles.pixel_size
    found = [_view(image, noise) for image, noise in zip(particles.images, particles.noise, strict=True)]
    length = pixel * np.array([one[1] for one in found])
    mass = pixel**2 * np.array([one[2] for one in found])
    density = np.log(mass / length**3)
    return Views(
        images=np.stack([one[0] for one in found]), length=length, density=density - np.median(density)
    )


def _view(image: Float[np.ndarray, "y x"], noise: float) -> tuple[Float32[np.ndarray, "e e"], float, float]:
    """Return a particle's view, its length [px] and its intensity."""
    from scipy.ndimage import affine_transform, gaussian_filter

    own = np.where(_support(image), image, 0.0).astype(np.float32)
    total, square = float(own.sum()), float((own**2).sum()) - noise**2 * np.count_nonzero(own)
    if total <= 0 or square <= 0:
        return np.zeros((EDGE, EDGE), np.float32), 1.0, 1e-6
    area = total**2 / square
    step = _FIELD * np.sqrt(area) / EDGE
    axes = [np.arange(n) for n in own.shape]
    centre = [float(axes[0] @ own.sum(axis=1)) / total, float(axes[1] @ own.sum(axis=0)) / total]
    if step > 1:  # what the coarser pixels cannot show is smoothed away first
        own = gaussian_filter(own, 0.5 * np.sqrt(step**2 - 1), mode="constant")
    offset = np.array(centre) - step * (EDGE - 1) / 2
    view = affine_transform(own, np.full(2, step), offset, output_shape=(EDGE, EDGE), order=1)
    return np.asarray(view * (area / total), np.float32), float(np.sqrt(area)), total


def _support(image: Float[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """Return the pixels of a particle: the largest connected region well above the background."""
    from scipy.ndimage import binary_dilation, gaussian_filter, label

    smooth = gaussian_filter(image.astype(np.float32), 1.0, mode="constant")
    regions, count = label(smooth > _SUPPORT * max(float(smooth.max()), 1e-12))
    if count > 1:
        regions = regions == 1 + np.bincount(regions.ravel())[1:].argmax()
    return np.asarray(binary_dilation(regions > 0, iterations=1))
