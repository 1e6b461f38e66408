"""What every way to separate touching particles promises; a YAML in configs/infer/separate is enough."""

import numpy as np
import pytest
from omegaconf import OmegaConf
from scipy.ndimage import label
from touching_shapes import disc_heights, turned

from nanonet.configuration import build
from nanonet.configuration.compose import compose, config_folder, options
from nanonet.segment.separation import Foreground, Separated

VARIANTS = options("infer")["separate"]
APART = ((22, 25, 14), (40, 80, 19), (85, 40, 26), (92, 108, 6), (20, 125, 9.5))
CROWD = ((30, 30, 16), (34, 57, 14), (95, 110, 20), (80, 75, 22), (90, 30, 11), (112, 32, 9), (25, 140, 3))
"""A pair, another pair, a pair of unequal ones, a small one alone."""
SHAPE = (130, 160)


@pytest.fixture(params=VARIANTS)
def separate(request):
    node = OmegaConf.load(config_folder("infer") / "separate" / f"{request.param}.yaml")
    return build(OmegaConf.to_container(node))


def foreground(*discs: tuple[float, float, float], shape: tuple[int, int] = SHAPE, **others) -> Foreground:
    """Return discs as a perfect network would see them."""
    heights = disc_heights(discs, shape)
    return Foreground(mask=heights >= 0, height=np.clip(heights, 0, 1).astype(np.float32), **others)


def check(found: Separated, given: Foreground) -> None:
    """Check what holds for any mask without holes."""
    number = len(found.separated)
    assert found.labels.dtype == np.int32
    assert found.labels.shape == given.mask.shape
    assert found.separated.shape == found.flagged.shape == (number,)
    assert found.separated.dtype == found.flagged.dtype == bool
    inside = found.labels[found.labels > 0]
    names, first = np.unique(inside, return_index=True)
    assert np.array_equal(names, np.arange(1, number + 1))
    assert (np.diff(first) > 0).all(), "numbered by their first pixels in rows"
    assert not inside.size or not (found.labels > 0)[~given.mask].any()


def areas(found: Separated) -> np.ndarray:
    return np.sort(np.bincount(found.labels.ravel())[1:])


@pytest.mark.parametrize("pixel_size", [None, 1.0, 5.0])
def test_particles_apart_are_left_alone(separate, pixel_size):
    given = foreground(*APART, pixel_size=pixel_size)
    found = separate(given)
    check(found, given)
    assert np.array_equal(found.labels, label(given.mask)[0])
    assert not found.separated.any()
    assert not found.flagged.any()


@pytest.mark.parametrize("angle", np.linspace(0, np.pi / 2, 6))
@pytest.mark.parametrize(("length", "width"), [(24, 24), (60, 20), (90, 60)])
@pytest.mark.parametrize("round_", [False, True])
def test_convex_shapes_of_any_angle_are_left_alone(separate, length, width, angle, round_):
    mask = turned(length, width, angle, round_=round_)
    # Of a long particle a perfect network says that its middle is a line.
    height = turned(length, width / 4, angle, round_=round_).astype(np.float32)
    found = separate(Foreground(mask=mask, height=height))
    assert np.array_equal(found.labels > 0, mask)
    assert len(found.separated) == 1


@pytest.mark.parametrize("pixel_size", [None, 1.0, 5.0])
def test_nothing_outside_the_mask_is_labelled_where_particles_touch(separate, pixel_size):
    given = foreground(*CROWD, pixel_size=pixel_size, smallest=3.0)
    check(separate(given), given)


def test_each_particle_hangs_together_and_lies_in_one_piece(separate):
    given = foreground(*CROWD)
    found = separate(given)
    pieces, _ = label(given.mask)
    for number, cut in enumerate(found.separated, start=1):
        own = found.labels == number
        assert label(own)[1] == 1
        in_piece = np.unique(found.labels[pieces == pieces[own][0]])
        assert len(np.unique(pieces[own])) == 1
        assert cut or len(in_piece[in_piece > 0]) == 1


def test_ragged_masks_do_no_harm(separate):
    """What a threshold makes of noise: hundreds of pieces of any shape, with holes."""
    rng = np.random.default_rng(5)
    for share in (0.1, 0.5, 0.9):
        mask = rng.random((70, 90)) < share
        found = separate(Foreground(mask=mask, height=rng.random(mask.shape).astype(np.float32)))
        number = len(found.separated)
        assert np.array_equal(np.unique(found.labels[found.labels > 0]), np.arange(1, number + 1))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (9, 9), (33, 50)])
def test_empty_and_full_frames(separate, shape):
    height = np.ones(shape, dtype=np.float32)
    empty = separate(Foreground(mask=np.zeros(shape, dtype=bool), height=height))
    assert not empty.labels.any()
    assert len(empty.separated) == len(empty.flagged) == 0
    full = separate(Foreground(mask=np.ones(shape, dtype=bool), height=height))
    assert len(full.separated) <= 1
    assert full.labels.all() or not full.labels.any()
    if np.prod(shape) > 30:
        assert full.labels.all()


def test_a_single_pixel_is_one_particle_or_a_speck(separate):
    mask = np.zeros((12, 15), dtype=bool)
    mask[4, 7] = True
    found = separate(Foreground(mask=mask, height=mask.astype(np.float32)))
    assert found.labels.sum() in (0, 1)
    assert not found.separated.any()


def test_particles_cut_by_the_frame_are_as_good(separate):
    """The half of a field that is in the frame has the same particles, their hidden halves cut off."""
    whole = foreground((60, 40, 22), (60, 120, 12), shape=(121, 160))
    half = Foreground(mask=whole.mask[60:], height=whole.height[60:])
    found = separate(half)
    assert np.array_equal(found.labels, label(half.mask)[0])


def test_quarter_turns_and_mirrors_change_no_more_than_ties(separate):
    given = foreground(*CROWD)
    wanted = separate(given)
    for turn in (np.rot90, np.flipud, np.transpose):
        turned_ = Foreground(mask=turn(given.mask).copy(), height=turn(given.height).copy())
        found = separate(turned_)
        assert len(found.separated) == len(wanted.separated)
        assert found.separated.sum() == wanted.separated.sum()
        assert np.abs(areas(found) - areas(wanted)).max() <= 12  # the pixels of a cut go to either side


def test_it_is_deterministic_and_leaves_its_input_alone(separate):
    given = foreground(*CROWD)
    mask, height = given.mask.copy(), given.height.copy()
    one, other = separate(given), separate(given)
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.separated, other.separated)
    assert np.array_equal(given.mask, mask)
    assert np.array_equal(given.height, height)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_pipeline_passes_it_to_the_segmentation(name):
    config = compose("infer", ["pipeline=particles", "input=x.tif", f"separate={name}"])
    chosen = OmegaConf.load(config_folder("infer") / "separate" / f"{name}.yaml")
    assert config.pipeline.segment.separate._target_ == chosen._target_
