"""What atoms and crystals scatter: cross-sections, inner potentials, reflections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from jaxtyping import Float

from simulate.crystals import Crystal
from simulate.stem.atom import ring_cross_sections
from simulate.tem.optics import wavelength
from simulate.tem.scattering_factor import POTENTIAL, electron_factor, interaction

ANGLES = (0.0, 3.0, 6.0, 9.0, 12.0, 16.0, 21.0, 28.0, 36.0, 46.0, 60.0, 80.0, 105.0, 140.0, 190.0, 250.0)
"""mrad between which cross-sections are interpolated; beyond the last, 1 % of what leaves an aperture."""


def cross_section(
    symbol: str, energy: float, inner: float, outer: float | None = None, displacement: float | None = None
) -> float:
    """Return what an atom scatters elastically between two angles [Å²].

    Parameters
    ----------
    inner, outer
        mrad; no ``outer`` is all beyond ``inner``.
    displacement
        Thermal displacement u [Å]: only the diffuse part 1 - exp(-4π²u²k²) is returned, which is what
        leaves the reflections of a crystal; its share is that of Born's approximation.
    """
    whole = _beyond(symbol, energy, inner) - (0.0 if outer is None else _beyond(symbol, energy, outer))
    if displacement is None:
        return whole
    top = float(ANGLES[-1]) if outer is None else outer
    k = 1e-3 * np.linspace(inner, top, 500) / wavelength(energy)
    square = electron_factor(symbol)(k) ** 2 * k
    diffuse = -np.expm1(-((2 * np.pi * displacement * k) ** 2))
    return whole * float(np.trapezoid(square * diffuse, k) / np.trapezoid(square, k))


def _beyond(symbol: str, energy: float, angle: float) -> float:
    """Return the cross-section for scattering beyond an angle [mrad], 0 beyond the last of ``ANGLES``."""
    if angle >= ANGLES[-1]:
        return 0.0
    return float(_integrals(symbol, energy)(np.log(angle**2 + 100.0)) / (angle**2 + 100.0))


@lru_cache(maxsize=128)
def _integrals(symbol: str, energy: float) -> Callable[[float], float]:
    """Return (θ² + 100 mrad²) times the cross-section beyond θ, smooth over the former's logarithm."""
    from scipy.interpolate import PchipInterpolator

    rings = ring_cross_sections(symbol, energy, list(ANGLES))
    beyond = np.append(np.cumsum(rings[::-1])[::-1], 0.0)
    square = np.array(ANGLES) ** 2 + 100.0
    return PchipInterpolator(np.log(square), beyond * square)  # type: ignore[no-any-return]


def number_densities(crystal: Crystal) -> dict[str, float]:
    """Return the atoms of each element in a volume of a crystal [1/Å³]; mixed sites count by their shares."""
    volume = abs(float(np.linalg.det(crystal.vectors)))
    found: dict[str, float] = {}
    for symbol in crystal.symbols:
        for element, share in crystal.mixtures.get(symbol, {symbol: 1.0}).items():
            found[element] = found.get(element, 0.0) + share / volume
    return found


def inner_potential(densities: Mapping[str, float]) -> float:
    """Return the mean inner potential [V] of free atoms; bonding makes it some 10 % less in metals."""
    zero = np.zeros(1)
    parts = (density * float(electron_factor(symbol)(zero)[0]) for symbol, density in densities.items())
    return POTENTIAL * sum(parts)


@dataclass(frozen=True, kw_only=True)
class Reflections:
    """The reflections of a crystal that an objective aperture stops.

    Parameters
    ----------
    vectors
        (m, 3) reciprocal lattice vectors in the crystal's frame [1/Å].
    extinction
        (m,) two-beam extinction distances [Å].
    wavelength
        Å.
    """

    vectors: Float[np.ndarray, "m 3"]
    extinction: Float[np.ndarray, " m"]
    wavelength: float


def reflections(crystal: Crystal, energy: float, aperture: float, *, highest: float = 1.7) -> Reflections:
    """Return all reflections up to ``highest`` [1/Å] that an aperture [mrad] stops and a crystal allows.

    The extinction distance is π / σ V_g; V_g is that of atoms at rest times their Debye-Waller factor.
    """
    reciprocal = np.linalg.inv(crystal.vectors).T
    reach = np.ceil(highest * np.linalg.norm(crystal.vectors, axis=1)).astype(int)
    indices = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    vectors = indices @ reciprocal
    lengths = np.linalg.norm(vectors, axis=1)
    held = (lengths <= highest) & (1e3 * wavelength(energy) * lengths > aperture) & (lengths > 0)
    indices, vectors, lengths = indices[held], vectors[held], lengths[held]
    phases = np.exp(-2j * np.pi * indices @ np.array(crystal.scaled_positions).T)
    potential = np.zeros(len(indices), dtype=complex)
    for site, symbol in enumerate(crystal.symbols):
        for element, share in crystal.mixtures.get(symbol, {symbol: 1.0}).items():
            smear = (2 * np.pi * crystal.thermal_displacements[element] * lengths) ** 2 / 2
            factor = electron_factor(element)(lengths) * np.exp(-smear)
            potential += share * factor * phases[:, site]
    strength = np.abs(potential) * POTENTIAL / abs(float(np.linalg.det(crystal.vectors)))
    allowed = strength > 0.1
    extinction = np.pi / (interaction(energy) * strength[allowed])
    return Reflections(vectors=vectors[allowed], extinction=extinction, wavelength=wavelength(energy))
