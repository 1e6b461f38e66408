from dataclasses import replace

import numpy as np
import pytest

from nanonet.atomic_columns.fusion import Scale, depth_evidence, intensity_evidence
from nanonet.atomic_columns.readout import Reading
from nanonet.atomic_columns.volumes import Volumes, measure_volumes

DEPTHS = np.arange(1, 15.0)


def places(seed: int = 0, rows: int = 8) -> np.ndarray:
    """Columns 11 px apart, off the grid of pixels."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(rows), indexing="ij"), axis=-1).reshape(-1, 2)
    return 9.0 + 11.0 * grid + rng.uniform(-0.5, 0.5, (rows**2, 2))


def drawn(positions: np.ndarray, volumes: np.ndarray, width: float, size: int = 96) -> np.ndarray:
    y, x = np.indices((size, size))
    bells = np.exp(-((y - positions[:, :1, None]) ** 2 + (x - positions[:, 1:, None]) ** 2) / (2 * width**2))
    return np.tensordot(volumes / (2 * np.pi * width**2), bells, axes=1)


@pytest.mark.parametrize("width", [2.5, 4.2])
def test_volumes_are_exact_without_noise_however_much_columns_overlap(width):
    positions = places()
    volumes = np.random.default_rng(1).uniform(50, 900, len(positions))
    found = measure_volumes(drawn(positions, volumes, width) + 3, positions, widths=(1.5, 6.0))
    assert found.width == pytest.approx(width, abs=0.02)
    assert not found.absolute
    np.testing.assert_allclose(found.values, volumes, rtol=0.02)


def test_the_background_is_what_there_is_beside_the_particle():
    positions = places(rows=5)
    volumes = np.random.default_rng(1).uniform(50, 900, len(positions))
    y, x = np.indices((128, 128))
    image = drawn(positions, volumes, 3.0, size=128)
    halo = drawn(np.array([[31.0, 31.0]]), np.array([200.0]), 18.0, size=128)  # tails that no Gaussian has
    found = measure_volumes(image + 9 + 0.02 * y - 0.01 * x, positions, widths=(1.5, 6.0))
    assert found.absolute
    np.testing.assert_allclose(found.values, volumes, rtol=0.02)
    whole = measure_volumes(image + halo, positions, widths=(1.5, 6.0)).values.sum()
    assert volumes.sum() < whole < volumes.sum() + 200


@pytest.mark.parametrize("gain", [1.0, 7.0])
def test_errors_of_volumes_are_those_of_counting_whatever_the_gain(gain):
    positions = places()
    volumes = np.random.default_rng(1).uniform(300, 900, len(positions))
    expected = drawn(positions, volumes, 3.0) + 2
    pulls = []
    for seed in range(6):
        image = gain * np.random.default_rng(seed).poisson(expected).astype(float)
        found = measure_volumes(image, positions, widths=(1.5, 6.0))
        pulls.append((found.values / gain - volumes) / (found.errors / gain))
    assert np.std(pulls) == pytest.approx(1.0, abs=0.15)
    assert abs(np.mean(pulls)) < 0.2


def test_no_columns_have_no_volumes():
    assert len(measure_volumes(np.ones((16, 16)), np.zeros((0, 2)), widths=(1.0, 3.0)).values) == 0


def reading_of(mean: np.ndarray, width: float) -> Reading:
    posterior = np.exp(-((DEPTHS - mean[:, None]) ** 2) / (2 * width**2))
    return Reading(
        positions=places()[: len(mean)],
        presence=np.ones(len(mean)),
        posterior=posterior / posterior.sum(axis=1, keepdims=True),
    )


def scene(
    counts: float, seed: int, *, blur: float = 0.9, off: float = 0.0
) -> tuple[np.ndarray, Reading, Volumes]:
    """True depths, what a network says that errs by ``blur`` atoms, and volumes at so many counts an atom."""
    rng = np.random.default_rng(seed)
    true = rng.integers(1, 11, 64)
    scale = Scale(single=counts, channelling=0.6, scatter=0.1)
    expected = scale.volume(true.astype(float))
    values = expected + np.sqrt(expected) * rng.standard_normal(64) + 0.1 * counts * rng.standard_normal(64)
    volumes = Volumes(values=values, errors=np.sqrt(expected), width=3.0)
    return true, reading_of(true + off + blur * rng.standard_normal(64), blur), volumes


def fuse(
    reading: Reading, volumes: Volumes, weight: float = 1.0, **known: float
) -> tuple[Reading, Scale | None]:
    """The network's posterior times the volumes' likelihood, as `calibrated` multiplies them."""
    evidence, scale = depth_evidence(reading, volumes, **known)
    posterior = reading.posterior * np.exp(weight * evidence)
    return replace(reading, posterior=posterior / posterior.sum(axis=1, keepdims=True)), scale


def exact(reading: Reading, true: np.ndarray) -> float:
    return float(np.mean(reading.depth == true))


def test_volumes_of_many_counts_make_up_for_a_network_that_is_unsure():
    before, after = [], []
    for seed in range(5):
        true, reading, volumes = scene(100.0, seed)
        fused, scale = fuse(reading, volumes)
        before.append(exact(reading, true))
        after.append(exact(fused, true))
        assert scale is not None
        assert scale.single == pytest.approx(100, rel=0.15)
    assert np.mean(before) < 0.5
    assert np.mean(after) > 0.93


def test_where_counts_are_few_nothing_is_lost():
    before, after = [], []
    for seed in range(8):
        true, reading, volumes = scene(1.0, seed, blur=0.5)
        before.append(exact(reading, true))
        after.append(exact(fuse(reading, volumes)[0], true))
    assert np.mean(after) > np.mean(before) - 0.02


def test_the_posterior_that_comes_out_is_not_too_sure():
    """Of columns whose depth has a probability of 0.5 to 0.9 that share is right, or some more."""
    chance, right = [], []
    for seed in range(20):
        true, reading, volumes = scene(30.0, seed)
        fused, _ = fuse(reading, volumes)
        chance.append(fused.posterior.max(axis=1))
        right.append(fused.depth == true)
    likely, hit = np.concatenate(chance), np.concatenate(right)
    some = (likely > 0.5) & (likely < 0.9)
    assert some.sum() > 150
    assert -0.02 < hit[some].mean() - likely[some].mean() < 0.15


def test_the_scale_is_that_of_the_frame_whatever_the_gain():
    true, reading, volumes = scene(100.0, 3)
    louder = Volumes(values=17 * volumes.values, errors=17 * volumes.errors, width=3.0)
    one, scale = fuse(reading, volumes)
    other, loud = fuse(reading, louder)
    np.testing.assert_array_equal(one.depth, other.depth)
    assert loud.single == pytest.approx(17 * scale.single, rel=1e-6)
    assert exact(one, true) > 0.9


def test_a_few_columns_and_dark_ones_say_nothing():
    true, reading, volumes = scene(100.0, 0)
    few = np.arange(64) < 4
    alone = Volumes(values=volumes.values[few], errors=volumes.errors[few], width=3.0)
    dark = Volumes(values=-volumes.values, errors=volumes.errors, width=3.0)
    # Noise alone: most columns a little bright, the sum below 0.
    lost = Volumes(values=np.where(few, -1e5, 1.0), errors=volumes.errors, width=3.0)
    for part, said in ((reading.where(few), alone), (reading, dark), (reading, lost)):
        evidence, scale = depth_evidence(part, said, counts_per_atom=100.0)
        assert scale is None
        assert not evidence.any()
    assert len(true) == 64


def test_who_knows_how_bright_an_atom_is_is_not_led_astray_by_a_network_that_errs():
    """A pillar: all columns about as deep, and a network that takes all of them for one atom less."""
    alone, told = [], []
    scale = Scale(single=100.0, channelling=0.5, scatter=0.1)
    for seed in range(6):
        rng = np.random.default_rng(seed)
        true = rng.integers(6, 9, 64)
        expected = scale.volume(true.astype(float))
        values = expected + np.sqrt(expected) * rng.standard_normal(64)
        volumes = Volumes(values=values, errors=np.sqrt(expected), width=3.0)
        reading = reading_of(true - 1 + 0.8 * rng.standard_normal(64), 1.0)
        counts = float(expected.sum() / true.sum())
        alone.append(exact(fuse(reading, volumes)[0], true))
        told.append(exact(fuse(reading, volumes, counts_per_atom=counts)[0], true))
    assert np.mean(told) > 0.55
    assert np.mean(told) > np.mean(alone) + 0.2


def test_volumes_from_a_frame_without_background_keep_the_number_of_atoms():
    """They lack a part, so that counts an atom cannot be compared with them: the network's atoms stand."""
    _, reading, volumes = scene(30.0, 0)
    short = replace(volumes, values=0.7 * volumes.values, absolute=False)
    counts = 30.0 * 1.4
    fused, _ = fuse(reading, short, counts_per_atom=counts)
    misled, _ = fuse(reading, replace(short, absolute=True), counts_per_atom=counts)
    atoms = (reading.posterior @ DEPTHS).sum()
    assert (fused.posterior @ DEPTHS).sum() == pytest.approx(atoms, rel=0.05)
    assert (misled.posterior @ DEPTHS).sum() < 0.95 * atoms


def test_of_columns_that_are_hardly_there_intensity_says_nothing():
    positions = places()
    depths = np.random.default_rng(0).integers(1, 9, len(positions)).astype(float)
    scale = Scale(single=200.0, channelling=0.5, scatter=0.1)
    image = drawn(positions, scale.volume(depths), 3.0) + 1
    reading = replace(reading_of(depths, 1.0), presence=np.where(np.arange(64) < 60, 0.9, 0.3))
    evidence = intensity_evidence(reading, image, pixel_size=0.2)
    assert not evidence[60:].any()
    assert np.mean(evidence[:60].argmax(axis=1) + 1 == depths[:60]) > 0.8
