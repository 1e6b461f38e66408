"""Images without interpolation: one matrix an annulus holds those of all probes everywhere. In torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from nanonet.records import InputError
from simulate.stem.matrix import ScatteringMatrix, block_size
from simulate.stem.probe import Annulus

if TYPE_CHECKING:
    import torch


def beam_correlation(matrix: ScatteringMatrix, annuli: Sequence[Annulus]) -> torch.Tensor:
    """Return D_bb' = Σ_{k in annulus} S_b(k) S*_b'(k) of each annulus: complex64 (annulus, beam, beam).

    To be averaged over phonon configurations, then given to `correlated_images`.
    """
    import torch

    if matrix.interpolation != 1:
        raise InputError(
            f"beams correlate over the whole box only where interpolation is 1, got {matrix.interpolation}"
        )
    masks = matrix.masks(annuli).flatten(1)
    kept = masks.any(dim=0)
    step = max(1, block_size(matrix.waves) // masks.shape[1])
    spectra = torch.cat(
        [
            torch.fft.fft2(block, norm="forward").flatten(1)[:, kept]
            for block in torch.split(matrix.waves, step)
        ]
    )
    correlations = []
    for mask in masks[:, kept]:
        chosen = spectra if bool(mask.all()) else spectra[:, mask]
        correlations.append(chosen @ chosen.mH)
    return torch.stack(correlations)


def correlated_images(
    correlation: torch.Tensor,
    lattice: Int[np.ndarray, "beam 2"],
    amplitudes: torch.Tensor,
    points: tuple[int, int],
) -> torch.Tensor:
    """Return the images of probes from the correlation of beams: float32 (probe, annulus, y, x).

    I(r0) = Σ_bb' c_b c*_b' exp(-2πi (k_b - k_b')·r0) D_bb' is a Fourier series; those of the pairs of beams
    that differ by one vector are summed, then it is transformed.

    Parameters
    ----------
    correlation
        (annulus, beam, beam), from `beam_correlation`.
    amplitudes
        (probe, beam) of the plane waves, from `ScatteringMatrix.amplitudes`.
    points
        (y, x) of the image over the whole box. Exact at every point, whatever their number.
    """
    import torch

    my, mx = torch.as_tensor(lattice, device=correlation.device).T
    harmonics = (my[:, None] - my) % points[0] * points[1] + (mx[:, None] - mx) % points[1]
    images = []
    for row in amplitudes:
        pairs = (row[:, None] * row.conj() * correlation).flatten(1)
        series = pairs.new_zeros(len(pairs), points[0] * points[1])
        series.index_add_(1, harmonics.flatten(), pairs)
        images.append(torch.fft.fft2(series.reshape(-1, *points)).real)
    return torch.stack(images)
