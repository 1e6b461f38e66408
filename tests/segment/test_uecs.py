"""Ultimate erosion of convex sets: what is cut, what is dropped, in which units, however it lies."""

import time

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter, label
from touching_shapes import discs, pair, turned

from nanonet.measure.properties import measure
from nanonet.outline import convexity
from nanonet.records import InputError, LabelMap, Micrograph
from nanonet.segment.classical import segment
from nanonet.segment.separation import Foreground, Separated
from nanonet.segment.specks import without_specks
from nanonet.segment.uecs import separate

ANGLES = np.linspace(0.0, np.pi / 2, 7)


def uecs(mask: np.ndarray, pixel_size: float | None = None, **settings: object) -> Separated:
    return separate(Foreground(mask=mask, pixel_size=pixel_size), **settings)  # type: ignore[arg-type]


def diameters(labels: np.ndarray) -> np.ndarray:
    return np.sqrt(4 / np.pi * np.bincount(labels.ravel())[1:])


def convexity_of_a_pair(overlap: float) -> float:
    """Return it for two equal discs that overlap by a share of their diameter."""
    half = np.arccos(1.0 - overlap)
    return (2 * np.pi + 4 * (1.0 - overlap)) / (4 * np.pi - 4 * half)


def ell(arm: int = 60, width: int = 14) -> np.ndarray:
    mask = np.zeros((arm + 20, arm + 20), dtype=bool)
    mask[10 : 10 + arm, 10 : 10 + width] = mask[10 + arm - width : 10 + arm, 10 : 10 + arm] = True
    return mask


def cross(arm: int = 60, width: int = 5) -> np.ndarray:
    """Return two bars that leave no marker: they are gone before they are convex."""
    mask = np.zeros((arm + 20, arm + 20), dtype=bool)
    middle = arm // 2 + 10 - width // 2
    mask[10 : 10 + arm, middle : middle + width] = mask[middle : middle + width, 10 : 10 + arm] = True
    return mask


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("radius", "overlap"), [(10.0, 0.0), (20.0, 0.0), (20.0, 0.1), (50.0, 0.15)])
def test_touching_discs_are_cut_at_their_neck_at_any_angle(
    radius: float, overlap: float, angle: float
) -> None:
    mask = pair(2 * radius * (1 - overlap), radius, angle)
    found = uecs(mask)
    assert found.separated.tolist() == [True, True]
    assert not found.flagged.any()
    # Pinholes between two that barely touch are filled; a pixel of the neck may be beyond both.
    whole = without_specks(mask, 3.0)
    assert not (found.labels > 0)[~whole].any()
    assert (found.labels == 0)[whole].sum() <= 2
    half = np.sqrt(2 * mask.sum() / np.pi)
    assert diameters(found.labels) == pytest.approx([half, half], rel=0.01)
    # The cut is straight, through the middle between the two centres.
    y, x = np.indices(mask.shape) - (mask.shape[0] / 2 + 0.21)
    side = y * np.sin(angle) + x * np.cos(angle)
    for beyond in (side > 2.0, side < -2.0):
        assert len(np.unique(found.labels[beyond & (found.labels > 0)])) == 1


@pytest.mark.parametrize("angle", ANGLES)
def test_a_small_particle_is_cut_from_a_large_one(angle: float) -> None:
    mask = pair(42.0, 30.0, angle, other=13.0)
    found = uecs(mask)
    assert np.sort(diameters(found.labels)) == pytest.approx([26.0, 60.0], rel=0.02)
    assert found.separated.all()


@pytest.mark.parametrize("threshold", [0.9, 0.95, 0.98])
@pytest.mark.parametrize("overlap", [0.05, 0.15, 0.25, 0.35, 0.45])
def test_pairs_are_cut_where_theory_says_that_they_are_not_convex(threshold: float, overlap: float) -> None:
    radius = 60.0
    theory = convexity_of_a_pair(overlap)
    mask = pair(2 * radius * (1 - overlap), radius, 0.4)
    assert convexity(mask) == pytest.approx(theory, rel=0.012)
    if abs(theory - threshold) > 0.015:
        assert len(uecs(mask, threshold=threshold).separated) == (2 if theory < threshold else 1)


@pytest.mark.parametrize("angle", ANGLES)
def test_a_chain_and_a_cluster(angle: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for places in ([(-36, 0), (0, 0), (36, 0), (72, 0)], [(-18, 0), (18, 0), (0, 31)]):
        centres = np.array(places) @ turn.T + 120.0
        found = uecs(discs(*((y, x, 19.0) for y, x in centres), shape=(240, 240)))
        assert len(found.separated) == len(places)
        assert diameters(found.labels) == pytest.approx(np.full(len(places), 38.0), rel=0.03)


def test_particles_of_any_convex_shape_apart_are_the_pieces_of_the_mask() -> None:
    shapes = [turned(30, 18, a, round_=r) for a in (0.0, 0.3, 0.8) for r in (True, False)]
    mask = np.block([[np.pad(s, ((0, 0), (0, 0))) for s in shapes[:3]], list(shapes[3:])])
    found = uecs(mask)
    assert np.array_equal(found.labels, label(mask)[0])
    assert not found.separated.any()


@pytest.mark.parametrize("erosions", [0, 3])
def test_dilations_undo_erosions(erosions: int) -> None:
    """A particle with a hair is eroded until the hair is gone, and has its size again, without the hair."""
    mask = discs((60, 60, 25), shape=(120, 200))
    haired = mask.copy()
    haired[60 - erosions : 61 + erosions, 60:140] = True
    found = uecs(haired)
    assert len(found.separated) == 1
    assert not found.separated[0]
    assert ((found.labels > 0) != mask).sum() <= 8 * (2 * erosions + 1)


def test_a_rough_outline_is_not_cut() -> None:
    rng = np.random.default_rng(0)
    smooth = discs((60, 60, 25), (60, 150, 20))
    mask = gaussian_filter(smooth + 0.5 * rng.standard_normal(smooth.shape), 1.0) > 0.5
    found = uecs(mask)
    assert len(found.separated) == 2
    assert not found.separated.any()
    assert diameters(found.labels) == pytest.approx([50, 40], rel=0.05)


def test_a_piece_that_leaves_no_marker_is_dropped_or_kept_with_a_flag() -> None:
    mask = cross()
    assert not uecs(mask).labels.any()
    kept = uecs(mask, keep=True)
    assert np.array_equal(kept.labels > 0, mask)
    assert kept.flagged.tolist() == [True]
    assert kept.separated.tolist() == [False]


def test_the_flag_is_the_convexity_that_is_measured() -> None:
    """Of whole pieces and of regrown parts, in a mask that holds both kinds."""
    field = gaussian_filter(np.random.default_rng(1).standard_normal((300, 300)), 2.0)
    mask = field > 0
    dropped, kept = uecs(mask), uecs(mask, keep=True)
    assert (kept.flagged & ~kept.separated).sum() > 3
    assert (kept.flagged & kept.separated).any()
    assert not dropped.flagged.any()
    assert np.array_equal(dropped.labels > 0, np.append(False, ~kept.flagged)[kept.labels])
    table = measure(
        Micrograph(image=mask.astype(np.float32), name="a"),
        LabelMap(
            labels=kept.labels, separated=kept.separated, confidence=np.full(len(kept.separated), np.nan)
        ),
    )
    assert np.array_equal(table.data["convexity"].to_numpy() < 0.95, kept.flagged)


def test_markers_need_thirty_pixels() -> None:
    """Two discs of 11 px that overlap by 1 leave markers of more than 20 pixels and less than 30."""
    mask = pair(10.0, 5.5)
    assert not uecs(mask).labels.any()
    assert len(uecs(mask, fewest_pixels=20).separated) == 2
    assert not uecs(pair(38.0, 20.0), fewest_pixels=2000).labels.any()


def test_markers_need_half_a_nanometre() -> None:
    """Of 20 px, markers of 16: 0.8 nm at 0.5 Å a pixel, 0.32 nm at 0.2 Å."""
    mask = pair(20.0, 10.0)
    assert len(uecs(mask, 0.5).separated) == 2
    assert not uecs(mask, 0.2).labels.any()
    assert len(uecs(mask, 0.2, smallest=0.2).separated) == 2
    assert not uecs(mask, 0.5, smallest=1.2).labels.any()


@pytest.mark.parametrize(("pixel_size", "stays"), [(1.0, True), (0.4, False), (None, True)])
def test_specks_under_half_a_nanometre_are_removed(pixel_size: float | None, stays: bool) -> None:
    """A disc of 8 px is 0.8 nm at 1 Å a pixel, 0.32 nm at 0.4 Å; it is more than 3 px."""
    mask = discs((60, 60, 20), (60, 120, 4))
    assert len(uecs(mask, pixel_size).separated) == (2 if stays else 1)


@pytest.mark.parametrize(("pixel_size", "filled"), [(1.0, False), (0.4, True), (None, False)])
def test_holes_under_half_a_nanometre_are_filled_and_others_stay(
    pixel_size: float | None, filled: bool
) -> None:
    mask = discs((60, 60, 30)) & ~discs((60, 60, 4))
    found = uecs(mask, pixel_size)
    assert (found.labels[60, 60] == 1) == filled
    assert np.array_equal(found.labels > 0, mask) != filled


def test_without_a_pixel_size_lengths_are_pixels_of_the_frame() -> None:
    mask = discs((60, 60, 20), (60, 120, 4))
    assert len(uecs(mask, smallest=7.0).separated) == 2
    assert len(uecs(mask, smallest=9.0).separated) == 1
    coarse = Foreground(mask=mask, block=4)
    assert len(separate(coarse, smallest=28.0).separated) == 2
    assert len(separate(coarse, smallest=36.0).separated) == 1
    assert len(separate(Foreground(mask=mask, block=4, pixel_size=0.2), smallest=0.8).separated) == 1
    assert len(separate(Foreground(mask=mask, block=4, pixel_size=0.2), smallest=0.6).separated) == 2


def test_the_edge_of_the_frame_is_no_outline() -> None:
    whole = discs((60, 70, 20), (60, 108, 20))
    for cut in (slice(60, None), slice(None, 61)):
        found = uecs(whole[cut])
        assert np.array_equal(found.labels > 0, whole[cut])
        assert found.separated.tolist() == [True, True]
        assert np.flatnonzero(np.diff(found.labels[found.labels.shape[0] // 8, 70:109])).size <= 2
        row = found.labels[0 if cut.start else -1, 70:109]
        assert np.flatnonzero(np.diff(row)) == pytest.approx([18.5], abs=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 2), (3, 3)])
def test_few_pixels(size: tuple[int, int]) -> None:
    mask = np.pad(np.ones(size, dtype=bool), 3)
    assert uecs(mask).labels.any() == (np.prod(size) > 7)
    assert np.array_equal(uecs(mask, smallest=0.0).labels > 0, mask)


def test_large_particles_are_cut_as_small_ones_are() -> None:
    """Convexity is not looked at after every erosion of a large one; that must not show."""
    small = uecs(pair(29.0, 20.0, 0.3, other=12.0), smallest=0.0)
    large = uecs(np.kron(pair(29.0, 20.0, 0.3, other=12.0), np.ones((6, 6), dtype=bool)))
    assert len(small.separated) == len(large.separated) == 2
    assert diameters(large.labels) == pytest.approx(6 * diameters(small.labels), rel=0.02)


def test_small_particles_on_a_large_one_are_seen_as_soon_as_they_come_off() -> None:
    """At the steps that would do for the large one, nothing of them would be left."""
    turns = 2 * np.pi * np.arange(6) / 6 + 0.2
    small = [(200 + 159 * np.sin(t), 200 + 159 * np.cos(t), 11.0) for t in turns]
    found = uecs(discs((200, 200, 150), *small, shape=(401, 401)))
    assert np.sort(diameters(found.labels)) == pytest.approx([*[22] * 6, 300], rel=0.06)


def test_left_out_parts_are_not_taken_in_by_neighbours_in_an_image() -> None:
    """A cross that UECS drops lies against a disc: the disc's outline must not creep into it."""
    bars = np.pad(cross(), 20)
    disc = discs((60, 102, 16), shape=bars.shape)
    assert label(bars | disc)[1] == 1
    image = np.random.default_rng(0).poisson(20 + 40 * (bars | disc)).astype(np.float32)
    found = segment(Micrograph(image=image, name="a"), separate=separate)
    assert found.labels.max() == 1
    assert (found.labels > 0)[binary_erosion(disc, iterations=2)].all()
    assert diameters(found.labels) == pytest.approx([32.0], rel=0.06)
    assert (found.labels > 0)[bars & ~disc].sum() < 60


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold": 1.2}, r"separate\.threshold must be in 0\.\.1, got 1.2"),
        ({"smallest": -1.0}, r"separate\.smallest must be 0 px or more, got -1.0 px"),
        ({"smallest": float("nan")}, r"separate\.smallest must be 0 px or more, got nan px"),
        ({"fewest_pixels": -1}, r"separate\.fewest_pixels must be 0 or more, got -1"),
    ],
)
def test_bad_settings_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        uecs(np.ones((9, 9), dtype=bool), **wrong)
    if "smallest" in wrong:
        with pytest.raises(InputError, match=message.replace("px", "nm")):
            uecs(np.ones((9, 9), dtype=bool), 1.0, **wrong)


def test_five_hundred_particles_take_no_more_than_seconds() -> None:
    """Half a second where the machine is free; eroding the whole frame for each piece takes minutes."""
    rng = np.random.default_rng(0)
    mask = np.zeros((1100, 1100), dtype=bool)
    for y, x in rng.integers(0, 1050, (500, 2)):
        mask[y : y + 25, x : x + 25] |= turned(20, rng.uniform(15, 20), rng.uniform(0, 3), round_=True)[
            12:37, 12:37
        ]
    start = time.thread_time()
    found = uecs(mask[:1024, :1024])
    assert time.thread_time() - start < 5.0
    assert len(found.separated) > 300
