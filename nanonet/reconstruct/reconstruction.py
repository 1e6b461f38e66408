"""Images of particles that look alike -> one map, its poses, and how far to believe it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid, gridding
from nanonet.reconstruct.climb import Climb, shell_of
from nanonet.reconstruct.close_up import close_up, widened
from nanonet.reconstruct.coverage import Coverage, coverage
from nanonet.reconstruct.fidelity import correlations
from nanonet.reconstruct.first_size import FirstSizes
from nanonet.reconstruct.group_choice import AUTO, CANDIDATES, Chosen, GroupChoice, choose_group
from nanonet.reconstruct.held_out import left_by
from nanonet.reconstruct.images import Spectra, centres, check, spectra
from nanonet.reconstruct.mask import ball_like, ball_mask, soft_mask
from nanonet.reconstruct.phase_randomisation import MaskedAgreement, masked_agreement
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import Poses
from nanonet.reconstruct.refine import Half, Refine, Starts, ab_initio, refine
from nanonet.reconstruct.score import orientations_of
from nanonet.reconstruct.shell_correlation import local_agreement, resolution
from nanonet.records import InputError, Orientations, ParticleImages, Volume

_RADIUS = 1.58
"""Radius of a ball over the radius of gyration of its projection, √(5/2)."""
_ROOM = 1.3
"""Radius of the circle that particles are looked for in, over that of a ball: points reach further."""
_CONTROL_STEPS = 5
_CHANCE_STARTS = 3
"""Of each half at least, from shapes of chance: the same wrong map may be found from both halves."""
RIGHT = 0.9
"""Share of what maps without symmetry explain beyond a ball that a right map explains at least."""


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
        (n,) sum of each over that of the map, of whatever size it is.
    agreement
        Fourier shell correlation of the half maps within a soft mask, with the mask's own part and without.
    resolution_fsc_0143, resolution_fsc_05
        Without the mask's part [Å].
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
    point_group
        The map's.
    choice
        How it was found in the images, or told.
    explained
        Share of what the best coarse maps explain of particles that had no part in them, beyond a ball, that
        the half maps explain of them; below `RIGHT` the map is wrong, however well its halves agree.
    """

    volume: Volume
    orientations: Orientations
    sizes: Float[np.ndarray, " n"]
    intensities: Float[np.ndarray, " n"]
    agreement: MaskedAgreement
    resolution_fsc_0143: float
    resolution_fsc_05: float
    local_agreement: Float[np.ndarray, "z y x"]
    correlations: Float[np.ndarray, " n"]
    held_out_correlations: Float[np.ndarray, " n"]
    control_correlations: Float[np.ndarray, " n"]
    coverage: Coverage
    halves: np.ndarray
    starts: Starts
    point_group: str
    choice: GroupChoice
    explained: float


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How particles are reconstructed.

    Parameters
    ----------
    starts, most_starts
        Of each half, at least, the first from coarse maps of some particles and others from shapes of
        chance; and at most, while the halves do not agree.
    candidates
        Point groups that are tried where none is told, C1 among them.
    attempts
        At most, while particles that had no part in the maps say that they are wrong.
    climb, refine
        How each start climbs, and how the best are made finer.
    """

    starts: int = 1
    most_starts: int = 6
    attempts: int = 2
    candidates: tuple[str, ...] = CANDIDATES
    climb: Climb = field(default_factory=Climb)
    refine: Refine = field(default_factory=Refine)


def reconstruct(
    particles: ParticleImages,
    rng: np.random.Generator,
    *,
    point_group: str = AUTO,
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
        C1, Cn, Dn, T, O, I or K, in the axes of `nanonet.reconstruct.point_group`; auto finds it in the
        images.
    class_id
        That the orientations are given.

    Raises
    ------
    InputError
        If there are fewer than 4 particles, images are not square, or particles are not brighter than the
        background.
    """
    settings = settings or Settings()
    if point_group != AUTO:
        operations(point_group)
    check(particles)
    if not 1 <= settings.starts <= settings.most_starts:
        raise InputError(
            f"starts must be between 1 and most_starts, got {settings.starts} and {settings.most_starts}"
        )
    centre, gyration = centres(particles)
    radius = _ROOM * _RADIUS * float(np.median(gyration))
    near = close_up(particles, centre, radius)
    every = spectra(near.particles, near.centre, radius)
    halves = rng.permutation(len(particles)) % 2
    index = [np.flatnonzero(halves == half) for half in (0, 1)]
    parts = (every.take(index[0]), every.take(index[1]))
    sizes = FirstSizes.of(gyration, particles.images.sum((1, 2)))
    known = (sizes.take(index[0]), sizes.take(index[1]))
    told = None if point_group == AUTO else point_group
    chosen = choose_group(parts, known, rng, candidates=settings.candidates, told=told)
    group = chosen.choice.point_group
    begun = _Begun(parts, (known[0].under(group), known[1].under(group)), chosen)
    attempt = _best_attempt(begun, settings, rng, particles.pixel_size)
    found, maps = attempt.halves, attempt.maps
    poses = _in_order(found, index)
    noise = 0.5 * (found[0].noise + found[1].noise)
    seen = _Seen(near.particles, every, poses, near.centre, noise, settings.refine.fit_size)
    one, other = maps.halves
    held_out = np.where(halves == 0, seen.correlations(other), seen.correlations(one))
    side, pixel = particles.images.shape[1], particles.pixel_size
    # A map of sum 1 stands for the mean particle: images were divided by that particle's sum.
    unit = float(particles.images.sum((1, 2)).mean())
    return Reconstruction(
        volume=Volume(
            density=widened(maps.density * unit, side),
            voxel_size=pixel,
            half_maps=(widened(one * unit, side), widened(other * unit, side)),
        ),
        orientations=orientations_of(poses, centre, particles, class_id),
        sizes=poses.size.double().numpy(),
        intensities=poses.scale.double().numpy(),
        agreement=maps.agreement,
        resolution_fsc_0143=resolution(maps.agreement.fsc, 0.143),
        resolution_fsc_05=resolution(maps.agreement.fsc, 0.5),
        local_agreement=widened(
            local_agreement(one, other, width=every.side / (2.0 * attempt.highest)), side
        ),
        correlations=seen.correlations(maps.density),
        held_out_correlations=held_out,
        control_correlations=seen.control(ball_like(maps.density)),
        coverage=coverage(poses.rotations.double().numpy(), group),
        halves=halves,
        starts=attempt.starts,
        point_group=group,
        choice=chosen.choice,
        explained=attempt.explained,
    )


@dataclass(frozen=True)
class _Begun:
    """Both halves of the particles, their sizes as far as known, and their point group."""

    parts: tuple[Spectra, Spectra]
    sizes: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " m"]]
    chosen: Chosen


@dataclass(frozen=True)
class _Attempt:
    """Both halves as they were found, up to a shell, and how much they explain of particles held out."""

    halves: tuple[Half, Half]
    highest: int
    starts: Starts
    maps: _Maps
    explained: float


def _best_attempt(begun: _Begun, settings: Settings, rng: np.random.Generator, voxel_size: float) -> _Attempt:
    """Return the first attempt whose maps are right, or the one that explains most."""
    made: list[_Attempt] = []
    while len(made) < max(settings.attempts, 1) and not any(one.explained >= RIGHT for one in made):
        # The first from the coarse maps; if they were wrong, from chance alone.
        made.append(_attempt(begun, None if made else begun.chosen.maps, settings, rng, voxel_size))
    return max(made, key=lambda one: one.explained)


def _attempt(
    begun: _Begun,
    coarse: tuple[Tensor, Tensor] | None,
    settings: Settings,
    rng: np.random.Generator,
    voxel_size: float,
) -> _Attempt:
    point_group, yardstick = begun.chosen.choice.point_group, begun.chosen.yardstick
    least = settings.starts if coarse else max(settings.starts, _CHANCE_STARTS)
    limits = (least, max(least, settings.most_starts))
    found, starts = ab_initio(begun.parts, begun.sizes, point_group, settings.climb, limits, rng, coarse)
    first = shell_of(settings.climb.last_detail, begun.parts[0])
    found, highest = refine(found, point_group, settings.refine, first=first)
    maps = _maps(found, point_group, begun.parts[0], highest, voxel_size, rng.spawn(1)[0])
    one, other = (torch.as_tensor(half, dtype=torch.float32) for half in maps.halves)
    left = left_by((one, other), yardstick.halves, point_group, yardstick.noise)
    return _Attempt(found, highest, starts, maps, 1.0 if yardstick.round else yardstick.explained(left))


@dataclass(frozen=True)
class _Maps:
    density: Float[np.ndarray, "n n n"]
    halves: tuple[Float[np.ndarray, "n n n"], Float[np.ndarray, "n n n"]]
    agreement: MaskedAgreement


def _maps(
    halves: tuple[Half, Half],
    point_group: str,
    every: Spectra,
    highest: int,
    voxel_size: float,
    rng: np.random.Generator,
) -> _Maps:
    """Return the half maps as the data give them, and the map of all, filtered by how they agree."""
    n, top = every.side, every.highest
    sums = [half.sums(point_group, top) for half in halves]
    plain = torch.full((top + 1,), 1e3)
    ball = ball_mask(n, every.radius)
    one, other = (gridding.solve(own, n, plain).numpy() * ball for own in sums)
    mask = soft_mask(one + other, smooth=n / (4.0 * highest))
    agreement = masked_agreement(one, other, mask, voxel_size, rng)
    correlation = np.clip(np.concatenate([[0.995], agreement.fsc.correlation[:top]]), 0.0, 0.995)
    # Beyond the first shell that does not agree there is nothing to gain.
    correlation[np.argmax(np.append(correlation < 0.05, True)) :] = 0.0
    ratio = torch.as_tensor(2 * correlation / (1 - correlation), dtype=torch.float32)
    density = gridding.solve(sums[0].plus(sums[1]), n, ratio).numpy().clip(0.0) * mask
    return _Maps(density, (one, other), agreement)


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
