"""Masks by a network that is none: its maps are known, so that all that comes after them is tested."""

import numpy as np
import pytest

from nanonet.records import InputError, Micrograph, TrainedNetwork
from nanonet.segment.heights import separate
from nanonet.segment.network import segment
from nanonet.segment.separation import Foreground
from nanonet.segment.watershed import separate as by_watershed


def discs(shape, centres, radius):
    """Return an image of discs as high as their distance to the outline."""
    y, x = np.indices(shape)
    height = np.zeros(shape, dtype=np.float32)
    for centre in centres:
        height = np.maximum(height, 1 - np.hypot(y - centre[0], x - centre[1]) / radius)
    return height


class Heights:
    """Says of every pixel that it is inside where the image is above 0, and as high as the image is bright.

    Particles larger than ``largest`` pixels are not seen, as if they were background.
    """

    def __init__(self, largest=1e9):
        self.largest = largest
        self.seen = []

    def __call__(self, frames):
        image = frames[0, 0]
        self.seen.append(image.shape)
        inside = image > 0.02
        if np.sqrt(4 / np.pi * inside.sum()) > self.largest:
            inside = inside & False
        height = np.clip(image, 1e-4, 1 - 1e-4)
        return np.stack([np.where(inside, 4.0, -4.0), np.log(height / (1 - height))])[None].astype(np.float32)


def network(predict=None, task="particle_mask"):
    return TrainedNetwork(
        predict=predict or Heights(),
        task=task,
        pixel_size=None,
        modality=None,
        trained_range={},
        name="heights",
        sha256="",
    )


def test_particles_are_found_where_they_are():
    image = discs((256, 320), [(60, 60), (180, 250)], 30)
    found = segment(Micrograph(image=image, name="two"), network=network())
    assert found.labels.shape == image.shape
    assert found.labels.max() == 2
    assert found.labels[60, 60] != found.labels[180, 250] > 0
    area = np.bincount(found.labels.ravel())[1:]
    np.testing.assert_allclose(np.sqrt(4 * area / np.pi), 60, rtol=0.04)
    assert (found.confidence > 0.9).all()


def test_what_overlaps_is_cut_where_the_heights_have_a_valley():
    image = discs((256, 256), [(120, 100), (120, 134)], 30)  # a neck of 0.82: the outline hardly shows it
    foreground = Foreground(mask=image > 0.02, height=image)
    assert by_watershed(foreground).labels.max() == 1
    parts = separate(foreground)
    assert parts.labels.max() == 2
    assert parts.separated.all()
    np.testing.assert_array_equal(parts.labels > 0, image > 0.02)
    assert segment(Micrograph(image=image, name="pair"), network=network()).labels.max() == 2


@pytest.mark.parametrize("radius", [12, 60, 200])
def test_the_look_is_taken_in_which_particles_have_the_size_that_is_read_well(radius):
    image = discs((512, 512), [(250, 260)], radius)
    heights = Heights(largest=150)
    found = segment(Micrograph(image=image, name="one"), network=network(heights))
    assert len({shape[0] for shape in heights.seen}) >= 3
    area = np.bincount(found.labels.ravel())[1:]
    assert np.sqrt(4 * area / np.pi) == pytest.approx([2 * radius], rel=0.08)


def test_specks_and_holes_are_removed_by_their_size_in_nanometres():
    image = discs((200, 200), [(100, 100)], 50)
    image[99:102, 99:102] = 0.0
    image[20:22, 20:22] = 1.0
    coarse = segment(Micrograph(image=image, name="a", pixel_size=1.0), network=network())
    assert coarse.labels.max() == 1
    assert coarse.labels[100, 100] == 1
    fine = segment(Micrograph(image=image, name="a", pixel_size=100.0), network=network())
    assert fine.labels[100, 100] == 0


def test_mirror_images_say_the_same():
    image = discs((128, 160), [(60, 60), (90, 120)], 25)
    plain = segment(Micrograph(image=image, name="a"), network=network())
    mirrored = segment(Micrograph(image=image, name="a"), network=network(), flips=True)
    np.testing.assert_array_equal(plain.labels > 0, mirrored.labels > 0)


def test_an_empty_frame_has_no_particles():
    for image in (np.zeros((64, 64), np.float32), np.full((64, 64), np.nan, np.float32)):
        assert segment(Micrograph(image=image, name="nothing"), network=network()).labels.max() == 0


def test_what_cannot_be_is_refused():
    image = discs((64, 64), [(30, 30)], 10)
    with pytest.raises(InputError, match="is a network for column_depth"):
        segment(Micrograph(image=image, name="a"), network=network(task="column_depth"))
    with pytest.raises(InputError, match=r"min_probability must be in 0\.\.1"):
        segment(Micrograph(image=image, name="a"), network=network(), min_probability=2.0)
    with pytest.raises(InputError, match="needs a network that predicts heights"):
        separate(Foreground(mask=image > 0))
