"""How columns that were read agree with the true ones, with intervals over particles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from nanonet.metrics.calibration import calibration_error_estimate
from nanonet.metrics.columns import match_columns
from nanonet.records import Estimate

TOLERANCE = 0.5
"""Distance up to which a found column can be a true one [Å]."""
NEAR = 3
"""Frames before and after within which a column that changes counts as changing."""
RESAMPLES = 1000
GROUPS = {"1_3": range(1, 4), "4_6": range(4, 7), "7_up": range(7, 100)}
"""True depths that are also counted apart."""

SHARES: Mapping[str, tuple[str, str]] = {
    "recall": ("matched", "true"),
    "precision": ("matched", "found"),
    "exact": ("exact", "true"),
    "within_one": ("within_one", "true"),
    "bias": ("error", "read"),
    "coverage": ("covered", "read"),
    "exact_steady": ("steady_exact", "steady"),
    "exact_changing": ("changing_exact", "changing"),
    "vacant_filled": ("vacant_filled", "vacant"),
    **{f"exact_{group}": (f"exact_{group}", f"true_{group}") for group in GROUPS},
    **{f"bias_{group}": (f"error_{group}", f"read_{group}") for group in GROUPS},
}
"""Each share: what is counted, and out of what. A true column that was missed has no right depth; bias
[atoms] and coverage of the 90 % interval are those of the columns that were found with a depth."""
COUNTED = tuple(dict.fromkeys(name for pair in SHARES.values() for name in pair))


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was counted in frames of one particle; tallies add up with ``+``.

    Parameters
    ----------
    counts
        (k,) in the order of `COUNTED`.
    confidence
        (n,) of the columns that were found and have a depth.
    right
        (n,) whether there is a column of just that depth.
    """

    counts: Float[np.ndarray, " k"]
    confidence: Float[np.ndarray, " n"]
    right: Bool[np.ndarray, " n"]

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            counts=self.counts + other.counts,
            confidence=np.concatenate([self.confidence, other.confidence]),
            right=np.concatenate([self.right, other.right]),
        )


def tally_movie(
    found: pd.DataFrame,
    positions: Float[np.ndarray, "t place 2"],
    depths: Int[np.ndarray, "t place"],
    frames: Iterable[int] | None = None,
) -> Tally:
    """Count how the columns of a movie were read.

    Parameters
    ----------
    found
        frame, y, x [Å], and depth, depth_low, depth_high, confidence, which may be NaN.
    positions
        Every place that ever holds a column.
    depths
        0 where a place holds none now.
    frames
        That were read; None for all.
    """
    changing = is_changing(depths)
    by_frame = dict(iter(found.groupby("frame")))
    none = found.iloc[:0]
    total = Tally(counts=np.zeros(len(COUNTED)), confidence=np.zeros(0), right=np.zeros(0, bool))
    for frame in range(len(depths)) if frames is None else frames:
        total += tally_frame(by_frame.get(frame, none), positions[frame], depths[frame], changing[frame])
    return total


def is_changing(depths: Int[np.ndarray, "t place"]) -> Bool[np.ndarray, "t place"]:
    """Return where the depth of a place is another one within `NEAR` frames."""
    frames = range(len(depths))
    around = [depths[max(t - NEAR, 0) : t + NEAR + 1] for t in frames]
    return np.array([(around[t] != depths[t]).any(axis=0) for t in frames])


def tally_frame(
    found: pd.DataFrame,
    places: Float[np.ndarray, "place 2"],
    depths: Int[np.ndarray, " place"],
    changing: Bool[np.ndarray, " place"],
) -> Tally:
    """Count how the columns of one frame were read; see `tally_movie`."""
    yx = found[["y", "x"]].to_numpy(float)
    read, low, high, confidence = (
        found[name].to_numpy(float) for name in ("depth", "depth_low", "depth_high", "confidence")
    )
    filled = np.flatnonzero(depths > 0)
    pairs = match_columns(yx, places[filled], TOLERANCE)
    own, place = pairs[:, 0], filled[pairs[:, 1]]
    error = np.rint(read[own]) - depths[place]  # NaN, and so never right, where no depth was read
    unread = len(read) > 0 and not np.isfinite(read).any()  # a reader of positions only
    exact = error == 0
    covered = (low[own] <= depths[place]) & (depths[place] <= high[own])
    left = np.setdiff1d(np.arange(len(yx)), own)
    vacant = np.flatnonzero(depths == 0)
    counted = {
        "true": len(filled),
        "found": len(yx),
        "matched": len(pairs),
        "read": np.isfinite(error).sum(),
        "exact": exact.sum(),
        "within_one": (np.abs(error) <= 1).sum(),
        "error": np.nansum(error),
        "covered": covered.sum(),
        "steady": (~changing[filled]).sum(),
        "steady_exact": (exact & ~changing[place]).sum(),
        "changing": changing[filled].sum(),
        "changing_exact": (exact & changing[place]).sum(),
        "vacant": len(vacant),
        "vacant_filled": len(match_columns(yx[left], places[vacant], TOLERANCE)),
    }
    for group, members in GROUPS.items():
        inside = np.isin(depths[place], members)
        counted |= {
            f"true_{group}": np.isin(depths[filled], members).sum(),
            f"exact_{group}": exact[inside].sum(),
            f"read_{group}": np.isfinite(error[inside]).sum(),
            f"error_{group}": np.nansum(error[inside]),
        }
    if unread:
        counted |= {name: np.nan for name in counted if "exact" in name or name == "within_one"}
    right = np.zeros(len(yx), dtype=bool)
    right[own] = exact
    known = np.isfinite(read) & np.isfinite(confidence)
    return Tally(
        counts=np.array([counted[name] for name in COUNTED], dtype=float),
        confidence=confidence[known],
        right=right[known],
    )


def estimates(tallies: Sequence[Tally]) -> dict[str, Estimate]:
    """Return every share of `SHARES` and the calibration error ("ece"), from one tally a particle.

    The 90 % interval is a bootstrap over particles, as all frames of a particle are alike; there is none for
    a single particle. A share of nothing is NaN.
    """
    drawn = _drawn(len(tallies))
    found = {}
    for name in SHARES:
        pair = _pairs(tallies, name)
        found[name] = _estimate(name, _share(pair.sum(0)), _share(pair[drawn].sum(1)))
    found["ece"] = replace(_calibration_error(tallies), name="ece")
    return found


def costs(plain: Sequence[Tally], changed: Sequence[Tally]) -> dict[str, Estimate]:
    """Return by how much a change lowers the shares of exact depths and of those within one.

    Its interval is a bootstrap over particles, each with itself before the change.
    """
    drawn = _drawn(len(plain))
    found = {}
    for name in ("exact", "within_one"):
        before, after = _pairs(plain, name), _pairs(changed, name)
        value = _share(before.sum(0)) - _share(after.sum(0))
        again = _share(before[drawn].sum(1)) - _share(after[drawn].sum(1))
        found[name] = _estimate(f"{name}_lost", value, again)
    return found


def _drawn(particles: int) -> Int[np.ndarray, "draw particle"]:
    return np.random.default_rng(0).integers(particles, size=(RESAMPLES, particles))


def _pairs(tallies: Sequence[Tally], name: str) -> Float[np.ndarray, "particle 2"]:
    """Return what a share is of, for each particle: how many of how many."""
    counts = np.stack([tally.counts for tally in tallies])
    return counts[:, [COUNTED.index(part) for part in SHARES[name]]]


def _calibration_error(tallies: Sequence[Tally]) -> Estimate:
    """Return the expected calibration error, freed from the scatter of few columns."""
    confidence = np.concatenate([tally.confidence for tally in tallies])
    if not len(confidence):
        return Estimate(name="ece", value=float("nan"))
    right = np.concatenate([tally.right for tally in tallies])
    particle = np.repeat(np.arange(len(tallies)), [len(tally.confidence) for tally in tallies])
    return calibration_error_estimate(confidence, right, particle)


def _share(pair: Float[np.ndarray, "*b 2"]) -> Float[np.ndarray, "*b"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(pair[..., 0] / pair[..., 1])


def _estimate(name: str, value: np.ndarray, drawn: Float[np.ndarray, " draw"]) -> Estimate:
    known = drawn[np.isfinite(drawn)]
    if not len(known) or not np.ptp(known):  # one particle, or a share of nothing, or all agree
        return Estimate(name=name, value=float(value))
    low, high = np.quantile(known, [0.05, 0.95])
    return Estimate(name=name, value=float(value), low=float(low), high=float(high))
