"""How far the probabilities of a network are to be believed, as measured on particles of known truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ReadColumns:
    """Columns that a network found in images of known truth; ``depth`` says what each of them is.

    Parameters
    ----------
    posterior
        (n, D) probability of each depth 1..D, given that there is a column; rows sum to 1.
    presence
        (n,) probability that there is a column.
    depth
        (n,) true number of atoms, at most D; 0 where there is no column.
    dose
        (n,) of the image [e/Å²].
    particle
        (n,) number of the particle, whose columns are alike.
    evidence
        (n, D) log likelihood of each depth by the column's measured intensity, up to a constant; 0 where that
        was not measured.
    """

    posterior: Float[np.ndarray, "n depth"]
    presence: Float[np.ndarray, " n"]
    depth: Int[np.ndarray, " n"]
    dose: Float[np.ndarray, " n"]
    particle: Int[np.ndarray, " n"]
    evidence: Float[np.ndarray, "n depth"]

    def __len__(self) -> int:
        return len(self.depth)

    def take(self, which: Bool[np.ndarray, " n"]) -> ReadColumns:
        """Return some of the columns."""
        return ReadColumns(**{name: values[which] for name, values in vars(self).items()})


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How often readings are right that claim to be, in images of a range of doses.

    Parameters
    ----------
    dose
        Lowest and highest dose of the images [e/Å²].
    confidence
        (b,) mean confidence of the readings in each bin, increasing.
    right
        (b,) share of them that are right.
    number
        (b,) of readings.
    """

    dose: tuple[float, float]
    confidence: tuple[float, ...]
    right: tuple[float, ...]
    number: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What turns the probabilities of a network into ones that come true; it goes by the dose.

    Between the doses numbers are interpolated over the logarithm of the dose, beyond the ends they stay.

    Parameters
    ----------
    dose
        (k,) increasing [e/Å²].
    temperature
        (k,) of the posteriors over depth, whose logarithms are divided by it: above 1 where the network is
        too sure.
    depth_offset
        (D,) then added to the logarithm of the probability of each depth 1..D: above 0 for a depth that the
        network gives too little. They add up to 0.
    evidence_weight
        (k,) that the log likelihoods of the depths by the measured intensity are then added with: below 1,
        since the network has seen the intensity, too. 0 where it was not measured.
    level
        (k,) probability that the narrowest interval of depths has to hold for 90 % of the true depths to lie
        within theirs.
    presence_slope, presence_offset
        (k,) the log odds l of there being a column become slope · l + offset.
    reliability
        Of the calibrated confidences, each by a calibration that its particle had no part in.

    Raises
    ------
    InputError
        If the numbers are not of one length, or one of them is out of its range.
    """

    dose: tuple[float, ...]
    temperature: tuple[float, ...]
    depth_offset: tuple[float, ...]
    level: tuple[float, ...]
    presence_slope: tuple[float, ...]
    presence_offset: tuple[float, ...]
    evidence_weight: tuple[float, ...] = ()
    reliability: tuple[Reliability, ...] = ()

    def __post_init__(self) -> None:
        if not self.evidence_weight:
            object.__setattr__(self, "evidence_weight", (0.0,) * len(self.dose))
        lengths = {len(getattr(self, name)) for name in _BY_DOSE}
        if len(lengths) > 1 or not self.dose:
            raise InputError(f"a calibration has the same number of {', '.join(_BY_DOSE)}, got {lengths}")
        numbers = np.array([getattr(self, name) for name in _BY_DOSE], dtype=float)
        dose, temperature, level, slope, _, weight = numbers
        positive = min(dose.min(), temperature.min(), level.min(), slope.min()) > 0 <= weight.min()
        finite = np.isfinite(numbers).all() and np.isfinite(self.depth_offset).all()
        if not (finite and positive and level.max() <= 1):
            raise InputError("a calibration has finite numbers, doses to slopes positive, levels up to 1")
        if (np.diff(dose) <= 0).any():
            raise InputError(f"the doses of a calibration must increase, got {list(self.dose)} e/Å²")


_FIRST = ("dose", "temperature", "level", "presence_slope", "presence_offset")
_BY_DOSE = (*_FIRST, "evidence_weight")


def calibration_from(plain: Mapping[str, Any]) -> Calibration:
    """Return the calibration that `dataclasses.asdict` made plain, perhaps by way of JSON.

    Raises
    ------
    InputError
        If a part is missing, unknown or no number.
    """
    try:
        bins = tuple(_reliability(part) for part in plain.get("reliability", ()))
        known = {name: _floats(plain[name]) for name in (*_FIRST, "depth_offset")}
        weight = _floats(plain.get("evidence_weight", ()))
        odd = set(plain) - {field.name for field in fields(Calibration)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is no calibration: {type(error).__name__} {error}") from error
    if odd:
        raise InputError(f"a calibration has no {sorted(odd)}: update nanonet")
    return Calibration(**known, evidence_weight=weight, reliability=bins)


def _reliability(plain: Mapping[str, Any]) -> Reliability:
    low, high = _floats(plain["dose"])
    return Reliability(
        dose=(low, high),
        confidence=_floats(plain["confidence"]),
        right=_floats(plain["right"]),
        number=tuple(int(value) for value in plain["number"]),
    )


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
