"""Readings of a formula that stands for a network, in drawn images: measured, calibrated, judged."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from nanonet.atomic_columns.network import read_depth
from nanonet.atomic_columns.readout import narrowest_interval
from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.metrics.calibration import calibration_error
from nanonet.records import ColumnSample, InputError, Micrograph, TrainedNetwork
from nanonet.records.calibration import calibration_from
from nanonet.train.calibration import (
    by_dose,
    calibrate,
    calibration_estimates,
    cross_judged,
    judge,
    measure_posteriors,
)

PIXEL, SIDE, DEEPEST = 0.25, 64, 5
WIDTH = 2.0  # px, of the columns


class Blobs:
    """Columns of 1 to 5 atoms, 0.6 of the vacuum's intensity high for each; 12 to 1200 e/Å²."""

    structures = tuple(range(40))

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        lattice = np.stack(np.meshgrid(np.arange(-4, 20, 3.2), np.arange(-4, 20, 3.0), indexing="ij"), -1)
        positions = lattice.reshape(-1, 2) + rng.uniform(0, 3, 2)
        depths = np.random.default_rng([structure, len(positions)]).integers(0, DEEPEST + 1, len(positions))
        positions, depths = positions[depths > 0], depths[depths > 0]
        grid = np.arange(SIDE) * PIXEL
        bells = [
            np.exp(-((grid[None] - places[:, None]) ** 2) / (2 * (WIDTH * PIXEL) ** 2))
            for places in positions.T
        ]
        signal = 1 + 0.6 * np.einsum("n,ny,nx->yx", depths.astype(float), *bells)
        dose = float(np.exp(rng.uniform(np.log(12), np.log(1200))))
        seen = np.all((positions > -PIXEL / 2) & (positions < (SIDE - 0.5) * PIXEL), axis=1)
        return ColumnSample(
            image=rng.poisson(signal * dose * PIXEL**2).astype(np.float32),
            pixel_size=PIXEL,
            positions=positions[seen],
            depths=depths[seen],
            structure=structure,
            settings={"dose": dose},
        )


def height_reader(counts):
    """Read the height of columns by a matched filter, three times as sure of it as its noise allows."""
    from scipy import ndimage

    image = counts[0, 0].astype(float)
    vacuum = np.quantile(ndimage.gaussian_filter(image, 3), 0.02)
    height = (ndimage.gaussian_filter(image, WIDTH) / vacuum - 1) * 2 / 0.6
    noise = np.sqrt(2.0 / vacuum) / (np.sqrt(np.pi) * WIDTH * 0.6)
    top = ndimage.maximum_filter(height, size=7)
    miss = (top[None] - np.arange(DEEPEST + 1)[:, None, None]) / noise
    chance = 0.01 + np.exp(-1.5 * (miss**2 - (miss**2).min(0)))  # no network ever says never
    member = np.clip(height / np.maximum(top, 1e-3), 0, 1) ** 1.4
    column = chance[1:] / chance.sum(0) * member
    return np.log(np.concatenate([1 - column.sum(0, keepdims=True), column]) + 1e-9)[None].astype(np.float32)


NETWORK = TrainedNetwork(
    predict=height_reader,
    task="column_depth",
    pixel_size=PIXEL,
    modality="HRTEM",
    trained_range={"dose": (12.0, 1200.0)},
    name="formula",
    sha256="0" * 64,
)


def dataset(structures=Blobs.structures, sampler=None, size=8):
    return ColumnDepthDataset(sampler or Blobs(), structures, epoch_size=size, seed=3, max_depth=DEEPEST)


@pytest.fixture(scope="module")
def read():
    return measure_posteriors(NETWORK, dataset(size=100), epochs=4)


@pytest.fixture(scope="module")
def halves(read):
    """Readings of the first and of the last twenty structures."""
    return read.take(read.particle < 20), read.take(read.particle >= 20)


def test_what_is_measured_is_what_was_drawn(read):
    assert len(read) > 4000
    assert set(read.particle) == set(Blobs.structures)
    assert 12 <= read.dose.min() < 18
    assert 900 < read.dose.max() <= 1200
    real, high = read.depth > 0, read.dose > 600
    assert real[high].mean() > 0.8
    exact = read.posterior.argmax(1) + 1 == read.depth
    assert exact[real & high].mean() > 0.85
    assert 0.2 < exact[real & (read.dose < 18)].mean() < 0.6


def test_it_is_read_as_frames_are():
    """The same parameters as `read_depth`, and on an image the same columns."""
    ours, theirs = (inspect.signature(part).parameters for part in (measure_posteriors, read_depth))
    for name in ("min_separation", "smoothing", "radius"):
        assert ours[name].default == theirs[name].default
    data = dataset((5,), size=1)
    read = measure_posteriors(NETWORK, data, epochs=1, tolerance=0.01)
    read = read.take(read.presence >= theirs["min_probability"].default)
    sample = data.sample(1)
    frame = Micrograph(image=sample.image, name="x", pixel_size=PIXEL, modality="HRTEM")
    table = read_depth(frame, network=NETWORK).tables[0].data
    inner = table[["y_angstrom", "x_angstrom"]].to_numpy()
    inner = ((inner >= 0.01) & (inner <= (SIDE - 1) * PIXEL - 0.01)).all(1)
    np.testing.assert_array_equal(table["depth"].to_numpy(int)[inner], read.posterior.argmax(1) + 1)
    np.testing.assert_allclose(
        table["confidence"].to_numpy(float)[inner], read.presence * read.posterior.max(1), rtol=1e-6
    )


def test_the_same_every_time_and_other_images_than_the_first_epoch():
    drawn = []

    class Spy(Blobs):
        def draw(self, structure, rng):
            drawn.append(super().draw(structure, rng))
            return drawn[-1]

    first, second = (measure_posteriors(NETWORK, dataset(sampler=Spy(), size=6), epochs=1) for _ in range(2))
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    doses = [sample.settings["dose"] for sample in drawn]
    assert len(set(doses)) == len(doses) / 2 == 6
    assert not {dataset(size=6).sample(index).settings["dose"] for index in range(6)} & set(doses)


def test_calibrated_readings_come_true_on_other_particles(halves):
    """The formula is wrong in ways that no temperature mends; what is left of its errors is small."""
    seen, unseen = halves
    calibration = calibrate(seen)
    assert calibration.temperature[0] > 2 * calibration.temperature[-1]
    groups = [by_dose(judge(unseen, which)) for which in (None, calibration)]
    assert [len(group) for group in groups] == [4, 4]
    for before, after in zip(*groups, strict=True):
        wrong, error = before.estimates()[0].value, after.estimates()[0].value
        assert error < max(0.05, 0.3 * wrong)
        covered, right = after.estimates()[1].value, after.right[after.read.depth > 0].mean()
        assert 0.85 <= covered <= max(0.95, right + 1e-9)  # no less than single depths cover
    whole = judge(unseen, calibration)
    assert calibration_error(whole.confidence, whole.right) < 0.05


def test_it_remembers_what_came_true(halves):
    calibration = calibrate(halves[0])
    assert calibration_from(json.loads(json.dumps(asdict(calibration)))) == calibration
    number = sum(sum(group.number) for group in calibration.reliability)
    assert number == len(cross_judged(halves[0]).read)
    estimates = calibration_estimates(halves[0])
    assert [estimate.name for estimate in estimates[:2]] == ["calibration_error", "coverage"]
    assert len(estimates) == 2 + 2 * len(calibration.reliability)
    assert all("e/Å²" in estimate.name for estimate in estimates[2:])


def test_nobody_judges_what_he_was_fitted_to(halves):
    """What is true of a particle changes how others are judged, never itself."""
    read = halves[0]
    own = read.particle == 6
    lied = replace(read, depth=np.where(own & (read.depth > 0), DEEPEST + 1 - read.depth, read.depth))
    judged, again = cross_judged(read), cross_judged(lied)
    kept = [part.confidence[part.read.particle == 6] for part in (judged, again)]
    np.testing.assert_array_equal(*kept)
    moved = [part.confidence[part.read.particle == 7].mean() for part in (judged, again)]
    assert moved[0] != moved[1]


def test_without_calibration_intervals_are_those_of_the_reader(halves):
    read = halves[0].take(halves[0].presence >= 0.5)
    low, high = narrowest_interval(read.posterior)
    np.testing.assert_array_equal(judge(read, None).covered, (low <= read.depth) & (read.depth <= high))


def test_in_haadf_the_dose_is_what_was_counted():
    """As `read_depth` will know it: the dose of the beam is not in the image."""
    beam = measure_posteriors(NETWORK, dataset(), epochs=1)
    counted = measure_posteriors(replace(NETWORK, modality="HAADF"), dataset(), epochs=1)
    ratio = counted.dose / beam.dose  # these images have about 1 to 3 counts an electron of the beam
    assert ((ratio > 0.7) & (ratio < 5)).all()
    assert (ratio != 1).all()


def test_what_cannot_be_calibrated_is_refused():
    class Undosed(Blobs):
        def draw(self, structure, rng):
            return replace(super().draw(structure, rng), settings={})

    with pytest.raises(InputError, match="dose"):
        measure_posteriors(NETWORK, dataset(sampler=Undosed()))
    with pytest.raises(InputError, match=r"pixels of 0\.4 Å"):
        measure_posteriors(replace(NETWORK, pixel_size=0.4), dataset())
