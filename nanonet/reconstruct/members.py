"""A map whose class changed by a few particles: what is known of those that are in it now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Int

from nanonet.reconstruct.coverage import coverage
from nanonet.reconstruct.mask import ball_like
from nanonet.reconstruct.reconstruction import Reconstruction
from nanonet.reconstruct.score import MapScores, score
from nanonet.records import Orientations, ParticleImages, Volume

_EACH = ("sizes", "intensities", "correlations", "held_out_correlations", "control_correlations", "halves")


def with_members(found: Reconstruction, particles: ParticleImages, *, class_id: int) -> Reconstruction:
    """Return a map as it is, with the poses and scores of the particles that are in its class now.

    Those that left are forgotten. Those that came are laid onto the map, as they were not when it was made:
    for them both halves are maps that they had no part in, and they count for the two in turn.

    Parameters
    ----------
    particles
        All that are in the class now, at the pixel size of the map.
    class_id
        That the orientations are given.
    """
    ids = np.asarray(particles.particle_ids)
    stay = np.flatnonzero(np.isin(found.orientations.particle_ids, ids))
    new = np.flatnonzero(~np.isin(ids, found.orientations.particle_ids))
    each = {name: getattr(found, name)[stay] for name in _EACH}
    poses = _take(found.orientations, stay)
    if len(new):
        some = replace(
            particles, images=particles.images[new], particle_ids=ids[new], noise=particles.noise[new]
        )
        joined, more = _laid(found, some)
        each = {name: np.concatenate([own, more[name]]) for name, own in each.items()}
        poses = Orientations(
            **{name: np.concatenate([own, getattr(joined, name)]) for name, own in vars(poses).items()}
        )
    place = {number: row for row, number in enumerate(poses.particle_ids.tolist())}
    order = np.array([place[number] for number in ids.tolist()])
    poses = replace(_take(poses, order), class_ids=np.full(len(ids), class_id))
    return replace(
        found,
        orientations=poses,
        coverage=coverage(np.asarray(poses.rotations), found.point_group),
        **{name: own[order] for name, own in each.items()},
    )


def _take(poses: Orientations, which: Int[np.ndarray, " m"]) -> Orientations:
    return Orientations(**{name: values[which] for name, values in vars(poses).items()})


def _laid(found: Reconstruction, some: ParticleImages) -> tuple[Orientations, dict[str, np.ndarray]]:
    """Return poses and scores of particles that the map was not made of."""
    whole, group = found.volume, found.point_group
    halves = whole.half_maps or (whole.density, whole.density)
    ball = ball_like(np.asarray(whole.density))
    volumes = [
        Volume(density=density, voxel_size=whole.voxel_size) for density in (whole.density, *halves, ball)
    ]
    scores: MapScores = score(some, volumes, point_groups=[group] * len(volumes))
    half = np.arange(len(some)) % 2
    against = scores.correlations
    return scores.orientations[0], {
        "sizes": scores.sizes[:, 0],
        "intensities": scores.intensities[:, 0],
        "correlations": against[:, 0],
        "held_out_correlations": np.where(half == 0, against[:, 2], against[:, 1]),
        "control_correlations": against[:, 3],
        "halves": half,
    }
