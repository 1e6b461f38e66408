"""An informed reader: told where columns are and how the microscope was set, it looks them up in a library.

It is the mark for anything that knows nothing of the shape of particles: one frame, one place at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from nanonet.atomic_columns.around import Around
from nanonet.atomic_columns.depth_reading import column_reading
from nanonet.atomic_columns.readout import Reading
from nanonet.io.csv_columns import read_csv_columns
from nanonet.records import FrameResult, InputError, Micrograph

_COLUMNS = ("frame", "y_angstrom", "x_angstrom")
_AT_ONCE = 24  # places, so that memory does not grow with the frame
_ROUNDS = 10
_LEAST = 0.02  # of the expected signal: variations cannot take away more
_FREE = 10.0  # times the signal: a prior so wide is none


class Templates(Protocol):
    """The expected images of columns of 0..D atoms in a frame, and how their surroundings vary them.

    Signals are in quanta: what follows Poisson's law, of counts c it is ``gain`` · c + ``offset``.
    """

    @property
    def mean(self) -> Float[np.ndarray, "depth g g"]:
        """(D + 1, g, g) quanta a pixel around a column, the middle sample at its place."""

    @property
    def modes(self) -> Float[np.ndarray, "depth k g g"]:
        """(D + 1, k, g, g) independent variations around the mean, of one standard deviation each."""

    @property
    def step(self) -> float:
        """Distance of the samples [Å]."""

    @property
    def radius(self) -> float:
        """Of the disc that is compared [Å]."""

    @property
    def gain(self) -> float:
        """Quanta a count."""

    @property
    def offset(self) -> float:
        """Quanta of no counts: the noise that the detector has without a beam."""


class TemplateSource(Protocol):
    """Makes the templates of a frame."""

    def __call__(
        self, positions: Float[np.ndarray, "n 2"], *, pixel_size: float, dose: float | None
    ) -> Templates:
        """Return the templates of a crystal whose columns lie at (y, x) [Å], for a dose [e/Å²]."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where columns are told to be: rows of frame, y_angstrom, x_angstrom."""

    table: pd.DataFrame

    def of(self, frame: int) -> Float[np.ndarray, "n 2"]:
        """Return the places (y, x) [Å] in a frame."""
        rows = self.table[self.table["frame"] == frame]
        return rows[list(_COLUMNS[1:])].to_numpy(float).reshape(-1, 2)


def read_places(path: str | None) -> Places:
    """Return the places in a CSV table, such as the truth.csv of a simulated movie; depths are not looked at.

    Raises
    ------
    InputError
        If there is none, it cannot be read, or it lacks a column.
    """
    if path is None:
        raise InputError("the likelihood reader is told where columns are: give truth=FILE.csv")
    table = read_csv_columns(path, _COLUMNS, "truth")
    return Places(table=table[list(_COLUMNS)])


@dataclass(frozen=True, kw_only=True)
class Nuisance:
    """What the reader is not told, each a standard deviation; infinity leaves it free, 0 takes the library's.

    Parameters
    ----------
    scale
        Of the signal around a column, relative: an unknown dose.
    background
        Of a constant around a column, relative to the mean of the frame: light from below and above.
    """

    scale: float = 0.0
    background: float = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "background"):
            if not getattr(self, name) >= 0:
                raise InputError(f"columns.nuisance.{name} must not be negative, got {getattr(self, name)}")


TOLD = Nuisance()
"""Nothing of the signal is unknown."""


def read_likelihood(
    micrograph: Micrograph,
    *,
    places: Places,
    library: TemplateSource,
    nuisance: Nuisance = TOLD,
    min_probability: float = 0.5,
) -> FrameResult:
    """Read the depth of every column at places that are told, by what its pixels are likeliest to show.

    The pixels around a place follow Poisson's law around the library's mean for that depth plus variations
    of known size, over which the likelihood is integrated (Laplace's method): surroundings differ, and
    pixels vary together. All depths from no column to the library's deepest are as probable beforehand.

    Parameters
    ----------
    micrograph
        The frame, with its pixel size. Its dose is used where it is known, else the library's.
    places
        Where there may be columns.
    library
        Makes expected images for the optics that are told, `simulate.templates` for one.
    nuisance
        What of the signal is not told.
    min_probability
        Places less probably filled are listed among the probabilities only.

    Returns
    -------
    FrameResult
        The columns, and the probabilities of every depth at every place.

    Raises
    ------
    InputError
        If the pixel size is unknown, ``min_probability`` is outside 0..1, or the image holds NaN.
    """
    if micrograph.pixel_size is None:
        raise InputError(f"{micrograph.name} has no pixel size: give it as read.pixel_size=0.2 (Å)")
    if not 0 <= min_probability <= 1:
        raise InputError(f"columns.min_probability must be between 0 and 1, got {min_probability}")
    if not np.all(np.isfinite(micrograph.image)):
        raise InputError(f"frame {micrograph.frame} of {micrograph.name} holds NaN or infinite intensities")
    told = places.of(micrograph.frame)
    pixels = told / micrograph.pixel_size
    inside = ((pixels >= 0) & (pixels <= np.array(micrograph.image.shape) - 1)).all(axis=1)
    pixels, told = pixels[inside], told[inside]
    if not len(told):
        nothing = Reading(positions=np.empty((0, 2)), presence=np.empty(0), posterior=np.empty((0, 1)))
        return FrameResult(frame=micrograph.frame, tables=column_reading(nothing, micrograph))
    templates = library(told, pixel_size=micrograph.pixel_size, dose=micrograph.dose)
    posterior = depth_posterior(micrograph.image, pixels, templates, micrograph.pixel_size, nuisance)
    filled = np.maximum(1 - posterior[:, :1], 1e-12)
    reading = Reading(positions=pixels, presence=1 - posterior[:, 0], posterior=posterior[:, 1:] / filled)
    columns = column_reading(reading, micrograph, min_probability=min_probability)
    return FrameResult(frame=micrograph.frame, tables=columns)


def depth_posterior(
    image: Float[np.ndarray, "y x"],
    positions: Float[np.ndarray, "n 2"],
    templates: Templates,
    pixel_size: float,
    nuisance: Nuisance,
) -> Float[np.ndarray, "n depth"]:
    """Return the probabilities (n, D + 1) of no column and of 1..D atoms at places (y, x) [px]."""
    quanta = np.maximum(templates.gain * image.astype(float) + templates.offset, 0.0)
    blocks = [positions[i : i + _AT_ONCE] for i in range(0, len(positions), _AT_ONCE)]
    found = [_log_likelihood(quanta, block, templates, pixel_size, nuisance) for block in blocks]
    log = np.concatenate(found)
    chance = np.exp(log - log.max(axis=1, keepdims=True))
    return np.asarray(chance / chance.sum(axis=1, keepdims=True))


def _log_likelihood(
    quanta: Float[np.ndarray, "y x"],
    positions: Float[np.ndarray, "n 2"],
    templates: Templates,
    pixel_size: float,
    nuisance: Nuisance,
) -> Float[np.ndarray, "n depth"]:
    """Return the log-likelihoods of each depth, up to a constant of each place."""
    radius = templates.radius / pixel_size
    near = Around.of(positions, radius + 0.5, quanta.shape)
    samples = near.offsets * pixel_size / templates.step + templates.mean.shape[-1] // 2
    mean = np.stack([_at(part, samples) for part in templates.mean], axis=1)
    modes = np.stack([np.stack([_at(m, samples) for m in part], axis=1) for part in templates.modes], axis=1)
    compared = near.inside & (near.r2 <= radius**2)
    scale, background = (min(value, _FREE) for value in (nuisance.scale, nuisance.background))
    if scale:
        modes = np.concatenate([modes, scale * mean[:, :, None]], axis=2)
    if background:
        flat = np.full_like(mean[:, :, None], background * float(quanta.mean()))
        modes = np.concatenate([modes, flat], axis=2)
    return _evidence(quanta[near.y, near.x][:, None], mean, modes, compared[:, None])


def _at(template: Float[np.ndarray, "g g"], samples: Float[np.ndarray, "n p 2"]) -> Float[np.ndarray, "n p"]:
    from scipy import ndimage

    return np.asarray(ndimage.map_coordinates(template, np.moveaxis(samples, -1, 0), order=3, mode="nearest"))


def _evidence(
    quanta: Float[np.ndarray, "n 1 p"],
    mean: Float[np.ndarray, "n d p"],
    modes: Float[np.ndarray, "n d k p"],
    inside: Bool[np.ndarray, "n 1 p"],
) -> Float[np.ndarray, "n d"]:
    """Return the log probability of pixels, the strengths of the modes (standard normal) integrated over.

    The strengths climb to the most probable ones by Fisher scoring; around these Laplace's method integrates.
    """
    modes = modes * inside[:, :, None]
    mean = np.maximum(mean, _LEAST)
    prior = np.eye(modes.shape[2])
    strength = np.zeros(modes.shape[:3])
    for _ in range(_ROUNDS):
        signal = _signal(mean, modes, strength)
        slope = (modes @ (quanta / signal - 1)[..., None])[..., 0] - strength
        information = (modes / signal[:, :, None]) @ modes.swapaxes(2, 3) + prior
        strength = strength + np.linalg.solve(information, slope[..., None])[..., 0]
    signal = _signal(mean, modes, strength)
    curvature = (modes * (quanta / signal**2)[:, :, None]) @ modes.swapaxes(2, 3) + prior
    fit = (inside * (quanta * np.log(signal) - signal)).sum(axis=2)
    volume = np.linalg.slogdet(curvature)[1]
    return np.asarray(fit - 0.5 * (strength**2).sum(axis=2) - 0.5 * volume)


def _signal(
    mean: Float[np.ndarray, "n d p"],
    modes: Float[np.ndarray, "n d k p"],
    strength: Float[np.ndarray, "n d k"],
) -> Float[np.ndarray, "n d p"]:
    return np.asarray(np.maximum(mean + (strength[:, :, None] @ modes)[:, :, 0], _LEAST * mean))
