"""What one atom scatters to high angles: the unit that channelling multiplies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.tem.optics import wavelength

PARAMETRIZATION = "lobato"
RADIUS = 6.0
"""Reach of an atom's potential [Å]."""
RADII = 4000
ANGLES_PER_RING = 24


def ring_cross_sections(symbol: str, energy: float, edges: Sequence[float]) -> Float[np.ndarray, " ring"]:
    """Return what a free atom scatters into each ring of angles [Å²].

    The atom is a phase object (Moliere): its amplitude is the Hankel transform of exp(iσv) - 1, v its
    projected potential. Of gold at 200 kV that is 0.7 of Born's approximation, and it is what one slice of a
    converged multislice calculation scatters. Thermal motion changes where an atom scatters, not how much.

    Parameters
    ----------
    symbol
        Element.
    energy
        Beam energy [eV].
    edges
        Angles that bound the rings [mrad], rising.

    Raises
    ------
    InputError
        If the angles do not rise from 0 or more.
    """
    if len(edges) < 2 or edges[0] < 0 or (np.diff(edges) <= 0).any():
        raise InputError(f"detector angles must rise from 0 or more, got {list(edges)} mrad")
    return np.array(_rings(symbol, float(energy), tuple(float(edge) for edge in edges)))


@lru_cache(maxsize=512)
def _rings(symbol: str, energy: float, edges: tuple[float, ...]) -> tuple[float, ...]:
    nodes, weights = np.polynomial.legendre.leggauss(ANGLES_PER_RING)
    found = []
    for low, high in pairwise(edges):
        k = (low + (high - low) * (nodes + 1) / 2) * 1e-3 / wavelength(energy)
        step = (high - low) / 2 * 1e-3 / wavelength(energy)
        found.append(float(np.sum(weights * step * 2 * np.pi * k * _amplitude(symbol, energy, k) ** 2)))
    return tuple(found)


def _amplitude(symbol: str, energy: float, k: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Return the modulus of the Fourier transform of exp(iσv) - 1 at frequencies k [1/Å]: Å²."""
    from abtem.core.energy import energy2sigma
    from abtem.parametrizations import validate_parametrization
    from scipy.special import j0

    # Radii at equal steps of their square root, at the middle of each: the potential is steepest at its core.
    step = np.sqrt(RADIUS) / RADII
    root = (np.arange(RADII) + 0.5) * step
    r, dr = root**2, 2 * root * step
    potential = validate_parametrization(PARAMETRIZATION).projected_potential(symbol)(r)
    scattered = np.expm1(1j * energy2sigma(energy) * potential) * r * dr
    return np.asarray(np.abs(2 * np.pi * j0(2 * np.pi * np.outer(k, r)) @ scattered))
