"""Plural scattering: how a beam spreads over angles in a thickness, atom after atom."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from simulate.fields.scattering import cross_section

STEP, POINTS = 2.0, 288
"""Grid of angles [mrad] in which scattering is convolved: it holds ± 288 mrad."""


def share_on_annulus(
    atoms: Float[np.ndarray, "t e"],
    symbols: tuple[str, ...],
    energy: float,
    angles: tuple[float, float, float],
) -> Float[np.ndarray, " t"]:
    """Return the share of a beam that lies between two angles behind atoms at random.

    A beam that meets N atoms in an area has the angular distribution F⁻¹[exp(Σ N (σ̂ - σ̂(0)))] of Poisson's
    many scatterings, σ̂ the Fourier transform of the differential cross-section (Moliere, Z. Naturforsch. 3a
    (1948) 78, in the small-angle form of Bethe, Phys. Rev. 89 (1953) 1256), convolved with the cone of the
    illumination. A little at a time this is N σ; in heavy particles it grows faster, as small angles add up,
    and at last falls short of it.

    Parameters
    ----------
    atoms
        (t, e) of each element in an area [1/Å²].
    symbols
        Elements.
    angles
        Semi-angle of the illumination, inner and outer angle of the detector [mrad].
    """
    spectra = np.stack([_spectrum(symbol, energy) for symbol in symbols])
    weight = _weights(angles)
    # Only the part of the grid that differs: it is the same after a mirror of x and of y.
    return np.array([float((weight * np.exp(row @ spectra)).sum()) for row in np.asarray(atoms)])


def _angles() -> tuple[Float[np.ndarray, "y x"], Float[np.ndarray, " x"]]:
    """Return the angle from the axis on the grid, and those along one axis [mrad]."""
    one = np.fft.fftfreq(POINTS) * POINTS * STEP
    return np.hypot(one[:, None], one), one


@lru_cache(maxsize=128)
def _spectrum(symbol: str, energy: float) -> Float[np.ndarray, " n"]:
    """Return σ̂ - σ̂(0) [Å²] on a quarter of the grid's conjugate, flat."""
    radius, _ = _angles()
    edges = np.arange(0.0, POINTS * STEP / np.sqrt(2) + 2 * STEP, STEP) - STEP / 2
    edges[0] = 0.0
    edges = np.minimum(edges, 250.0)
    rings = np.array([cross_section(symbol, energy, a, b) for a, b in pairwise(edges)])
    nearest = np.rint(radius / STEP).astype(int)
    counts = np.bincount(nearest.ravel(), minlength=len(rings))[: len(rings)]
    density = (rings / np.maximum(counts, 1))[np.minimum(nearest, len(rings) - 1)]
    return _quarter(np.fft.fft2(density).real - density.sum())


@lru_cache(maxsize=32)
def _weights(angles: tuple[float, float, float]) -> Float[np.ndarray, " n"]:
    """Return by what exp(Σ N (σ̂ - σ̂(0))) on a quarter of the grid is summed to the share on the annulus."""
    semiangle, inner, outer = angles
    cone, annulus = _disc(semiangle), _disc(outer) - _disc(inner)
    product = np.fft.fft2(cone / cone.sum()) * np.conj(np.fft.fft2(annulus)) / POINTS**2
    half = POINTS // 2
    times = np.ones(half + 1)
    times[1:half] = 2.0
    return _quarter(product.real) * np.outer(times, times).ravel()


def _disc(angle: float) -> Float[np.ndarray, "y x"]:
    """Return how much of each pixel of the grid lies within an angle [mrad]."""
    return np.clip((angle - _angles()[0]) / STEP + 0.5, 0.0, 1.0)


def _quarter(grid: Float[np.ndarray, "y x"]) -> Float[np.ndarray, " n"]:
    half = POINTS // 2 + 1
    return np.ascontiguousarray(grid[:half, :half]).ravel()
