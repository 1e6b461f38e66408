"""A measured curve of a camera over spatial frequency: a smooth line through a few points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError

if TYPE_CHECKING:
    import torch

Points = Sequence[Sequence[float]]
"""[[frequency as a fraction of Nyquist's, value], ...], from [0, 1] to Nyquist's frequency or beyond."""


@dataclass(frozen=True)
class Curve:
    """Transfer of signal or noise over frequency, 1 at 0, by monotone cubics through its points (PCHIP).

    Beyond its last point, where frequencies along the diagonal of the pixels can lie, it goes on falling as
    the exponential that continues value and slope.

    Parameters
    ----------
    points
        See `Points`.

    Raises
    ------
    InputError
        If the points do not begin with [0, 1], do not rise in frequency, end before Nyquist's frequency, or
        have a value that is not above 0.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        points = tuple((float(place), float(value)) for place, value in self.points)
        object.__setattr__(self, "points", points)
        places = np.array([place for place, _ in points])
        values = np.array([value for _, value in points])
        if len(points) < 2 or points[0] != (0.0, 1.0) or places[-1] < 1 or not (np.diff(places) > 0).all():
            raise InputError(
                "a camera's curve is [[0, 1], [fraction of Nyquist's frequency, value], ...] with rising "
                f"fractions up to 1, got {[list(point) for point in points]}"
            )
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError(f"a camera's curve must stay above 0, got {[list(point) for point in points]}")

    def __call__(self, fraction: torch.Tensor) -> torch.Tensor:
        """Return the values at frequencies given as fractions of Nyquist's, differentiable."""
        import torch

        places, values, slopes = (
            torch.as_tensor(array, dtype=fraction.dtype, device=fraction.device) for array in self._nodes
        )
        inside = fraction.clamp(max=float(places[-1]))
        left = (torch.searchsorted(places, inside.detach().contiguous(), right=True) - 1).clamp(
            0, len(places) - 2
        )
        width = places[left + 1] - places[left]
        t = (inside - places[left]) / width
        hermite = (
            values[left] * (1 + 2 * t) * (1 - t) ** 2
            + values[left + 1] * t**2 * (3 - 2 * t)
            + width * (slopes[left] * t * (1 - t) ** 2 + slopes[left + 1] * t**2 * (t - 1))
        )
        decay = (slopes[-1] / values[-1]).clamp(max=0.0)
        return hermite * torch.exp(decay * (fraction - inside))

    def at(self, fraction: float) -> float:
        """Return the value at one frequency, a fraction of Nyquist's."""
        import torch

        return float(self(torch.tensor([fraction], dtype=torch.float64))[0])

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from scipy.interpolate import PchipInterpolator

        places, values = np.array(list(zip(*self.points, strict=True)))
        return places, values, PchipInterpolator(places, values).derivative()(places)
