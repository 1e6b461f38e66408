"""The point group that particles have, from their images: the largest one that costs nothing.

Under each group there are a few climbs from nothing, coarse, of two halves of some of the particles. A group
that the particles lack forces maps that leave more of the other half's particles than maps of less symmetry
do; one that they have averages more, and leaves as little or less. Subgroups of the right group do as well,
hence the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nanonet.reconstruct.climb import Climb, Climbed, climb
from nanonet.reconstruct.held_out import Yardstick, left_by
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.mask import ball_like
from nanonet.reconstruct.point_group import CUBIC, operations

AUTO = "auto"
CANDIDATES = ("C1", "D2", "D3", "D4", "D5", "D6", "T", "O", "I")
"""What nanoparticles are: polyhedra of cubic crystals, rods and plates, multiply twinned ones, or irregular."""
ROUND = "O"
"""Of particles that are not told from balls: any group is theirs."""
_MOST = 30
"""Particles of each half."""
_STARTS = (3, 8)
_FREE_STARTS = 2
"""Without symmetry all climbs end alike."""
_CLIMB = Climb(last_detail=6.0)
_ALIKE = 0.25
"""Likelihoods, by value of the spectra, of two halves of the same particles."""
_COST = 0.01
"""Of what the best group explains beyond a ball: what a larger one may lose."""


@dataclass(frozen=True, kw_only=True)
class GroupChoice:
    """Point groups that were tried, and what came of it.

    Parameters
    ----------
    point_group
        The chosen one.
    tried
        Groups, the chosen one among them.
    explained
        (g,) of what the best group's half maps explain, beyond a ball, of particles that they were not made
        of: the share that each group's explain.
    particles
        How many were tried on.
    reason
        In words.
    """

    point_group: str
    tried: tuple[str, ...]
    explained: Float[np.ndarray, " g"]
    particles: int
    reason: str


def choose_group(
    halves: tuple[Spectra, Spectra],
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    rng: np.random.Generator,
    *,
    candidates: Sequence[str] = CANDIDATES,
) -> tuple[GroupChoice, Yardstick]:
    """Return the largest of some groups that costs nothing, and a yardstick for other maps of the particles.

    Parameters
    ----------
    sizes
        Of each particle over the mean, where they are the same from all sides.
    candidates
        C1 is among them.
    """
    some = tuple(half.take(np.arange(min(_MOST, len(half)))) for half in halves)
    both = (some[0], some[1])
    found = {name: _best_of_starts(both, sizes, name, rng) for name in candidates}
    highest = len(found["C1"][0].noise) - 1
    both = (both[0].up_to(highest), both[1].up_to(highest))
    noise = torch.stack([half.noise for pair in found.values() for half in pair]).amin(0)
    left = {
        name: left_by((one.density, other.density), both, name, noise) for name, (one, other) in found.items()
    }
    balls = [
        torch.as_tensor(ball_like(half.density.numpy()), dtype=torch.float32) for half in found["C1"]
    ]
    yardstick = Yardstick.of(both, left_by((balls[0], balls[1]), both, ROUND, noise), list(left.values()))
    explained = {name: yardstick.explained(one) for name, one in left.items()}
    return _chosen(explained, yardstick, len(both[0]) + len(both[1])), yardstick


def _best_of_starts(
    halves: tuple[Spectra, Spectra],
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    point_group: str,
    rng: np.random.Generator,
) -> tuple[Climbed, Climbed]:
    """Return the likeliest climb of each half; as long as one half's is much likelier there are more."""
    least, most = (_FREE_STARTS, _FREE_STARTS) if point_group == "C1" else _STARTS
    known = [size if point_group in CUBIC else np.ones(len(size)) for size in sizes]
    found: tuple[list[Climbed], list[Climbed]] = ([], [])
    for index in range(most):
        for half, size, row in zip(halves, known, found, strict=True):
            row.append(climb(half, size[: len(half)], point_group, _CLIMB, rng))
        one, other = (max(row, key=lambda each: each.likelihood) for row in found)
        if index + 1 >= least and abs(one.likelihood - other.likelihood) < _ALIKE:
            break
    return one, other


def _chosen(explained: dict[str, float], yardstick: Yardstick, count: int) -> GroupChoice:
    order = {name: len(operations(name)) for name in explained}
    if yardstick.round:
        name = ROUND
        reason = f"{count} particles are not told from balls: any group is theirs, {name} is taken"
    else:
        name = max((one for one in explained if explained[one] > 1 - _COST), key=order.__getitem__)
        larger = {one: share for one, share in explained.items() if order[one] > order[name]}
        reason = f"half maps of {name} explain {explained[name]:.1%} of what the best of {len(explained)} groups' do"
        reason += f" of {count} particles that had no part in them, beyond a ball"
        if larger:
            rival = max(larger, key=larger.__getitem__)
            reason += f"; of larger groups {rival} comes nearest, {max(larger[rival], 0.0):.0%}"
    return GroupChoice(
        point_group=name,
        tried=tuple(explained),
        explained=np.array(list(explained.values())),
        particles=count,
        reason=reason,
    )
