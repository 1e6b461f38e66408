"""Atoms that vibrate, averaged exactly: what a slice transmits on average. Imports abTEM: import it late."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from abtem.core.energy import energy2sigma
from abtem.parametrizations import validate_parametrization
from ase.data import chemical_symbols
from jaxtyping import Complex64

from simulate.tem.projection import phases

if TYPE_CHECKING:
    from ase import Atoms

TABLE_STEP = 0.02
"""Grid on which an atom's transmission is averaged [Å]: resolves its core."""
TABLE_SIDE = 12.0


def averaged_potential(
    atoms: Atoms,
    gpts: int,
    slices: int,
    *,
    displacements: Mapping[str, float],
    energy: float,
    parametrization: str = "lobato",
) -> Complex64[np.ndarray, "slice x y"]:
    """Return the complex potential of each slice whose transmission is the mean over thermal displacements.

    An atom transmits t(r) = exp(iσ v(r - u)). Where atoms move independently (Einstein's model) and each
    lies in one slice, the mean of the product over all atoms and slices is the product of the means, so
    multislice with <t> gives the mean wave <ψ> itself: the elastic wave, without any noise of frozen phonons.
    The mean of exp(iσ v) is its convolution with the Gaussian of u, and its logarithm the potential
    w(r) = -i/σ ln <exp(iσ v(r))>; its imaginary part is what thermal diffuse scattering takes away
    (Hall & Hirsch, Proc. R. Soc. A 286 (1965) 158, without their expansion in u).

    Parameters
    ----------
    atoms
        In their box.
    gpts
        Of the square grid.
    slices
        Of equal thickness; an atom is of the slice that its z lies in.
    displacements
        Root mean square displacement along one axis by element [Å].

    Returns
    -------
    potential
        V Å on abTEM's (x, y) grid.
    """
    side, height = float(atoms.cell[0, 0]), float(atoms.cell[2, 2])
    k = np.fft.fftfreq(gpts, side / gpts)
    radius = np.hypot(k[:, None], k)
    which = np.clip((atoms.positions[:, 2] / height * slices).astype(int), 0, slices - 1)
    potential = np.zeros((slices, gpts, gpts), dtype=np.complex64)
    for number in np.unique(atoms.numbers):
        symbol = chemical_symbols[number]
        frequencies, factor = averaged_factor(symbol, displacements[symbol], energy, parametrization)
        scale = (gpts / side) ** 2
        grid = np.interp(radius, frequencies, factor.real) + 1j * np.interp(radius, frequencies, factor.imag)
        grid = (scale * grid).astype(np.complex64)
        for index in np.unique(which[atoms.numbers == number]):
            x, y = atoms.positions[(atoms.numbers == number) & (which == index), :2].T
            potential[index] += grid * (phases(k, x) @ phases(k, y).T)
    return _back(potential)


def _back(spectra: Complex64[np.ndarray, "slice x y"]) -> Complex64[np.ndarray, "slice x y"]:
    from abtem.core.fft import ifft2

    for spectrum in spectra:
        if spectrum.any():
            spectrum[:] = ifft2(spectrum)
    return spectra


@lru_cache(maxsize=64)
def averaged_factor(
    symbol: str, displacement: float, energy: float, parametrization: str, step: float = TABLE_STEP
) -> tuple[np.ndarray, np.ndarray]:
    """Return spatial frequencies [1/Å] and there the Fourier transform of w [V Å³] of an atom at the origin.

    Parameters
    ----------
    displacement
        Root mean square along one axis [Å].
    step
        Of the table in real space [Å].
    """
    count = round(TABLE_SIDE / step)
    k = np.fft.fftfreq(count, step)
    square = k[:, None] ** 2 + k**2
    scattering = validate_parametrization(parametrization).projected_scattering_factor(symbol)(square)
    sigma = energy2sigma(energy)
    transmission = np.exp(1j * sigma * np.fft.ifft2(scattering / step**2).real)
    smear = np.exp(-2 * np.pi**2 * displacement**2 * square)
    mean = np.fft.ifft2(np.fft.fft2(transmission) * smear)
    factor = np.fft.fft2(-1j * np.log(mean) / sigma)[0] * step**2
    return k[: count // 2], factor[: count // 2]
