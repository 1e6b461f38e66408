"""The lattice sites of a movie: where they are, how each frame is shifted, and which of them are real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from nanonet.atomic_columns.time.rates import RATE_PRIOR, RatePrior

_ROUNDS = 3  # of medians, after a least-squares start
_SURE = 0.01  # a frame's word on whether a column is there is wrong at least this often
_AT_ONCE = 1000  # sites


@dataclass(frozen=True, kw_only=True)
class Sightings:
    """The columns of a movie that were reported and linked, in any order.

    Parameters
    ----------
    frame
        (n,) index into the frames of the movie.
    track
        (n,) number of the site.
    position
        (n, 2) as (y, x) in the frame [Å or px].
    presence
        (n,) probability that the column is there.
    """

    frame: Int[np.ndarray, " n"]
    track: Int[np.ndarray, " n"]
    position: Float[np.ndarray, "n 2"]
    presence: Float[np.ndarray, " n"]


@dataclass(frozen=True, kw_only=True)
class Sites:
    """Places that do not move, and how each frame is shifted against them.

    Parameters
    ----------
    track
        (s,) number of each site.
    position
        (s, 2) as (y, x); in the first frame with columns, site and frame coordinates are the same [Å or px].
    shift
        (t, 2) to be added to a position in a frame to get the position of the site.
    reach
        0.4 of the distance between neighbours: what is nearer to a site than this belongs to it.
    """

    track: Int[np.ndarray, " s"]
    position: Float[np.ndarray, "s 2"]
    shift: Float[np.ndarray, "t 2"]
    reach: float

    def kept(self, which: Bool[np.ndarray, " s"]) -> Sites:
        """Return some of the sites."""
        return Sites(
            track=self.track[which], position=self.position[which], shift=self.shift, reach=self.reach
        )

    def in_frames(self) -> Float[np.ndarray, "t s 2"]:
        """Return where each site lies in each frame."""
        return np.asarray(self.position[None] - self.shift[:, None])


def find_sites(sightings: Sightings, frames: int) -> Sites:
    """Return the site of each track and the shift of each frame.

    A position is that of its site less the shift of its frame, plus noise: least squares over all sightings
    first, then medians over the columns of a frame and over the frames of a site, which strays do not move.
    A frame without columns is given the shift between those of its neighbours in time.

    Parameters
    ----------
    sightings
        At least one.
    frames
        Frames of the movie.
    """
    track, site = np.unique(sightings.track, return_inverse=True)
    frame_of, position = sightings.frame, sightings.position
    shift = _least_squares(frame_of, site, position, (frames, len(track)))
    for _ in range(_ROUNDS):
        place = _medians(position + shift[frame_of], site, len(track))
        shift = _medians(place[site] - position, frame_of, frames)
        shift = _filled(shift)
    shift = shift - shift[frame_of.min()]
    place = _medians(position + shift[frame_of], site, len(track))
    return Sites(track=track, position=place, shift=shift, reach=0.4 * _spacing(place, np.bincount(site)))


def _least_squares(
    frame: Int[np.ndarray, " n"],
    site: Int[np.ndarray, " n"],
    position: Float[np.ndarray, "n 2"],
    shape: tuple[int, int],
) -> Float[np.ndarray, "t 2"]:
    """Return the shifts that, with free sites, fit all positions; of all such, the smallest."""
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import lsmr

    n, rows = len(frame), np.arange(len(frame))
    design = coo_array(
        (
            np.concatenate([-np.ones(n), np.ones(n)]),
            (np.tile(rows, 2), np.concatenate([frame, shape[0] + site])),
        ),
        shape=(n, sum(shape)),
    ).tocsr()
    start = position.mean(0)
    columns = [lsmr(design, position[:, axis] - start[axis], maxiter=200)[0] for axis in (0, 1)]
    return np.stack(columns, axis=1)[: shape[0]]


def _medians(
    values: Float[np.ndarray, "n 2"], group: Int[np.ndarray, " n"], groups: int
) -> Float[np.ndarray, "g 2"]:
    """Return the median of each group along each axis, NaN for groups without values."""
    found = pd.DataFrame(values).groupby(group).median()
    return found.reindex(np.arange(groups)).to_numpy()


def _filled(shift: Float[np.ndarray, "t 2"]) -> Float[np.ndarray, "t 2"]:
    known = np.flatnonzero(np.isfinite(shift[:, 0]))
    every = np.arange(len(shift))
    return np.stack([np.interp(every, known, shift[known, axis]) for axis in (0, 1)], axis=1)


def _spacing(place: Float[np.ndarray, "s 2"], seen: Int[np.ndarray, " s"]) -> float:
    """Return the median distance between neighbours among the sites that are seen often."""
    from scipy.spatial import cKDTree

    often = place[seen >= np.median(seen[seen >= seen.max() / 4])] if len(seen) else place
    if len(often) < 2:
        return 1.0
    return float(np.median(cKDTree(often).query(often, k=2)[0][:, 1]))


def ever_filled(
    sightings: Sightings,
    sites: Sites,
    *,
    unseen: float,
    evidence: float,
    prior: RatePrior = RATE_PRIOR,
) -> Bool[np.ndarray, " s"]:
    """Return which sites are more probably filled for a while than empty in all frames.

    A stray maximum of the network's map opens a track of its own. Its best stretch of frames, filled from one
    frame to another and empty before and after, is compared with a site that is never filled: frames that see
    the column speak for it by the odds of its presence, frames that do not speak against it, and the
    stretch pays for a column's being born (and gone) at the rates that are expected of columns. One sighting
    alone is never enough, whatever its presence.

    Parameters
    ----------
    sightings
        Of the sites.
    sites
        What `find_sites` returned.
    unseen
        Highest presence of a column that is not even a candidate.
    evidence
        Exponent of the odds of a frame.
    prior
        Of the rates.
    """
    enter = float(np.log(prior.steps / prior.column_frames))
    site = np.searchsorted(sites.track, sightings.track)
    odds = evidence * _log_odds(sightings.presence)
    nothing = float(evidence * _log_odds(np.array([unseen]))[0])
    kept = np.zeros(len(sites.track), dtype=bool)
    for first in range(0, len(kept), _AT_ONCE):
        rows = (site >= first) & (site < first + _AT_ONCE)
        told = np.full((len(sites.shift), min(_AT_ONCE, len(kept) - first)), nothing)
        told[sightings.frame[rows], site[rows] - first] = odds[rows]
        kept[first : first + _AT_ONCE] = _best_history(told, enter) > 0
    return kept


def _log_odds(presence: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return log(p / (1 - p)), within what a network can be sure of."""
    sure = np.clip(presence, _SURE, 1 - _SURE)
    return np.asarray(np.log(sure / (1 - sure)))


def _best_history(odds: Float[np.ndarray, "t s"], enter: float) -> Float[np.ndarray, " s"]:
    """Return the log odds of each site's best history that has it filled in some frames."""
    filled, left = odds[0].copy(), np.full(odds.shape[1], -np.inf)
    for now in odds[1:]:
        start = np.maximum(left, 0.0) + enter
        left = np.maximum(left, filled + enter)
        filled = np.maximum(filled, start) + now
    return np.asarray(np.maximum(filled, left))
