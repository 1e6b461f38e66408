"""Fit two-dimensional Gaussians to all columns of a frame at once, each free of its neighbours' tails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_SWEEPS = 15
_WIDTHS = (0.4, 1.9)  # of the first width: wider Gaussians would stand in for the background
_CONVERGED = 2e-3  # px: columns that moved less in a sweep are done
_MOST = 0.99  # of them: the last few that still creep are no columns
_REACH = 3.5  # standard deviations that a Gaussian is drawn to


@dataclass(frozen=True, kw_only=True)
class Gaussians:
    """Circular Gaussians on a local background, lengths in px.

    Parameters
    ----------
    positions
        (n, 2) as (y, x).
    amplitude, width, background
        (n,) peak height over the background, standard deviation, local background.
    position_error, amplitude_error
        (n,) standard deviations from the fit's covariance, for noise of the variance that was given.
    """

    positions: Float[np.ndarray, "n 2"]
    amplitude: Float[np.ndarray, " n"]
    width: Float[np.ndarray, " n"]
    background: Float[np.ndarray, " n"]
    position_error: Float[np.ndarray, " n"]
    amplitude_error: Float[np.ndarray, " n"]


def fit_gaussians(
    image: Float[np.ndarray, "y x"],
    variance: Float[np.ndarray, "y x"],
    start: Float[np.ndarray, "n 2"],
    *,
    width: float,
    radius: float,
) -> Gaussians:
    """Fit a Gaussian to each column by weighted least squares, with the tails of all others taken off.

    Every sweep takes one Levenberg-Marquardt step of all columns, batched, each in the disc around it, on the
    image less the current model of the other columns (block Jacobi: it converges to the joint fit).

    Parameters
    ----------
    image
        Intensities.
    variance
        Variance of the noise of each pixel.
    start
        (n, 2) first positions (y, x) [px].
    width
        First standard deviation [px].
    radius
        Of the disc around a column that is fitted [px].
    """
    discs = _Discs.around(start, radius, image.shape)
    values = image[discs.y, discs.x].astype(float)
    weights = discs.inside / variance[discs.y, discs.x]
    parameters = _first(values, discs, start, width)
    damping = np.full(len(start), 0.1)
    for _ in range(_SWEEPS):
        own = values - _others(parameters, discs, image.shape, radius)
        new, damping = _step(parameters, discs, own, weights, damping=damping, width=width)
        moved = np.abs(new[:, 1:3] - parameters[:, 1:3])
        parameters = new
        if (moved < _CONVERGED).sum() >= _MOST * moved.size:
            break
    own = values - _others(parameters, discs, image.shape, radius)
    _, normal = _equations(parameters, discs, own, weights)
    covariance = _inverse(normal, np.zeros(len(start)))
    sigma = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
    return Gaussians(
        positions=parameters[:, 1:3],
        amplitude=parameters[:, 0],
        width=parameters[:, 3],
        background=parameters[:, 4],
        position_error=np.hypot(sigma[:, 1], sigma[:, 2]) / np.sqrt(2),
        amplitude_error=sigma[:, 0],
    )


@dataclass(frozen=True)
class _Discs:
    """The pixels around each column: indices (n, p) kept inside the image, and which of them count."""

    y: Int[np.ndarray, "n p"]
    x: Int[np.ndarray, "n p"]
    inside: Bool[np.ndarray, "n p"]

    @classmethod
    def around(cls, centres: Float[np.ndarray, "n 2"], radius: float, shape: tuple[int, ...]) -> _Discs:
        reach = int(np.ceil(radius))
        dy, dx = (part.ravel() for part in np.mgrid[-reach : reach + 1, -reach : reach + 1])
        disc = dy**2 + dx**2 <= radius**2
        corner = np.rint(centres).astype(int)
        y = corner[:, :1] + dy[disc]
        x = corner[:, 1:] + dx[disc]
        inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        return cls(np.clip(y, 0, shape[0] - 1), np.clip(x, 0, shape[1] - 1), inside)


def _first(
    values: Float[np.ndarray, "n p"], discs: _Discs, start: Float[np.ndarray, "n 2"], width: float
) -> Float[np.ndarray, "n 5"]:
    """Return the first amplitude, y, x, width and background of each column, the linear ones fitted."""
    gaussian = np.exp(-_squared_distance(start, discs) / (2 * width**2))
    weight = discs.inside.astype(float)
    total = weight.sum(1)
    mean_g, mean_v = (weight * gaussian).sum(1) / total, (weight * values).sum(1) / total
    spread = (weight * (gaussian - mean_g[:, None]) ** 2).sum(1)
    amplitude = (weight * (gaussian - mean_g[:, None]) * (values - mean_v[:, None])).sum(1) / spread
    return np.column_stack([amplitude, start, np.full(len(start), width), mean_v - amplitude * mean_g])


def _squared_distance(centres: Float[np.ndarray, "n 2"], discs: _Discs) -> Float[np.ndarray, "n p"]:
    return np.asarray((discs.y - centres[:, :1]) ** 2 + (discs.x - centres[:, 1:]) ** 2)


def _others(
    parameters: Float[np.ndarray, "n 5"], discs: _Discs, shape: tuple[int, ...], radius: float
) -> Float[np.ndarray, "n p"]:
    """Return in each column's disc what all other columns add there."""
    reach = _REACH * float(np.median(parameters[:, 3])) if len(parameters) else 0.0
    wide = _Discs.around(parameters[:, 1:3], max(radius, reach), shape)
    drawn = _bell(parameters, wide) * wide.inside
    flat = np.bincount((wide.y * shape[1] + wide.x).ravel(), drawn.ravel(), minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape)[discs.y, discs.x] - _bell(parameters, discs))


def _bell(parameters: Float[np.ndarray, "n 5"], discs: _Discs) -> Float[np.ndarray, "n p"]:
    scale = 2 * parameters[:, 3:4] ** 2
    return np.asarray(parameters[:, :1] * np.exp(-_squared_distance(parameters[:, 1:3], discs) / scale))


def _step(
    parameters: Float[np.ndarray, "n 5"],
    discs: _Discs,
    values: Float[np.ndarray, "n p"],
    weights: Float[np.ndarray, "n p"],
    *,
    damping: Float[np.ndarray, " n"],
    width: float,
) -> tuple[Float[np.ndarray, "n 5"], Float[np.ndarray, " n"]]:
    """Return the parameters after one Levenberg-Marquardt step of each column, and its next damping."""
    gradient, normal = _equations(parameters, discs, values, weights)
    step = (_inverse(normal, damping) @ gradient[:, :, None])[:, :, 0]
    step[:, 1:4] = np.clip(step[:, 1:4], -0.4 * width, 0.4 * width)
    tried = parameters + step
    tried[:, 3] = np.clip(tried[:, 3], _WIDTHS[0] * width, _WIDTHS[1] * width)
    better = _misfit(tried, discs, values, weights) <= _misfit(parameters, discs, values, weights)
    damping = np.clip(np.where(better, damping / 5, damping * 5), 1e-6, 1e3)
    return np.where(better[:, None], tried, parameters), damping


def _misfit(
    parameters: Float[np.ndarray, "n 5"],
    discs: _Discs,
    values: Float[np.ndarray, "n p"],
    weights: Float[np.ndarray, "n p"],
) -> Float[np.ndarray, " n"]:
    return np.asarray((weights * (values - _bell(parameters, discs) - parameters[:, 4:5]) ** 2).sum(1))


def _equations(
    parameters: Float[np.ndarray, "n 5"],
    discs: _Discs,
    values: Float[np.ndarray, "n p"],
    weights: Float[np.ndarray, "n p"],
) -> tuple[Float[np.ndarray, "n 5"], Float[np.ndarray, "n 5 5"]]:
    """Return the gradient and the normal matrix of each column's least squares."""
    amplitude, width = parameters[:, :1], parameters[:, 3:4]
    dy, dx = discs.y - parameters[:, 1:2], discs.x - parameters[:, 2:3]
    bell = np.exp(-(dy**2 + dx**2) / (2 * width**2))
    slope = amplitude * bell / width**2
    jacobian = np.stack(
        [bell, slope * dy, slope * dx, slope * (dy**2 + dx**2) / width, np.ones_like(bell)], axis=1
    )
    weighted = jacobian * weights[:, None, :]
    residual = values - amplitude * bell - parameters[:, 4:5]
    return (weighted @ residual[:, :, None])[:, :, 0], weighted @ jacobian.transpose(0, 2, 1)


def _inverse(
    normal: Float[np.ndarray, "n 5 5"], damping: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n 5 5"]:
    """Return the inverse of each normal matrix, scaled to a unit diagonal, ``damping`` added to it."""
    scale = np.sqrt(np.maximum(np.diagonal(normal, axis1=1, axis2=2), np.finfo(float).tiny))
    outer = scale[:, :, None] * scale[:, None, :]
    ridge = (1e-9 + damping)[:, None, None] * np.eye(normal.shape[-1])
    return np.asarray(np.linalg.inv(normal / outer + ridge) / outer)
