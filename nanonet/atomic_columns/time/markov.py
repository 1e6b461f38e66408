"""A hidden Markov model of the depth of atomic columns: what all frames of a movie say together.

The state of a lattice site is the number of atoms in its column, 0 where there is none. From one frame to the
next a column gains an atom, loses one, or, rarely, changes by more. Forward-backward recursions, scaled in
each frame, after L. R. Rabiner, Proc. IEEE 77, 257 (1989).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

KINDS = ("gained", "lost", "born", "gone")
"""What can happen to a column: an atom more or less in it, or the column appears or vanishes as a whole."""

_BYTES = 2**27  # of one working array: as many sites are smoothed together as fit


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """How the columns of a group behave.

    Parameters
    ----------
    gain
        Chance that a column has one atom more in the next frame [per column and frame].
    loss
        Chance that it has one atom less.
    jump
        Chance of any change by more than one atom; all depths that it can lead to are as likely.
    initial
        (D + 1,) chance of each depth 0..D in the first frame; sums to 1.
    """

    gain: float
    loss: float
    jump: float
    initial: Float[np.ndarray, " depth"]

    @property
    def transitions(self) -> Float[np.ndarray, "depth depth"]:
        """Chance of each depth (second axis) in the next frame, given the depth (first axis) in this one."""
        depth = np.arange(len(self.initial))
        step = depth[None, :] - depth[:, None]
        far = np.abs(step) > 1
        matrix = self.gain * (step == 1) + self.loss * (step == -1)
        matrix = matrix + self.jump * far / np.maximum(far.sum(1, keepdims=True), 1)
        return np.asarray(matrix + np.diag(1.0 - matrix.sum(1)))


@dataclass(frozen=True, kw_only=True)
class Smoothed:
    """What all frames together say about each column in each frame.

    Parameters
    ----------
    posterior
        (t, s, D + 1) probability of each depth.
    changes
        (t, s, 4) probability that the column changed in the way of `KINDS` since the frame before; 0 in the
        first frame.
    log_likelihood
        (s,) of the frames, given the dynamics.
    """

    posterior: Float[np.ndarray, "t s depth"]
    changes: Float[np.ndarray, "t s 4"]
    log_likelihood: Float[np.ndarray, " s"]


def posterior(
    likelihood: Float[np.ndarray, "t s depth"], dynamics: Dynamics
) -> Float[np.ndarray, "t s depth"]:
    """Return the probability of each depth in each frame given all frames: `smooth` without the changes."""
    found = np.empty(likelihood.shape, dtype=np.float32)
    for sites in _chunks(likelihood.shape):
        passed = _passes(likelihood[:, sites], dynamics)
        found[:, sites] = passed.forward * passed.backward
    return found


def smooth(likelihood: Float[np.ndarray, "t s depth"], dynamics: Dynamics) -> Smoothed:
    """Return the probability of each depth in each frame given all frames, and of each kind of change.

    Parameters
    ----------
    likelihood
        (t, s, D + 1), each row up to a factor, not all zero.
    dynamics
        Of the sites.
    """
    posterior = np.empty(likelihood.shape, dtype=np.float32)
    changes = np.zeros((*likelihood.shape[:2], len(KINDS)), dtype=np.float32)
    log_likelihood = np.empty(likelihood.shape[1])
    transitions = dynamics.transitions
    masks = transitions * _kinds(len(transitions))
    for sites in _chunks(likelihood.shape):
        passed = _passes(likelihood[:, sites], dynamics)
        posterior[:, sites] = passed.forward * passed.backward
        for kind, mask in enumerate(masks):
            changes[1:, sites, kind] = np.einsum(
                "tsd,tsd->ts", passed.forward[:-1] @ mask, passed.arriving[1:]
            )
        log_likelihood[sites] = passed.log_likelihood
    return Smoothed(posterior=posterior, changes=changes, log_likelihood=log_likelihood)


def most_probable_path(
    likelihood: Float[np.ndarray, "t s depth"], dynamics: Dynamics
) -> Int[np.ndarray, "t s"]:
    """Return the most probable sequence of depths of each site (Viterbi)."""
    frames, sites, depths = likelihood.shape
    with np.errstate(divide="ignore"):
        step = np.log(dynamics.transitions).T[None]
        score = np.log(dynamics.initial) + np.log(likelihood[0])
        came_from = np.zeros((frames, sites, depths), dtype=np.int8 if depths < 128 else np.int16)
        for frame in range(1, frames):
            ways = score[:, None, :] + step
            came_from[frame] = best = ways.argmax(2)
            score = np.take_along_axis(ways, best[..., None], 2)[..., 0] + np.log(likelihood[frame])
    path = np.empty((frames, sites), dtype=int)
    path[-1] = score.argmax(1)
    rows = np.arange(sites)
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = came_from[frame, rows, path[frame]]
    return path


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What is expected to have happened in a movie: pairs of depths in successive frames, and first depths.

    Parameters
    ----------
    steps
        (D + 1, D + 1) expected number of times that the first depth was followed by the second.
    first
        (D + 1,) expected number of sites with each depth in the first frame.
    log_likelihood
        Of all frames and sites.
    """

    steps: Float[np.ndarray, "depth depth"]
    first: Float[np.ndarray, " depth"]
    log_likelihood: float


def count(likelihood: Float[np.ndarray, "t s depth"], dynamics: Dynamics) -> Counts:
    """Return the expected steps between depths: the expectation of Baum and Welch."""
    depths = likelihood.shape[2]
    steps, first, log_likelihood = np.zeros((depths, depths)), np.zeros(depths), 0.0
    for sites in _chunks(likelihood.shape):
        passed = _passes(likelihood[:, sites], dynamics)
        steps += np.tensordot(passed.forward[:-1], passed.arriving[1:], axes=((0, 1), (0, 1)))
        first += (passed.forward[0] * passed.backward[0]).sum(0)
        log_likelihood += float(passed.log_likelihood.sum())
    return Counts(steps=steps * dynamics.transitions, first=first, log_likelihood=log_likelihood)


@dataclass(frozen=True)
class _Passes:
    """Scaled forward and backward messages (t, s, D + 1); forward times backward is the posterior.

    ``arriving`` is the backward message times the frame's likelihood over its scale, so that forward[t - 1],
    the transitions and arriving[t] multiply to the probability of a pair of depths.
    """

    forward: Float[np.ndarray, "t s depth"]
    backward: Float[np.ndarray, "t s depth"]
    arriving: Float[np.ndarray, "t s depth"]
    log_likelihood: Float[np.ndarray, " s"]


def _passes(likelihood: Float[np.ndarray, "t s depth"], dynamics: Dynamics) -> _Passes:
    frames, sites, depths = likelihood.shape
    transitions = dynamics.transitions
    forward, backward, arriving = (np.empty((frames, sites, depths)) for _ in range(3))
    scale = np.empty((frames, sites, 1))
    message = np.tile(dynamics.initial, (sites, 1))
    for frame in range(frames):
        message = message * likelihood[frame]
        scale[frame] = message.sum(1, keepdims=True)
        message /= scale[frame]
        forward[frame] = message
        message = message @ transitions
    message = np.ones((sites, depths))
    for frame in range(frames - 1, -1, -1):
        backward[frame] = message
        message = message * likelihood[frame] / scale[frame]
        arriving[frame] = message
        message = message @ transitions.T
    return _Passes(forward, backward, arriving, np.log(scale).sum((0, 2)))


def _kinds(depths: int) -> Float[np.ndarray, "4 depth depth"]:
    """Return for each of `KINDS` which pairs of depths are of it."""
    before, after = np.indices((depths, depths))
    both = (before > 0) & (after > 0)
    kinds = (both & (after > before), both & (after < before), (before == 0) & (after > 0))
    return np.stack([*kinds, (before > 0) & (after == 0)]).astype(float)


def _chunks(shape: tuple[int, ...]) -> Iterator[slice]:
    frames, sites, depths = shape
    step = max(1, _BYTES // (8 * frames * depths))
    return (slice(first, first + step) for first in range(0, sites, step))
