"""The volumes of columns at known places: scattering cross-sections where intensity adds up, as in HAADF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_REACH = 4.0  # widths that a Gaussian is drawn to
_TRIED = 10  # widths
_FAR = 4.0  # largest widths, off every column, where there is background only
_ENOUGH = 0.02  # of the frame that has to be so far off
_SLOPE = 0.25  # usual difference of the background from edge to edge, of its mean
_RIDGE = 1e-9


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
    absolute
        Whether the frame shows the background beside the columns. If not, it is fitted between them, where it
        takes up their tails, so that the volumes are right but for a part that all lack.
    """

    values: Float[np.ndarray, " n"]
    errors: Float[np.ndarray, " n"]
    width: float
    absolute: bool = True


def measure_volumes(
    image: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], *, widths: tuple[float, float]
) -> Volumes:
    """Fit all columns at once: Gaussians of one width at given places, on the background beside them.

    Given places and width, the volumes are the weighted least-squares solution of a linear problem, so that
    overlap is taken off exactly (De Backer et al., Ultramicroscopy 171 (2016) 104, fit places too). The
    weights are those of counting noise, by the smoothed image; the noise's scale comes from the residual,
    whatever the detector's gain. The width is the one of least misfit.

    The background is what there is far off all columns. Fitted together with them it takes up their tails:
    a tenth of the volumes, and up to half of those of a particle that fills the frame. Such a frame shows
    none, so that there a constant has to be fitted.

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

    image = image.astype(float)
    smooth = ndimage.gaussian_filter(image, widths[1], mode="nearest")
    variance = np.maximum(smooth, 1e-3 * max(float(smooth.max()), 1e-12) + 1e-12)
    ground = background(image, positions, far=_FAR * widths[1])
    found = optimize.minimize_scalar(
        lambda width: -_Fit(image, ground, variance, positions, float(width)).explained,
        bounds=widths,
        method="bounded",
        options={"maxiter": _TRIED, "xatol": 0.01},
    )
    width = float(found.x)
    fit = _Fit(image, ground, variance, positions, width)
    return Volumes(values=fit.volumes, errors=fit.errors, width=width, absolute=ground is not None)


def background(
    image: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], *, far: float
) -> Float[np.ndarray, "y x"] | None:
    """Return the plane through the pixels farther than ``far`` [px] off all columns; None if there are few.

    Its slopes are held back where the noise does not show them: a particle's halo must not tilt it.
    """
    from scipy.spatial import cKDTree

    grid = np.indices(image.shape).reshape(2, -1).T.astype(float)
    away = np.isinf(cKDTree(positions).query(grid, distance_upper_bound=far)[0])
    if away.mean() < _ENOUGH:
        return None
    seen = image.ravel()[away].astype(float)
    level, variance = float(seen.mean()), float(seen.var())
    if level == 0:
        return np.zeros(image.shape)
    slopes = grid / np.maximum(np.array(image.shape) - 1, 1) - 0.5
    base = np.column_stack([np.ones(len(grid)), slopes])
    stiffness = np.diag([0.0, 1.0, 1.0]) * variance / (_SLOPE * level) ** 2
    found = np.linalg.solve(base[away].T @ base[away] + stiffness, base[away].T @ seen)
    return np.asarray((base @ found).reshape(image.shape))


@dataclass(frozen=True)
class _Fit:
    """The weighted least-squares fit of Gaussians of unit volume.

    Parameters
    ----------
    ground
        The background; None to fit a constant.
    variance
        Of the noise, but for a factor that all pixels share.
    width
        Of the Gaussians [px].
    """

    image: Float[np.ndarray, "y x"]
    ground: Float[np.ndarray, "y x"] | None
    variance: Float[np.ndarray, "y x"]
    positions: Float[np.ndarray, "n 2"]
    width: float

    @property
    def volumes(self) -> Float[np.ndarray, " n"]:
        return self._best[: len(self.positions)]

    @property
    def explained(self) -> float:
        """By how much the fit lowers χ²."""
        return float(self._right @ self._best)

    @cached_property
    def errors(self) -> Float[np.ndarray, " n"]:
        """Standard deviations of the volumes, for noise of the variance gain · model (White, 1980)."""
        model = self._design.T @ self._best
        lit = model if self.ground is None else model + self.ground.ravel()
        lit = np.maximum(lit, 1e-3 * max(float(lit.max()), 1e-12))
        gain = float(((self._signal - model) ** 2).sum() / lit.sum())
        noise = gain * lit / self.variance.ravel() ** 2
        inverse = np.linalg.inv(self._normal.toarray())
        spread = (self._design.multiply(noise[None, :]) @ self._design.T).toarray()
        return np.asarray(np.sqrt(((inverse @ spread) * inverse).sum(axis=1)[: len(self.positions)]))

    @cached_property
    def _best(self) -> Float[np.ndarray, " m"]:
        from scipy.sparse.linalg import splu

        return np.asarray(splu(self._normal.tocsc()).solve(self._right))

    @property
    def _signal(self) -> Float[np.ndarray, " p"]:
        return (self.image if self.ground is None else self.image - self.ground).ravel()

    @cached_property
    def _right(self) -> Float[np.ndarray, " m"]:
        return np.asarray(self._design @ (self._signal / self.variance.ravel()))

    @cached_property
    def _normal(self) -> csr_array:
        from scipy.sparse import diags_array

        normal = self._design.multiply(1 / self.variance.ravel()[None, :]).tocsr() @ self._design.T
        return (normal + diags_array(_RIDGE * np.maximum(normal.diagonal(), 1e-12))).tocsr()

    @cached_property
    def _design(self) -> csr_array:
        """What each parameter adds to each pixel: volumes, and the background where that is fitted."""
        from scipy.sparse import csr_array, vstack

        if self.ground is not None:
            return self._gaussians()
        return vstack([self._gaussians(), csr_array(np.ones((1, self.image.size)))]).tocsr()

    def _gaussians(self) -> csr_array:
        """Return Gaussians of unit volume, a row a column."""
        from scipy.sparse import csr_array

        height, breadth = self.image.shape
        reach = int(np.ceil(_REACH * self.width))
        dy, dx = (part.ravel() for part in np.mgrid[-reach : reach + 1, -reach : reach + 1])
        corner = np.rint(self.positions).astype(int)
        y, x = corner[:, :1] + dy, corner[:, 1:] + dx
        far = (y - self.positions[:, :1]) ** 2 + (x - self.positions[:, 1:]) ** 2
        bell = np.exp(-far / (2 * self.width**2)) / (2 * np.pi * self.width**2)
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < breadth)
        rows = np.broadcast_to(np.arange(len(corner))[:, None], y.shape)[inside]
        places = (y * breadth + x)[inside]
        return csr_array((bell[inside], (rows, places)), shape=(len(corner), self.image.size))
