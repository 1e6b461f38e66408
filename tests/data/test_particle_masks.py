import csv

import numpy as np
import pytest
from PIL import Image

from nanonet.data.appearance import Appearance
from nanonet.data.labelled_images import LabelledImages
from nanonet.data.particle_masks import ParticleMaskDataset, cut_out, median_diameter
from nanonet.records import InputError, MaskSample


class Discs:
    """Discs of a radius, as bright as their number; the image itself is the truth."""

    structures = (0, 1, 2, 5)

    def __init__(self, radius=12):
        self.radius = radius

    def draw(self, structure, rng):
        y, x = np.indices((256, 320))
        labels = np.zeros(y.shape, dtype=int)
        for number in range(1, 6):
            at = rng.uniform(0, 256, 2)
            labels[(y - at[0]) ** 2 + (x - at[1]) ** 2 < self.radius**2] = number
        return MaskSample(image=labels.astype(np.float32), instances=labels, structure=structure)


@pytest.fixture
def dataset():
    return ParticleMaskDataset(Discs(), (0, 1, 5), epoch_size=6, seed=3, crop_pixels=96)


def test_image_and_truth_go_through_the_same_turn(dataset):
    for index in range(12):
        sample = dataset.sample(index)
        known = sample.instances >= 0
        inner = known & (abs(sample.image - np.rint(sample.image)) < 1e-3)
        assert np.mean(sample.image[inner].round() == sample.instances[inner]) > 0.97
        assert known.any()


def test_an_item_depends_on_its_index_alone(dataset):
    for one, other in zip(dataset[7], dataset[7], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(dataset[7].image, dataset[1].image)  # another epoch, other draws
    assert dataset.structure(7) == dataset.structure(1)


def test_particles_come_in_all_sizes():
    dataset = ParticleMaskDataset(Discs(), (0, 1), epoch_size=60, crop_pixels=128, diameter=(8, 60))
    sizes = [median_diameter(dataset.sample(index).instances, np.nan) for index in range(60)]
    assert np.nanmin(sizes) < 16
    assert np.nanmax(sizes) > 40


def test_a_smaller_image_is_not_aliased_and_a_larger_one_is_not_invented():
    rng = np.random.default_rng(0)
    stripes = np.tile([0.0, 1.0], (256, 128))
    image, _ = cut_out(stripes, np.zeros(stripes.shape, int), 0.25, 48, rng)
    assert np.quantile(abs(image - 0.5), 0.9) < 0.05  # but where it mirrors itself
    image, labels = cut_out(np.ones((32, 32)), np.ones((32, 32), int), 1.0, 64, rng)
    assert (labels == -1).any()
    assert (image == 1).all()


def test_what_a_picture_looks_like_changes_and_its_particles_do_not():
    image = Discs().draw(0, np.random.default_rng(1)).image
    rng = np.random.default_rng(2)
    signs, spreads = [], []
    for _ in range(40):
        changed = Appearance().change(image, rng)
        signs.append(np.sign(np.corrcoef(changed.ravel(), image.ravel())[0, 1]))
        spreads.append(changed.std())
        assert changed.shape == image.shape
        assert np.isfinite(changed).all()
    assert 3 < signs.count(-1) < 25
    assert min(spreads) > 0.5
    assert np.isfinite(Appearance(strikes=1).change(np.full((8, 8), 3.0), rng)).all()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("images", "instances"):
        (tmp_path / name).mkdir()
    for number in range(4):
        picture = rng.integers(0, 255, (20, 24), dtype=np.uint8)
        Image.fromarray(np.stack([picture] * 3, axis=-1)).save(tmp_path / "images" / f"{number}.png")
        labels = (picture > 100).astype(np.uint16) * (number + 300)
        Image.fromarray(labels).save(tmp_path / "instances" / f"{number}.png")
    with (tmp_path / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["image", "group", "tem"], *([f"{n}.png", "ab"[n // 2], n % 2] for n in range(4))])
    return tmp_path


def test_images_of_one_paper_are_one_structure(folder):
    found = LabelledImages(folder)
    assert found.groups == ("a", "b")
    assert found.members == (("0.png", "1.png"), ("2.png", "3.png"))
    sample = found.draw(1, np.random.default_rng(0))
    assert sample.structure == 1
    assert sample.image.shape == (20, 24)
    np.testing.assert_array_equal(sample.image > 100, sample.instances > 0)
    assert sample.instances.max() in (302, 303)
    assert LabelledImages(folder, only="tem").members == (("1.png",), ("3.png",))


def test_without_an_index_every_image_stands_alone(folder):
    (folder / "index.csv").unlink()
    assert len(LabelledImages(folder).structures) == 4


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(InputError, match="no column paper, but image, group, tem"):
        LabelledImages(folder, group="paper")
    (folder / "instances" / "2.png").unlink()
    with pytest.raises(InputError, match=r"lacks 2\.png"):
        LabelledImages(folder)
    with pytest.raises(InputError, match="no images"):
        LabelledImages(tmp_path / "nowhere")


def test_a_flattened_picture_has_even_brightness_and_contrast() -> None:
    from nanonet.data.appearance import flattened

    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 200)
    texture = rng.normal(size=(200, 200))
    found = flattened(50 * x**2 + (1 + 4 * x) * texture, 12.0)
    halves = found[40:-40, :100], found[40:-40, 100:]
    assert abs(halves[0].mean()) < 0.1
    assert halves[0].std() == pytest.approx(halves[1].std(), rel=0.1)
    assert np.corrcoef(found[40:-40, 40:-40].ravel(), texture[40:-40, 40:-40].ravel())[0, 1] > 0.98
    assert (flattened(np.full((20, 20), 3.0), 5.0) == 0).all()
