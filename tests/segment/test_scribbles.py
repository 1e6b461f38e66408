"""A few strokes teach a forest; strokes that cannot be used are refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nanonet.io.writers.images import write_tif
from nanonet.records import InputError, Micrograph
from nanonet.segment.scribbles import features, learn, segment, strokes

DISCS = [(30, 34, 14), (84, 40, 12), (60, 92, 16)]


def textured(rng: np.random.Generator, edge: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Return an image whose particles are brighter and coarser than what is beside them, and the mask."""
    from scipy.ndimage import gaussian_filter

    y, x = np.indices((edge, edge))
    mask = np.any([np.hypot(y - at, x - on) < radius for at, on, radius in DISCS], axis=0)
    fine, coarse = (gaussian_filter(rng.standard_normal((edge, edge)), sigma) for sigma in (0.6, 2.0))
    return np.where(mask, coarse / coarse.std(), fine / fine.std()) * 50 + 500 + 80 * mask, mask


@pytest.fixture
def drawn(tmp_path: Path):
    def draw(image: np.ndarray, red: bool = True, blue: bool = True) -> tuple[Path, Path]:
        write_tif(tmp_path / "one.tif", [image.astype(np.float32)], pixel_size=1.0)
        grey = np.clip((image - 350) / 300 * 255, 0, 255).astype(np.uint8)
        picture = np.stack([grey] * 3, axis=-1)
        if red:
            picture[26:34, 28:40] = picture[56:64, 86:98] = (255, 0, 0)
        if blue:
            picture[4:9, 10:110] = picture[100:116, 60:80] = picture[58:66, 20:40] = (20, 30, 250)
        Image.fromarray(picture).save(tmp_path / "strokes.png")
        return tmp_path / "strokes.png", tmp_path / "one.tif"

    return draw


def test_strokes_over_two_particles_find_all_and_in_another_image_too(drawn) -> None:
    image, mask = textured(np.random.default_rng(0))
    forest = learn(*drawn(image))
    for seed, exposure in ((0, 1.0), (1, 3.0)):
        other, truth = textured(np.random.default_rng(seed))
        found = segment(Micrograph(image=exposure * other, name="a"), forest=forest, smallest=12.0)
        assert found.labels.max() == 3
        union = ((found.labels > 0) | truth).sum()
        assert ((found.labels > 0) & truth).sum() / union > 0.7
        assert (found.confidence > 0.6).all()
    assert mask.any()


def test_the_same_strokes_give_the_same_forest(drawn) -> None:
    image, _ = textured(np.random.default_rng(0))
    paths = drawn(image)
    one, again = (learn(*paths).probability(image.astype(np.float32)) for _ in range(2))
    np.testing.assert_array_equal(one, again)


def test_exposure_and_dead_pixels_change_no_feature() -> None:
    image = textured(np.random.default_rng(2))[0].astype(np.float32)
    np.testing.assert_allclose(features(image), features(4 * image + 7), atol=2e-3)
    image[3, 5] = np.nan
    assert np.isfinite(features(image)).all()


def test_strokes_that_cannot_be_used_are_refused(drawn, tmp_path: Path) -> None:
    image, _ = textured(np.random.default_rng(0))
    with pytest.raises(InputError, match="no red strokes"):
        learn(*drawn(image, red=False))
    with pytest.raises(InputError, match="no blue strokes"):
        learn(*drawn(image, blue=False))
    path, _ = drawn(image)
    with pytest.raises(InputError, match="draw on a copy of the image"):
        strokes(path, (64, 64))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read"):
        strokes(tmp_path / "broken.png", (64, 64))
