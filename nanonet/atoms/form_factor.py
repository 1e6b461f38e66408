"""Electron form factors, by the parametrisations of abTEM."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def form_factor(element: str, k: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Return the electron form factor [Å] of an element at frequencies k = 1/d [1/Å].

    Lobato and Van Dyck, Acta Cryst. A 70 (2014) 636, valid for any element up to Z = 103.
    """
    from abtem.parametrizations import LobatoParametrization

    factor = LobatoParametrization().scattering_factor(element)
    return np.asarray(factor(np.asarray(k, dtype=float) ** 2))
