"""From a scattering matrix to images: every probe position, setting and annulus at once. In torch.

A probe at r0 is Σ_b c_b exp(-2πi k_b·r0) times the plane waves b, whose exit waves S_b(r) are the scattering
matrix (Ophus, Adv. Struct. Chem. Imaging 3 (2017) 13). Two exact ways lead to the part of it that falls on an
annulus. Without interpolation all images follow from the correlation of the beams on the annulus
(`simulate.stem.correlation`); with interpolation each probe's wave is cut to a window around it, which
`simulate.stem.windows` does for a grid of scan points, and `reduce_positions` for any.

Everything happens on the device of the scattering matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.stem.correlation import beam_correlation, correlated_images
from simulate.stem.matrix import ScatteringMatrix, block_size, squared
from simulate.stem.probe import Annulus, Probe
from simulate.stem.windows import window_pieces, windowed_images

if TYPE_CHECKING:
    import torch


def reduce_grid(
    matrix: ScatteringMatrix, probes: Sequence[Probe], annuli: Sequence[Annulus], points: tuple[int, int]
) -> torch.Tensor:
    """Return images on a grid of scan points over the whole box: float32 (probe, annulus, y, x).

    Parameters
    ----------
    points
        (y, x) of the image, multiples of the interpolation.

    Returns
    -------
    images
        Part of the beam on each annulus. Point (i, j) is the probe at (i · side_y / y, j · side_x / x).
    """
    if any(n % matrix.interpolation for n in points):
        raise InputError(f"points must be multiples of interpolation {matrix.interpolation}, got {points}")
    amplitudes, masks = matrix.amplitudes(probes), matrix.masks(annuli)
    if matrix.interpolation == 1:
        return correlated_images(beam_correlation(matrix, annuli), matrix.lattice, amplitudes, points)
    return windowed_images(matrix, amplitudes, masks, points)


def reduce_positions(
    matrix: ScatteringMatrix,
    probes: Sequence[Probe],
    annuli: Sequence[Annulus],
    positions: Float[np.ndarray, "n 2"],
) -> torch.Tensor:
    """Return the part of the beam on each annulus at any positions (y, x) [Å]: float32 (probe, annulus, n).

    Positions need not lie on samples: the plane waves carry them, and the window, of whole samples, is the
    one nearest to the probe.
    """
    import torch

    device = matrix.waves.device
    amplitudes, masks = matrix.amplitudes(probes), matrix.masks(annuli).flatten(1)
    turns = (matrix.lattice / np.array(matrix.window_sides)) @ np.asarray(positions, dtype=float).T
    phases = torch.as_tensor(np.exp(-2j * np.pi * turns).T, dtype=torch.complex64, device=device)
    result = torch.empty(len(probes), len(annuli), len(positions), device=device)
    for corner, members in _window_groups(matrix, positions):
        rows = (amplitudes[:, None] * phases[members]).flatten(0, 1)
        sums = _window_sums(matrix, corner, rows, masks)
        result[:, :, members] = sums.reshape(len(probes), len(members), -1).transpose(1, 2)
    return result


def _window_groups(
    matrix: ScatteringMatrix, positions: Float[np.ndarray, "n 2"]
) -> Iterator[tuple[tuple[int, int], torch.Tensor]]:
    """Yield the first samples (y, x) of the windows that are needed, with the positions that each serves."""
    import torch

    sampling = np.array(matrix.sides) / np.array(matrix.waves.shape[-2:])
    corners = np.rint(np.asarray(positions) / sampling - np.array(matrix.window) // 2).astype(int)
    if matrix.interpolation == 1:  # the whole box: where it begins does not matter
        corners = np.zeros_like(corners)
    unique, which = np.unique(corners, axis=0, return_inverse=True)
    for index, corner in enumerate(unique):
        members = torch.as_tensor(np.flatnonzero(which.ravel() == index), device=matrix.waves.device)
        yield (int(corner[0]), int(corner[1])), members


def _window_sums(
    matrix: ScatteringMatrix, corner: tuple[int, int], rows: torch.Tensor, masks: torch.Tensor
) -> torch.Tensor:
    """Return the sums over annuli of all superpositions ``rows`` (row, beam) in a window: (row, annulus).

    The superpositions are transformed, or, where they are more than the beams, the beams.
    """
    import torch

    step = max(1, block_size(rows) // masks.shape[1])
    if len(rows) <= len(matrix.lattice):
        weights = masks.T.float()
        spectra = (
            torch.fft.fft2(_superposed(matrix, corner, block), norm="forward").flatten(1)
            for block in torch.split(rows, step)
        )
        return torch.cat([squared(spectrum) @ weights for spectrum in spectra])
    kept = masks.any(dim=0)
    weights = masks[:, kept].T.float()
    window = torch.roll(matrix.waves, [-first for first in corner], (1, 2))
    window = window[:, : matrix.window[0], : matrix.window[1]]
    beams = torch.cat(
        [torch.fft.fft2(block, norm="forward").flatten(1)[:, kept] for block in torch.split(window, step)]
    )
    return torch.cat([squared(block @ beams) @ weights for block in torch.split(rows, step)])


def _superposed(matrix: ScatteringMatrix, corner: tuple[int, int], rows: torch.Tensor) -> torch.Tensor:
    """Return superpositions ``rows`` (row, beam) of the waves within a window: (row, y, x).

    The window is read where it lies, a matrix product a line: copying it would take longer.
    """
    import torch

    result = rows.new_empty(len(rows), *matrix.window)
    pieces = [
        window_pieces(*edge) for edge in zip(corner, matrix.window, matrix.waves.shape[-2:], strict=True)
    ]
    for (to_y, from_y), (to_x, from_x) in product(*pieces):
        lines = matrix.waves[:, from_y, from_x].transpose(0, 1)
        result[:, to_y, to_x] = torch.bmm(rows.expand(len(lines), *rows.shape), lines).transpose(0, 1)
    return result
