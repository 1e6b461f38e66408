import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from nanonet.records import InputError
from simulate.detector import Detector
from simulate.draw import ColumnSampler
from simulate.exit_wave import ExitWaves
from simulate.frame import draw_origin, expected_image, in_frame, turned
from simulate.generate import generate
from simulate.microscope import Microscope, Setting
from simulate.optics import Optics
from simulate.truth import Columns

CAMERA = Detector(pixel_size=0.25, dose=1e4)
FOCUSSED = Setting(optics=Optics(energy=300e3), detector=replace(CAMERA, mtf_nyquist=1.0))


def marked(count: int = 120, sampling: float = 0.2) -> tuple[ExitWaves, Columns]:
    """Waves whose focussed image is dark just at the columns: an absorbing spot on each."""
    side = count * sampling
    positions = np.array([[6.03, 7.11], [9.5, 15.27], [17.4, 8.8], [14.13, 16.9]])
    place = np.arange(count) * sampling
    away = (place - positions[..., None] + side / 2) % side - side / 2
    spots = np.exp(-(away[:, 0, :, None] ** 2 + away[:, 1, None, :] ** 2) / (2 * 0.5**2))
    wave = np.sqrt(1 - 0.8 * spots.sum(axis=0))[None].astype(np.complex64)
    columns = Columns(ids=np.arange(4), positions=positions, depths=np.array([1, 2, 3, 4]))
    return ExitWaves(waves=wave, sampling=sampling, energy=300e3), columns


def darkest(image: np.ndarray, near: np.ndarray, pixel_size: float) -> np.ndarray:
    """The minimum next to a position, to a fraction of a pixel by the centroid of the darkness."""
    row, column = np.rint(near / pixel_size).astype(int)
    patch = image[row - 5 : row + 6, column - 5 : column + 6]
    dark = np.clip(patch.max() - patch - 0.3 * np.ptp(patch), 0, None)
    rows, columns = np.mgrid[row - 5 : row + 6, column - 5 : column + 6]
    return pixel_size * np.array([(dark * rows).sum(), (dark * columns).sum()]) / dark.sum()


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_labels_sit_on_the_columns_after_every_turn_mirror_and_shift(quarters, mirrored):
    waves, columns = turned(*marked(), quarters, mirrored)
    origin = draw_origin(24.0, 20.0, np.random.default_rng(quarters))
    image = expected_image(waves, FOCUSSED, origin, (80, 80)).numpy()
    seen = in_frame(columns, origin, (80, 80), 0.25)
    assert len(seen) == 4
    for position in seen.positions:
        np.testing.assert_allclose(darkest(image, position, 0.25), position, atol=0.02)


def test_turning_the_waves_and_redrawing_is_turning_the_image(ceria):
    """Aberrations of no direction, a frame over the whole grid: the two must agree pixel by pixel."""
    waves, columns = ceria
    count = waves.waves.shape[-1]
    optics = Optics(energy=300e3, defocus=50.0, Cs=-9e4, focal_spread=25.0)
    setting = Setting(optics=optics, detector=replace(CAMERA, pixel_size=waves.sampling))
    shape = (count, count)
    plain = expected_image(waves, setting, (0.0, 0.0), shape).numpy()
    for quarters in range(4):
        for mirrored in (False, True):
            moved, moved_columns = turned(waves, columns, quarters, mirrored)
            again = expected_image(moved, setting, (0.0, 0.0), shape).numpy()
            expected = np.rot90(plain[:, ::-1] if mirrored else plain, quarters)
            np.testing.assert_allclose(again, expected, atol=2e-4 * plain.max())
            values = [
                map_coordinates(image, where.positions.T / waves.sampling, order=3, mode="grid-wrap")
                for image, where in ((plain, columns), (again, moved_columns))
            ]
            np.testing.assert_allclose(values[0], values[1], rtol=1e-3)


def test_cerium_columns_are_dark_where_the_truth_says(ceria):
    """In focus (NCSI underfocus side) a cerium column is a minimum; thermal motion moves it by some pm."""
    waves, columns = ceria
    setting = Setting(optics=Optics(energy=300e3, defocus=30.0, aperture=20.0), detector=CAMERA)
    shape = (waves.waves.shape[-1],) * 2
    image = expected_image(waves, setting, (0.0, 0.0), tuple(int(n * 0.8) for n in shape)).numpy()
    off = [np.linalg.norm(darkest(image, position, 0.25) - position) for position in columns.positions]
    assert len(off) >= 5
    assert np.median(off) < 0.12


def test_a_sub_pixel_shift_moves_image_and_labels_alike():
    waves, columns = marked()
    for origin in ((1.0, 1.0), (1.113, 0.871)):
        image = expected_image(waves, FOCUSSED, origin, (88, 88)).numpy()
        for position in in_frame(columns, origin, (88, 88), 0.25).positions:
            np.testing.assert_allclose(darkest(image, position, 0.25), position, atol=0.02)


def test_columns_outside_the_frame_have_no_label():
    _, columns = marked()
    seen = in_frame(columns, (7.0, 7.2), (40, 40), 0.25)
    np.testing.assert_array_equal(seen.depths, [2, 4])
    np.testing.assert_allclose(seen.positions[0], [2.5, 8.07])


@pytest.fixture(scope="module")
def shards(tmp_path_factory, small_recipe, quick_waves) -> Path:
    return generate(
        structures=small_recipe,
        exit_wave=quick_waves,
        microscope=Microscope(dose=3000.0),
        output=tmp_path_factory.mktemp("drawn") / "shards",
        n_structures=2,
        workers=1,
    )


def test_samples_are_what_the_records_promise(shards):
    sampler = ColumnSampler(shards, crop_pixels=96)
    assert len(sampler) == 2
    assert sampler.structures == [0, 1]
    sample = sampler.draw(1, np.random.default_rng(0))
    assert sample.image.shape == (96, 96)
    assert sample.image.dtype == np.float32
    assert (sample.structure, sample.pixel_size) == (1, 0.25)
    assert len(sample.positions) == len(sample.depths) > 3
    assert sample.depths.min() >= 1
    assert sample.positions.min() >= -0.125
    assert sample.positions.max() < 96 * 0.25
    assert sample.settings["dose"] == pytest.approx(3000.0)
    assert 40 <= sample.settings["defocus"] <= 60
    assert sample.image.mean() == pytest.approx(3000 * 0.25**2, rel=0.03)


def test_draws_follow_from_the_generator_and_differ_between_generators(shards):
    sampler = ColumnSampler(shards, crop_pixels=64)
    first, second, other = (sampler.draw(0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.positions, second.positions)
    assert first.settings["defocus"] != other.settings["defocus"]
    assert not np.array_equal(first.image, other.image)


def test_a_crop_larger_than_the_box_is_filled_with_vacuum(shards):
    sample = ColumnSampler(shards, crop_pixels=200).draw(0, np.random.default_rng(0))
    assert sample.image[:20].mean() == pytest.approx(3000 * 0.25**2, rel=0.02)
    assert (sample.positions > 8).all()


def test_another_microscope_may_draw_from_the_same_shards(shards):
    sampler = ColumnSampler(shards, microscope=Microscope(dose=50.0, pixel_size=(0.2, 0.3)), crop_pixels=64)
    sizes = {sampler.draw(0, np.random.default_rng(seed)).pixel_size for seed in range(4)}
    assert len(sizes) == 4
    assert min(sizes) >= 0.2
    assert max(sizes) <= 0.3


def test_a_sampler_travels_to_workers(shards):
    import pickle

    sampler = ColumnSampler(shards, crop_pixels=64)
    sampler.draw(0, np.random.default_rng(0))
    copy = pickle.loads(pickle.dumps(sampler))
    np.testing.assert_array_equal(
        copy.draw(1, np.random.default_rng(3)).image, sampler.draw(1, np.random.default_rng(3)).image
    )


def test_no_shards_and_no_structure_are_refused(tmp_path, shards):
    with pytest.raises(InputError, match="no shards"):
        ColumnSampler(tmp_path)
    with pytest.raises(InputError, match="structure_000099"):
        ColumnSampler(shards).draw(99, np.random.default_rng(0))
    with pytest.raises(InputError, match="crop_pixels"):
        ColumnSampler(shards, crop_pixels=0)


@pytest.mark.slow
def test_a_sample_takes_milliseconds(shards):
    """Ten times what it takes on an idle core, so that a busy machine passes and a slip does not."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        sampler = ColumnSampler(shards, crop_pixels=128)
        rng = np.random.default_rng(0)
        sampler.draw(0, rng)
        start = time.process_time()
        for _ in range(20):
            sampler.draw(0, rng)
        assert (time.process_time() - start) / 20 < 0.05
    finally:
        torch.set_num_threads(threads)
