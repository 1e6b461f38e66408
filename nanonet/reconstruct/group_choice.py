"""The point group that particles have, from their images: the largest one that costs nothing.

Under each group there are a few climbs from nothing, coarse, of two halves of some of the particles. A group
that the particles lack forces maps that leave more of the other half's particles than maps of less symmetry
do; one that they have averages more, and leaves as little or less. Subgroups of the right group do as well,
hence the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial.transform import Rotation
from torch import Tensor

from nanonet.reconstruct.align import Frame, turned
from nanonet.reconstruct.climb import Climb, Climbed, climb, small_map
from nanonet.reconstruct.held_out import Yardstick, left_by
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import CUBIC, operations, placements

AUTO = "auto"
CANDIDATES = ("C1", "D2", "D3", "D4", "D5", "D6", "T", "O", "I")
"""Of nanoparticles: polyhedra of cubic crystals, rods, plates, multiply twinned ones, irregular ones."""
ROUND = "O"
"""Of particles that are not told from balls: any group is theirs."""
_MOST = 24
"""Particles of each half."""
_STARTS = (2, 5)
_FREE_STARTS = 2
"""Without symmetry all climbs end alike."""
_CLIMB = Climb(rounds=9, greedy_rounds=3, last_detail=6.0)
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


@dataclass(frozen=True)
class Chosen:
    """A choice, the coarse map of each half under the chosen group, and a yardstick for other maps."""

    choice: GroupChoice
    maps: tuple[Float[Tensor, "n n n"], Float[Tensor, "m m m"]]
    yardstick: Yardstick


def choose_group(
    halves: tuple[Spectra, Spectra],
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    rng: np.random.Generator,
    *,
    candidates: Sequence[str] = CANDIDATES,
    told: str | None = None,
) -> Chosen:
    """Return the largest of some groups that costs nothing, or the one that is told beside C1.

    Parameters
    ----------
    sizes
        Of each particle over the mean, where they are the same from all sides.
    candidates
        C1 and O are among them.
    """
    some = tuple(half.take(np.arange(min(_MOST, len(half)))) for half in halves)
    both = (some[0], some[1])
    found: dict[str, tuple[Climbed, Climbed]] = {}
    names = candidates if told is None else _beside(told)
    for name in sorted(names, key=lambda one: len(operations(one))):
        begun = _best_of_starts(both, sizes, name, rng)
        found[name] = _from_subgroups(both, sizes, name, begun, found, rng)
    highest = len(found["C1"][0].noise) - 1
    both = (both[0].up_to(highest), both[1].up_to(highest))
    noise = torch.stack([half.noise for pair in found.values() for half in pair]).amin(0)
    left = {
        name: left_by((one.density, other.density), both, name, noise) for name, (one, other) in found.items()
    }
    free = found["C1"]
    balls = (_ball(both[0], free[0], rng), _ball(both[1], free[1], rng))
    yardstick = Yardstick.of(both, left_by(balls, both, "I", noise), list(left.values()))
    explained = {name: yardstick.explained(one) for name, one in left.items()}
    choice = _choice(explained, yardstick, len(both[0]) + len(both[1]), told)
    one, other = found[choice.point_group]
    return Chosen(choice, (one.density, other.density), yardstick)


def _beside(told: str) -> set[str]:
    """Return a told group, C1 to hold it against, and those within it that help to find its maps."""
    if told[0] == "C":
        return {"C1", told}
    within = [name for name in CANDIDATES[1:] if name != told and len(placements(name, told))]
    return {"C1", *within, told}


def _best_of_starts(
    halves: tuple[Spectra, Spectra],
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    point_group: str,
    rng: np.random.Generator,
) -> tuple[Climbed, Climbed]:
    """Return the likeliest climb of each half; as long as one half's is much likelier there are more."""
    least, most = (_FREE_STARTS, _FREE_STARTS) if point_group == "C1" else _STARTS
    found: tuple[list[Climbed], list[Climbed]] = ([], [])
    for index in range(most):
        for half, size, row in zip(halves, sizes, found, strict=True):
            row.append(climb(half, _known(size, point_group)[: len(half)], point_group, _CLIMB, rng))
        one, other = (max(row, key=lambda each: each.likelihood) for row in found)
        if index + 1 >= least and abs(one.likelihood - other.likelihood) < _ALIKE:
            break
    return one, other


def _ball(spectra: Spectra, found: Climbed, rng: np.random.Generator) -> Float[Tensor, "n n n"]:
    """Return the map of the particles turned by chance: no shape is left."""
    turns = Rotation.random(len(spectra), rng=rng).as_matrix()
    poses = replace(found.poses, rotations=torch.as_tensor(turns, dtype=torch.float32))
    return small_map(spectra, poses, "I", found.noise)


def _from_subgroups(
    halves: tuple[Spectra, Spectra],
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]],
    point_group: str,
    begun: tuple[Climbed, Climbed],
    found: dict[str, tuple[Climbed, Climbed]],
    rng: np.random.Generator,
) -> tuple[Climbed, Climbed]:
    """Return the likeliest climb of each half, also from the likeliest map of a group that this one holds.

    Many climbs under a large group miss the body; one from a map that has half of its axes does not.
    """
    turns = {} if point_group[0] == "C" else {n: placements(n, point_group) for n in found if n[0] != "C"}
    best = list(begun)
    for number, (half, size) in enumerate(zip(halves, sizes, strict=True)):
        within = [name for name, some in turns.items() if len(some)]
        if not within:
            break
        name = max(within, key=lambda one: found[one][number].likelihood)
        for turn in turns[name]:
            begin = symmetrised(found[name][number].density, turn, point_group)
            new = climb(half, _known(size, point_group)[: len(half)], point_group, _CLIMB, rng, begin)
            best[number] = max(best[number], new, key=lambda one: one.likelihood)
    return best[0], best[1]


def symmetrised(
    density: Float[Tensor, "n n n"], turn: Float[np.ndarray, "3 3"], point_group: str
) -> Float[Tensor, "n n n"]:
    """Return the mean of a map, turned first, over the rotations of a group."""
    group = operations(point_group)
    every = [turned(density, Frame(one @ turn, False, 0.0)) for one in group]
    return torch.stack(every).mean(0)


def _known(size: Float[np.ndarray, " n"], point_group: str) -> Float[np.ndarray, " n"]:
    """Return sizes where radii of gyration tell them."""
    return size if point_group in CUBIC else np.ones(len(size))


def _choice(explained: dict[str, float], yardstick: Yardstick, count: int, told: str | None) -> GroupChoice:
    order = {name: len(operations(name)) for name in explained}
    if told is not None:
        name, reason = told, "told"
    elif yardstick.round:
        name = ROUND
        reason = f"{count} particles are not told from balls: any group is theirs"
    else:
        name = max((one for one in explained if explained[one] > 1 - _COST), key=order.__getitem__)
        larger = {one: share for one, share in explained.items() if order[one] > order[name]}
        reason = (
            f"half maps of {name} explain {explained[name]:.1%} of what the best of {len(explained)} groups "
            f"explain, beyond a ball, of {count} particles that had no part in them"
        )
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
