from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.atomic_columns.classical import find_columns
from nanonet.atomic_columns.gaussians import fit_gaussians
from nanonet.atomic_columns.table import column_columns
from nanonet.records import InputError, Micrograph

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "haadf_atomic"


def found_positions(micrograph, **knobs):
    data = find_columns(micrograph, **knobs).tables[0].data
    return data[["y_angstrom", "x_angstrom"]].to_numpy() / micrograph.pixel_size


def precision_recall(found, truth, shape, margin, reach):
    """Truth and detections beside the border count for neither."""

    def inner(points):
        return np.all((points > margin) & (points < np.array(shape) - 1 - margin), axis=1)

    hit = cKDTree(truth).query(found)[0] < reach
    seen = cKDTree(found).query(truth)[0] < reach
    return hit[inner(found)].mean(), seen[inner(truth)].mean()


def position_bound(height, width, background):
    """Cramér-Rao bound of one coordinate of a Gaussian in counting noise [px]."""
    d = np.arange(-40, 41)
    y, x = d[:, None], d[None, :]
    bell = height * np.exp(-(y**2 + x**2) / (2 * width**2))
    return 1 / np.sqrt(np.sum((bell * y / width**2) ** 2 / (bell + background)))


@pytest.mark.parametrize("modality", ["HAADF", "HRTEM", None])
@pytest.mark.parametrize("seed", range(8))
def test_vacuum_has_no_columns(shoot, modality, seed):
    mean = np.full((256, 256), [0.05, 1.0, 30.0][seed % 3])
    assert len(find_columns(shoot(mean, seed, modality=modality)).tables[0]) == 0


@pytest.mark.parametrize(("height", "width", "background"), [(100, 2.5, 10), (30, 1.5, 1), (400, 6.0, 50)])
def test_positions_come_near_the_cramer_rao_bound(points_of, draw, shoot, turned, height, width, background):
    shape = (320, 320)
    a = 5.5 * width
    truth, _ = points_of(turned([[a, 0], [0, a]], 17), shape=shape)
    found = found_positions(shoot(draw(truth, height, width, shape) + background))
    precision, recall = precision_recall(found, truth, shape, a, a / 3)
    assert precision > 0.98
    assert recall > 0.98
    distance, which = cKDTree(truth).query(found)
    inside = (distance < a / 3) & np.all((found > a) & (found < shape[0] - a), axis=1)
    error = (found - truth[which])[inside]
    assert np.sqrt(np.mean(error**2)) < 1.5 * position_bound(height, width, background)
    assert np.all(np.abs(error.mean(0)) < 4 * error.std(0) / np.sqrt(len(error)))


def test_overlap_of_neighbours_does_not_pull_positions(points_of, draw, shoot):
    shape, width = (256, 256), 3.0
    strong, _ = points_of([[18.0, 0], [0, 18.0]], shape=shape)
    weak = strong + np.array([8.2, 8.6])
    mean = draw(strong, 4000, width, shape) + draw(weak, 1500, width, shape) + 100
    found = found_positions(shoot(mean))
    inner = weak[np.all((weak > 20) & (weak < 235), axis=1)]
    distance, which = cKDTree(found).query(inner)
    assert np.all(distance < 1)
    assert np.all(np.abs((found[which] - inner).mean(0)) < 0.03)


def test_a_particle_in_vacuum_and_on_a_slope(points_of, draw, shoot):
    shape = (384, 384)
    truth, _ = points_of([[11.0, 0], [5.5, 9.5]], shape=shape, disc=110)
    y, _ = np.mgrid[: shape[0], : shape[1]]
    mean = draw(truth, 40, 2.5, shape) + 2 + 8 * y / shape[0]
    found = found_positions(shoot(mean))
    precision, recall = precision_recall(found, truth, shape, 0, 3)
    assert precision > 0.98
    assert recall > 0.98


def test_dark_columns_are_found_in_bright_field(points_of, draw, shoot):
    shape = (256, 256)
    truth, _ = points_of([[14.0, 0], [0, 14.0]], shape=shape)
    mean = 200 - draw(truth, 120, 2.5, shape)
    for modality in ("BF-STEM", "HRTEM"):
        found = found_positions(shoot(mean, modality=modality))
        precision, recall = precision_recall(found, truth, shape, 14, 3)
        assert min(precision, recall) > 0.98
    assert len(found_positions(shoot(mean), contrast="dark")) == pytest.approx(len(truth), abs=40)


def test_carbon_speckle_is_noise(points_of, draw, shoot):
    """Amorphous contrast of the columns' own scale, a fifth as strong: hardly any false columns."""
    from scipy.ndimage import gaussian_filter

    shape = (384, 384)
    truth, _ = points_of([[12.0, 0], [0, 12.0]], shape=shape, disc=100)
    speckle = gaussian_filter(np.random.default_rng(3).normal(size=shape), 2.0)
    mean = 300 + 30 * speckle / speckle.std() + draw(truth, 250, 2.5, shape)
    precision, recall = precision_recall(found_positions(shoot(mean)), truth, shape, 0, 3)
    assert precision > 0.97
    assert recall > 0.95


def test_scale_of_the_counts_does_not_matter(points_of, draw, shoot):
    shape = (200, 200)
    truth, _ = points_of([[13.0, 0], [0, 13.0]], shape=shape)
    micrograph = shoot(draw(truth, 50, 2.5, shape) + 5)
    scaled = replace(micrograph, image=micrograph.image * 0.01 - 3)
    np.testing.assert_allclose(found_positions(scaled), found_positions(micrograph), atol=0.02)


def test_lengths_without_a_pixel_size_are_px(points_of, draw, shoot):
    shape = (200, 200)
    truth, _ = points_of([[13.0, 0], [0, 13.0]], shape=shape)
    mean = draw(truth, 200, 2.5, shape) + 5
    table = find_columns(shoot(mean, pixel_size=None)).tables[0]
    assert list(table.data) == [column.name for column in column_columns("px")]
    in_angstrom = found_positions(shoot(mean))
    np.testing.assert_allclose(table.data[["y_px", "x_px"]], in_angstrom, atol=0.05)


def test_the_table_is_that_of_the_contract(points_of, draw, shoot):
    truth, _ = points_of([[13.0, 0], [0, 13.0]], shape=(150, 150))
    result = find_columns(shoot(draw(truth, 200, 2.5, (150, 150)), frame=4))
    data = result.tables[0].data
    assert list(data) == [
        *("frame", "column_id", "track_id", "y_angstrom", "x_angstrom", "depth", "depth_mean", "depth_low"),
        *("depth_high", "confidence"),
    ]
    assert result.frame == 4
    assert set(data.frame) == {4}
    assert data.column_id.tolist() == list(range(1, len(data) + 1))
    assert data[["track_id", "depth", "depth_mean", "depth_low", "depth_high"]].isna().all(axis=None)
    assert data.confidence.between(0.95, 1).all()


@pytest.mark.parametrize("value", [0.0, 7.5, 65535.0])
def test_constant_and_tiny_frames_have_no_columns(value):
    for shape in ((64, 64), (3, 5), (1, 1)):
        image = np.full(shape, value, np.float32)
        assert len(find_columns(Micrograph(image=image, name="flat", pixel_size=0.2)).tables[0]) == 0


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"width": 0.0}, "width must be positive"),
        ({"min_separation": -1.0}, "min_separation must be positive"),
        ({"min_confidence": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_knobs_are_refused(knobs, message):
    with pytest.raises(InputError, match=message):
        find_columns(Micrograph(image=np.zeros((32, 32), np.float32), name="x"), **knobs)


def test_nan_is_refused():
    with pytest.raises(InputError, match="NaN"):
        find_columns(Micrograph(image=np.full((32, 32), np.nan, np.float32), name="x"))


def test_1500_columns_in_a_megapixel_are_found(points_of, draw, shoot):
    shape = (1024, 1024)
    truth, _ = points_of([[26.0, 0], [0, 26.0]], shape=shape)
    micrograph = shoot(draw(truth, 60, 5.0, shape) + 10)
    assert min(precision_recall(found_positions(micrograph), truth, shape, 26, 5)) > 0.99


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is missing")
def test_sparse_haadf_series_against_published_fits():
    file = np.load(DATA / "counting_series.npz")
    size = float(file["pixel_size_angstrom"][0])
    for frame, image in enumerate(file["frames"]):
        micrograph = Micrograph(
            image=image.astype(np.float32), name="series", pixel_size=size, modality="HAADF", frame=frame
        )
        found = found_positions(micrograph) * size
        truth = file["column_xy_sigma"][:, 1::-1, frame] - size  # their first pixel is at 1, not 0
        precision, recall = precision_recall(found, truth, (1000, 1000), -1000, 0.6)
        assert precision > 0.98
        assert recall > 0.9
        distance = cKDTree(truth).query(found)[0]
        assert np.sqrt(np.mean(distance[distance < 0.6] ** 2)) < 0.05


@pytest.mark.filterwarnings("error")
def test_no_columns_are_fitted_without_a_word():
    image = np.random.default_rng(0).poisson(5, (64, 64)).astype(np.float32)
    fit = fit_gaussians(image, image + 1, np.empty((0, 2)), width=2.0, radius=5.0)
    assert len(fit.positions) == 0
