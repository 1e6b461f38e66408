"""Images with interpolation, on a grid of scan points, from windows that follow the probe. In torch.

With interpolation f the plane waves repeat themselves every 1 / f of the box. One superposition of them so
holds f² probes, each of which is cut out by a window of 1 / f of the box around it; all windows tile the
box. And the sum over the beams, a Fourier series in the probe's position, splits into one over x and one
over y, between which the box is cut into stripes along y.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from simulate.stem.matrix import ScatteringMatrix, block_size

if TYPE_CHECKING:
    import torch


def first_sample(fraction: float, width: int) -> int:
    """Return where the window of a probe begins that lies at a fraction of the period, in samples."""
    return int(np.rint(fraction * width - width // 2))


def window_pieces(first: int, width: int, count: int) -> list[tuple[slice, slice]]:
    """Return (where it goes, where it lies) of the one or two pieces of a window of a periodic axis."""
    first %= count
    length = min(width, count - first)
    pieces = [(slice(0, length), slice(first, first + length))]
    return pieces if length == width else [*pieces, (slice(length, width), slice(0, width - length))]


def windowed_images(
    matrix: ScatteringMatrix, amplitudes: torch.Tensor, masks: torch.Tensor, points: tuple[int, int]
) -> torch.Tensor:
    """Return the images (probe, annulus, y, x), float32.

    Parameters
    ----------
    amplitudes
        (probe, beam), from `ScatteringMatrix.amplitudes`.
    masks
        (annulus, ky, kx) over a window, from `ScatteringMatrix.masks`.
    points
        (y, x) of the image, multiples of the interpolation.
    """
    import torch

    f, device = matrix.interpolation, matrix.waves.device
    py, px = points[0] // f, points[1] // f
    along_y, along_x = (
        torch.as_tensor(np.exp(-2j * np.pi * np.outer(np.arange(n), m) / n), dtype=torch.complex64)
        for n, m in ((py, np.unique(matrix.lattice[:, 0])), (px, matrix.lattice[:, 1]))
    )
    weights = masks.flatten(1).float().repeat_interleave(2, dim=1)  # for the real and the imaginary part
    images = torch.empty(f, py, f, px, len(amplitudes), len(masks), device=device)
    for j in range(px):
        first = first_sample(j / px, matrix.window[1])
        stripes = _stripes(matrix, amplitudes * along_x[j].to(device), first)
        for s, b in np.ndindex(len(amplitudes), f):
            images[:, :, b, j, s] = _rows(stripes[s, b], along_y.to(device), matrix.window[0], weights)
    return images.flatten(2, 3).flatten(0, 1).permute(2, 3, 0, 1).contiguous()


def _stripes(matrix: ScatteringMatrix, amplitudes: torch.Tensor, first: int) -> torch.Tensor:
    """Return the sums over the beams of each row of the lattice, cut into stripes along y.

    Parameters
    ----------
    amplitudes
        (probe, beam), with the phases of the probes' x.
    first
        First sample of the first stripe along x.

    Returns
    -------
    stripes
        (probe, stripe, lattice row, y, x within the stripe).
    """
    f, (ny, nx) = matrix.interpolation, matrix.waves.shape[-2:]
    edges = [0, *(np.flatnonzero(np.diff(matrix.lattice[:, 0])) + 1).tolist(), len(matrix.lattice)]
    flat = matrix.waves.flatten(1)
    result = flat.new_empty(len(amplitudes), f, len(edges) - 1, ny, nx // f)
    for row, (start, stop) in enumerate(pairwise(edges)):
        waves = (amplitudes[:, start:stop] @ flat[start:stop]).reshape(-1, ny, nx)
        for b in range(f):
            for to, where in window_pieces(first + b * (nx // f), nx // f, nx):
                result[:, b, row, :, to] = waves[:, :, where]
    return result


def _rows(stripe: torch.Tensor, phases: torch.Tensor, width: int, weights: torch.Tensor) -> torch.Tensor:
    """Return the annular sums (window, row, annulus) of all rows of scan points of one stripe.

    Parameters
    ----------
    stripe
        (lattice row, y, x).
    phases
        (row, lattice row).
    width
        Samples of a window along y.
    weights
        (annulus, ky · kx · 2).
    """
    import torch

    _, ny, nx = stripe.shape
    step = max(1, block_size(stripe) // (nx * ny))  # waves that are transformed at a time
    buffer = stripe.new_empty(step, ny, nx)
    parts = []
    firsts = [first_sample(i / len(phases), width) % ny for i in range(len(phases))]
    for some, begins in zip(torch.split(phases, 8 * step), _batches(firsts, 8 * step), strict=True):
        waves = (some @ stripe.flatten(1)).reshape(-1, ny, nx)
        for part, starts in zip(torch.split(waves, step), _batches(begins, step), strict=True):
            for index, (wave, first) in enumerate(zip(part, starts, strict=True)):
                buffer[index, : ny - first], buffer[index, ny - first :] = wave[first:], wave[:first]
            spectra = torch.fft.fft2(buffer[: len(part)].reshape(-1, width, nx), norm="forward")
            squares = torch.view_as_real(spectra).flatten(1).square()
            parts.append(torch.nn.functional.linear(squares, weights))
    return torch.cat(parts).reshape(len(phases), ny // width, -1).transpose(0, 1)


def _batches(values: list[int], step: int) -> list[list[int]]:
    return [values[start : start + step] for start in range(0, len(values), step)]
