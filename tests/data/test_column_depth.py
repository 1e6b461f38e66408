from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from nanonet.data.column_depth import ColumnDepthDataset, ColumnDepthItem
from nanonet.data.survey import survey
from nanonet.data.symmetry import random_symmetry, transform
from nanonet.records import InputError


@pytest.fixture
def dataset(dots):
    return ColumnDepthDataset(dots(), [0, 1, 5], epoch_size=6, seed=3, max_depth=7)


def test_the_labels_are_where_the_image_says(dataset):
    """The sampler marks each column with its depth, so the image itself is the truth, whatever symmetry."""
    for index in range(24):
        item = dataset[index]
        assert torch.equal(item.centre, item.image[0] >= 1)
        brightness = item.image[0][item.centre].clamp(max=7).long()
        assert torch.equal(item.depth[item.centre], brightness)


def test_all_eight_symmetries_are_drawn(dots):
    rng = np.random.default_rng(0)
    sample = dots().draw(0, rng)
    seen = {random_symmetry(sample, rng).image.tobytes() for _ in range(200)}
    assert len(seen) == 8


def test_an_oblong_image_keeps_its_shape(dots):
    rng = np.random.default_rng(0)
    sample = dots(shape=(24, 30)).draw(0, rng)
    turned = [random_symmetry(sample, rng) for _ in range(50)]
    assert {other.image.shape for other in turned} == {(24, 30)}
    assert len({other.image.tobytes() for other in turned}) == 4


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
def test_positions_go_with_the_image(dots, flip_y, flip_x, swap):
    turned = transform(dots().draw(2, np.random.default_rng(0)), flip_y=flip_y, flip_x=flip_x, swap=swap)
    pixels = np.rint(turned.positions / turned.pixel_size).astype(int)
    assert np.array_equal(turned.image[tuple(pixels.T)], turned.depths)


def test_an_item_depends_on_seed_and_index_only(dots, dataset):
    again = ColumnDepthDataset(dots(), [0, 1, 5], epoch_size=6, seed=3)
    other = ColumnDepthDataset(dots(), [0, 1, 5], epoch_size=6, seed=4)
    assert torch.equal(dataset[4].image, again[4].image)
    assert not torch.equal(dataset[4].image, other[4].image)


def test_every_epoch_is_drawn_anew(dataset):
    images = [dataset[index].image for index in range(18)]
    assert len({image.numpy().tobytes() for image in images}) == 18


def test_every_structure_is_drawn_equally_often(dataset):
    drawn = [dataset.sample(index).structure for index in range(6)]
    assert sorted(drawn) == [0, 0, 1, 1, 5, 5]
    assert drawn == [dataset.structure(index) for index in range(6)]


def test_items_make_a_batch(dataset):
    batch = default_collate([dataset[0], dataset[1]])
    assert isinstance(batch, ColumnDepthItem)
    assert batch.image.shape == (2, 1, 24, 24)
    assert batch.image.dtype == torch.float32
    assert batch.depth.shape == (2, 24, 24)
    assert batch.depth.dtype == torch.int64


def test_nothing_to_draw_is_refused(dots):
    with pytest.raises(InputError, match="needs structures and items"):
        ColumnDepthDataset(dots(), [], epoch_size=4)


def test_a_survey_tells_what_is_drawn(dataset):
    seen = survey(dataset, samples=30)
    assert seen.pixel_size == 0.5
    assert seen.trained_range["depth"] == (1, 9)
    low, high = seen.trained_range["dose"]
    assert 100 <= low < 120
    assert 180 < high <= 200


def test_a_survey_refuses_two_pixel_sizes(dots):
    class Mixed(dots):
        def draw(self, structure, rng):
            self.pixel_size = 0.5 if structure else 0.25
            return super().draw(structure, rng)

    with pytest.raises(InputError, match=r"one pixel size, the data has \[0.25, 0.5\] Å"):
        survey(ColumnDepthDataset(Mixed(), [0, 1], epoch_size=4), samples=4)


class CountedDots:
    """Dots of which it is known that an atom adds 40 counts."""

    structures = (0, 1)

    def __init__(self, dots):
        self.dots = dots()

    def draw(self, structure, rng):
        return replace(self.dots.draw(structure, rng), counts_per_atom=40.0)


def told(dataset):
    return [dataset[index].image[1:] for index in range(64)]


def test_a_network_is_told_the_counts_an_atom_as_often_and_as_well_as_wished(dots):
    def drawn(**words):
        return told(ColumnDepthDataset(CountedDots(dots), [0, 1], epoch_size=64, **words))

    assert all(len(planes) == 0 for planes in drawn())
    assert all(planes.eq(0).all() for planes in drawn(told_chance=0.0))
    assert all(planes.eq(40.0).all() for planes in drawn(told_chance=1.0, told_error=0.0))
    at_times = np.array([float(planes.amax()) for planes in drawn(told_chance=0.5, told_error=0.05)])
    known = at_times > 0
    assert 0.3 < known.mean() < 0.7
    assert np.log(at_times[known] / 40.0).std() == pytest.approx(0.05, rel=0.4)


def test_what_nobody_knows_is_not_told(dots, dataset):
    never = ColumnDepthDataset(dots(), [0, 1], epoch_size=4, told_chance=1.0)
    assert never[0].image.shape[0] == 2
    assert never[0].image[1].eq(0).all()
    assert dataset.sample(0).counts_per_atom is None
