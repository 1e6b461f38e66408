"""The map of a tumbling particle: two halves of its frames, each solved by itself from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from nanonet.atoms.crystal import Crystal
from nanonet.io.record_arrays import load_record, save_record
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.half import Beliefs, Half
from nanonet.tumbling.merge import merged
from nanonet.tumbling.powder import Powder, powder
from nanonet.tumbling.radial import RadialDensity, radial_density
from nanonet.tumbling.rounds import (
    Advance,
    Rounds,
    break_symmetry,
    symmetric_round,
    whole_round,
)
from nanonet.tumbling.scaffold import Scaffold, SiteMaps, scaffolds
from nanonet.tumbling.solved import Known, Solved

_DETAIL = 0.32
"""Finest waves that poses are sought by, over the lattice constant: 220 of fcc is within, 311 is not."""
_TRIED = 160
"""Frames by which the centre is chosen."""


@dataclass(frozen=True, kw_only=True)
class Solver:
    """Finds the map of frames of one particle of a known crystal.

    Parameters
    ----------
    rounds
        How poses are found.
    spread
        Standard deviation of the places of the particle in its boxes [pixel].
    seed
        Of what is chosen by chance.
    """

    rounds: Rounds
    spread: float = 2.5
    seed: int = 0

    @property
    def steps(self) -> int:
        """Steps of which `__call__` tells."""
        batches = Half.batches
        return 2 * ((self.rounds.symmetric + self.rounds.whole) * batches + self.rounds.breaking)

    def __call__(
        self, boxes: Boxes, crystal: Crystal, workspace: Path, advance: Callable[[int], None]
    ) -> Solved:
        """Return the map; every round is kept in the workspace, and not done again.

        Raises
        ------
        InputError
            If the frames show no particle of this crystal.
        """
        radial = radial_density(boxes.mean, boxes.pixel_size)
        lines = _lines(boxes, crystal, radial)
        crystal = replace(crystal, lattice_constant=crystal.lattice_constant * lines.stretch)
        weight = radial.density * crystal.atom_volume
        detail = _DETAIL * crystal.lattice_constant
        index = [np.arange(first, len(boxes), 2) for first in range(2)]
        halves = [
            Half(boxes=boxes.subset(own), radius=radial.radius, detail=detail, spread=self.spread)
            for own in index
        ]

        def maps_of(scaffold: Scaffold) -> SiteMaps:
            half = halves[0]
            return SiteMaps(
                scaffold=scaffold,
                side=half.small,
                voxel_size=half.small_voxel,
                pixel_size=boxes.pixel_size,
                highest=half.highest,
                weight=weight,
                u_iso=lines.u_iso,
            )

        centres = scaffolds(crystal, min(radial.reach, halves[0].circle * boxes.pixel_size))
        gains = [_first_gain(halves[0], maps_of(one), radial, self.rounds) for one in centres]
        scaffold = centres[int(np.argmax(gains))]
        known = Known(
            radial=radial,
            lines=lines,
            lattice_constant=crystal.lattice_constant,
            scaffold=scaffold,
            gains=tuple((one.name, gain) for one, gain in zip(centres, gains, strict=True)),
        )
        maps = maps_of(scaffold)
        solved = [
            self._half(
                half,
                maps,
                radial,
                workspace / f"half{number}",
                np.random.default_rng([self.seed, number]),
                advance,
            )
            for number, half in enumerate(halves)
        ]
        return merged(boxes, halves, index, maps, known, solved, self.rounds, self.seed)

    def _half(
        self,
        half: Half,
        maps: SiteMaps,
        radial: RadialDensity,
        folder: Path,
        rng: np.random.Generator,
        advance: Advance,
    ) -> tuple[Beliefs, float]:
        """Return the poses of a half, and the mean gain of the lattice alone."""
        folder.mkdir(parents=True, exist_ok=True)
        filled = radial.share(maps.scaffold.distance)
        begun = partial(symmetric_round, half, maps, filled, settings=self.rounds, advance=advance)
        broken = partial(break_symmetry, half, maps, settings=self.rounds, rng=rng, advance=advance)
        whole = partial(whole_round, half, maps, settings=self.rounds, advance=advance)
        stages: list[tuple[int, Callable[..., Beliefs]]] = [
            *((half.batches, partial(begun, number=number)) for number in range(self.rounds.symmetric)),
            (self.rounds.breaking, broken),
            *((half.batches, partial(whole, number=number)) for number in range(self.rounds.whole)),
        ]
        beliefs: Beliefs | None = None
        control = np.nan
        for stage, (steps, work) in enumerate(stages):
            path = folder / f"round{stage:02d}.npz"
            kept = load_record(path, Beliefs)
            if kept is not None and len(kept) == len(half):
                beliefs = kept
                advance(steps)
            else:
                beliefs = work(before=beliefs)
                save_record(path, beliefs)
            if stage == 0:
                control = float(beliefs.gains.mean())
        return _some(beliefs), control


def _some(beliefs: Beliefs | None) -> Beliefs:
    assert beliefs is not None
    return beliefs


def _lines(boxes: Boxes, crystal: Crystal, radial: RadialDensity) -> Powder:
    """Return the powder pattern; its finest line that poses are not yet sought by is within."""
    sites = scaffolds(crystal, radial.reach)[0]
    return powder(boxes, sites.sites, radial.share(sites.distance), finest=0.25 * crystal.lattice_constant)


def _first_gain(half: Half, maps: SiteMaps, radial: RadialDensity, rounds: Rounds) -> float:
    """Return the mean gain of a few frames with the lattice alone."""
    few = replace(half, boxes=half.boxes.subset(np.arange(min(_TRIED, len(half)))), batches=1)
    filled = radial.share(maps.scaffold.distance)
    found = symmetric_round(few, maps, filled, None, replace(rounds, modes=2), 0, lambda steps: None)
    return float(found.gains.mean())
