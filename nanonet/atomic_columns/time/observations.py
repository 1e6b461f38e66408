"""What each frame says about each lattice site: the likelihood of every depth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.atomic_columns.link import one_to_one
from nanonet.atomic_columns.table import LengthUnit, positions_of
from nanonet.atomic_columns.time.sites import Sightings, Sites, ever_filled, find_sites
from nanonet.atomic_columns.time.table import DepthTable, probabilities_of
from nanonet.records import ColumnTable, InputError

UNSEEN = 0.02
"""Presence below which a network's map has no candidate."""
_BLIND = 0.01  # of the frames say nothing about a site, whatever they seem to say


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the frames of a movie say about its lattice sites, frame by frame.

    Parameters
    ----------
    sites
        (s, 2) as (y, x) in the frame of the crystal, which does not drift [Å or px].
    likelihood
        (t, s, D + 1) of depth 0 (no column), 1..D, up to a factor; ones where the site was not seen.
    prior
        (D + 1,) that the probabilities were divided by.
    inside
        (t, s) whether the site was inside the frame.
    track
        (s,) number of each site in the tables.
    frame
        (t,) number of each frame in the tables.
    shift
        (t, 2) that takes a position in a frame to the frame of the crystal [Å or px].
    spacing
        Distance between neighbouring sites [Å or px].
    unit
        Of the lengths.
    """

    sites: Float[np.ndarray, "s 2"]
    likelihood: Float[np.ndarray, "t s depth"]
    prior: Float[np.ndarray, " depth"]
    inside: Bool[np.ndarray, "t s"]
    track: Int[np.ndarray, " s"]
    frame: Int[np.ndarray, " t"]
    shift: Float[np.ndarray, "t 2"]
    spacing: float
    unit: LengthUnit

    @property
    def positions(self) -> Float[np.ndarray, "t s 2"]:
        """Where each site lies in each frame [Å or px]."""
        return np.asarray(self.sites[None] - self.shift[:, None])


def observe(
    columns: ColumnTable,
    probabilities: DepthTable,
    *,
    evidence: float,
    prior: Float[np.ndarray, " depth"] | None = None,
    field: tuple[float, float] | None = None,
) -> Observations:
    """Return what the frames say about each site, from the tables of a movie.

    Sites are the tracks that are more probably columns than stray maxima (`ever_filled`). A frame's word on
    a site is the candidate that was linked to it, else the nearest one within reach, else that nothing as
    probable as `UNSEEN` was there. A frame without any column is taken for blank: it says nothing.

    Parameters
    ----------
    columns
        The columns of all frames, with ``track_id``.
    probabilities
        The candidates of all frames.
    evidence
        Exponent of the odds by which stray maxima are told from sites.
    prior
        (D + 1,) chance of each depth that the network was trained with; None for a uniform one, which
        divides by nothing. A network knows from a column's neighbours what is likely there, so a prior that
        is the same everywhere says little: with the mean of the posteriors, columns of simulated ceria that
        change were read worse (exact 0.74 against 0.80 at 400 e/Å² a frame), and fewer changes were found.
    field
        Height and width of the frames [Å or px]; None where no site is ever outside of the frame.

    Raises
    ------
    InputError
        If the columns were not linked, the tables differ in unit, or the prior has another number of depths.
    """
    unit = _require_tables(columns, probabilities)
    frame = _frames(probabilities)
    candidates = _candidates(columns, probabilities, int(frame[0]), unit)
    linked = candidates.track >= 0
    if not linked.any():
        raise InputError("no column of this movie was linked to a site: there is nothing to follow")
    sightings = Sightings(
        frame=candidates.frame[linked],
        track=candidates.track[linked],
        position=candidates.position[linked],
        presence=1.0 - candidates.chance[linked, 0].astype(float),
    )
    found = find_sites(sightings, len(frame))
    sites = found.kept(ever_filled(sightings, found, unseen=UNSEEN, evidence=evidence))
    if not len(sites.track):
        raise InputError("no column of this movie is seen often enough to be followed")
    seen = _seen(candidates, sites)
    inside = _inside(sites, seen, field) & _not_blank(sightings, len(frame))[:, None]
    divisor = _require_prior(prior, candidates.chance.shape[1])
    return Observations(
        sites=sites.position,
        likelihood=_likelihood(candidates.chance, seen, inside, divisor),
        prior=divisor,
        inside=inside,
        track=sites.track,
        frame=frame,
        shift=sites.shift,
        spacing=sites.reach / 0.4,
        unit=unit,
    )


@dataclass(frozen=True)
class _Candidates:
    """All maxima of the network's maps, in the order of the frames; ``track`` is -1 where not linked."""

    frame: Int[np.ndarray, " n"]
    track: Int[np.ndarray, " n"]
    position: Float[np.ndarray, "n 2"]
    chance: Float[np.ndarray, "n depth"]


def _require_tables(columns: ColumnTable, probabilities: DepthTable) -> LengthUnit:
    _, unit = positions_of(columns)
    if f"y_{unit}" not in probabilities.data:
        raise InputError("columns and their depth probabilities are measured in different units")
    if not len(probabilities) or columns.data["track_id"].isna().all():
        raise InputError("columns can be followed once they are linked: their track_id is empty")
    return unit


def _frames(probabilities: DepthTable) -> Int[np.ndarray, " t"]:
    number = probabilities.data["frame"].to_numpy(int)
    return np.arange(number.min(), number.max() + 1)


def _candidates(columns: ColumnTable, probabilities: DepthTable, first: int, unit: LengthUnit) -> _Candidates:
    keys = ["frame", "column_id"]
    linked = columns.data[[*keys, "track_id"]].dropna()
    joined = probabilities.data.merge(linked, on=keys, how="left", validate="many_to_one")
    order = np.argsort(joined["frame"].to_numpy(int), kind="stable")
    position = probabilities.data[[f"y_{unit}", f"x_{unit}"]].to_numpy(float)
    return _Candidates(
        frame=joined["frame"].to_numpy(int)[order] - first,
        track=joined["track_id"].fillna(-1).to_numpy(int)[order],
        position=position[order],
        chance=probabilities_of(probabilities)[order],
    )


def _seen(candidates: _Candidates, sites: Sites) -> Int[np.ndarray, "t s"]:
    """Return the candidate that each frame has at each site, -1 for none."""
    seen = np.full((len(sites.shift), len(sites.track)), -1)
    place = np.minimum(np.searchsorted(sites.track, candidates.track), len(sites.track) - 1)
    own = sites.track[place] == candidates.track
    seen[candidates.frame[own], place[own]] = np.flatnonzero(own)
    for frame, rows in _by_frame(candidates.frame):
        free, rest = np.flatnonzero(seen[frame] < 0), rows[~own[rows]]
        moved = candidates.position[rest] + sites.shift[frame]
        candidate, site = one_to_one(moved, sites.position[free], sites.reach)
        seen[frame, free[site]] = rest[candidate]
    return seen


def _by_frame(frame: Int[np.ndarray, " n"]) -> Iterator[tuple[int, Int[np.ndarray, " m"]]]:
    values, first = np.unique(frame, return_index=True)
    return zip(values.tolist(), np.split(np.arange(len(frame)), first[1:]), strict=True)


def _inside(
    sites: Sites, seen: Int[np.ndarray, "t s"], field: tuple[float, float] | None
) -> Bool[np.ndarray, "t s"]:
    """Return where a column could have been seen: half a reach inside the frame, or where one was."""
    if field is None:
        return np.ones(seen.shape, dtype=bool)
    margin, place = sites.reach / 2, sites.in_frames()
    within = (place >= margin) & (place <= np.asarray(field) - margin)
    return np.asarray(within.all(2) | (seen >= 0))


def _not_blank(sightings: Sightings, frames: int) -> Bool[np.ndarray, " t"]:
    return np.asarray(np.bincount(sightings.frame, minlength=frames) > 0)


def _require_prior(prior: Float[np.ndarray, " n"] | None, depths: int) -> Float[np.ndarray, " depth"]:
    values = np.ones(depths) if prior is None else np.asarray(prior, dtype=float)
    if values.shape != (depths,) or not (np.isfinite(values).all() and (values > 0).all()):
        raise InputError(
            f"follow.prior must give a positive chance for each of the depths 0 to {depths - 1}: got {prior}"
        )
    return np.asarray(values / values.sum())


def _likelihood(
    chance: Float[np.ndarray, "n depth"],
    seen: Int[np.ndarray, "t s"],
    inside: Bool[np.ndarray, "t s"],
    prior: Float[np.ndarray, " depth"],
) -> Float[np.ndarray, "t s depth"]:
    """Return probabilities over their prior; no frame decides all, for some say nothing."""
    nothing = UNSEEN * prior / prior[1:].sum()
    nothing[0] = 1.0 - UNSEEN
    told = np.concatenate([chance, nothing[None].astype(np.float32)])
    ratio = ((1.0 - _BLIND) * told / prior + _BLIND).astype(np.float32)
    likelihood = ratio[seen]
    likelihood[~inside] = 1.0
    return np.asarray(likelihood)
