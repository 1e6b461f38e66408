"""Points seen by a probe: each adds its weight times the probe's intensity around it. In torch.

The sum over points is a convolution: points are spread onto a grid by B-splines, whose own transform is taken
out again (a non-uniform FFT; Beylkin, Appl. Comput. Harmon. Anal. 2 (1995) 363), and the spectrum is
multiplied by that of the probe. All of it happens in the frame of the image, so that a turned or sheared scan
costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simulate.stem.probe import Probe, focal_series
from simulate.tem.optics import aberration_phase, wavelength

if TYPE_CHECKING:
    import torch

    from simulate.view import View

ORDER = 6
"""Grid points that a B-spline covers along each axis."""
FILLED = 0.75
"""Share of a grid's Nyquist frequency that a probe's intensity may fill for spreading to be exact."""
MARGIN = 5.0
"""How far beyond the image and the probe's geometric disc atoms are looked for [Å]."""
TAILS = 10.0
"""How far a probe is followed beyond its geometric disc [Å]: its rings hold some per cent beyond 5 Å."""
FOCI = 5
"""Defoci that a focal spread is summed over."""
ALIKE = 0.004
"""Range of squared widths [Å²] that is not told apart."""
LONGEST = 40.0
"""Farthest from its centre that a probe is followed [Å]."""


def image_of_points(
    positions: Float[np.ndarray, "n 3"],
    weights: Float[np.ndarray, " n"],
    widths: Float[np.ndarray, " n"],
    probe: Probe,
    view: View,
) -> torch.Tensor:
    """Return Σ_a w_a p(r - r_a) at the pixels of a view: float32 (y, x).

    Parameters
    ----------
    positions
        (x, y, z) in the box [Å], z from the plane that the defocus counts from; the probe is taken at their
        weighted mean height.
    weights
        Å².
    widths
        Standard deviation along one axis of each point's place [Å]. All have the narrowest or the widest:
        points between are a sum of both that has their mean square.
    probe
        Its intensity p integrates to 1.
    """
    import torch

    height = float(weights @ positions[:, 2]) / max(float(weights.sum()), 1e-30)
    finer = int(np.ceil(view.pixel_size * 4e-3 * probe.semiangle_cutoff / wavelength(probe.energy) / FILLED))
    step = view.pixel_size / finer
    margin = int(np.ceil(reach(probe, height) / step))
    shape = [_fast(finer * n + 2 * margin) for n in view.shape]
    places = view.to_image(positions[:, 1::-1]) / step + margin
    count = min(2 * (margin + int((TAILS - MARGIN) / step)), *shape)
    answer = _point_spread(probe, height, step, view.axes, count)
    transfer = _transfer(answer, shape, step)
    quadratic = _squares(shape, step, view.axes)
    spectrum: torch.Tensor = torch.zeros(())
    for width, part in _two_widths(weights, widths, probe.source_size):
        density = _spread(places, part, shape) / step**2
        spectrum = spectrum + torch.fft.rfft2(density) * torch.exp(-2 * (np.pi * width) ** 2 * quadratic)
    image: torch.Tensor = torch.fft.irfft2(spectrum * transfer, s=shape)
    ny, nx = (finer * n for n in view.shape)
    return image[margin : margin + ny : finer, margin : margin + nx : finer]


def reach(probe: Probe, height: float) -> float:
    """Return how far from its centre atoms see a probe at a height [Å]: its geometric disc and more."""
    alpha = 1e-3 * probe.semiangle_cutoff
    focus = abs(probe.defocus - height) + 2.5 * probe.focal_spread + abs(probe.astigmatism)
    disc = alpha * focus + alpha**2 * abs(probe.coma) + alpha**3 * abs(probe.Cs)
    return min(disc, LONGEST) + MARGIN


def _fast(least: int) -> int:
    """Return the smallest even size that transforms fast."""
    from scipy.fft import next_fast_len

    return 2 * int(next_fast_len((least + 1) // 2, real=True))


def _spread(
    places: Float[np.ndarray, "n 2"], weights: Float[np.ndarray, " n"], shape: list[int]
) -> torch.Tensor:
    """Return weights spread onto a grid by B-splines; points off the grid are left out."""
    import torch

    first = np.floor(places).astype(np.int64) - (ORDER // 2 - 1)
    inside = ((first >= 0) & (first + ORDER <= np.array(shape))).all(axis=1)
    first, parts = first[inside], _bspline(places[inside] - np.floor(places[inside]))
    taps = np.arange(ORDER)
    rows, columns = first[:, :1] + taps, first[:, 1:] + taps
    values = (weights[inside, None] * parts[:, 0])[:, :, None] * parts[:, 1][:, None, :]
    index = rows[:, :, None] * shape[1] + columns[:, None, :]
    flat = np.bincount(index.ravel(), weights=values.ravel(), minlength=shape[0] * shape[1])
    return torch.from_numpy(flat.astype(np.float32)).reshape(shape)


def _bspline(offset: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n tap"]:
    """Return a B-spline's values at the six grid points around, the third ``offset`` before its centre."""
    values = np.zeros((*offset.shape, ORDER))
    values[..., 0] = 1.0
    for degree in range(1, ORDER):
        below = values.copy()
        for tap in range(degree + 1):
            # De Boor's recursion for a cardinal B-spline.
            rising = (below[..., tap] * (tap + 1 - offset)) if tap < degree else 0.0
            falling = (below[..., tap - 1] * (degree - tap + offset)) if tap else 0.0
            values[..., tap] = (rising + falling) / degree
    return values


def _point_spread(
    probe: Probe, height: float, step: float, axes: Float[np.ndarray, "2 2"], count: int
) -> torch.Tensor:
    """Return the probe's intensity around 0 on the image's grid, centre first: sum · step² · |axes| is 1."""
    import torch

    size = count // 2 * 2
    frequencies = torch.fft.fftfreq(size, step, dtype=torch.float64)
    inverse = np.linalg.inv(axes)  # k = axes^-T q
    qy, qx = frequencies[:, None], frequencies[None, :]
    ay, ax = (wavelength(probe.energy) * (inverse[0, i] * qy + inverse[1, i] * qx) for i in (0, 1))
    square = ay**2 + ax**2
    edge = 1e-3 * probe.semiangle_cutoff
    pixel = wavelength(probe.energy) / (size * step)
    aperture = ((edge - square.sqrt()) / pixel + 0.5).clamp(0.0, 1.0)
    inside = aperture > 0
    phase = aberration_phase(probe.optics(), ay, ax)[inside]
    # Defocus is quadratic in the angle, so that heights and focal spread are phases on top.
    quadratic = np.pi / wavelength(probe.energy) * square[inside]
    intensity: torch.Tensor = torch.zeros(size, size)
    for node, weight in focal_series(probe, FOCI):
        total = phase - (node.defocus - probe.defocus - height) * quadratic
        wave = torch.zeros(size, size, dtype=torch.complex64)
        wave[inside] = torch.polar(aperture[inside], -torch.remainder(total, 2 * torch.pi)).to(
            torch.complex64
        )
        wave = torch.fft.ifft2(wave)
        intensity += weight * (wave.real**2 + wave.imag**2)
    return intensity / (intensity.sum() * step**2 * abs(np.linalg.det(axes)))


def _transfer(answer: torch.Tensor, shape: list[int], step: float) -> torch.Tensor:
    """Return the transfer of the probe, over that of the spline, on the half grid of a real transform."""
    import torch

    half = len(answer) // 2
    grid = torch.zeros(shape)
    for rows in (slice(0, half), slice(-half, None)):
        for columns in (slice(0, half), slice(-half, None)):
            grid[rows, columns] = answer[rows, columns]
    rows_spline = torch.sinc(torch.fft.fftfreq(shape[0])).pow(-ORDER)[:, None]
    columns_spline = torch.sinc(torch.fft.rfftfreq(shape[1])).pow(-ORDER)[None, :]
    spectrum: torch.Tensor = torch.fft.rfft2(grid) * (rows_spline * (columns_spline * step**2))
    return spectrum


def _squares(shape: list[int], step: float, axes: Float[np.ndarray, "2 2"]) -> torch.Tensor:
    """Return the squares of the spatial frequencies [1/Å²] on the half grid of a real transform."""
    import torch

    inverse = np.linalg.inv(axes)
    qy = torch.fft.fftfreq(shape[0], step)[:, None]
    qx = torch.fft.rfftfreq(shape[1], step)[None, :]
    metric = inverse @ inverse.T
    squares: torch.Tensor = float(metric[0, 0]) * qy**2 + float(metric[1, 1]) * qx**2
    if abs(metric[0, 1]) > 1e-9:
        squares = squares + 2 * float(metric[0, 1]) * qy * qx
    return squares


def _two_widths(
    weights: Float[np.ndarray, " n"], widths: Float[np.ndarray, " n"], source_size: float
) -> list[tuple[float, Float[np.ndarray, " n"]]]:
    """Return one width or two, with the source's, and the part of each weight that has it."""
    squares = np.square(widths)
    low, high = (float(squares.min()), float(squares.max())) if len(squares) else (0.0, 0.0)
    if high - low < ALIKE:
        mean = float(weights @ squares) / max(float(weights.sum()), 1e-30)
        return [(float(np.sqrt(mean + source_size**2)), weights)]
    share = (squares - low) / (high - low)
    parts = ((low, weights * (1 - share)), (high, weights * share))
    return [(float(np.sqrt(square + source_size**2)), part) for square, part in parts]
