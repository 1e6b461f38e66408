"""What a probe makes of a body at a height: the transfer of its intensity, out of focus or in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.stem.probe import Probe
from simulate.tem.optics import wavelength

NODES = 64
"""Points along each axis of the aperture that the transfer is summed over."""
FREQUENCIES = 96
"""Spatial frequencies that it is tabulated at."""
FOCI = 5
"""Defoci that a focal spread is summed over."""


def transfer(probe: Probe, height: float, frequency: Float[np.ndarray, "*k"]) -> Float[np.ndarray, "*k"]:
    """Return the Fourier transform of a round probe's intensity in the plane at a height.

    It is the autocorrelation of the aperture with its aberration phase (Born & Wolf, Principles of Optics,
    9.5), averaged over the focal spread, times that of the source. It is 1 at frequency 0 and 0 beyond twice
    the aperture.

    Parameters
    ----------
    height
        z [Å] from the plane that the defocus counts from, along the beam: the crossover is where it equals
        the defocus.
    frequency
        Spatial frequencies [1/Å].

    Raises
    ------
    InputError
        If the probe is not round.
    """
    if probe.astigmatism or probe.coma:
        raise InputError("a population is seen by a round probe: give microscope.astigmatism=0 and coma=0")
    table = _table(
        probe.energy,
        probe.semiangle_cutoff,
        probe.Cs,
        probe.focal_spread,
        round(probe.defocus - height, 3),
    )
    highest = 2e-3 * probe.semiangle_cutoff / wavelength(probe.energy)
    source = np.exp(-2 * (np.pi * probe.source_size * frequency) ** 2)
    return np.asarray(np.where(frequency < highest, table(np.minimum(frequency, highest)), 0.0) * source)


@lru_cache(maxsize=1024)
def _table(
    energy: float, semiangle: float, cs: float, spread: float, focus: float
) -> Callable[[Float[np.ndarray, "*k"]], Float[np.ndarray, "*k"]]:
    """Return the transfer without a source by Gauss-Legendre quadrature, smooth over frequencies.

    Parameters
    ----------
    focus
        Defocus in the plane [Å].
    """
    from scipy.interpolate import CubicSpline

    lam, edge = wavelength(energy), 1e-3 * semiangle
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    foci, shares = np.polynomial.hermite_e.hermegauss(FOCI if spread else 1)
    shares = shares / shares.sum()
    found = []
    for shift in np.linspace(0.0, edge, FREQUENCIES):
        # Angles in both of two apertures that are shifted by ± half the frequency's angle along x.
        y = np.sqrt(max(edge**2 - shift**2, 0.0)) * nodes
        half = np.maximum(np.sqrt(edge**2 - y**2) - shift, 0.0)
        x = half[:, None] * nodes
        weight = weights[:, None] * weights * half[:, None] * np.sqrt(max(edge**2 - shift**2, 0.0))
        first, second = ((x + s * shift) ** 2 + y[:, None] ** 2 for s in (1, -1))
        round_part = 0.25 * cs * (first**2 - second**2)
        total = 0.0
        for node, share in zip(foci, shares, strict=True):
            phase = 2 * np.pi / lam * (round_part - 0.5 * (focus + spread * node) * (first - second))
            total += share * float((weight * np.cos(phase)).sum())
        found.append(total)
    knots = np.linspace(0.0, 2 * edge / lam, FREQUENCIES)
    return CubicSpline(knots, np.array(found) / found[0])  # type: ignore[no-any-return]
