"""Masks by a network that is none: its maps are known, so that all that comes after them is tested."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from nanonet.outline import convexity
from nanonet.records import InputError, Micrograph, ParticleConfidence, TrainedNetwork
from nanonet.segment.candidates import FEATURES, candidates
from nanonet.segment.heights import separate
from nanonet.segment.network import segment
from nanonet.segment.separation import Foreground
from nanonet.segment.settle import on_frame
from nanonet.segment.uecs import separate as by_convexity
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


def believing(feature, weight, bias=0.0, middle=0.0):
    """Return a confidence that goes by one feature."""
    k = len(FEATURES)
    weights = np.zeros(1 + k + k * (k + 1) // 2)
    weights[0], weights[1 + FEATURES.index(feature)] = bias, weight
    return ParticleConfidence(
        features=FEATURES, mean=(middle,) * k, deviation=(1.0,) * k, weights=tuple(weights)
    )


def network(predict=None, task="particle_mask", confidence=None):
    return TrainedNetwork(
        confidence=confidence or believing("mismatch", -8.0, bias=4.0),
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
def test_a_particle_of_any_size_is_found_in_the_look_that_sees_it(radius):
    image = discs((512, 512), [(250, 260)], radius)
    heights = Heights(largest=150)
    found = segment(Micrograph(image=image, name="one"), network=network(heights))
    assert len({shape[0] for shape in heights.seen}) >= 3
    area = np.bincount(found.labels.ravel())[1:]
    assert np.sqrt(4 * area / np.pi) == pytest.approx([2 * radius], rel=0.06)


@pytest.mark.parametrize(("radius", "closer"), [(8, True), (40, False)])
def test_a_large_frame_is_looked_at_more_closely_where_particles_are_small(radius, closer):
    """And only there: what was read of the part lies where it belongs, the rest is as it was."""
    image = discs((700, 1030), [(300, 400), (340, 620)], radius)
    heights = Heights()
    found = segment(Micrograph(image=image, name="small"), network=network(heights))
    side = 1.5 * (220 + 2 * radius + 2 * 32)  # from one particle to the other, and what is read around them
    assert (heights.seen[-1][1] == pytest.approx(side, abs=8)) == closer
    assert max(shape[1] for shape in heights.seen) == 1030
    area = np.bincount(found.labels.ravel())[1:]
    np.testing.assert_allclose(np.sqrt(4 * area / np.pi), [2 * radius] * 2, rtol=0.08)
    assert found.labels[300, 400] != found.labels[340, 620] > 0


class Parts(Heights):
    """Sees four quarters of a disc, each as a particle of its own, in looks of less than 300 pixels."""

    def __call__(self, frames):
        maps = super().__call__(frames)
        if max(frames.shape[2:]) < 300:
            middle = [n // 2 for n in frames.shape[2:]]
            maps[:, 1, middle[0] - 4 : middle[0] + 5] = maps[:, 1, :, middle[1] - 4 : middle[1] + 5] = -6.0
        return maps


@pytest.mark.parametrize(("weight", "particles"), [(-8.0, 4), (8.0, 1)])
def test_of_views_that_share_pixels_the_one_stays_that_is_believed_most(weight, particles):
    image = discs((512, 512), [(256, 256)], 90)
    sure = believing("log_diameter_px", weight, middle=4.7)
    found = segment(
        Micrograph(image=image, name="one"), network=network(Parts(), confidence=sure), minimum_confidence=0.0
    )
    assert found.labels.max() == particles
    assert (np.diff(found.confidence) <= 1e-6).all() or particles > 1


def test_what_is_believed_too_little_is_dropped_and_its_pixels_with_it():
    image = discs((256, 256), [(60, 60), (180, 180)], 30)
    image[180 - 31 : 180 + 32, 180 - 31 : 180 + 32] *= 0.4
    sure = believing("peak", 8.0, bias=-5.0)
    found = segment(Micrograph(image=image, name="two"), network=network(confidence=sure))
    assert found.labels.max() == 1
    assert found.labels[60, 60] == 1
    assert found.labels[180, 180] == 0
    assert found.confidence == pytest.approx([1 / (1 + np.exp(-3))], abs=0.05)
    both = segment(
        Micrograph(image=image, name="two"), network=network(confidence=sure), minimum_confidence=0.0
    )
    assert both.labels.max() == 2


def test_outlines_have_no_stairs_where_the_look_is_coarser_than_the_frame():
    coarse, frame = discs((64, 64), [(30, 33)], 20).astype(np.float32), (256, 256)
    look = candidates(
        np.where(coarse > 0, 0.5 + coarse, 0.5 - 0.05).astype(np.float32),
        coarse,
        separate=separate,
        min_probability=0.5,
        smallest=4.0,
    )
    assert len(look) == 1
    box, mask = on_frame(look, 0, frame)
    assert np.sqrt(4 * mask.sum() / np.pi) == pytest.approx(160, rel=0.03)
    assert convexity(mask) > 0.98
    assert abs(box[0].start + np.argwhere(mask)[:, 0].mean() - (30.5 * 4 - 0.5)) < 0.3


def test_specks_and_holes_are_removed_by_their_size_in_nanometres():
    image = discs((200, 200), [(100, 100)], 70)
    image[94:107, 94:107] = 0.0
    image[20:22, 20:22] = 1.0
    coarse = segment(Micrograph(image=image, name="a", pixel_size=0.3), network=network())
    assert coarse.labels.max() == 1
    assert coarse.labels[100, 100] == 1
    fine = segment(Micrograph(image=image, name="a", pixel_size=1.0), network=network())
    assert fine.labels.max() == 1
    assert fine.labels[100, 100] == 0


@pytest.mark.parametrize(
    ("pixel_size", "smallest", "left"), [(5.0, 40.0, 0), (5.0, 20.0, 3), (None, 40.0, 3)]
)
def test_lengths_for_the_separation_are_of_the_frame_in_every_look(pixel_size, smallest, left):
    """Discs of 60 px, of 0.5 nm each: 30 nm."""
    image = discs((512, 512), [(100, 100), (300, 140), (200, 400)], 30)
    separated = partial(by_convexity, smallest=smallest)
    found = segment(
        Micrograph(image=image, name="a", pixel_size=pixel_size), network=network(), separate=separated
    )
    assert found.labels.max() == left


def test_what_is_kept_although_it_is_no_single_particle_is_not_believed():
    image = discs((256, 256), [(60, 60)], 25)
    image[150:160, 100:220] = image[150:230, 100:110] = 0.5  # an L
    keeping = partial(by_convexity, keep=True)
    found = segment(Micrograph(image=image, name="a"), network=network(), separate=keeping)
    bent, disc = found.labels[155, 200] - 1, found.labels[60, 60] - 1
    assert found.confidence[bent] == 0
    assert found.confidence[disc] > 0.5
    assert found.unresolved == pytest.approx((found.labels == bent + 1).mean())
    dropped = segment(Micrograph(image=image, name="a"), network=network(), separate=by_convexity)
    assert dropped.labels[155, 200] == 0
    assert dropped.unresolved is None


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
    with pytest.raises(InputError, match="does not say how far to believe"):
        segment(Micrograph(image=image, name="a"), network=replace(network(), confidence=None))
    with pytest.raises(InputError, match=r"min_probability must be in 0\.\.1"):
        segment(Micrograph(image=image, name="a"), network=network(), min_probability=2.0)
    with pytest.raises(InputError, match="needs a network that predicts heights"):
        separate(Foreground(mask=image > 0))
