"""A periodic image at the pixels of a camera or the positions of a probe. In torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from simulate.view import View

_BLOCK = 16

if TYPE_CHECKING:
    import torch

    Response = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def sample_periodic(
    image: torch.Tensor,
    sampling: float,
    view: View,
    response: Response | None = None,
    *,
    outside: float | None = None,
    aliased: bool = False,
) -> torch.Tensor:
    """Return a periodic image at the pixels of a view.

    Parameters
    ----------
    image
        (*b, y, x), float32; element (i, j) lies at (i · sampling, j · sampling) of the box.
    sampling
        Å.
    response, outside, aliased
        As in `sample_spectrum`.

    Returns
    -------
    seen
        (*b, *view.shape), float32.
    """
    import torch

    grid = (image.shape[-2], image.shape[-1])
    return sample_spectrum(
        torch.fft.rfft2(image), grid, sampling, view, response, outside=outside, aliased=aliased
    )


def sample_spectrum(
    spectrum: torch.Tensor,
    grid: tuple[int, int],
    sampling: float,
    view: View,
    response: Response | None = None,
    *,
    outside: float | None = None,
    aliased: bool = False,
) -> torch.Tensor:
    """Return a periodic image at the pixels of a view, given its Fourier transform.

    The Fourier series is evaluated at the centres of the view's pixels, cut at their Nyquist frequency where
    they alias nothing: any pixel size and any sub-pixel shift is exact.

    Parameters
    ----------
    spectrum
        (*b, y, x // 2 + 1) as torch.fft.rfft2 gives it of an image of ``grid`` (y, x).
    sampling
        Of that image [Å].
    view
        Its axes may be turned by quarters, mirrored, and sheared along the box's x by the rows of the image.
    response
        What each harmonic is multiplied by, a function of its ky (y, 1) and kx (1, x) [1/Å], float32, in the
        frame of the box.
    outside
        What the image is beyond the box; None where it repeats.
    aliased
        Whether harmonics beyond Nyquist's frequency of the pixels are kept: a probe that stops at points has
        them, a camera whose pixels touch has next to none.

    Raises
    ------
    ValueError
        For a view turned by another angle.
    """
    import torch

    device = spectrum.device
    finest = sampling if aliased else view.pixel_size
    rows, columns = (_harmonics(n, n * sampling, finest) for n in grid)
    rows, columns = rows.to(device), columns[columns >= 0].to(device)
    ky, kx = rows / (grid[0] * sampling), columns / (grid[1] * sampling)
    series = spectrum[..., rows, :][..., : len(columns)] / (grid[0] * grid[1])
    weights = torch.where(columns > 0, 2.0, 1.0).float()  # of a real image, the other half is the same
    if response is not None:
        weights = weights * response(ky[:, None].float(), kx[None, :].float())
    steps_y, steps_x, shear, transposed = _separated(view)
    y = view.origin[0] + steps_y.to(device)
    x = view.origin[1] + steps_x.to(device)
    partial = _waves(y, ky) @ (series * weights)
    if shear:
        partial = partial * _waves(shear * (y - view.origin[0]), kx)
    right = _waves(x, kx)
    # Only the real part is asked for: two real products in place of a complex one.
    seen = partial.real @ right.real.T - partial.imag @ right.imag.T
    if outside is not None:
        inside = _within(y, grid[0] * sampling)[:, None] & _within(x, grid[1] * sampling)
        seen = torch.where(inside, seen, torch.full((), outside, device=device))
    return seen.transpose(-2, -1) if transposed else seen


def _separated(view: View) -> tuple[torch.Tensor, torch.Tensor, float, bool]:
    """Return the steps [Å] of a view along the box's y and x, its shear dx/dy, and whether y and x swap."""
    import torch

    axes, shape = np.asarray(view.axes, dtype=float), view.shape
    transposed = bool(abs(axes[0, 1]) > abs(axes[0, 0]))
    if transposed:
        axes, shape = axes[:, ::-1], (shape[1], shape[0])
    if abs(axes[0, 1]) > 1e-9:
        raise ValueError(f"an image on a grid is seen at quarter turns only, got axes {view.axes.tolist()}")
    y, x = (
        view.pixel_size * step * torch.arange(n, dtype=torch.float64)
        for step, n in zip((axes[0, 0], axes[1, 1]), shape, strict=True)
    )
    return y, x, float(axes[1, 0] / axes[0, 0]), transposed


def _harmonics(count: int, side: float, pixel_size: float) -> torch.Tensor:
    """Return which harmonics of a period ``side`` a grid of ``count`` holds and the pixels resolve."""
    import torch

    harmonics = torch.fft.fftfreq(count, 1 / count, dtype=torch.float64).round().long()
    resolved = harmonics.abs() < min(side / (2 * pixel_size), count / 2)
    return torch.masked_select(harmonics, resolved)


def _waves(places: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Return exp(2πi place · k) as (place, k), of evenly spaced places.

    As a product of coarse and fine steps: few exponentials, many products, which are cheaper.
    """
    coarse, fine = places[::_BLOCK], places[:_BLOCK] - places[0]
    product = _exponentials(coarse, k)[:, None, :] * _exponentials(fine, k)
    return product.flatten(0, 1)[: len(places)]


def _exponentials(places: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    import torch

    turns = torch.outer(places, k.double())
    phase = (2 * torch.pi * (turns - turns.round())).float()
    return torch.polar(torch.ones_like(phase), phase)


def _within(places: torch.Tensor, side: float) -> torch.Tensor:
    return (places >= 0) & (places < side)
