"""From nothing to poses, in rounds: of full symmetry first, then of none.

The lattice of a particle is far easier to see than its shape. So the pictures are compared with the sites of
the crystal first, filled as their distance from the centre says; under the crystal's whole symmetry, which
leaves few views to compare with. Only pictures whose best pose is much likelier than the next are made maps
of. Then every picture is in one of the equivalent poses, and which one is not known: chosen at random, and
chosen again by the map of the others, all of them soon agree on one asymmetric particle.

No picture is ever compared with a map that it, or a picture of the other half, is in. In each of these maps
atoms stand on sites, and the pictures say only how full each is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nanonet.reconstruct import gridding
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.rotation_grid import view_directions
from nanonet.records import InputError
from nanonet.tumbling.half import Beliefs, Half, total
from nanonet.tumbling.likelihood import (
    Candidates,
    Yardstick,
    angle_between,
    disc,
    poses_at,
    seen_everywhere,
    turned_by,
)
from nanonet.tumbling.scaffold import SiteMaps

Advance = Callable[[int], None]
OTHER = np.deg2rad(5.0)
"""Angle from which two poses are two."""
_APART = np.deg2rad(8.0)
"""Between the views of candidates."""
_STEP, _STEPS = np.deg2rad(4.5), np.deg2rad([0.0, 0.3, 0.6])
"""Between directions, and what is added to it by turns, so that no picture is held by one grid."""
_SHIFT = 1.5
"""Between the places that are tried [pixel]."""
_SURE = 50.0
"""Margin of a picture without another pose."""
_FEWEST = 40
"""Believed pictures of a half from which a map without symmetry can be begun."""
_SETTLED = 0.03
"""Share of the pictures that may change their pose when the rest has settled."""
_RATIO_SYMMETRIC, _RATIO = 50.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Rounds:
    """How poses are found.

    Parameters
    ----------
    symmetric, breaking, whole
        Rounds under the crystal's symmetry, in which it is broken, and in which all pictures are compared
        with an asymmetric map.
    modes
        Poses of each picture that are looked at closer.
    margin_symmetric, margin
        Margins [nat] from which a pose is believed: with and without symmetry.
    odds
        Of a pose against those that the crystal's symmetry brings it to, from which a picture is in the final
        map [nat].
    """

    symmetric: int = 4
    breaking: int = 12
    whole: int = 2
    modes: int = 6
    margin_symmetric: float = 11.0
    margin: float = 6.0
    odds: float = 2.0


def symmetric_round(
    half: Half,
    maps: SiteMaps,
    filled: Float[np.ndarray, " n"],
    before: Beliefs | None,
    settings: Rounds,
    number: int,
    advance: Advance,
) -> Beliefs:
    """Compare all pictures with a map under the scaffold's symmetry.

    Parameters
    ----------
    filled
        Share of each site that is filled: what the first map is made of.
    before
        Poses of the round before; None in the first.
    """
    scaffold = maps.scaffold
    whole = torch.as_tensor(scaffold.operations, dtype=torch.float32)
    sums = (
        None
        if before is None
        else believed_sums(half, before, settings.margin_symmetric, scaffold.point_group)
    )
    found: list[Beliefs] = []
    if sums is not None:
        maps = on_own_lattice(half, maps, total(sums))
    for batch, which in enumerate(half.parts):
        occupancies = filled
        if sums is not None:
            density = np.maximum(half.small_map(total(sums, batch), _RATIO_SYMMETRIC), 0.0)
            occupancies = maps.occupancies(density, 0.0, 1.5)
        grid = half.grid(maps.density(scaffold.symmetrised(occupancies)))
        spectra = half.spectra(which).whole()
        candidates = _candidates(half, grid, spectra, scaffold.point_group, settings.modes, batch + number)
        found.append(_judged(half.yardstick, grid, spectra, candidates, whole, 4))
        advance(1)
    return _in_order(half, found)


def break_symmetry(
    half: Half,
    maps: SiteMaps,
    before: Beliefs,
    settings: Rounds,
    rng: np.random.Generator,
    advance: Advance,
) -> Beliefs:
    """Return the believed poses, each turned by one operation of the scaffold so that all agree.

    The rest keep theirs; their margin becomes 0.
    """
    scaffold = maps.scaffold
    whole = torch.as_tensor(scaffold.operations, dtype=torch.float32)
    sure = before.margins > settings.margin_symmetric
    if sure.sum() < _FEWEST:
        raise InputError(
            f"of {len(half)} frames of one half only {int(sure.sum())} show the lattice of the "
            f"particle clearly enough to tell how it lies, {_FEWEST} are needed: there "
            "must be more frames, or more dose in each"
        )
    rows = [which[sure[which]] for which in half.parts]
    now = [_turned(before.subset(some), whole, rng.integers(len(whole), size=len(some))) for some in rows]
    sums = [half.sums(some, one, "C1") for some, one in zip(rows, now, strict=True)]
    maps = on_own_lattice(half, maps, total(sums))
    for number in range(settings.breaking):
        changed = 0
        for batch, some in enumerate(rows):
            if not len(some):
                continue
            density = np.maximum(half.small_map(total(sums, batch), _RATIO), 0.0)
            grid = half.grid(maps.density(maps.occupancies(density, -1.0, 2.0)))
            spectra = half.spectra(some).whole()
            found = equivalents(half.yardstick, grid, spectra, now[batch].candidates(), whole).best(1)
            if number % 2:
                poses, likely = half.yardstick.polished(grid, spectra, found.column(0), 2)
                found = Candidates.of([poses], [likely])
            new = Beliefs.of(found, torch.full((len(some),), _SURE))
            moved = angle_between(torch.as_tensor(new.rotations), torch.as_tensor(now[batch].rotations))
            changed += int((moved > OTHER).sum())
            now[batch] = new
            sums[batch] = half.sums(some, new, "C1")
        advance(1)
        if changed < _SETTLED * sum(map(len, rows)):
            advance(settings.breaking - 1 - number)
            break
    rotations, shifts = before.rotations.copy(), before.shifts.copy()
    gains, margins = before.gains.copy(), np.zeros(len(before))
    for some, own in zip(rows, now, strict=True):
        rotations[some], shifts[some], gains[some] = own.rotations, own.shifts, own.gains
        margins[some] = own.margins
    return Beliefs(rotations=rotations, shifts=shifts, gains=gains, margins=margins)


def whole_round(
    half: Half, maps: SiteMaps, before: Beliefs, settings: Rounds, number: int, advance: Advance
) -> Beliefs:
    """Compare all pictures with the asymmetric map of the believed ones."""
    scaffold = maps.scaffold
    whole = torch.as_tensor(scaffold.operations, dtype=torch.float32)
    sums = believed_sums(half, before, settings.margin)
    maps = on_own_lattice(half, maps, total(sums))
    found: list[Beliefs] = []
    for batch, which in enumerate(half.parts):
        occupancies = site_occupancies(half, maps, total(sums, batch))
        grid = half.grid(maps.density(occupancies))
        symmetric = half.grid(maps.density(scaffold.symmetrised(occupancies)))
        spectra = half.spectra(which).whole()
        candidates = _candidates(
            half, symmetric, spectra, scaffold.point_group, settings.modes, batch + number
        )
        near = [
            half.yardstick.polished(symmetric, spectra, candidates.column(m), 2)[0]
            for m in range(settings.modes)
        ]
        tried = before.subset(which).candidates()
        tried = Candidates(
            tried.rotations, tried.shifts, half.yardstick.gains(grid, spectra, tried.column(0))[:, None]
        )
        for poses in near:
            one = Candidates(poses.rotations[:, None], poses.shifts[:, None], torch.zeros(len(which), 1))
            tried = tried.joined(equivalents(half.yardstick, grid, spectra, one, whole).best(2))
        found.append(_judged(half.yardstick, grid, spectra, tried.best(4), whole, 4))
        advance(1)
    return _in_order(half, found)


def site_occupancies(half: Half, maps: SiteMaps, sums: gridding.Sums) -> Float[np.ndarray, " n"]:
    """Return how full each site of a scaffold is in the map of sums."""
    return maps.occupancies(np.maximum(half.small_map(sums, _RATIO), 0.0), 0.0, 2.0)


def on_own_lattice(half: Half, maps: SiteMaps, sums: gridding.Sums) -> SiteMaps:
    """Return the maps of sites with the lattice constant that the map of sums has.

    Poses that were sought with another one draw the map towards it, by a fifth of the difference or so: a few
    rounds bring it out.
    """
    return maps.fitted(np.maximum(half.small_map(sums, _RATIO), 0.0))


def believed_sums(
    half: Half, beliefs: Beliefs, margin: float, point_group: str = "C1"
) -> list[gridding.Sums]:
    """Return the sums over the pictures of each batch whose margin is larger."""
    rows = [which[beliefs.margins[which] > margin] for which in half.parts]
    return [half.sums(some, beliefs.subset(some), point_group) for some in rows]


def _candidates(
    half: Half, grid: Tensor, spectra: Spectra, point_group: str, modes: int, turn: int
) -> Candidates:
    directions = view_directions(float(_STEP + _STEPS[turn % len(_STEPS)]), operations(point_group))
    shifts = disc(2.0 * half.spread, _SHIFT)
    return seen_everywhere(grid, spectra, half.yardstick, directions, shifts, modes=modes, apart=_APART)


def _judged(
    yardstick: Yardstick,
    grid: Tensor,
    spectra: Spectra,
    candidates: Candidates,
    operations: Float[Tensor, "g 3 3"],
    steps: int,
) -> Beliefs:
    """Return the best of all candidates, each made better first, and its margin over those that stay others.

    Poses that the crystal's symmetry brings to each other are not others: which of them it is tells less of
    where the atoms are, and nothing where the particle has that symmetry.
    """
    made = [
        yardstick.polished(grid, spectra, candidates.column(m), steps)
        for m in range(candidates.gains.shape[1])
    ]
    every = Candidates.of([one[0] for one in made], [one[1] for one in made])
    best = every.best(1)
    margins = torch.full((len(best.gains),), _SURE)
    for index in range(len(made)):
        other = angle_between(best.rotations[:, 0], every.rotations[:, index], operations) > OTHER
        behind = best.gains[:, 0] - every.gains[:, index]
        margins = torch.where(other, torch.minimum(margins, behind), margins)
    return Beliefs.of(best, margins)


def equivalents(
    yardstick: Yardstick,
    grid: Tensor,
    spectra: Spectra,
    candidates: Candidates,
    operations: Float[Tensor, "g 3 3"],
) -> Candidates:
    """Return each first candidate turned by every operation, in their order."""
    poses = [
        poses_at(turned_by(candidates.rotations[:, 0], one), candidates.shifts[:, 0]) for one in operations
    ]
    return Candidates.of(poses, [yardstick.gains(grid, spectra, one) for one in poses])


def _turned(beliefs: Beliefs, operations: Float[Tensor, "g 3 3"], which: Int[np.ndarray, " n"]) -> Beliefs:
    rotations = torch.as_tensor(beliefs.rotations)
    every = torch.stack([turned_by(rotations, one) for one in operations], 1)
    chosen = every[torch.arange(len(which)), torch.as_tensor(which)].numpy()
    return Beliefs(rotations=chosen, shifts=beliefs.shifts, gains=beliefs.gains, margins=beliefs.margins)


def _in_order(half: Half, found: list[Beliefs]) -> Beliefs:
    """Return what was found of each batch in the order of the pictures."""
    order = np.argsort(np.concatenate(half.parts), kind="stable")
    return Beliefs.joined(found).subset(order)
