"""Points seen by a probe: each adds its weight times the probe's intensity around it. In torch.

The sum over points is a convolution: points are spread onto a grid by B-splines, whose own transform is taken
out again (a non-uniform FFT; Beylkin, Appl. Comput. Harmon. Anal. 2 (1995) 363), and the spectrum is
multiplied by that of the probe. All of it happens in the frame of the image, so that a turned or sheared scan
costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
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
FILLED = 0.95
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
    band = 2e-3 * probe.semiangle_cutoff / wavelength(probe.energy)
    finer = int(np.ceil(view.pixel_size * 2 * band / FILLED))
    step = view.pixel_size / finer
    margin = int(np.ceil(reach(probe, height) / step))
    grid = _Grid.around([finer * n + 2 * margin for n in view.shape], step, view.axes, band)
    places = view.to_image(positions[:, 1::-1]) / step + margin
    spectrum = torch.zeros(grid.squares.shape, dtype=torch.complex64)
    kinds = _two_widths(weights, widths, probe.source_size)
    densities = _spread(places, [part for _, part in kinds], grid.shape)
    for (width, _), density in zip(kinds, densities, strict=True):
        spectrum += grid.transform(density) * torch.exp(-2 * (np.pi * width) ** 2 * grid.squares)
    spectrum *= _transfer(probe, height, view.axes, grid) * (grid.spline / step**2)
    image = grid.back(spectrum)
    ny, nx = (finer * n for n in view.shape)
    return image[margin : margin + ny : finer, margin : margin + nx : finer]


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """A grid in the frame of the image, and those of its frequencies that a probe passes.

    Parameters
    ----------
    rows, columns
        Which rows and columns of the half spectrum of a real transform these are.
    qy, qx
        Their frequencies [1/Å].
    squares
        (rows, columns) their squares in the frame of the box [1/Å²].
    spline
        (rows, columns) what undoes the B-spline.
    """

    shape: tuple[int, int]
    rows: torch.Tensor
    columns: int
    qy: torch.Tensor
    qx: torch.Tensor
    squares: torch.Tensor
    spline: torch.Tensor

    @classmethod
    def around(cls, least: list[int], step: float, axes: Float[np.ndarray, "2 2"], band: float) -> _Grid:
        """Return a grid of at least some points that passes frequencies of the box up to ``band`` [1/Å]."""
        import torch

        shape = (_fast(least[0]), _fast(least[1]))
        highest = band * float(np.linalg.norm(axes, 2))
        fy = torch.fft.fftfreq(shape[0], step)
        rows = torch.nonzero(fy.abs() <= highest)[:, 0]
        fx = torch.fft.rfftfreq(shape[1], step)
        columns = int((fx <= highest).sum())
        qy, qx = fy[rows], fx[:columns]
        metric = np.linalg.inv(axes) @ np.linalg.inv(axes).T
        squares = float(metric[0, 0]) * qy[:, None] ** 2 + float(metric[1, 1]) * qx**2
        squares += 2 * float(metric[0, 1]) * qy[:, None] * qx
        spline = torch.sinc(qy * step).pow(-ORDER)[:, None] * torch.sinc(qx * step).pow(-ORDER)
        return cls(shape=shape, rows=rows, columns=columns, qy=qy, qx=qx, squares=squares, spline=spline)

    def transform(self, density: torch.Tensor) -> torch.Tensor:
        """Return the spectrum of a density within the band."""
        import torch

        spectrum: torch.Tensor = torch.fft.rfft2(density)[self.rows, : self.columns]
        return spectrum

    def back(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Return the image of a spectrum within the band."""
        import torch

        whole = torch.zeros(self.shape[0], self.shape[1] // 2 + 1, dtype=torch.complex64)
        whole[self.rows, : self.columns] = spectrum
        image: torch.Tensor = torch.fft.irfft2(whole, s=self.shape)
        return image


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
    places: Float[np.ndarray, "n 2"], parts: list[Float[np.ndarray, " n"]], shape: tuple[int, int]
) -> list[torch.Tensor]:
    """Return weights spread onto a grid by B-splines, for each set of them; points off it are left out."""
    import torch

    whole = np.floor(places)
    first = whole.astype(np.int64) - (ORDER // 2 - 1)
    inside = ((first >= 0) & (first + ORDER <= np.array(shape))).all(axis=1)
    first, splines = first[inside], _bspline((places - whole)[inside])
    taps = np.arange(ORDER)
    rows, columns = (first[:, :1] + taps) * shape[1], first[:, 1:] + taps
    index = (rows[:, :, None] + columns[:, None, :]).ravel()
    values = splines[:, 0, :, None] * splines[:, 1, None, :]
    spread = [
        np.bincount(index, weights=(part[inside, None, None] * values).ravel(), minlength=shape[0] * shape[1])
        for part in parts
    ]
    return [torch.from_numpy(flat.astype(np.float32)).reshape(shape) for flat in spread]


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
    probe: Probe, height: float, step: float, axes: Float[np.ndarray, "2 2"], size: int
) -> torch.Tensor:
    """Return the probe's intensity around 0 in the image's frame, centre first: sum · step² · |axes| is 1."""
    import torch

    frequencies = torch.fft.fftfreq(size, step, dtype=torch.float64)
    pixel = wavelength(probe.energy) / (size * step)
    edge = 1e-3 * probe.semiangle_cutoff
    # Only the block of frequencies that holds the aperture is worked on.
    highest = (edge + pixel) / wavelength(probe.energy) * float(np.linalg.norm(axes, 2))
    block = torch.nonzero(frequencies.abs() <= highest)[:, 0]
    inverse = np.linalg.inv(axes)  # k = axes^-T q
    qy, qx = frequencies[block][:, None], frequencies[block][None, :]
    ay, ax = (wavelength(probe.energy) * (inverse[0, i] * qy + inverse[1, i] * qx) for i in (0, 1))
    square = ay**2 + ax**2
    aperture = ((edge - square.sqrt()) / pixel + 0.5).clamp(0.0, 1.0).float()
    phase = aberration_phase(probe.optics(), ay, ax)
    # Defocus is quadratic in the angle, so that heights and focal spread are phases on top.
    quadratic = np.pi / wavelength(probe.energy) * square
    series = focal_series(probe, FOCI)
    waves = torch.zeros(len(series), size, size, dtype=torch.complex64)
    for wave, (node, weight) in zip(waves, series, strict=True):
        total = torch.remainder(phase - (node.defocus - probe.defocus - height) * quadratic, 2 * torch.pi)
        wave[block[:, None], block] = torch.polar(weight**0.5 * aperture, -total.float())
    waves = torch.fft.ifft2(waves)
    intensity: torch.Tensor = (waves.real**2 + waves.imag**2).sum(dim=0)
    return intensity / (intensity.sum() * (step**2 * abs(float(np.linalg.det(axes)))))


def _transfer(probe: Probe, height: float, axes: Float[np.ndarray, "2 2"], grid: _Grid) -> torch.Tensor:
    """Return the Fourier transform of the probe's intensity at the frequencies of a grid.

    The probe is sampled no finer than its band needs and summed directly: its grid need not be the image's.
    """
    import torch

    step = FILLED / (2 * float(max(grid.qy.max(), grid.qx.max())))
    size = _fast(int(2 * (reach(probe, height) + TAILS - MARGIN) / step))
    answer = _point_spread(probe, height, step, axes, size) * step**2
    places = torch.fft.fftfreq(size, 1 / (size * step))
    along_y, along_x = (
        torch.polar(torch.ones(len(q), size), -2 * torch.pi * torch.outer(q, places))
        for q in (grid.qy, grid.qx)
    )
    summed: torch.Tensor = (along_y @ answer.to(torch.complex64)) @ along_x.T
    return summed


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
