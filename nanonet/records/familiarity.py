"""What the frames of a training are like: what a frame is compared with before its reading is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float

from nanonet.records.errors import InputError

LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Of the quantiles that distributions are described by."""

_DIGITS = 6
_ARRAYS = ("log_dose", "features", "weight", "mean", "spread", "surprise")


@dataclass(frozen=True, kw_only=True)
class Familiarity:
    """The distribution of the features of training frames, given their dose.

    Parameters
    ----------
    side
        Of the windows that features are measured in [px]: that of the training images.
    log_dose
        (k,) log10 of the doses [e/Å²] at which there are quantiles, increasing; in between they are
        interpolated, beyond they are those of the nearest.
    features
        (k, f, 7) quantiles at `LEVELS` of every feature after the first, which is log10 of the dose. Each
        feature becomes a normal score by them.
    weight, mean, spread
        (m,), (m, f + 1), (m, f + 1, f + 1) mixture of normal distributions of the scores and log10 of the
        dose; ``spread`` holds lower triangles L of the covariances L Lᵀ.
    surprise
        (k, 7) quantiles at `LEVELS` of minus the log density of frames of particles that neither the network
        nor the mixture has seen.
    tail
        Excess of their scores over that where the highest tenth begins, on average and its standard error
        more: beyond it they are taken for exponential.
    frames, structures
        How many of those frames and particles there were.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or quantiles or doses do not increase.
    """

    side: int
    log_dose: Float[np.ndarray, " k"]
    features: Float[np.ndarray, "k f 7"]
    weight: Float[np.ndarray, " m"]
    mean: Float[np.ndarray, "m g"]
    spread: Float[np.ndarray, "m g g"]
    surprise: Float[np.ndarray, "k 7"]
    tail: float
    frames: int
    structures: int

    def __post_init__(self) -> None:
        knots, number = self.features.shape[:2]
        mixed = len(self.weight)
        wanted = {
            "log_dose": (knots,),
            "features": (knots, number, len(LEVELS)),
            "weight": (mixed,),
            "mean": (mixed, number + 1),
            "spread": (mixed, number + 1, number + 1),
            "surprise": (knots, len(LEVELS)),
        }
        for name, shape in wanted.items():
            values = getattr(self, name)
            if values.shape != shape or not np.isfinite(values).all():
                raise InputError(f"{name} of a familiarity must be finite and of shape {shape}")
        rising = (np.diff(axis) for axis in (self.log_dose, self.features, self.surprise))
        if not all((steps > 0).all() for steps in rising):
            raise InputError("the doses and quantiles of a familiarity must increase")
        if not (self.tail > 0 and (np.diagonal(self.spread, axis1=1, axis2=2) > 0).all()):
            raise InputError("tail and spread of a familiarity must be positive")

    def plain(self) -> dict[str, Any]:
        """Return it as numbers and lists, for JSON; arrays with six digits."""
        return {**vars(self), **{name: _listed(getattr(self, name)) for name in _ARRAYS}}


def familiarity_from(plain: Mapping[str, Any]) -> Familiarity:
    """Return the familiarity that `Familiarity.plain` made plain, perhaps by way of JSON.

    Raises
    ------
    InputError
        If a part is missing, unknown, or no number.
    """
    names = {field.name for field in fields(Familiarity)}
    if not isinstance(plain, Mapping) or set(plain) != names:
        odd = sorted(names ^ set(plain)) if isinstance(plain, Mapping) else plain
        raise InputError(f"this is no familiarity, or one of another nanonet: {odd}")
    try:
        return Familiarity(
            side=int(plain["side"]),
            tail=float(plain["tail"]),
            frames=int(plain["frames"]),
            structures=int(plain["structures"]),
            **{name: np.array(plain[name], dtype=float) for name in _ARRAYS},
        )
    except InputError:
        raise
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"this is no familiarity: {error}") from error


def _listed(values: Any) -> Any:
    """Return nested lists of numbers of few digits; zeros, as above a diagonal, are short."""
    if values.ndim:
        return [_listed(value) for value in values]
    return float(f"{float(values):.{_DIGITS}g}") if values else 0
