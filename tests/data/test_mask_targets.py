import numpy as np
import pytest

from nanonet.data.mask_targets import mask_targets


def disc(shape, centre, radius):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def test_the_height_is_one_in_the_middle_of_particles_of_any_size():
    labels = np.zeros((64, 96), dtype=int)
    labels[disc(labels.shape, (30, 25), 20)] = 3
    labels[disc(labels.shape, (40, 80), 5)] = 7
    targets = mask_targets(labels)
    assert targets.height[30, 25] == targets.height[40, 80] == 1
    assert targets.height[30, 35] == pytest.approx(0.5, abs=0.05)
    np.testing.assert_array_equal(targets.height > 0, labels > 0)
    np.testing.assert_array_equal(targets.inside, labels > 0)


def test_two_that_touch_have_a_valley_between_them():
    labels = np.zeros((40, 80), dtype=int)
    labels[:, :40], labels[:, 40:] = 1, 2
    targets = mask_targets(labels)
    assert targets.height[20, [39, 40]].max() < 0.05
    assert targets.height[20, [0, 79]].min() == 1  # the border of the image is no outline
    assert targets.weight[20, 40] > targets.weight[20, 20] == 1


def test_the_border_of_what_is_known_is_no_outline_and_teaches_nothing():
    labels = np.zeros((40, 40), dtype=int)
    labels[:, :20] = 1
    labels[:10] = -1
    targets = mask_targets(labels)
    assert targets.height[10, 0] == 1
    assert not targets.weight[:10].any()
    assert (targets.weight[11:] >= 1).all()


def test_images_of_one_kind():
    for labels, height in ((np.zeros((5, 6), dtype=int), 0), (np.ones((5, 6), dtype=int), 1)):
        targets = mask_targets(labels)
        assert (targets.height == height).all()
        assert (targets.weight == 1).all()
