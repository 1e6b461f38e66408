"""What one atom does to a wave: its scattering factor, and the phase that a potential gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from simulate.tem.optics import wavelength

POTENTIAL = 47.878
"""h² / 2π m e [V Å²]: the potential of an atom integrated over all space is this times f(0)."""


@lru_cache(maxsize=128)
def electron_factor(symbol: str) -> Callable[[Float[np.ndarray, "*k"]], Float[np.ndarray, "*k"]]:
    """Return the scattering factor [Å] of an element as a function of k [1/Å] (Lobato & Van Dyck, 2014)."""
    from abtem.parametrizations import validate_parametrization

    factor = validate_parametrization("lobato").scattering_factor(symbol)
    return lambda k: np.asarray(factor(np.asarray(k, dtype=float) ** 2))


def interaction(energy: float) -> float:
    """Return σ, the phase of a wave per projected potential [rad / V Å]: γ λ / 47.878 V Å²."""
    return float(_gamma(energy) * wavelength(energy) / POTENTIAL)


def _gamma(energy: float) -> float:
    """Return the relativistic mass of an electron over its rest mass."""
    from scipy import constants

    return float(1 + energy * constants.e / (constants.m_e * constants.c**2))
