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
    turns = np.outer(np.arange(px), matrix.lattice[:, 1]) / px
    phases = torch.as_tensor(np.exp(-2j * np.pi * turns), dtype=torch.complex64, device=device)
    weights = masks.flatten(1).float().repeat_interleave(2, dim=1)  # for the real and the imaginary part
    images = torch.empty(py, px, f, f, len(amplitudes), len(masks), device=device)
    for j in range(px):
        sums = _sums_over_x(matrix, amplitudes * phases[j])
        for s in range(len(amplitudes)):
            images[:, j, :, :, s] = _column(sums[:, s], matrix, (py, j / px), weights)
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
    sums: torch.Tensor, matrix: ScatteringMatrix, scan: tuple[int, float], weights: torch.Tensor
) -> torch.Tensor:
    """Return the annular sums (row, window x, window y, annulus) of a column of scan points.

    Parameters
    ----------
    sums
        (lattice row, y · x).
    scan
        Rows of scan points within the period, and where the column lies within the period along x.
    weights
        (annulus, ky · kx · 2).
    """
    import torch

    (rows, fraction), (height, width), (ny, nx) = scan, matrix.window, matrix.waves.shape[-2:]
    f = matrix.interpolation
    left = first_sample(fraction, width)
    stripes = [(b, *piece) for b in range(f) for piece in window_pieces(left + b * width, width, nx)]
    step = 2 * max(1, block_size(sums) // (2 * nx * ny))  # superpositions that are transformed at a time
    buffer = sums.new_empty(step, f, ny, width)
    result = sums.real.new_empty(rows, f * f, len(weights))
    even, odd = _even_and_odd(sums)
    for indices in torch.split(torch.arange(rows // 2 + 1), 4 * step):
        angles = 2 * np.pi / rows * torch.outer(indices.double(), torch.arange(len(even)).double())
        cosines, sines = (part.float().to(sums.device) for part in (angles.cos(), angles[:, 1:].sin()))
        pairs = [_complex(m @ part, ny, nx) for m, part in ((cosines, even), (sines, odd))]
        jobs = [(n, i, torch.add) for n, i in enumerate(indices.tolist())]
        jobs += [(n, rows - i, torch.sub) for n, i, _ in jobs if 0 < i < rows - i]
        for start in range(0, len(jobs), step):
            chosen = jobs[start : start + step]
            for place, (n, i, combine) in zip(buffer, chosen, strict=False):
                top, wave = first_sample(i / rows, height), combine(pairs[0][n], pairs[1][n])
                for (to_y, from_y), (b, to_x, from_x) in product(window_pieces(top, ny, ny), stripes):
                    place[b, to_y, to_x] = wave[from_y, from_x]
            spectra = torch.fft.fft2(buffer[: len(chosen)].reshape(-1, height, width), norm="forward")
            squares = torch.view_as_real(spectra).flatten(1).square()
            found = torch.nn.functional.linear(squares, weights).reshape(len(chosen), f * f, -1)
            result[[i for _, i, _ in chosen]] = found
    return result.unflatten(1, (f, f))


def _even_and_odd(sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what lattice rows m and -m give to the probes at rows i and -i of the scan, as real numbers.

    Σ_m exp(-2πi m i/n) Z_m = Σ_{m>=0} cos(2π m i/n) (Z_m + Z_-m) + Σ_{m>0} sin(2π m i/n) (Z_m - Z_-m) / i, and
    at -i the second term changes its sign: real factors and half the rows, so a quarter of the work.

    Parameters
    ----------
    sums
        (2 n + 1, y · x), lattice rows -n to n.

    Returns
    -------
    even
        (n + 1, y · x · 2): Z_0, Z_m + Z_-m.
    odd
        (n, y · x · 2): -i (Z_m - Z_-m).
    """
    import torch

    middle = len(sums) // 2
    above, below = sums[middle + 1 :], sums[:middle].flip(0)
    even, odd = torch.cat([sums[middle : middle + 1], above + below]), -1j * (above - below)
    return torch.view_as_real(even).flatten(1), torch.view_as_real(odd).flatten(1)


def _complex(values: torch.Tensor, ny: int, nx: int) -> torch.Tensor:
    import torch

    return torch.view_as_complex(values.reshape(-1, ny, nx, 2))
