"""What the features measure, on images where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_images import PIXEL, LatticeSampler, height_reader, read
from scipy import ndimage

from nanonet.atomic_columns.column_features import geometry
from nanonet.atomic_columns.frame_features import NAMES, frame_features, windows
from nanonet.atomic_columns.image_features import shape_edges
from nanonet.atomic_columns.readout import Reading

SIDE = 96
NETWORK = height_reader()


def features(counts, side=SIDE):
    """Return the features of a frame under their names, and the shape of its spectrum."""
    found = frame_features(counts, read(NETWORK, counts), pixel_size=PIXEL, side=side)
    return dict(zip(NAMES, found[: len(NAMES)], strict=True)), found[len(NAMES) :]


def frame(seed=0, dose=800.0, **changes):
    sampler = LatticeSampler(dose=(dose, dose), size=SIDE, **changes)
    return sampler.draw(seed, np.random.default_rng([9, seed])).image


@pytest.mark.parametrize("dose", [100.0, 1000.0, 5000.0])
def test_the_noise_tells_the_dose_and_that_it_is_of_counts(dose):
    found, _ = features(frame(dose=dose))
    assert 10 ** found["noise"] == pytest.approx(dose, rel=0.08)
    assert abs(found["noise_colour"]) < 0.15
    assert found["noise_growth"] == pytest.approx(1.0, abs=0.4)


def test_the_detectors_gain_changes_nothing():
    image = frame()
    reading = read(NETWORK, image)
    plain, gained = (
        frame_features(counts, reading, pixel_size=PIXEL, side=SIDE) for counts in (image, 37.5 * image)
    )
    np.testing.assert_allclose(gained, plain, rtol=1e-3, atol=1e-3)


def test_a_turned_or_mirrored_frame_has_the_same_features():
    image = frame()
    plain, shape = features(image)
    for other in (np.rot90(image), image[:, ::-1]):
        turned, turned_shape = features(np.ascontiguousarray(other))
        assert turned == pytest.approx(plain, rel=0.02, abs=0.02, nan_ok=True)
        np.testing.assert_allclose(turned_shape, shape, atol=0.02)


def test_inverted_contrast_and_smoothed_noise_show_in_the_noise():
    image = frame()
    plain, _ = features(image)
    inverted, _ = features(2 * image.mean() - image)
    assert inverted["noise_growth"] == pytest.approx(-plain["noise_growth"], abs=0.1)
    smooth, _ = features(ndimage.gaussian_filter(image, 0.6))
    assert smooth["noise_colour"] > plain["noise_colour"] + 0.5
    assert smooth["noise"] == pytest.approx(plain["noise"], abs=0.3)  # at frequency 0 it is as it was


def test_the_spacing_is_that_of_the_lattice():
    spacing = {stretch: features(frame(stretch=stretch))[0]["spacing"] for stretch in (0.95, 1.0, 1.1)}
    assert np.exp(spacing[1.0]) == pytest.approx(3.2, abs=0.15)
    assert spacing[1.1] - spacing[1.0] == pytest.approx(np.log(1.1), abs=0.02)
    assert spacing[0.95] - spacing[1.0] == pytest.approx(np.log(0.95), abs=0.02)


def test_order_is_of_lattices_and_none_of_random_columns():
    rng = np.random.default_rng(1)
    lattice = np.stack(np.meshgrid(np.arange(10), np.arange(10)), -1).reshape(-1, 2) * 3.2
    _, regular = geometry(lattice + 0.1 * rng.standard_normal(lattice.shape))
    _, random = geometry(rng.uniform(0, 30, (100, 2)))
    assert regular > 2.0
    assert abs(random) < 0.3


def test_blur_takes_the_fringes_and_drift_draws_columns_out():
    fringes = [features(frame(dose=3000.0, blur=blur))[0]["fringes"] for blur in (0.0, 0.4, 0.7)]
    assert fringes[0] > fringes[1] + 0.5
    assert fringes[1] > fringes[2] + 0.5
    image = frame(dose=3000.0)
    drifted = ndimage.uniform_filter1d(image, round(2.0 / PIXEL), axis=0)
    assert features(drifted)[0]["elongation"] > features(image)[0]["elongation"] + 0.15


def test_a_film_shows_in_the_background():
    found = {}
    for texture in (0.0, 0.03):
        sample = LatticeSampler(dose=(3000.0, 3000.0), size=128, texture=texture).draw(
            0, np.random.default_rng(1)
        )
        n = len(sample.depths)
        truth = Reading(
            positions=sample.positions / PIXEL, presence=np.ones(n), posterior=np.eye(5)[sample.depths - 1]
        )
        features = frame_features(sample.image, truth, pixel_size=PIXEL, side=128)
        found[texture] = features[NAMES.index("background")]
    assert found[0.03] > found[0.0] + 1.0


def test_the_spectrums_shape_moves_with_the_lattice():
    edges = shape_edges(PIXEL, SIDE)
    middle = (edges[1:] + edges[:-1]) / 2
    inner = (middle > 0.2) & (middle < 0.6)
    (_, plain), (_, wide) = (features(frame(dose=3000.0, stretch=stretch)) for stretch in (1.0, 1.12))
    alike = {
        stretch: np.corrcoef(wide[inner], np.interp(stretch * middle, middle, plain)[inner])[0, 1]
        for stretch in (0.9, 1.0, 1.12)
    }
    assert alike[1.12] > 0.95
    assert max(alike[0.9], alike[1.0]) < alike[1.12] - 0.1


def test_vacuum_around_a_particle_changes_little():
    image = frame(dose=3000.0)
    wide = np.random.default_rng(3).poisson(np.median(image), (3 * SIDE, 4 * SIDE)).astype(np.float32)
    wide[SIDE : 2 * SIDE, 2 * SIDE : 3 * SIDE] = image
    (plain, shape), (found, other) = features(image), features(wide)
    for name in ("noise", "fringes", "spacing", "order", "visibility", "entropy"):
        assert found[name] == pytest.approx(plain[name], abs=0.15), name
    assert np.abs(other - shape).mean() < 0.25


def test_a_frame_without_columns_has_no_features():
    vacuum = np.random.default_rng(0).poisson(50.0, (SIDE, SIDE)).astype(np.float32)
    nothing = Reading(positions=np.empty((0, 2)), presence=np.empty(0), posterior=np.empty((0, 5)))
    assert frame_features(vacuum, nothing, pixel_size=PIXEL, side=SIDE) is None


def test_windows_hold_the_columns_and_lie_in_the_frame():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 60, (50, 2)), rng.uniform(0, 40, (30, 2))
    apart, few = np.array([300, 420]), rng.uniform(0, 500, (5, 2))
    positions = np.concatenate([first + apart, second + 20, few])
    found = windows(positions, (512, 500), 128)
    assert len(found) == 2
    held = []
    for part in found:
        assert all(axis.stop - axis.start == 128 for axis in part)
        assert part[0].stop <= 512
        assert part[1].stop <= 500
        inside = [
            (positions[:, i] >= axis.start) & (positions[:, i] <= axis.stop - 1)
            for i, axis in enumerate(part)
        ]
        held.append(int((inside[0] & inside[1]).sum()))
    assert held[0] >= 50
    assert held[1] >= 30
    assert windows(positions[:5], (512, 500), 128) == []


@pytest.mark.parametrize("shape", [(60, 96), (96, 50), (64, 64)])
def test_a_frame_smaller_than_a_window_is_taken_whole(shape):
    image = frame(dose=3000.0)[-shape[0] :, -shape[1] :]
    found = frame_features(image, read(NETWORK, image), pixel_size=PIXEL, side=SIDE)
    assert len(found) == len(NAMES) + len(shape_edges(PIXEL, SIDE)) - 1
    assert np.isfinite(found[NAMES.index("spacing")])
