"""Where atoms come and go: gains and losses of each site, and what neighbours exchange beyond chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_NEAR, _FAR = 5, 50  # frames: how far away the rates that chance goes by are taken from


@dataclass(frozen=True, kw_only=True)
class Migration:
    """Expected changes of each site, and moves of atoms between neighbours.

    Parameters
    ----------
    gains, losses
        (s,) expected number of changes to more and to fewer atoms.
    pairs
        (p, 2) from which site to which neighbour; each pair of neighbours both ways.
    moves
        (p,) expected number of losses at the first with a gain at the second in the same or next frames.
    chance
        (p,) how many of those there would be if the two sites changed independently.
    error
        (p,) standard error of moves less chance.
    """

    gains: Float[np.ndarray, " s"]
    losses: Float[np.ndarray, " s"]
    pairs: Int[np.ndarray, "p 2"]
    moves: Float[np.ndarray, " p"]
    chance: Float[np.ndarray, " p"]
    error: Float[np.ndarray, " p"]

    @property
    def excess(self) -> Float[np.ndarray, " p"]:
        """Moves beyond chance; below zero where there are fewer."""
        return np.asarray(self.moves - self.chance)

    @property
    def net(self) -> Float[np.ndarray, " p"]:
        """Excess one way less the excess the other way."""
        half = len(self.pairs) // 2
        there, back = self.excess[:half], self.excess[half:]
        return np.concatenate([there - back, back - there])

    def at_sites(self, end: int) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, " s"]]:
        """Return the sum of the excess and its error for each site as the source (0) or the target (1)."""
        total, variance = (
            np.bincount(self.pairs[:, end], weights=values, minlength=len(self.gains))
            for values in (self.excess, self.error**2)
        )
        return total, np.sqrt(variance)


def find_migration(
    gains: Float[np.ndarray, "t s"],
    losses: Float[np.ndarray, "t s"],
    neighbours: Int[np.ndarray, "p 2"],
    *,
    within: int = 1,
) -> Migration:
    """Return what each site gains and loses, and what neighbours exchange beyond chance.

    Chance follows the frames: the share that a site has of all gains in the frames around (5 to 50 frames
    away), times the gains of all other sites in the very frame. So neither a frame in which many columns
    seem to change at once (beam, focus), nor a site that is restless for a while, passes for exchange.

    Parameters
    ----------
    gains, losses
        (t, s) probability of a change to more, and to fewer, atoms since the frame before.
    neighbours
        (p, 2) pairs of sites, each once.
    within
        A gain counts with losses in the same frame and so many before it. Changes whose time is not sure to
        this many frames are paired in part only: moves are then a lower bound.
    """
    here = _later_too(gains, within)
    expected = _later_too(_by_chance(gains), within)
    pairs = np.concatenate([neighbours, neighbours[:, ::-1]])
    start, end = pairs.T
    moves, chance = ((losses.T @ values)[start, end] for values in (here, expected))
    return Migration(
        gains=gains.sum(0, dtype=float),
        losses=losses.sum(0, dtype=float),
        pairs=pairs,
        moves=moves,
        chance=chance,
        error=np.sqrt(np.maximum(moves, chance)),
    )


def _later_too(values: Float[np.ndarray, "t s"], frames: int) -> Float[np.ndarray, "t s"]:
    """Return the sum over each frame and the next ``frames``."""
    padded = np.concatenate([values, np.zeros((frames, values.shape[1]), values.dtype)])
    return np.asarray(sum(padded[k : k + len(values)] for k in range(frames + 1)))


def _by_chance(gains: Float[np.ndarray, "t s"]) -> Float[np.ndarray, "t s"]:
    """Return the gains of each site in each frame that its share of those around lets one expect."""
    others = gains.sum(1, keepdims=True) - gains
    own_around, others_around = _around(gains), _around(others)
    share = np.divide(own_around, others_around, out=np.zeros_like(own_around), where=others_around > 1e-6)
    return np.asarray(share * others)


def _around(values: Float[np.ndarray, "t s"]) -> Float[np.ndarray, "t s"]:
    """Return the sum over the frames that are `_NEAR` to `_FAR` frames away, on both sides."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=float)])
    frames = len(values)
    at = np.arange(frames)

    def between(low: Int[np.ndarray, " t"], high: Int[np.ndarray, " t"]) -> Float[np.ndarray, "t s"]:
        low, high = np.clip(low, 0, frames), np.clip(high, 0, frames)
        return np.asarray(total[np.maximum(low, high)] - total[low])

    return np.asarray(between(at - _FAR, at - _NEAR + 1) + between(at + _NEAR, at + _FAR + 1))
