"""The volumes of columns at known places: scattering cross-sections where intensity adds up, as in HAADF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_REACH = 4.0  # widths that a Gaussian is drawn to
_TRIED = 10  # widths


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """What the columns of a frame add to the image.

    Parameters
    ----------
    values
        (n,) integrated intensity of each, free of its neighbours' tails and of the background [counts].
    errors
        (n,) standard deviations, by the noise of the image.
    width
        Standard deviation of the profile that all share [px].
    """

    values: Float[np.ndarray, " n"]
    errors: Float[np.ndarray, " n"]
    width: float


def measure_volumes(
    image: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], *, widths: tuple[float, float]
) -> Volumes:
    """Fit all columns at once: Gaussians of one width at given places, on a plane.

    Given places and width, the volumes are the weighted least-squares solution of a linear problem, so that
    overlap is taken off exactly (De Backer et al., Ultramicroscopy 171 (2016) 104, fit places too). The
    weights are those of counting noise, by the smoothed image; the noise's scale comes from the residual,
    whatever the detector's gain. The width is the one of least misfit.

    Parameters
    ----------
    image
        Counts.
    positions
        (n, 2) as (y, x) [px].
    widths
        Smallest and largest width that are tried [px].
    """
    if not len(positions):
        return Volumes(values=np.zeros(0), errors=np.zeros(0), width=float(np.mean(widths)))
    from scipy import ndimage, optimize

    smooth = ndimage.gaussian_filter(image.astype(float), widths[1], mode="nearest")
    variance = np.maximum(smooth, 1e-3 * max(float(smooth.max()), 1e-12) + 1e-12)
    problem = _Problem(image.astype(float), variance, positions)
    found = optimize.minimize_scalar(
        problem.misfit, bounds=widths, method="bounded", options={"maxiter": _TRIED, "xatol": 0.01}
    )
    width = float(found.x)
    values, errors = problem.solution(width)
    return Volumes(values=values, errors=errors, width=width)


@dataclass(frozen=True)
class _Problem:
    """Least squares of the volumes of Gaussians of unit volume, and of a plane."""

    image: Float[np.ndarray, "y x"]
    variance: Float[np.ndarray, "y x"]
    positions: Float[np.ndarray, "n 2"]

    def misfit(self, width: float) -> float:
        """Return χ² of the best fit of that width, up to a constant."""
        normal, right = self._equations(width)
        return -float(right @ np.linalg.solve(normal, right))

    def solution(self, width: float) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Return volumes and their errors, for noise of the variance gain · model (White, 1980)."""
        from scipy.sparse import csr_array, vstack

        normal, right = self._equations(width)
        inverse = np.linalg.inv(normal)
        best = inverse @ right
        design = vstack([self._design(width), csr_array(self._plane())]).tocsr()
        model = design.T @ best
        lit = np.maximum(model, 1e-3 * max(float(model.max()), 1e-12))
        gain = float(((self.image.ravel() - model) ** 2).sum() / lit.sum())
        noise = gain * lit / self.variance.ravel() ** 2
        covariance = inverse @ (design.multiply(noise[None, :]) @ design.T).toarray() @ inverse
        count = len(self.positions)
        return best[:count], np.sqrt(np.diag(covariance)[:count])

    def _equations(self, width: float) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, " m"]]:
        """Return normal matrix and right-hand side: the columns first, then the plane."""
        design, plane = self._design(width), self._plane()
        weight = 1 / self.variance.ravel()
        weighted = design.multiply(weight[None, :]).tocsr()
        cross = weighted @ plane.T
        normal = np.block([[(weighted @ design.T).toarray(), cross], [cross.T, (plane * weight) @ plane.T]])
        values = self.image.ravel()
        right = np.concatenate([weighted @ values, (plane * weight) @ values])
        ridge = 1e-9 * np.diag(np.maximum(np.diag(normal), 1e-12))
        return normal + ridge, right

    def _plane(self) -> Float[np.ndarray, "3 p"]:
        y, x = (part / max(n - 1, 1) - 0.5 for part, n in zip(self._grid(), self.image.shape, strict=True))
        return np.stack([np.ones(self.image.size), y.ravel(), x.ravel()])

    def _grid(self) -> np.ndarray:
        return np.indices(self.image.shape).astype(float)

    def _design(self, width: float) -> csr_array:
        """Return Gaussians of unit volume, a row a column."""
        from scipy.sparse import csr_array

        height, breadth = self.image.shape
        reach = int(np.ceil(_REACH * width))
        dy, dx = (part.ravel() for part in np.mgrid[-reach : reach + 1, -reach : reach + 1])
        corner = np.rint(self.positions).astype(int)
        y, x = corner[:, :1] + dy, corner[:, 1:] + dx
        far = (y - self.positions[:, :1]) ** 2 + (x - self.positions[:, 1:]) ** 2
        bell = np.exp(-far / (2 * width**2)) / (2 * np.pi * width**2)
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < breadth)
        rows = np.broadcast_to(np.arange(len(corner))[:, None], y.shape)[inside]
        places = (y * breadth + x)[inside]
        return csr_array((bell[inside], (rows, places)), shape=(len(corner), self.image.size))
