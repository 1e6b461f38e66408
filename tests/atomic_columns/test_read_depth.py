"""`read_depth` with networks that are formulas: what they say is known at every pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from nanonet.atomic_columns.dose import noise_equivalent_dose
from nanonet.atomic_columns.network import read_depth, resampled
from nanonet.atomic_columns.range import range_warnings
from nanonet.atomic_columns.readout import narrowest_interval, read_columns
from nanonet.records import InputError, Micrograph, TrainedNetwork

PIXEL = 0.25
WIDTH = 0.6  # Å, of the labels
CLASSES = 7


def warnings_of(frame, network):
    return range_warnings(frame, network, noise_equivalent_dose(frame))


def network_of(predict, **changes):
    network = TrainedNetwork(
        predict=predict,
        task="column_depth",
        pixel_size=PIXEL,
        modality="HRTEM",
        trained_range={"dose": (100.0, 2000.0)},
        name="formula",
        sha256="0" * 64,
    )
    return replace(network, **changes)


def height_reader(counts):
    """Read the depth off the height of blobs of the labels' width: 100 counts an atom."""
    counts = counts[:, 0]
    depth = counts / 100.0
    local = gaussian_filter(depth, (0, 4, 4))
    logits = np.full((len(counts), CLASSES, *counts.shape[1:]), -9.0, np.float32)
    logits[:, 0] = np.log(20.0)
    # of a blob of depth d and membership m the counts are 100 d m: nearest depth of the blob's centre
    centre = np.clip(np.rint(_grown(depth)), 1, CLASSES - 1).astype(int)
    membership = np.clip(depth / centre, 1e-3, 1 - 1e-3)
    np.put_along_axis(
        logits, centre[:, None], (np.log(20.0) + np.log(membership / (1 - membership)))[:, None], 1
    )
    assert local.shape == depth.shape
    return logits


def _grown(depth):
    from scipy.ndimage import maximum_filter

    return maximum_filter(depth, size=(1, 9, 9))


@pytest.fixture
def crystal(points_of, draw):
    """Return micrographs of blobs at known places of known depths, at any pixel size."""

    def make(pixel_size, side=40.0, **fields):
        shape = (int(side / pixel_size), int(side / pixel_size * 0.8))
        points, _ = points_of(np.array([[3.1, 0.4], [-0.3, 3.3]]) / PIXEL, shape=(160, 128), margin=6)
        points = points * PIXEL
        depths = np.random.default_rng(2).integers(1, CLASSES, len(points))
        image = draw(points / pixel_size, 100 * depths, WIDTH / pixel_size, shape).astype(np.float32)
        micrograph = Micrograph(image=image, name="blobs", pixel_size=pixel_size, modality="HRTEM", **fields)
        return micrograph, points, depths

    return make


@pytest.mark.parametrize("pixel_size", [0.25, 0.1, 0.16, 0.3])
def test_positions_and_depths_at_any_pixel_size(crystal, pixel_size):
    micrograph, points, depths = crystal(pixel_size, dose=400.0)
    result = read_depth(micrograph, network=network_of(height_reader))
    data = result.tables[0].data
    assert len(data) == len(points)
    distance, which = cKDTree(points).query(data[["y_angstrom", "x_angstrom"]])
    assert len(set(which)) == len(points)
    assert distance.max() < 0.12
    assert abs(np.mean(data.y_angstrom.to_numpy() - points[which][:, 0])) < 0.02
    assert abs(np.mean(data.x_angstrom.to_numpy() - points[which][:, 1])) < 0.02
    assert np.mean(data.depth.to_numpy(int) == depths[which]) > 0.97
    assert data.column_id.tolist() == list(range(1, len(data) + 1))
    assert (data.depth_low <= data.depth).all()
    assert (data.depth <= data.depth_high).all()
    assert data.confidence.between(0, 1).all()
    assert all("less than the shot noise" in line for line in result.warnings)  # the crystal has none


@pytest.mark.parametrize("pixel_size", [0.25, 0.1, 0.3])
def test_maps_are_of_the_frame_and_in_its_place(crystal, pixel_size):
    micrograph, points, depths = crystal(pixel_size, dose=400.0)
    maps = read_depth(micrograph, network=network_of(height_reader)).maps
    assert set(maps) == {"depth", "confidence"}
    for values in maps.values():
        assert values.shape == micrograph.image.shape
        assert values.dtype == np.float32
    at = tuple(np.rint(points / pixel_size).astype(int).T)
    assert np.corrcoef(maps["depth"][at], depths)[0, 1] > 0.97
    assert maps["depth"][:3, :3].max() < 0.2
    assert maps["confidence"].min() >= 0
    assert maps["confidence"].max() <= 1


def test_only_the_counts_the_network_gets_matter():
    """Float32, with axes of batch and frame, at the network's pixel size."""
    seen = []

    def spy(counts):
        seen.append(counts)
        return np.zeros((1, CLASSES, *counts.shape[2:]), np.float32)

    image = np.random.default_rng(0).poisson(9, (90, 75)).astype(np.float32)
    frame = Micrograph(image=image, name="x", pixel_size=0.125, dose=500.0)
    read_depth(frame, network=network_of(spy))
    assert seen[0].shape == (1, 1, 45, 38)
    assert seen[0].dtype == np.float32
    assert seen[0].mean() == pytest.approx(image.mean(), rel=0.02)
    read_depth(replace(frame, pixel_size=0.252), network=network_of(spy))
    np.testing.assert_array_equal(seen[1][0, 0], image)


def test_empty_frame_gives_an_empty_table():
    def background(counts):
        logits = np.zeros((1, CLASSES, *counts.shape[2:]), np.float32)
        logits[:, 0] = 12
        return logits

    frame = Micrograph(image=np.ones((40, 40), np.float32), name="x", pixel_size=PIXEL, dose=500.0)
    result = read_depth(frame, network=network_of(background))
    assert len(result.tables[0]) == 0
    assert result.maps["depth"].max() < 0.01


@pytest.mark.parametrize("step", [0.4, 0.83, 1.7, 2.5])
def test_resampling_keeps_places_and_intensity(draw, step):
    place = np.array([[30.3, 41.8]])
    image = draw(place, 500, 4.0, (80, 90))
    small = resampled(image, step)
    grid = np.indices(small.shape) * step
    centre = [(small * axis).sum() / small.sum() for axis in grid]
    np.testing.assert_allclose(centre, place[0], atol=0.03)
    assert small.sum() * step**2 == pytest.approx(image.sum(), rel=0.01)


def test_posterior_mean_mode_and_interval_of_a_known_mixture():
    """Pixels of one column that disagree: the pooled distribution is their weighted mean."""
    y, x = np.mgrid[:31, :31]
    member = np.exp(-((y - 15.2) ** 2 + (x - 14.7) ** 2) / (2 * 2.4**2))
    given = np.array([0.02, 0.06, 0.55, 0.25, 0.12])
    probabilities = np.concatenate([(1 - member)[None], given[:, None, None] * member])
    reading = read_columns(probabilities, smoothing=1.2, separation=4, radius=2.4, min_probability=0.5)
    np.testing.assert_allclose(reading.positions, [[15.2, 14.7]], atol=0.05)
    np.testing.assert_allclose(reading.posterior, [given], atol=1e-6)
    np.testing.assert_allclose(reading.presence, 1.0, atol=0.02)
    assert reading.depth.tolist() == [3]
    np.testing.assert_allclose(reading.depth_mean, given @ np.arange(1, 6))
    np.testing.assert_allclose(reading.confidence, 0.55, atol=0.02)
    low, high = narrowest_interval(reading.posterior)
    assert (low.tolist(), high.tolist()) == ([3], [5])  # .55 + .25 + .12; .06 + .55 + .25 is less


@pytest.mark.parametrize("scale", [0.3, 0.55, 0.9])
def test_presence_is_the_columns_own_chance(scale):
    y, x = np.mgrid[:31, :31]
    member = scale * np.exp(-((y - 15.5) ** 2 + (x - 15.5) ** 2) / (2 * 2.4**2))
    probabilities = np.stack([1 - member, member])
    reading = read_columns(probabilities, smoothing=1.2, separation=4, radius=2.4, min_probability=0.5)
    np.testing.assert_allclose(reading.presence, [scale] if scale > 0.5 else [], atol=0.02)


def test_of_two_close_maxima_the_higher_stays():
    y, x = np.mgrid[:40, :40]

    def blob(cy, cx, height):
        return height * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 1.0**2))

    member = np.clip(blob(20, 18, 0.95) + blob(20, 23, 0.8), 0, 1)
    probabilities = np.stack([1 - member, member])
    near = read_columns(probabilities, smoothing=0.5, separation=7, radius=1.0, min_probability=0.4)
    apart = read_columns(probabilities, smoothing=0.5, separation=3, radius=1.0, min_probability=0.4)
    np.testing.assert_allclose(near.positions, [[20, 18]], atol=0.3)
    assert len(apart.positions) == 2


@pytest.mark.parametrize("seed", range(10))
def test_intervals_hold_ninety_percent_in_as_few_depths_as_can_be(seed):
    posterior = np.random.default_rng(seed).dirichlet(np.full(9, 0.5), size=50)
    low, high = narrowest_interval(posterior)
    for row, a, b in zip(posterior, low, high, strict=True):
        assert row[a - 1 : b].sum() >= 0.9 - 1e-12
        n = b - a
        assert all(row[i : i + n].sum() < 0.9 for i in range(9 - n + 1))
        assert a - 1 <= row.argmax() <= b - 1


def test_what_cannot_be_read_is_refused():
    frame = Micrograph(image=np.ones((20, 20), np.float32), name="a.tif", pixel_size=0.25)
    with pytest.raises(InputError, match=r"a\.tif has no pixel size.*read\.pixel_size"):
        read_depth(replace(frame, pixel_size=None), network=network_of(height_reader))
    with pytest.raises(InputError, match="particle_mask"):
        read_depth(frame, network=network_of(height_reader, task="particle_mask"))
    with pytest.raises(InputError, match="min_probability"):
        read_depth(frame, network=network_of(height_reader), min_probability=0.0)
    with pytest.raises(InputError, match=r"radius must be positive"):
        read_depth(frame, network=network_of(height_reader), radius=0.0)
    with pytest.raises(InputError, match="NaN"):
        read_depth(replace(frame, image=frame.image * np.nan), network=network_of(height_reader))


def test_frames_unlike_the_training_are_flagged():
    image = np.full((64, 64), 20.0, np.float32)
    frame = Micrograph(image=image, name="x", pixel_size=0.25, modality="HRTEM", dose=500.0)
    network = network_of(height_reader, trained_range={"dose": (100.0, 2000.0), "defocus": (10.0, 90.0)})
    assert warnings_of(frame, network) == ()
    (line,) = warnings_of(replace(frame, dose=20.0), network)
    assert "dose 20 e/Å²" in line
    assert "100 to 2000" in line
    assert "HAADF" in warnings_of(replace(frame, modality="HAADF"), network)[0]
    assert "coarse" in warnings_of(replace(frame, pixel_size=0.6), network)[0]
    one = replace(network, trained_range={"pixel_size": (0.25, 0.25)})
    assert warnings_of(replace(frame, pixel_size=0.1), one) == ()
    assert "coarse" in warnings_of(replace(frame, pixel_size=0.6), one)[0]
    assert warnings_of(replace(frame, modality=None), network) == ()


@pytest.mark.parametrize("gain", [1.0, 37.5])
def test_dose_is_told_from_the_noise_whatever_the_gain(gain):
    rng = np.random.default_rng(4)
    image = (gain * rng.poisson(12.5, (256, 256))).astype(np.float32)
    frame = Micrograph(image=image, name="x", pixel_size=0.25, modality="HRTEM")
    assert noise_equivalent_dose(frame) == pytest.approx(200, rel=0.06)
    quiet = network_of(height_reader, trained_range={"dose": (1000.0, 5000.0)})
    assert "estimated from the noise" in warnings_of(frame, quiet)[0]
    assert warnings_of(frame, network_of(height_reader)) == ()


def test_the_dose_is_told_from_the_noise_where_the_file_says_nothing_at_all():
    """What the network was trained on is taken for how the frame was recorded."""
    image = np.random.default_rng(4).poisson(12.5, (256, 256)).astype(np.float32)
    frame = Micrograph(image=image, name="x", pixel_size=0.25)
    tables = read_depth(frame, network=network_of(height_reader)).tables
    (frames,) = (table.data for table in tables if table.stem == "frames")
    assert frames["dose_e_per_angstrom2"].item() == pytest.approx(200, rel=0.06)


@pytest.mark.parametrize("pixel_size", [0.125, 0.25])
def test_what_is_told_of_the_frame_is_told_of_the_resampled_one(crystal, pixel_size):
    """An atom adds four times the counts where pixels are half as large."""
    seen = []

    def listening(planes):
        seen.append(planes)
        return height_reader(planes[:, :1])

    micrograph, *_ = crystal(pixel_size, dose=400.0)
    network = network_of(listening, takes_counts_per_atom=True, modality="HAADF")
    known = read_depth(micrograph, network=network, counts_per_atom=36.0 / pixel_size**2)
    unknown = read_depth(micrograph, network=network)
    assert not any("how bright an atom is" in line for line in known.warnings)
    assert any("how bright an atom is" in line for line in unknown.warnings)
    told, untold = seen
    assert told.shape[1] == untold.shape[1] == 2
    assert np.allclose(told[:, 1], 36.0 / PIXEL**2)
    assert np.all(untold[:, 1] == 0)


@pytest.mark.parametrize(
    ("counts", "message"), [(0.0, "must be positive"), (np.nan, "must be positive"), (5.0, "cannot be told")]
)
def test_counts_an_atom_that_say_nothing_are_refused(crystal, counts, message):
    with pytest.raises(InputError, match=message):
        read_depth(crystal(0.25)[0], network=network_of(height_reader), counts_per_atom=counts)
