"""Images of particles that look alike -> one map, its poses, and how far to believe it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid, gridding
from nanonet.reconstruct.climb import Climb, shell_of
from nanonet.reconstruct.coverage import Coverage, coverage
from nanonet.reconstruct.fidelity import correlations
from nanonet.reconstruct.images import Spectra, centres, check, spectra
from nanonet.reconstruct.mask import ball_like, ball_mask, soft_mask
from nanonet.reconstruct.point_group import CUBIC, operations
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.refine import Half, Refine, Starts, ab_initio, refine
from nanonet.reconstruct.score import orientations_of
from nanonet.reconstruct.shell_correlation import local_agreement, resolution, shell_correlation
from nanonet.records import InputError, Orientations, ParticleImages, ShellCorrelation, Volume

_RADIUS = 1.58
"""Radius of a ball over the radius of gyration of its projection, √(5/2)."""
_ROOM = 1.3
"""Radius of the circle that particles are looked for in, over that of a ball: points reach further."""
_CONTROL_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A map of what particles have in common.

    Parameters
    ----------
    volume
        Map and half maps, in the point group's standard axes, of either hand; mass thickness a voxel, in
        the unit of the images.
    orientations
        Of all particles, in the order of the images.
    sizes
        (n,) of each over that of the map.
    intensities
        (n,) of each over that of the map, for its size.
    fsc
        Of the half maps within a soft mask.
    resolution_fsc_0143, resolution_fsc_05
        Å.
    local_agreement
        (z, y, x) correlation of the half maps around each voxel.
    correlations
        (n,) of each particle with the map's projection, on the particle's footprint.
    held_out_correlations
        (n,) with the half map that the particle had no part in.
    control_correlations
        (n,) with the map averaged over all rotations, a ball, after its place, size and brightness were
        fitted.
    coverage
        Of the directions of view.
    halves
        (n,) 0 or 1: the half that each particle was in.
    starts
        What was found from each start.
    """

    volume: Volume
    orientations: Orientations
    sizes: Float[np.ndarray, " n"]
    intensities: Float[np.ndarray, " n"]
    fsc: ShellCorrelation
    resolution_fsc_0143: float
    resolution_fsc_05: float
    local_agreement: Float[np.ndarray, "z y x"]
    correlations: Float[np.ndarray, " n"]
    held_out_correlations: Float[np.ndarray, " n"]
    control_correlations: Float[np.ndarray, " n"]
    coverage: Coverage
    halves: np.ndarray
    starts: Starts


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How particles are reconstructed.

    Parameters
    ----------
    starts, most_starts
        Of each half, at least; and at most, while the halves do not agree.
    climb, refine
        How each start climbs, and how the best are made finer.
    """

    starts: int = 3
    most_starts: int = 12
    climb: Climb = field(default_factory=Climb)
    refine: Refine = field(default_factory=Refine)


def reconstruct(
    particles: ParticleImages,
    rng: np.random.Generator,
    *,
    point_group: str = "O",
    settings: Settings | None = None,
    class_id: int = 0,
) -> Reconstruction:
    """Return one map of particles that look alike, from nothing but their images.

    Signals are taken to be proportional to mass thickness, as in HAADF: the map is nowhere negative, and 0
    beyond the particle. Particles may differ in size and brightness. The hand is arbitrary: projections do
    not tell a body from its mirror image.

    Parameters
    ----------
    point_group
        C1, Cn, Dn, T, O or I, in the axes of `nanonet.reconstruct.point_group`.
    class_id
        That the orientations are given.

    Raises
    ------
    InputError
        If there are fewer than 4 particles, images are not square, or particles are not brighter than the
        background.
    """
    settings = settings or Settings()
    operations(point_group)
    check(particles)
    if not 1 <= settings.starts <= settings.most_starts:
        raise InputError(
            f"starts must be between 1 and most_starts, got {settings.starts} and {settings.most_starts}"
        )
    centre, gyration = centres(particles)
    every = spectra(particles, centre, _ROOM * _RADIUS * float(np.median(gyration)))
    sizes = first_sizes(gyration, point_group)
    limits = (settings.starts, settings.most_starts)
    halves = rng.permutation(len(particles)) % 2
    index = [np.flatnonzero(halves == half) for half in (0, 1)]
    parts = tuple(every.take(which) for which in index)
    found, starts = ab_initio(
        (parts[0], parts[1]),
        (sizes[index[0]], sizes[index[1]]),
        point_group,
        settings.climb,
        limits,
        rng,
    )
    found, highest = refine(
        found, point_group, settings.refine, first=shell_of(settings.climb.last_detail, every)
    )
    maps = _maps(found, point_group, every, highest, particles.pixel_size)
    poses = _in_order(found, index)
    noise = 0.5 * (found[0].noise + found[1].noise)
    seen = _Seen(particles, every, poses, centre, noise, settings.refine.fit_size)
    one, other = maps.halves
    held_out = np.where(halves == 0, seen.correlations(other), seen.correlations(one))
    pixel = particles.pixel_size
    # A map of sum 1 stands for the mean particle: images were divided by that particle's sum.
    unit = float(particles.images.sum((1, 2)).mean())
    return Reconstruction(
        volume=Volume(density=maps.density * unit, voxel_size=pixel, half_maps=(one * unit, other * unit)),
        orientations=orientations_of(poses, centre, particles, class_id),
        sizes=poses.size.double().numpy(),
        intensities=poses.scale.double().numpy(),
        fsc=maps.fsc,
        resolution_fsc_0143=resolution(maps.fsc, 0.143),
        resolution_fsc_05=resolution(maps.fsc, 0.5),
        local_agreement=local_agreement(one, other, width=every.side / (2.0 * highest)),
        correlations=seen.correlations(maps.density),
        held_out_correlations=held_out,
        control_correlations=seen.control(ball_like(maps.density)),
        coverage=coverage(poses.rotations.double().numpy(), point_group),
        halves=halves,
        starts=starts,
    )


def first_sizes(gyration: Float[np.ndarray, " n"], point_group: str) -> Float[np.ndarray, " n"]:
    """Return the sizes that radii of gyration tell: those of cubic groups are the same in all views."""
    if point_group not in CUBIC:
        return np.ones(len(gyration))
    ratio = gyration / np.median(gyration)
    return np.asarray(np.clip(ratio, 0.8, 1.25))


@dataclass(frozen=True)
class _Maps:
    density: Float[np.ndarray, "n n n"]
    halves: tuple[Float[np.ndarray, "n n n"], Float[np.ndarray, "n n n"]]
    fsc: ShellCorrelation


def _maps(
    halves: tuple[Half, Half], point_group: str, every: Spectra, highest: int, voxel_size: float
) -> _Maps:
    """Return the half maps as the data give them, and the map of all, filtered by how they agree."""
    n, top = every.side, every.highest
    sums = [half.sums(point_group, top) for half in halves]
    plain = torch.full((top + 1,), 1e3)
    ball = ball_mask(n, every.radius)
    one, other = (gridding.solve(own, n, plain).numpy() * ball for own in sums)
    mask = soft_mask(one + other, smooth=n / (4.0 * highest))
    fsc = shell_correlation(one * mask, other * mask, voxel_size)
    correlation = np.clip(np.concatenate([[0.995], fsc.correlation[:top]]), 0.0, 0.995)
    # Beyond the first shell that does not agree there is nothing to gain.
    correlation[np.argmax(np.append(correlation < 0.05, True)) :] = 0.0
    ratio = torch.as_tensor(2 * correlation / (1 - correlation), dtype=torch.float32)
    density = gridding.solve(sums[0].plus(sums[1]), n, ratio).numpy().clip(0.0) * mask
    return _Maps(density, (one, other), fsc)


def _in_order(halves: tuple[Half, Half], index: list[np.ndarray]) -> Poses:
    joined = Poses.joined([half.poses for half in halves])
    return joined.take(torch.as_tensor(np.argsort(np.concatenate(index))))


@dataclass(frozen=True)
class _Seen:
    """Particles in their poses, to be compared with maps."""

    particles: ParticleImages
    spectra: Spectra
    poses: Poses
    centre: Float[np.ndarray, "n 2"]
    noise: Float[Tensor, " k"]
    fit_size: bool

    def correlations(self, density: Float[np.ndarray, "s s s"]) -> Float[np.ndarray, " n"]:
        return correlations(density, self.particles, self.spectra, self.poses, self.centre)

    def control(self, ball: Float[np.ndarray, "s s s"]) -> Float[np.ndarray, " n"]:
        """Return the correlations with a ball, after its best place, size and brightness were found."""
        highest = len(self.noise) - 1
        grid = fourier_grid.to_grid(
            torch.as_tensor(ball, dtype=torch.float32), fourier_grid.grid_side(highest)
        )
        flat = torch.ones_like(self.noise)
        whole = self.spectra.up_to(highest).whole()
        poses, _ = polish(grid, whole, self.poses, flat, steps=_CONTROL_STEPS, fit_size=self.fit_size)
        return replace(self, poses=poses).correlations(ball)
