"""The classical segmentation: simulated frames with truth, noise alone, bad input, one real image."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanonet.records import InputError, LabelMap, Micrograph, Series, Stack
from nanonet.segment.classical import segment
from nanonet.segment.pieces import unseparated
from nanonet.segment.stability import most_stable


def truth(size: int = 320, step: int = 64) -> np.ndarray:
    """Discs of 8 to 22 px radius on a grid, as labels 1..n."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), dtype=int)
    for index, (cy, cx) in enumerate(np.ndindex(size // step, size // step)):
        radius = 8 + 14 * index / (size // step) ** 2
        centre = (step * (cy + 0.5), step * (cx + 0.5))
        labels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2] = index + 1
    return labels


def counts(mask: np.ndarray, *, dose: float = 40.0, contrast: float = 0.5, seed: int = 0) -> np.ndarray:
    """Poisson counts of a sloping support with brighter (contrast > 0) or darker particles."""
    slope = 1.0 + 0.3 * np.linspace(0, 1, mask.shape[1])
    clean = dose * slope * (1.0 + contrast * gaussian_filter(mask.astype(float), 1.0))
    return np.random.default_rng(seed).poisson(clean).astype(np.float32)


def iou(labels: np.ndarray, mask: np.ndarray) -> float:
    return float(((labels > 0) & mask).sum() / ((labels > 0) | mask).sum())


def check_contract(found: LabelMap) -> None:
    assert found.labels.dtype == np.int32
    number = int(found.labels.max(initial=0))
    assert np.array_equal(np.unique(found.labels[found.labels > 0]), np.arange(1, number + 1))
    assert found.separated.shape == found.confidence.shape == (number,)
    assert ((found.confidence >= 0.5) & (found.confidence <= 1)).all()


@pytest.mark.parametrize("contrast", [0.6, -0.5])
@pytest.mark.parametrize("pixel_size", [None, 1.0, 3.0])
def test_particles_are_found_bright_or_dark(contrast: float, pixel_size: float | None) -> None:
    labels = truth()
    image = counts(labels > 0, contrast=contrast)
    found = segment(Micrograph(image=image, name="discs", pixel_size=pixel_size))
    check_contract(found)
    assert found.labels.max() == labels.max()
    assert iou(found.labels, labels > 0) > 0.9


def test_gain_and_offset_change_nothing() -> None:
    image = counts(truth() > 0)
    one = segment(Micrograph(image=image, name="a"))
    other = segment(Micrograph(image=16.0 * image + 4096.0, name="b"))
    assert np.mean(one.labels != other.labels) < 1e-4


def test_it_turns_with_the_image() -> None:
    image = counts(truth() > 0)
    turned = segment(Micrograph(image=np.rot90(image).copy(), name="a"))
    assert iou(np.rot90(segment(Micrograph(image=image, name="a")).labels), turned.labels > 0) > 0.995


def test_it_is_deterministic() -> None:
    micrograph = Micrograph(image=counts(truth() > 0), name="a")
    one, other = segment(micrograph), segment(micrograph)
    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.confidence, other.confidence)


def test_lengths_are_in_nanometres_where_the_pixel_size_is_known() -> None:
    """A particle of 16 px is 0.8 nm at 0.5 Å a pixel, 8 nm at 5 Å: below and above the smallest."""
    image = counts(truth() > 0, dose=400.0)
    fine = segment(Micrograph(image=image, name="a", pixel_size=0.5), smallest=2.0)
    coarse = segment(Micrograph(image=image, name="a", pixel_size=5.0), smallest=2.0)
    assert coarse.labels.max() == 25
    assert 0 < fine.labels.max() < 10
    assert min(np.bincount(fine.labels.ravel())[1:]) >= 0.95 * np.pi / 4 * 40**2


def test_atoms_of_a_lattice_are_not_particles() -> None:
    """A HAADF particle with resolved columns 0.2 nm apart at 0.01 nm a pixel is one object."""
    y, x = np.mgrid[:512, :512] * 0.01
    columns = np.cos(2 * np.pi * x / 0.2) ** 2 * np.cos(2 * np.pi * y / 0.2) ** 2
    inside = (y - 2.5) ** 2 + (x - 2.3) ** 2 <= 1.5**2
    image = np.random.default_rng(0).poisson(20 + 200 * columns * inside).astype(np.float32)
    found = segment(Micrograph(image=image, name="lattice", pixel_size=0.1, modality="HAADF"))
    assert found.labels.max() == 1
    assert iou(found.labels, inside) > 0.93


def test_touching_particles_are_separated() -> None:
    y, x = np.mgrid[:256, :256]
    mask = ((y - 120) ** 2 + (x - 90) ** 2 <= 900) | ((y - 120) ** 2 + (x - 147) ** 2 <= 900)
    mask |= (y - 220) ** 2 + (x - 220) ** 2 <= 144
    found = segment(Micrograph(image=counts(mask, contrast=1.0), name="pair"))
    check_contract(found)
    assert found.labels.max() == 3
    lone = found.labels[220, 220] - 1
    assert found.separated.tolist() == [index != lone for index in range(3)]


def test_small_holes_are_filled_and_large_ones_kept() -> None:
    y, x = np.mgrid[:256, :256]
    r2 = (y - 128) ** 2 + (x - 128) ** 2
    ring = (r2 <= 70**2) & (r2 > 25**2)
    ring &= ~((y - 128) ** 2 + (x - 175) ** 2 <= 4)
    found = segment(Micrograph(image=counts(ring, contrast=2.0), name="ring"), separate=unseparated)
    assert found.labels[128, 128] == 0
    assert found.labels[128, 175] == 1


@pytest.mark.parametrize("rate", [1.0, 20.0, 1000.0])
@pytest.mark.parametrize("pixel_size", [None, 0.2])
def test_noise_alone_gives_no_particles(rate: float, pixel_size: float | None) -> None:
    for seed in range(3):
        image = np.random.default_rng(seed).poisson(rate, (384, 384)).astype(np.float32)
        assert segment(Micrograph(image=image, name="noise", pixel_size=pixel_size)).labels.max() <= 2


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (1, 200), (64, 64), (0, 0)])
@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_constant_empty_and_tiny_frames_hold_nothing(shape: tuple[int, int], value: float) -> None:
    found = segment(Micrograph(image=np.full(shape, value, dtype=np.float32), name="constant"))
    check_contract(found)
    assert found.labels.shape == shape
    assert len(found.confidence) == 0


def test_pixels_that_hold_no_number_do_no_harm() -> None:
    labels = truth()
    image = counts(labels > 0)
    image[::37, ::41] = np.nan
    image[5, 5] = np.inf
    found = segment(Micrograph(image=image, name="nan"))
    assert found.labels.max() == labels.max()
    assert iou(found.labels, labels > 0) > 0.85


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sigma": 0.0}, "sigma must be positive, got 0.0 nm"),
        ({"background_radius": -3.0}, "background_radius must be positive, got -3.0 nm"),
        ({"smallest": float("nan")}, "smallest must be positive, got nan nm"),
        ({"minimum_confidence": -0.1}, r"minimum_confidence must be in 0\.\.1, got -0.1"),
        ({"particles": "white"}, "particles must be one of auto, bright, dark, got 'white'"),
    ],
)
def test_bad_settings_are_named(wrong: dict, message: str) -> None:
    micrograph = Micrograph(image=np.zeros((20, 20), dtype=np.float32), name="a", pixel_size=1.0)
    with pytest.raises(InputError, match=message):
        segment(micrograph, **wrong)


@pytest.mark.parametrize("keep", [False, True])
def test_what_cannot_be_told_apart_is_counted_whether_it_is_kept_or_not(keep: bool) -> None:
    """Two discs that overlap beyond what UECS separates, and one alone."""
    from functools import partial

    from nanonet.segment.uecs import separate

    y, x = np.mgrid[:200, :320]
    one = np.hypot(y - 100, x - 260) < 25
    pair = np.minimum(np.hypot(y - 120, x - 80), np.hypot(y - 75, x - 120)) < 34
    micrograph = Micrograph(image=counts(one | pair, dose=400.0), name="pair")
    found = segment(
        micrograph,
        separate=partial(separate, keep=keep, fewest_pixels=2500),
        sigma=2,
        threshold="li",
        background_radius=128,
    )
    assert found.unresolved == pytest.approx(pair.mean(), rel=0.1)
    assert found.labels.max() == 1 + keep
    assert sorted(found.confidence > 0) == [False] * keep + [True]
    assert segment(micrograph, separate=unseparated).unresolved == 0


@pytest.mark.real_data
def test_gold_with_visible_lattice_comes_out_as_whole_particles(real_data: Path) -> None:
    from rsciio.emd import file_reader

    image = file_reader(str(real_data / "haadf_atomic" / "Au_nanoparticle.emd"))[0]["data"]
    micrograph = Micrograph(image=image.astype(np.float32), name="Au", pixel_size=0.07498, modality="HAADF")
    found = segment(micrograph)
    check_contract(found)
    assert 5 <= found.labels.max() <= 10
    lone = found.labels == found.labels[920, 1505]
    assert 2.0 * np.sqrt(lone.sum() / np.pi) * 0.007498 == pytest.approx(3.2, abs=0.3)
    assert not found.separated[found.labels[920, 1505] - 1]


@pytest.mark.real_data
def test_published_micrographs_are_segmented_with_a_mean_iou_over_one_half(real_data: Path) -> None:
    """Every 40th image, pixels without a size; the rule for dark or bright was chosen on these images."""
    from PIL import Image

    scores = []
    for path in sorted((real_data / "emps_train" / "images").glob("*.png"))[::40]:
        image = np.asarray(Image.open(path).convert("L"), dtype=np.float32)
        drawn = np.asarray(Image.open(real_data / "emps_train" / "instances" / path.name)) > 0
        scores.append(iou(segment(Micrograph(image=image, name=path.name)).labels, drawn))
    assert np.mean(scores) > 0.5


def test_what_is_not_given_is_what_most_settings_agree_on() -> None:
    labels = truth()
    image = counts(labels > 0, dose=4.0, contrast=0.8)
    found = segment(Micrograph(image=image, name="discs"))
    assert "12 settings" in found.note
    assert "F1" in found.note
    given = segment(Micrograph(image=image, name="discs"), threshold="otsu")
    assert "threshold=otsu" in given.note
    assert "4 settings" in given.note
    assert (
        segment(
            Micrograph(image=image, name="discs"), threshold="otsu", sigma=3.0, background_radius=99.0
        ).note
        == ""
    )


def test_the_most_stable_is_the_one_that_agrees_with_the_others() -> None:
    y, x = np.mgrid[:60, :60]
    some = [
        ((np.hypot(y - 20, x - 20) < radius) | (np.hypot(y - 40, x - 45) < 8)).astype(int)
        for radius in (6, 7, 8)
    ]
    odd, nothing = (y % 7 < 2).astype(int), np.zeros((60, 60), int)
    best, agreement = most_stable([odd, nothing, *some])
    assert best >= 2
    assert 0.4 < agreement < 0.6
    assert most_stable([odd]) == (0, 1.0)


def test_a_movie_takes_the_settings_of_its_first_frame() -> None:
    labels = truth()
    frames = [counts(labels > 0, dose=dose) for dose in (40.0, 1.0)]
    stack = Stack(frames=frames, shape=(2, 320, 320), name="movie")
    movie = Series(name="movie", stacks=(stack,))
    notes = {segment(movie[i]).note for i in range(2)}
    assert len(notes) == 1
    assert notes.pop().endswith("chosen on the first frame")
