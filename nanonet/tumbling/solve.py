"""The map of a tumbling particle: two halves of its frames, each solved by itself from nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from nanonet.atoms.crystal import Crystal
from nanonet.io.record_arrays import load_record, save_record
from nanonet.reconstruct import gridding
from nanonet.reconstruct.mask import soft_mask
from nanonet.reconstruct.phase_randomisation import MaskedAgreement, masked_agreement
from nanonet.records import Volume
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.half import Beliefs, Half, total
from nanonet.tumbling.likelihood import poses_at, turned_by
from nanonet.tumbling.odds import told
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

_DETAIL = 0.32
"""Finest waves that poses are sought by, over the lattice constant: 220 of fcc is within, 311 is not."""
_SMOOTH = 0.6
"""Å that the particle is smoothed by before its mask is drawn."""
_RATIO = 1e3
_AT_ONCE = 200
_TRIED = 160
"""Frames by which the centre is chosen."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the particle before any orientation is.

    Parameters
    ----------
    radial
        Its density by distance from the centre.
    lines
        Its powder pattern; the lattice constant is that of the crystal times its stretch.
    lattice_constant
        Of the particle [Å].
    scaffold
        Sites of the crystal about the centre that fits best.
    gains
        Mean log likelihood a frame [nat] with each kind of centre that was tried, by name.
    """

    radial: RadialDensity
    lines: Powder
    lattice_constant: float
    scaffold: Scaffold
    gains: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A map and how it was found.

    Parameters
    ----------
    volume
        Of all believed frames, with its half maps, along the crystal's axes and of either hand; voxels are
        pixels, and the sum over one axis is a frame's.
    beliefs
        Of all frames.
    odds
        (n,) by which each tells its pose from those that the crystal's symmetry brings it to [nat].
    alike
        Of these, how many cannot be told apart: 1 where all can.
    believed
        (n,) those the map is made of.
    halves
        (n,) 0 or 1.
    circle
        Radius of the circle beyond which nothing of a picture was looked at [pixel].
    agreement
        Of the half maps.
    likeness
        Correlation of how full the sites are in one half and in the other, less what all rotations leave
        alike: 0 where the halves found two particles.
    control_gain
        Mean log likelihood a frame of the lattice that no data have been put into [nat].
    """

    volume: Volume
    known: Known
    beliefs: Beliefs
    odds: Float[np.ndarray, " n"]
    alike: int
    believed: Bool[np.ndarray, " n"]
    halves: Int[np.ndarray, " n"]
    circle: float
    agreement: MaskedAgreement
    likeness: float
    control_gain: float


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
        return _together(boxes, halves, index, maps, known, solved, self.rounds, self.seed)

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
        stages: list[tuple[int, Callable[[Beliefs | None], Beliefs]]] = []
        for number in range(self.rounds.symmetric):
            stages.append(
                (
                    half.batches,
                    lambda before, number=number: symmetric_round(  # type: ignore[misc]
                        half, maps, filled, before, self.rounds, number, advance
                    ),
                )
            )
        stages.append(
            (
                self.rounds.breaking,
                lambda before: break_symmetry(half, maps, _some(before), self.rounds, rng, advance),
            )
        )
        for number in range(self.rounds.whole):
            stages.append(
                (
                    half.batches,
                    lambda before, number=number: whole_round(  # type: ignore[misc]
                        half, maps, _some(before), self.rounds, number, advance
                    ),
                )
            )
        beliefs: Beliefs | None = None
        control = np.nan
        for stage, (steps, work) in enumerate(stages):
            path = folder / f"round{stage:02d}.npz"
            kept = load_record(path, Beliefs)
            if kept is not None and len(kept) == len(half):
                beliefs = kept
                advance(steps)
            else:
                beliefs = work(beliefs)
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


def _together(
    boxes: Boxes,
    halves: list[Half],
    index: list[Int[np.ndarray, " m"]],
    maps: SiteMaps,
    known: Known,
    solved: list[tuple[Beliefs, float]],
    rounds: Rounds,
    seed: int,
) -> Solved:
    """Bring the second half into the frame of the first, and make the maps."""
    scaffold = maps.scaffold
    own = [told(half, maps, beliefs, rounds) for half, (beliefs, _) in zip(halves, solved, strict=True)]
    one, other = (each.occupancies for each in own)
    likeness = [_likeness(one, other[image], scaffold) for image in scaffold.images]
    best = int(np.argmax(likeness))
    operation = torch.as_tensor(scaffold.operations[best], dtype=torch.float32)
    second = solved[1][0]
    turned = turned_by(torch.as_tensor(second.rotations), operation).numpy()
    both = [solved[0][0], replace(second, rotations=turned)]
    order = np.argsort(np.concatenate(index))
    beliefs = Beliefs.joined(both).subset(order)
    odds = np.concatenate([each.odds for each in own])[order]
    believed = (beliefs.margins > rounds.margin) & (odds > rounds.odds)
    which = np.repeat([0, 1], [len(rows) for rows in index])[order]
    circle = halves[0].circle
    volume = map_of(boxes, beliefs, [np.flatnonzero(believed & (which == half)) for half in (0, 1)], circle)
    assert volume.half_maps is not None
    mask = soft_mask(volume.density, smooth=_SMOOTH / boxes.pixel_size)
    agreement = masked_agreement(*volume.half_maps, mask, boxes.pixel_size, np.random.default_rng([seed, 2]))
    return Solved(
        volume=volume,
        known=known,
        beliefs=beliefs,
        odds=odds,
        alike=max(each.alike for each in own),
        believed=believed,
        halves=which,
        circle=circle,
        agreement=agreement,
        likeness=max(likeness),
        control_gain=float(np.mean([control for _, control in solved])),
    )


def map_of(boxes: Boxes, beliefs: Beliefs, halves: Sequence[Int[np.ndarray, " m"]], circle: float) -> Volume:
    """Return the map of pictures in their poses, with those of two sets of them as its half maps.

    Parameters
    ----------
    halves
        Rows of the pictures of each set.
    circle
        Radius beyond which nothing is looked at [pixel].
    """
    side = boxes.side
    top = (side - 1) // 2
    sums = [_added(boxes, beliefs, rows, circle, top) for rows in halves]
    flat = torch.full((top + 1,), _RATIO)

    def density(own: gridding.Sums) -> Float[np.ndarray, "s s s"]:
        return np.asarray(gridding.solve(own, side, flat).numpy(), dtype=np.float32)

    return Volume(
        density=density(total(sums)),
        voxel_size=boxes.pixel_size,
        half_maps=(density(sums[0]), density(sums[1])),
    )


def _added(
    boxes: Boxes, beliefs: Beliefs, rows: Int[np.ndarray, " m"], circle: float, top: int
) -> gridding.Sums:
    noise = torch.as_tensor(boxes.noise[: top + 1], dtype=torch.float32)
    parts = []
    for some in np.array_split(rows, len(rows) // _AT_ONCE + 1):
        own = beliefs.subset(some)
        spectra = boxes.spectra(some, circle)
        poses = poses_at(torch.as_tensor(own.rotations), torch.as_tensor(own.shifts))
        parts.append(gridding.add_up(spectra, poses, "C1", noise))
        if len(parts) > 1:
            parts = [total(parts)]
    return parts[0]


def _likeness(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"], scaffold: Scaffold) -> float:
    """Return the correlation of what all operations do not leave alike."""
    first, second = (each - scaffold.symmetrised(each) for each in (one, other))
    return float((first @ second) / max(np.sqrt((first @ first) * (second @ second)), 1e-12))
