"""Read and fill a map's Fourier transform between its grid points, trilinearly.

A grid holds the transform of a map of n voxels a side, padded to twice that: a cube (z, y, x) of odd side
with frequency 0 in the middle, at steps of half a cycle per n voxels. Frequencies here are in cycles per n
voxels, in the order (x, y, z). Trilinear interpolation of the padded transform multiplies the map by sinc²,
which `window` gives, and which is divided out (Jackson et al., IEEE Trans. Med. Imaging 10, 473 (1991)).

On the grid's own points, of which frequency 0 is one, nothing is blurred, so that the division makes values
there too large: by 3 % where a particle is as wide as half of the cube.
"""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

OVERSAMPLING = 2
"""Grid points a cycle."""


def grid_side(highest: int) -> int:
    """Return the side of a grid that holds all frequencies up to one [cycles per n voxels]."""
    return 2 * (OVERSAMPLING * highest + 1) + 1


@cache
def window(side: int) -> Float[Tensor, "z y x"]:
    """Return what interpolation multiplies a map of ``side`` voxels by."""
    line = line_window(side)
    return line[:, None, None] * line[:, None] * line


def line_window(side: int) -> Float[Tensor, " x"]:
    """Return the same along one axis."""
    line: Tensor = torch.sinc((torch.arange(side) - side // 2) / (OVERSAMPLING * side)) ** 2
    return line


def to_grid(density: Float[Tensor, "z y x"], side: int) -> Complex[Tensor, "kz ky kx"]:
    """Return the transform of a map on a grid of ``side``, ready to be read between its points.

    Frequencies beyond the map's own are 0.
    """
    n = density.shape[0]
    size = OVERSAMPLING * n
    padded = density.new_zeros((size, size, size))
    at = wrapped(n, size)
    padded[at[:, None, None], at[:, None], at] = density / window(n).to(density)
    # The unpaired highest frequency of an even side is left out.
    half = min((size - 1) // 2, side // 2)
    near = wrapped(2 * half + 1, size)
    right = torch.fft.rfftn(padded)[..., : half + 1].index_select(0, near).index_select(1, near)
    grid: Tensor = right.new_zeros((side, side, side))
    middle = side // 2
    block = slice(middle - half, middle + half + 1)
    grid[block, block, middle : middle + half + 1] = right
    grid[block, block, middle - half : middle] = right[..., 1:].flip((0, 1, 2)).conj()
    return grid


def from_grid(grid: Complex[Tensor, "kz ky kx"], n: int) -> Float[Tensor, "z y x"]:
    """Return the adjoint of `to_grid`."""
    middle = grid.shape[0] // 2
    mate = grid[..., : middle + 1].flip((0, 1, 2)).conj()
    return from_half_grid(0.5 * (grid[..., middle:] + mate), n)


def from_half_grid(grid: Complex[Tensor, "kz ky hx"], n: int) -> Float[Tensor, "z y x"]:
    """Return the adjoint for a grid from kx = 0 on, whose other half is conjugate."""
    size = OVERSAMPLING * n
    half = min((size - 1) // 2, grid.shape[2] - 1)
    middle = grid.shape[0] // 2
    block = slice(middle - half, middle + half + 1)
    spectrum = grid.new_zeros((size, size, size // 2 + 1))
    near = wrapped(2 * half + 1, size)
    spectrum[near[:, None], near, : half + 1] = grid[block, block, : half + 1]
    padded = torch.fft.irfftn(spectrum, s=(size, size, size), norm="forward")
    at = wrapped(n, size)
    inner = padded.index_select(0, at).index_select(1, at).index_select(2, at)
    density: Tensor = inner / window(n).to(inner)
    return density


def wrapped(count: int, size: int) -> Int[Tensor, " n"]:
    """Return where as many points about the origin are among ``size`` that begin with it."""
    return (torch.arange(count) - count // 2) % size


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
