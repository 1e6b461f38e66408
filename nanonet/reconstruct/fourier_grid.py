"""Read and fill a map's Fourier transform between its grid points, trilinearly.

A grid holds the transform of a map of n voxels a side, padded to twice that: a cube (z, y, x) of odd side
with frequency 0 in the middle, at steps of half a cycle per n voxels. Frequencies here are in cycles per n
voxels, in the order (x, y, z). Trilinear interpolation of the padded transform multiplies the map by sinc²,
which `window` gives, and which is divided out (Jackson et al., IEEE Trans. Med. Imaging 10, 473 (1991)).

On the grid's own points, of which frequency 0 is one, nothing is blurred, so that the division makes values
there too large: by 3 % where a particle is as wide as half of the cube.
"""

from __future__ import annotations

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

OVERSAMPLING = 2
"""Grid points a cycle."""


def grid_side(highest: int) -> int:
    """Return the side of a grid that holds all frequencies up to one [cycles per n voxels]."""
    return 2 * (OVERSAMPLING * highest + 1) + 1


def window(side: int, *, of: int | None = None) -> Float[Tensor, "z y x"]:
    """Return what interpolation multiplies a map of ``side`` voxels by; ``of`` is n where that differs."""
    ticks = torch.arange(side) - side // 2
    line = torch.sinc(ticks / (OVERSAMPLING * (of or side))) ** 2
    return line[:, None, None] * line[:, None] * line


def to_grid(density: Float[Tensor, "z y x"], side: int) -> Complex[Tensor, "kz ky kx"]:
    """Return the transform of a map on a grid of ``side``, ready to be read between its points.

    Frequencies beyond the map's own are 0.
    """
    n = density.shape[0]
    whole = _centred_transform(density / window(n).to(density), n)
    return _resized(whole, side)


def from_grid(grid: Complex[Tensor, "kz ky kx"], n: int) -> Float[Tensor, "z y x"]:
    """Return the adjoint of `to_grid`."""
    size = OVERSAMPLING * n
    whole = _resized(grid, size)
    spectrum = torch.fft.ifftshift(whole)
    padded = torch.fft.fftshift(torch.fft.ifftn(spectrum, norm="forward").real)
    start = size // 2 - n // 2
    inner = padded[start : start + n, start : start + n, start : start + n]
    density: Tensor = inner / window(n).to(inner)
    return density


def _centred_transform(density: Float[Tensor, "z y x"], n: int) -> Complex[Tensor, "kz ky kx"]:
    size = OVERSAMPLING * n
    padded = density.new_zeros((size, size, size))
    start = size // 2 - n // 2
    padded[start : start + n, start : start + n, start : start + n] = density
    spectrum: Tensor = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(padded)))
    return spectrum


def _resized(spectrum: Complex[Tensor, "z y x"], side: int) -> Complex[Tensor, "kz ky kx"]:
    """Crop or pad a centred spectrum; the unpaired highest frequency of an even side is left out."""
    old = spectrum.shape[0]
    half = min((old - 1) // 2, (side - 1) // 2)
    new = spectrum.new_zeros((side, side, side))
    there = slice(side // 2 - half, side // 2 + half + 1)
    here = slice(old // 2 - half, old // 2 + half + 1)
    new[there, there, there] = spectrum[here, here, here]
    return new


def read(grid: Complex[Tensor, "kz ky kx"], frequencies: Float[Tensor, "*p 3"]) -> Complex[Tensor, "*p"]:
    """Return the transform at frequencies (x, y, z); 0 beyond the grid."""
    corners, weights = _corners(frequencies.reshape(-1, 3), grid.shape[0])
    values = torch.view_as_real(grid.reshape(-1))
    total = weights.new_zeros((corners.shape[1], 2))
    for corner, weight in zip(corners, weights, strict=True):
        total.addcmul_(values.index_select(0, corner), weight[:, None])
    return torch.view_as_complex(total).reshape(frequencies.shape[:-1])


def read_with_slope(
    grid: Complex[Tensor, "kz ky kx"], frequencies: Float[Tensor, "p 3"]
) -> tuple[Complex[Tensor, " p"], Complex[Tensor, "p 3"]]:
    """Return the transform at frequencies, and its derivatives by x, y and z."""
    side = grid.shape[0]
    first, share, inside = _cells(frequencies, side)
    values = torch.view_as_real(grid.reshape(-1))
    found = [values.index_select(0, corner) for corner in _eight(first, side)]
    x, y, z = (share[:, axis, None] for axis in range(3))
    # The corners are in the order z, y, x of their bits: four edges along x, two faces along y, one line.
    edge = [torch.lerp(found[i], found[i + 1], x) for i in (0, 2, 4, 6)]
    edge_x = [found[i + 1] - found[i] for i in (0, 2, 4, 6)]
    face, face_x = (
        [torch.lerp(edge[i], edge[i + 1], y) for i in (0, 2)],
        [torch.lerp(edge_x[i], edge_x[i + 1], y) for i in (0, 2)],
    )
    face_y = [edge[i + 1] - edge[i] for i in (0, 2)]
    value = torch.lerp(face[0], face[1], z)
    slope = torch.stack(
        [torch.lerp(face_x[0], face_x[1], z), torch.lerp(face_y[0], face_y[1], z), face[1] - face[0]], dim=1
    )
    keep = inside.to(value.dtype)
    value, slope = value * keep[:, None], slope * (OVERSAMPLING * keep)[:, None, None]
    return torch.view_as_complex(value), torch.view_as_complex(slope.contiguous())


def add(
    grid: Float[Tensor, "c kz ky kx"], frequencies: Float[Tensor, "p 3"], values: Float[Tensor, "c p"]
) -> None:
    """Add values to a grid of real channels where they belong: the adjoint of `read`, a channel at a time."""
    corners, weights = _corners(frequencies, grid.shape[-1])
    for channel, row in zip(grid, values, strict=True):
        flat = channel.view(-1)
        for corner, weight in zip(corners, weights, strict=True):
            flat.index_add_(0, corner, row * weight)


def _cells(
    frequencies: Float[Tensor, "p 3"], side: int
) -> tuple[Int[Tensor, "p 3"], Float[Tensor, "p 3"], Float[Tensor, " p"]]:
    """Return the lower corner of the cell of each frequency, its place there, and if it is on the grid."""
    place = OVERSAMPLING * frequencies + side // 2
    inside = ((place >= 0) & (place <= side - 1)).all(1)
    lower = place.floor().clamp(0, side - 2)
    return lower.long(), (place - lower).clamp(0, 1), inside.to(frequencies.dtype)


def _eight(first: Int[Tensor, "p 3"], side: int) -> list[Int[Tensor, " p"]]:
    start = (first[:, 2] * side + first[:, 1]) * side + first[:, 0]
    return [start + (dz * side + dy) * side + dx for dz in (0, 1) for dy in (0, 1) for dx in (0, 1)]


def _corners(frequencies: Float[Tensor, "p 3"], side: int) -> tuple[Int[Tensor, "8 p"], Float[Tensor, "8 p"]]:
    first, share, inside = _cells(frequencies, side)
    x, y, z = ((1 - share[:, axis], share[:, axis]) for axis in range(3))
    weights = [inside * z[dz] * y[dy] * x[dx] for dz in (0, 1) for dy in (0, 1) for dx in (0, 1)]
    return torch.stack(_eight(first, side)), torch.stack(weights)
