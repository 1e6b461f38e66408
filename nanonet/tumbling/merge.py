"""Two halves of the pictures, each solved by itself, made one map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int

from nanonet.reconstruct import gridding
from nanonet.reconstruct.mask import soft_mask
from nanonet.reconstruct.phase_randomisation import masked_agreement
from nanonet.records import Volume
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.half import Beliefs, Half, total
from nanonet.tumbling.likelihood import poses_at, turned_by
from nanonet.tumbling.odds import told
from nanonet.tumbling.rounds import Rounds
from nanonet.tumbling.scaffold import Scaffold, SiteMaps
from nanonet.tumbling.solved import Known, Solved

_SMOOTH = 0.6
"""Å that the particle is smoothed by before its mask is drawn."""
_RATIO = 1e3
_AT_ONCE = 200


def merged(
    boxes: Boxes,
    halves: list[Half],
    index: list[Int[np.ndarray, " m"]],
    maps: SiteMaps,
    known: Known,
    solved: list[tuple[Beliefs, float]],
    rounds: Rounds,
    seed: int,
) -> Solved:
    """Bring the second half into the frame of the first, and make the maps.

    Parameters
    ----------
    index
        Rows of ``boxes`` of each half.
    solved
        Poses of each, and the mean log likelihood a frame of the lattice alone [nat].
    """
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
