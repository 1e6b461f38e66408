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
from torch import Tensor

from nanonet.reconstruct.first_size import FirstSizes
from nanonet.reconstruct.group_climbs import Few, Pair, climbs
from nanonet.reconstruct.held_out import Yardstick, left_by
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import operations, placements

AUTO = "auto"
CANDIDATES = ("C1", "C2", "C3", "C4", "C5", "D2", "D3", "D4", "D5", "D6", "T", "O", "I")
"""Of polyhedra of cubic crystals, rods, plates, pyramids, multiply twinned and irregular particles."""
ROUND = "K"
"""Of particles that are not told from balls."""
_NEAR = 0.7
"""Of what the best group explains beyond a ball: what a group explains at first that may be right."""
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
    sizes: tuple[FirstSizes, FirstSizes],
    rng: np.random.Generator,
    *,
    candidates: Sequence[str] = CANDIDATES,
    told: str | None = None,
) -> Chosen:
    """Return the largest of some groups that costs nothing, or the one that is told beside C1.

    Parameters
    ----------
    candidates
        C1 is among them.
    """
    both = (Few.of(halves[0], sizes[0]), Few.of(halves[1], sizes[1]))
    found = climbs(both, candidates if told is None else tuple({"C1", told}), rng)
    seen = _Seen.of(both, found["C1"], rng)
    left = {name: seen.left_by(pair, name) for name, pair in found.items()}
    yardstick = seen.yardstick(left)
    if told is None and not yardstick.round:
        # A first climb may have missed the body: those that may be right have a second one.
        near = [one for one in found if yardstick.explained(left[one]) > _NEAR]
        found = climbs(both, near, rng, known=found)
        left |= {name: seen.left_by(found[name], name) for name in near}
    elif told is not None and yardstick.explained(left[told]) < 1.0:
        # A right group explains no less than none: the groups within this one help to find its maps.
        found = climbs(both, (*_within(told), told), rng, known=found)
        left = {name: seen.left_by(pair, name) for name, pair in found.items()}
    yardstick = seen.yardstick(left)
    explained = {name: yardstick.explained(one) for name, one in left.items()}
    choice = _choice(explained, yardstick, len(both[0]) + len(both[1]), told)
    if choice.point_group not in found:
        return Chosen(choice, seen.balls, yardstick)
    one, other = found[choice.point_group]
    return Chosen(choice, (one.density, other.density), yardstick)


def _within(told: str) -> tuple[str, ...]:
    """Return the groups within a told one."""
    if told[0] in "CK":
        return ()
    others = (name for name in CANDIDATES if name[0] != "C" and name != told)
    return tuple(name for name in others if len(placements(name, told)))


@dataclass(frozen=True)
class _Seen:
    """Both halves of the particles, their noise by shell, and a ball of each."""

    halves: tuple[Spectra, Spectra]
    noise: Float[Tensor, " k"]
    balls: tuple[Float[Tensor, "n n n"], Float[Tensor, "m m m"]]

    @staticmethod
    def of(both: tuple[Few, Few], free: Pair, rng: np.random.Generator) -> _Seen:
        # Climbs of their own: what they gain by fitted sizes, balls have as well.
        one, other = (few.climbed(ROUND, rng).density for few in both)
        noise = torch.stack([own.noise for own in free]).amin(0)
        return _Seen((both[0].spectra, both[1].spectra), noise, (one, other))

    def left_by(self, pair: Pair, group: str) -> Float[Tensor, "p k"]:
        """Return what each half's map leaves of the other half's particles."""
        return left_by((pair[0].density, pair[1].density), self.halves, group, self.noise)

    def yardstick(self, left: dict[str, Float[Tensor, "p k"]]) -> Yardstick:
        ball = left_by(self.balls, self.halves, ROUND, self.noise)
        return Yardstick.of(self.halves, ball, list(left.values()))


def _choice(explained: dict[str, float], yardstick: Yardstick, count: int, told: str | None) -> GroupChoice:
    order = {name: len(operations(name)) for name in explained}
    if told is not None:
        name, reason = told, "told"
    elif yardstick.round:
        name = ROUND
        reason = f"{count} particles are not told from balls: they have all rotations"
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
