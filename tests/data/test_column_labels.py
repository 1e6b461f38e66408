import numpy as np
import pytest

from nanonet.data.column_labels import label_columns
from nanonet.records import InputError

WIDTH, PIXEL = 0.6, 0.25


def labels(positions, depths, shape=(40, 50), **options):
    return label_columns(
        np.array(positions, float).reshape(-1, 2),
        np.array(depths, int),
        shape=shape,
        pixel_size=PIXEL,
        width=WIDTH,
        **options,
    )


def test_membership_is_the_gaussian_of_the_distance():
    found = labels([[5.0, 5.0]], [3])
    assert found.membership[20, 20] == 1
    assert found.membership[20, 24] == pytest.approx(np.exp(-(1.0**2) / (2 * WIDTH**2)), rel=1e-6)
    assert found.membership[24, 20] == found.membership[20, 24] == found.membership[16, 20]
    assert found.membership[0, 49] == 0


def test_y_comes_before_x():
    found = labels([[2.0, 8.0]], [4])
    assert np.argwhere(found.centre).tolist() == [[8, 32]]
    assert np.unravel_index(found.membership.argmax(), (40, 50)) == (8, 32)


def test_a_pixel_has_the_depth_of_its_nearest_column():
    found = labels([[5.0, 4.0], [5.0, 6.0]], [2, 7])
    assert set(np.unique(found.depth)) == {0, 2, 7}
    assert (found.depth[20, :20] != 7).all()
    assert (found.depth[20, 21:] != 2).all()
    assert found.depth[20, 16] == 2
    assert found.depth[20, 24] == 7


def test_area_of_a_label_follows_from_its_width():
    found = labels([[5.0, 6.0]], [1])
    assert found.membership.sum() * PIXEL**2 == pytest.approx(2 * np.pi * WIDTH**2, rel=2e-3)


def test_deeper_columns_are_clamped():
    assert labels([[5, 5]], [14], max_depth=10).depth.max() == 10


def test_columns_outside_the_image_reach_into_it():
    found = labels([[-0.25, 5.0]], [3])
    assert found.depth[0, 20] == 3
    assert not found.centre.any()


def test_weight_is_one_in_the_background_and_highest_at_a_centre():
    found = labels([[5, 5]], [3], column_weight=4.0)
    assert found.weight.min() == 1
    assert found.weight[20, 20] == 4


def test_no_column_is_all_background():
    found = labels([], [])
    assert found.depth.max() == 0
    assert found.membership.max() == 0
    assert (found.weight == 1).all()
    assert [label.dtype for label in found] == [np.int64, np.float32, np.float32, bool]


@pytest.mark.parametrize(
    ("positions", "depths", "options", "message"),
    [
        ([[1, 1]], [1, 2], {}, "1 positions and 2 depths"),
        ([[1, 1]], [0], {}, "at least 1 atom, got 0"),
        ([[1, 1]], [1], {"max_depth": 0}, "max_depth must be at least 1"),
    ],
)
@pytest.mark.usefixtures("unlike_shapes")
def test_bad_columns_are_refused(positions, depths, options, message):
    with pytest.raises(InputError, match=message):
        labels(positions, depths, **options)


def test_a_width_must_be_positive():
    with pytest.raises(InputError, match="label width must be positive, got 0 Å"):
        label_columns(np.ones((1, 2)), np.ones(1, int), shape=(4, 4), pixel_size=1.0, width=0)
