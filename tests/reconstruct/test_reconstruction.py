"""From images to a map: right shape and poses, halves apart, a control that is worse, either hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from reconstruction_bodies import Simulated, cube, simulated, sphere, twisted, volume
from scipy.spatial.transform import Rotation

from nanonet.configuration import build, compose
from nanonet.reconstruct.align import align, turned
from nanonet.reconstruct.class_average import class_averages
from nanonet.reconstruct.climb import Climb
from nanonet.reconstruct.close_up import close_up, widened
from nanonet.reconstruct.coverage import coverage
from nanonet.reconstruct.images import centres
from nanonet.reconstruct.mask import ball_like
from nanonet.reconstruct.members import with_members
from nanonet.reconstruct.point_group import operations
from nanonet.reconstruct.reconstruction import RIGHT, Reconstruction, Settings, reconstruct
from nanonet.reconstruct.refine import Refine
from nanonet.reconstruct.score import score
from nanonet.reconstruct.shell_correlation import local_agreement, resolution, shell_correlation
from nanonet.records import InputError, ParticleImages, ShellCorrelation

SIDE, PIXEL = 40, 4.0
BODY = cube(80, 0.1, 0.3)
QUICK = Settings(
    starts=2, most_starts=10, climb=Climb(rounds=10, greedy_rounds=3), refine=Refine(rounds=3, searches=1)
)


@pytest.fixture(scope="module")
def cubes() -> Simulated:
    return simulated(BODY, 40, np.random.default_rng(1), side=SIDE, pixel_size=PIXEL, shift=1.5, counts=2.0)


@pytest.fixture(scope="module")
def found(cubes: Simulated) -> Reconstruction:
    return reconstruct(cubes.particles, np.random.default_rng(0), point_group="O", settings=QUICK)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(np.ravel(one), np.ravel(other))[0, 1])


def test_the_map_is_the_body_and_no_ball(found: Reconstruction) -> None:
    truth = volume(BODY, SIDE, PIXEL)
    assert correlation(found.volume.density, truth) > 0.97
    assert correlation(ball_like(truth), truth) < 0.9
    assert found.volume.density.min() >= 0


def test_poses_sizes_and_shifts_are_the_true_ones(found: Reconstruction, cubes: Simulated) -> None:
    group = operations("O")
    # A body that is its own image through the centre looks the same after half a turn in the plane.
    half_turned = np.diag([-1.0, -1.0, 1.0]) @ found.orientations.rotations
    same = np.stack([found.orientations.rotations, half_turned], axis=1)
    trace = np.einsum("nmij,gjk,nik->nmg", same, group, cubes.rotations).max((1, 2))
    assert np.median(np.arccos(np.clip((trace - 1) / 2, -1, 1))) < np.deg2rad(3)
    assert np.abs(found.orientations.shifts - cubes.shifts).max() < 0.5 * PIXEL
    assert np.std(found.sizes / cubes.sizes) < 0.02


def test_particles_fit_the_map_better_than_a_ball_also_where_they_had_no_part(found: Reconstruction) -> None:
    assert found.correlations.mean() > found.control_correlations.mean() + 0.05
    assert found.held_out_correlations.mean() > found.control_correlations.mean() + 0.05
    assert set(found.halves) == {0, 1}
    assert found.resolution_fsc_0143 <= found.resolution_fsc_05 < 30


def test_the_map_has_the_unit_of_the_images(found: Reconstruction, cubes: Simulated) -> None:
    assert found.volume.density.sum() == pytest.approx(cubes.particles.images.sum((1, 2)).mean(), rel=0.05)


def test_particles_are_told_from_those_of_another_map(found: Reconstruction, cubes: Simulated) -> None:
    ball = replace(found.volume, density=ball_like(found.volume.density))
    scores = score(cubes.particles, [found.volume, ball], point_groups=["O", "O"])
    assert (scores.correlations[:, 0] > scores.correlations[:, 1]).mean() > 0.95
    assert scores.correlations[:, 0].mean() > found.correlations.mean() - 0.02


def test_the_unit_of_a_map_does_not_matter(found: Reconstruction, cubes: Simulated) -> None:
    """Counts of thousands a voxel once kept brightness, and with it size and pose, from being fitted."""
    bright = replace(found.volume, density=1e6 * np.asarray(found.volume.density))
    scores = score(cubes.particles, [found.volume, bright], point_groups=["O", "O"])
    assert scores.correlations[:, 1] == pytest.approx(scores.correlations[:, 0], abs=1e-4)
    assert 1e6 * scores.intensities[:, 1] == pytest.approx(scores.intensities[:, 0], rel=1e-3)
    assert scores.intensities[:, 0] == pytest.approx(found.intensities, rel=0.1)


def test_maps_of_another_size_are_refused(found: Reconstruction, cubes: Simulated) -> None:
    with pytest.raises(InputError, match="voxels a side"):
        score(cubes.particles, [replace(found.volume, voxel_size=1.0)], point_groups=["O"])


def test_the_config_builds_it() -> None:
    words = ["+reconstruct=ab_initio", "pipeline=particles", "input=x", "checkpoint=x"]
    built = build(compose("infer", words).reconstruct)
    assert built.func is reconstruct
    assert built.keywords["settings"] == Settings()


def test_averages_of_turned_particles_are_the_projections(found: Reconstruction, cubes: Simulated) -> None:
    seen = class_averages(found, cubes.particles, views=4)
    assert seen.counts.tolist() == [5] * 4
    likeness = [correlation(a, b) for a, b in zip(seen.averages, seen.projections, strict=True)]
    assert min(likeness) > 0.97
    # A view is not as like the average of another one.
    other = [correlation(a, b) for a, b in zip(seen.averages, seen.projections[::-1], strict=True)]
    assert np.mean(other) < np.mean(likeness) - 0.02


def test_averages_are_as_bright_as_the_map_whatever_the_sizes() -> None:
    rng = np.random.default_rng(4)
    few = simulated(sphere(70), 12, rng, side=SIDE, pixel_size=PIXEL, shift=0.5, counts=20.0, size_spread=0.2)
    made = reconstruct(few.particles, rng, point_group="K", settings=QUICK)
    seen = class_averages(made, few.particles, views=2)
    middle = SIDE // 2
    ratio = seen.averages[:, middle, middle] / seen.projections[:, middle, middle]
    assert ratio == pytest.approx(np.ones(2), rel=0.06)
    sums = few.particles.images.sum((1, 2))
    assert np.corrcoef(made.intensities, sums)[0, 1] > 0.97


def test_a_map_is_told_of_those_who_came_and_forgets_those_who_left(
    found: Reconstruction, cubes: Simulated
) -> None:
    more = simulated(BODY, 8, np.random.default_rng(7), side=SIDE, pixel_size=PIXEL, shift=1.5, counts=2.0)
    now = replace(
        cubes.particles,
        images=np.concatenate([more.particles.images, cubes.particles.images[5:]]),
        particle_ids=np.concatenate([100 + np.arange(8), cubes.particles.particle_ids[5:]]),
        noise=np.concatenate([more.particles.noise, cubes.particles.noise[5:]]),
    )
    made = with_members(found, now, class_id=3)
    assert made.volume is found.volume
    assert made.orientations.particle_ids.tolist() == np.asarray(now.particle_ids).tolist()
    assert set(made.orientations.class_ids) == {3}
    assert np.array_equal(made.held_out_correlations[8:], found.held_out_correlations[5:])
    assert np.array_equal(made.orientations.rotations[8:], found.orientations.rotations[5:])
    assert made.held_out_correlations[:8].mean() == pytest.approx(
        found.held_out_correlations.mean(), abs=0.02
    )
    assert (made.control_correlations[:8] < made.held_out_correlations[:8]).all()
    assert made.intensities[:8] == pytest.approx(
        more.sizes**3 * np.median(found.intensities / cubes.sizes**3), rel=0.1
    )
    assert set(made.halves[:8]) == {0, 1}
    assert len(made.coverage.directions) == len(now)


def test_what_was_found_explains_particles_that_had_no_part_in_it(found: Reconstruction) -> None:
    assert found.point_group == "O"
    assert {"C1", "O"} <= set(found.choice.tried)
    assert found.choice.reason == "told"
    assert found.explained > RIGHT
    assert found.agreement.fsc.correlation[:4].min() > 0.8
    assert found.coverage.directions.shape == (40, 3)


def test_half_maps_of_balls_of_many_sizes_are_of_one_size() -> None:
    # The ring where a ball's transform is 0 moves with its radius: halves of two sizes do not agree beyond.
    rng = np.random.default_rng(2)
    few = simulated(sphere(80), 16, rng, side=SIDE, pixel_size=PIXEL, shift=1.5, counts=2.0, size_spread=0.15)
    made = reconstruct(few.particles, rng, point_group="K", settings=QUICK)
    assert made.resolution_fsc_05 < 12
    assert np.quantile(np.abs(made.sizes / few.sizes / np.median(made.sizes / few.sizes) - 1), 0.75) < 0.01
    truth = volume(sphere(80 * float(np.median(few.sizes / made.sizes))), SIDE, PIXEL)
    assert correlation(made.volume.density, truth) > 0.995
    assert made.held_out_correlations.mean() > made.control_correlations.mean() - 0.005


def test_small_particles_are_looked_at_from_nearer_by(cubes: Simulated) -> None:
    few = cubes.particles
    wide = replace(few, images=np.pad(few.images, ((0, 0), (20, 20), (20, 20))))
    centre, gyration = centres(wide)
    near = close_up(wide, centre, 2.05 * float(np.median(gyration)))
    assert near.particles.images.shape[1] < 50 < wide.images.shape[1]
    own, _ = centres(near.particles)
    assert np.abs(own - near.centre).max() < 0.1
    assert near.particles.images.sum() == pytest.approx(few.images.sum(), rel=0.05)
    assert widened(np.ones((3, 3, 3)), 8)[4, 4, 4] == 1 == widened(np.ones((4, 4, 4)), 7)[3, 3, 3]


def test_a_mirror_image_is_found_and_its_poses_show_the_same() -> None:
    body = twisted(80)
    density = torch.tensor(volume(body, 32, 5.0), dtype=torch.float32)
    mirrored = torch.flip(density, (0, 1, 2)).roll((1, 1, 1), (0, 1, 2))
    frame = align(density, mirrored, "D3", highest=8)
    assert frame.mirrored
    assert frame.correlation > 0.99
    assert correlation(turned(mirrored, frame).numpy(), density.numpy()) > 0.99


def test_any_turn_between_maps_without_symmetry_is_found() -> None:
    from nanonet.reconstruct.align import Frame

    density = torch.tensor(volume(twisted(80), 32, 5.0), dtype=torch.float32)
    density[16:, 16:, 16:] *= 0.3
    away = Frame(Rotation.from_rotvec([0.5, -0.4, 1.0]).as_matrix(), False, 0.0)
    frame = align(density, turned(density, away), "C1", highest=8)
    assert Rotation.from_matrix(frame.rotation @ away.rotation).magnitude() < np.deg2rad(2)


def test_centres_of_mass_are_those_of_the_particles(cubes: Simulated) -> None:
    centre, gyration = centres(cubes.particles)
    assert np.abs(centre * PIXEL - cubes.shifts).max() < 0.3 * PIXEL
    assert np.std(gyration / cubes.sizes) / gyration.mean() < 0.02


def test_shells_of_equal_maps_agree_and_of_noise_do_not() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 24, 24, 24))
    assert np.allclose(shell_correlation(one, one, 2.0).correlation, 1.0, atol=1e-5)
    curve = shell_correlation(one, other, 2.0)
    assert np.abs(curve.correlation[3:]).max() < 0.3
    assert curve.frequency[-1] == pytest.approx(1 / 4.0)
    assert np.abs(local_agreement(one, other, 4.0)).mean() < 0.2
    assert local_agreement(one, one, 2.0).min() > 0.999


def test_resolution_is_read_between_shells() -> None:
    curve = ShellCorrelation(frequency=np.array([0.1, 0.2]), correlation=np.array([1.0, 0.0]))
    assert resolution(curve, 0.5) == pytest.approx(1 / 0.15)
    assert resolution(replace(curve, correlation=np.array([1.0, 0.9])), 0.5) == pytest.approx(5.0)
    assert resolution(replace(curve, correlation=np.array([0.2, 0.1])), 0.5) == np.inf


def test_coverage_tells_many_views_from_one_side() -> None:
    even = coverage(Rotation.random(100, rng=0).as_matrix(), "D2")
    sided = coverage(np.tile(np.eye(3), (100, 1, 1)), "D2")
    assert even.typical_gap == pytest.approx(even.even_gap, rel=0.2)
    assert sided.largest_gap > 4 * even.largest_gap


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda images: images[:3], "at least 4 particles"),
        (lambda images: images[:, :-1], "square"),
        (lambda images: -images, "brighter than the background"),
        (lambda images: images * np.nan, "no numbers"),
    ],
)
def test_bad_images_are_refused(
    change: Callable[[np.ndarray], np.ndarray], message: str, cubes: Simulated, unlike_shapes: None
) -> None:
    images = change(cubes.particles.images)
    particles = ParticleImages(
        images=images, particle_ids=np.arange(len(images)), pixel_size=PIXEL, noise=np.ones(len(images))
    )
    with pytest.raises(InputError, match=message):
        reconstruct(particles, np.random.default_rng(0))
