"""Images with interpolation, on a grid of scan points, from windows that follow the probe. In torch.

With interpolation f the plane waves repeat themselves every 1 / f of the box. One superposition of them so
holds f² probes, each of which is cut out by a window of 1 / f of the box around it; all windows tile the
box. And the sum over the beams, a Fourier series in the probe's position, splits into one over x and one
over y.
"""

from __future__ import annotations

from itertools import pairwise, product
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
        torch.as_tensor(
            np.exp(-2j * np.pi * np.outer(np.arange(n), m) / n), dtype=torch.complex64, device=device
        )
        for n, m in ((py, np.unique(matrix.lattice[:, 0])), (px, matrix.lattice[:, 1]))
    )
    weights = masks.flatten(1).float().repeat_interleave(2, dim=1)  # for the real and the imaginary part
    images = torch.empty(py, px, f, f, len(amplitudes), len(masks), device=device)
    for j in range(px):
        sums = _sums_over_x(matrix, amplitudes * along_x[j])
        for s in range(len(amplitudes)):
            images[:, j, :, :, s] = _column(sums[:, s], along_y, matrix, j / px, weights)
    return images.permute(4, 5, 3, 0, 2, 1).flatten(4, 5).flatten(2, 3).contiguous()


def _sums_over_x(matrix: ScatteringMatrix, amplitudes: torch.Tensor) -> torch.Tensor:
    """Return the sums over the beams of each row of the lattice: (lattice row, probe, y · x).

    Parameters
    ----------
    amplitudes
        (probe, beam), with the phases of the probes' x.
    """
    import torch

    edges = [0, *(np.flatnonzero(np.diff(matrix.lattice[:, 0])) + 1).tolist(), len(matrix.lattice)]
    flat = matrix.waves.flatten(1)
    sums = flat.new_empty(len(edges) - 1, len(amplitudes), flat.shape[1])
    for row, (start, stop) in enumerate(pairwise(edges)):
        torch.mm(amplitudes[:, start:stop], flat[start:stop], out=sums[row])
    return sums


def _column(
    sums: torch.Tensor, phases: torch.Tensor, matrix: ScatteringMatrix, fraction: float, weights: torch.Tensor
) -> torch.Tensor:
    """Return the annular sums (row, window x, window y, annulus) of a column of scan points.

    Parameters
    ----------
    sums
        (lattice row, y · x).
    phases
        (row, lattice row).
    fraction
        Where the column lies within the period along x.
    weights
        (annulus, ky · kx · 2).
    """
    import torch

    f, (height, width), (ny, nx) = matrix.interpolation, matrix.window, matrix.waves.shape[-2:]
    step = max(1, block_size(sums) // (nx * ny))  # superpositions that are transformed at a time
    buffer = sums.new_empty(step, f, ny, width)
    left = first_sample(fraction, width)
    stripes = [(b, *piece) for b in range(f) for piece in window_pieces(left + b * width, width, nx)]
    parts = []
    for begin in range(0, len(phases), 8 * step):
        waves = (phases[begin : begin + 8 * step] @ sums).reshape(-1, ny, nx)
        for start in range(0, len(waves), step):
            part = waves[start : start + step]
            for index, wave in enumerate(part):
                top = first_sample((begin + start + index) / len(phases), height)
                for (to_y, from_y), (b, to_x, from_x) in product(window_pieces(top, ny, ny), stripes):
                    buffer[index, b, to_y, to_x] = wave[from_y, from_x]
            spectra = torch.fft.fft2(buffer[: len(part)].reshape(-1, height, width), norm="forward")
            squares = torch.view_as_real(spectra).flatten(1).square()
            parts.append(torch.nn.functional.linear(squares, weights))
    return torch.cat(parts).reshape(len(phases), f, f, -1)
