"""A preview shows the frame at its right scale, and the result where it belongs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from nanonet.records import Column, ColumnTable, Micrograph
from nanonet.report.history import UNKNOWN
from nanonet.report.preview import make_preview


def _columns(**data) -> ColumnTable:
    names = tuple(Column(name=name, unit="", meaning="test") for name in data)
    return ColumnTable(data=pd.DataFrame(data), columns=names)


def _spot(shape: tuple[int, int], y: float, x: float, width: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * width**2)).astype(np.float32)


@pytest.mark.parametrize("side", [300, 1024, 1999])
def test_a_column_stays_on_its_atom_when_the_frame_shrinks(side):
    y, x = 0.31 * side, 0.72 * side
    micrograph = Micrograph(image=_spot((side, side), y, x, 0.03 * side), name="m", frame=3, pixel_size=0.1)
    table = _columns(frame=[3], y_angstrom=[0.1 * y], x_angstrom=[0.1 * x], depth=[7], column_id=[1])
    preview = make_preview(micrograph, table=table, max_side=400)
    weight = preview.image.astype(float)
    weight[weight < 128] = 0
    seen = [
        float((weight * axis).sum() / weight.sum()) for axis in np.mgrid[: weight.shape[0], : weight.shape[1]]
    ]
    assert preview.columns is not None
    np.testing.assert_allclose(preview.columns.positions[0], seen, atol=0.25)
    assert max(preview.image.shape) == min(side, 400)


def test_the_scale_follows_the_shrinking():
    micrograph = Micrograph(
        image=np.random.default_rng(0).random((1440, 720)).astype(np.float32), name="m", pixel_size=0.5
    )
    preview = make_preview(micrograph, max_side=720)
    assert preview.image.shape == (720, 360)
    assert preview.pixel_size == pytest.approx(1.0)
    assert make_preview(micrograph, max_side=2000).pixel_size == 0.5
    assert preview.labels is None
    assert preview.columns is None
    assert preview.mean is None


def test_lengths_in_pixels_need_no_pixel_size():
    micrograph = Micrograph(image=np.eye(64, dtype=np.float32), name="m")
    preview = make_preview(micrograph, table=_columns(frame=[0], y_px=[10.0], x_px=[20.0], depth=[np.nan]))
    assert preview.pixel_size is None
    np.testing.assert_allclose(preview.columns.positions, [[10.0, 20.0]])
    assert (preview.columns.depth == UNKNOWN).all()


def test_lengths_in_angstrom_need_a_pixel_size():
    micrograph = Micrograph(image=np.eye(64, dtype=np.float32), name="m")
    with pytest.raises(ValueError, match="pixel size"):
        make_preview(micrograph, table=_columns(frame=[0], y_angstrom=[1.0], x_angstrom=[1.0]))


def test_only_the_columns_of_the_frame_are_shown():
    micrograph = Micrograph(image=np.eye(64, dtype=np.float32), name="m", frame=2, pixel_size=1.0)
    table = _columns(frame=[1, 2, 2], y_angstrom=[1.0, 2, 3], x_angstrom=[1.0, 2, 3], depth=[4, 5, 6])
    np.testing.assert_array_equal(make_preview(micrograph, table=table).columns.depth, [5, 6])


def test_depths_that_are_not_known_are_marked():
    micrograph = Micrograph(image=np.eye(64, dtype=np.float32), name="m", pixel_size=1.0)
    depth = pd.Series([3, None], dtype="Int64")
    table = _columns(frame=[0, 0], y_angstrom=[1.0, 2], x_angstrom=[1.0, 2], depth=depth)
    np.testing.assert_array_equal(make_preview(micrograph, table=table).columns.depth, [3, UNKNOWN])


def test_labels_keep_their_ids_and_their_share_of_the_area():
    labels = np.zeros((1000, 1500), dtype=np.int32)
    labels[100:400, 300:900] = 7
    micrograph = Micrograph(image=labels.astype(np.float32), name="m", pixel_size=1.0)
    preview = make_preview(micrograph, label_map=labels, max_side=333)
    assert preview.labels is not None
    assert preview.labels.shape == preview.image.shape
    assert set(np.unique(preview.labels)) == {0, 7}
    assert (preview.labels == 7).mean() == pytest.approx((labels == 7).mean(), rel=0.02)


def test_the_stretch_uses_all_greys_and_ignores_hot_pixels():
    image = np.random.default_rng(0).normal(1000, 10, (200, 200)).astype(np.float32)
    image[0, 0] = 1e9
    shown = make_preview(Micrograph(image=image, name="m")).image
    assert shown.dtype == np.uint8
    assert shown.min() == 0
    assert shown.max() == 255
    assert 100 < shown.mean() < 155


@pytest.mark.parametrize("value", [0.0, 5.0, np.nan])
def test_a_constant_or_unreadable_frame_is_plain_grey(value):
    shown = make_preview(Micrograph(image=np.full((32, 48), value, dtype=np.float32), name="m")).image
    assert (shown == 128).all()


def test_pixels_that_are_not_finite_do_not_spoil_the_rest():
    image = np.random.default_rng(0).random((100, 100)).astype(np.float32)
    broken = image.copy()
    broken[3, 4], broken[5, 6] = np.nan, np.inf
    shown, whole = (make_preview(Micrograph(image=i, name="m")).image for i in (broken, image))
    assert np.abs(shown.astype(int) - whole).max(initial=0, where=np.isfinite(broken)) <= 1


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="shape"):
        make_preview(Micrograph(image=np.eye(8, dtype=np.float32), name="m"), label_map=np.zeros((8, 9), int))
    with pytest.raises(ValueError, match="max_side"):
        make_preview(Micrograph(image=np.eye(8, dtype=np.float32), name="m"), max_side=0)
