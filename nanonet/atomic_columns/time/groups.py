"""Columns of a kind share their dynamics: those at the rim change more often than those inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.time.markov import KINDS, Dynamics, Smoothed, posterior, smooth
from nanonet.atomic_columns.time.rates import RATE_PRIOR, RatePrior, learn_dynamics


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Which sites share their dynamics.

    Parameters
    ----------
    group
        (s,) index into ``dynamics``.
    dynamics
        Of each group.
    """

    group: Int[np.ndarray, " s"]
    dynamics: tuple[Dynamics, ...]

    def __iter__(self) -> Iterator[tuple[Int[np.ndarray, " m"], Dynamics]]:
        return ((np.flatnonzero(self.group == i), dynamics) for i, dynamics in enumerate(self.dynamics))

    def taken(self, sites: Int[np.ndarray, " n"]) -> Groups:
        """Return the groups of some sites, each as often as it is named."""
        return Groups(group=self.group[sites], dynamics=self.dynamics)


def learn_groups(
    likelihood: Float[np.ndarray, "t s depth"],
    group: Int[np.ndarray, " s"],
    *,
    prior: RatePrior = RATE_PRIOR,
) -> Groups:
    """Learn the dynamics of each group from its own sites.

    Parameters
    ----------
    likelihood
        (t, s, D + 1), each row up to a factor.
    group
        (s,) from 0.
    prior
        On the rates of each group.
    """
    dynamics = (
        learn_dynamics(likelihood[:, group == i], prior=prior) for i in range(int(group.max(initial=-1)) + 1)
    )
    return Groups(group=group, dynamics=tuple(dynamics))


def smooth_groups(likelihood: Float[np.ndarray, "t s depth"], groups: Groups) -> Smoothed:
    """Return what all frames say of each site, each group with its dynamics: see `markov.smooth`."""
    frames, sites, _ = likelihood.shape
    found = Smoothed(
        posterior=np.empty(likelihood.shape, dtype=np.float32),
        changes=np.empty((frames, sites, len(KINDS)), dtype=np.float32),
        log_likelihood=np.empty(sites),
    )
    for members, dynamics in groups:
        part = smooth(likelihood[:, members], dynamics)
        found.posterior[:, members] = part.posterior
        found.changes[:, members] = part.changes
        found.log_likelihood[members] = part.log_likelihood
    return found


def posterior_of(
    likelihood: Float[np.ndarray, "t s depth"], groups: Groups
) -> Float[np.ndarray, "t s depth"]:
    """Return the probability of each depth in each frame given all frames: see `markov.posterior`."""
    found = np.empty(likelihood.shape, dtype=np.float32)
    for members, dynamics in groups:
        found[:, members] = posterior(likelihood[:, members], dynamics)
    return found
