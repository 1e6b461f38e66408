"""Coarse maps of two halves of a few particles under point groups, each helped by the groups within it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanonet.reconstruct.align import Frame, turned
from nanonet.reconstruct.climb import Climb, Climbed, climb, shell_of
from nanonet.reconstruct.first_size import FirstSizes
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import operations, placements

_MOST = 24
"""Particles of each half."""
_CLIMB = Climb(rounds=9, greedy_rounds=3, last_detail=6.0)

Pair = tuple[Climbed, Climbed]
"""The likeliest climb of each half."""


@dataclass(frozen=True)
class Few:
    """A few particles of one half: spectra up to the shell that is looked at, and first sizes."""

    spectra: Spectra
    sizes: FirstSizes

    def __len__(self) -> int:
        return len(self.spectra)

    @staticmethod
    def of(half: Spectra, sizes: FirstSizes) -> Few:
        """Return the first particles of a half."""
        some = half.take(np.arange(min(_MOST, len(half))))
        return Few(some.up_to(shell_of(_CLIMB.last_detail, half)), sizes.take(slice(_MOST)))

    def climbed(self, group: str, rng: np.random.Generator, begin: Tensor | None = None) -> Climbed:
        """Return where a climb under a group ends."""
        return climb(self.spectra, self.sizes.under(group), group, _CLIMB, rng, begin)


def climbs(
    halves: tuple[Few, Few],
    groups: Sequence[str],
    rng: np.random.Generator,
    known: Mapping[str, Pair] | None = None,
) -> dict[str, Pair]:
    """Return the likeliest climb of each half under each group: from chance, and from the groups within it.

    Many climbs under a large group miss the body; one from a map that has half of its axes does not.

    Parameters
    ----------
    known
        Earlier climbs, of these or of other groups.
    """
    found = dict(known or {})
    for group in sorted(groups, key=lambda one: len(operations(one))):
        ends: list[Climbed] = []
        for number, half in enumerate(halves):
            row = [found[group][number]] if group in found else []
            row += [half.climbed(group, rng)]
            row += [half.climbed(group, rng, begin) for begin in _from_within(group, found, number)]
            ends.append(_likeliest(row))
        found[group] = (ends[0], ends[1])
    return found


def _likeliest(climbs: Sequence[Climbed]) -> Climbed:
    return max(climbs, key=lambda one: one.likelihood)


def _from_within(group: str, found: Mapping[str, Pair], number: int) -> Iterator[Float[Tensor, "n n n"]]:
    """Yield the likeliest map of the groups within one, in all the ways in which it may have that group."""
    if group[0] in "CK":
        return
    within = [name for name in found if name[0] not in "CK" and len(placements(name, group))]
    if within:
        name = max(within, key=lambda one: found[one][number].likelihood)
        for turn in placements(name, group):
            yield symmetrised(found[name][number].density, turn, group)


def symmetrised(
    density: Float[Tensor, "n n n"], turn: Float[np.ndarray, "3 3"], point_group: str
) -> Float[Tensor, "n n n"]:
    """Return the mean of a map, turned first, over the rotations of a group."""
    group = operations(point_group)
    every = [turned(density, Frame(one @ turn, False, 0.0)) for one in group]
    return torch.stack(every).mean(0)
