"""The benchmark of masks: a perfect answer scores full, a merged one half, and the worst come first."""

from pathlib import Path

import masks
import numpy as np
import pytest
from masks_gallery import FOUND, TRUE, draw, outlined
from PIL import Image

from nanonet.records import Micrograph


def pair(gap: int = 4) -> tuple[Micrograph, np.ndarray]:
    y, x = np.indices((64, 96))
    truth = np.zeros((64, 96), dtype=np.int32)
    truth[np.hypot(y - 32, x - 30) < 16] = 1
    truth[np.hypot(y - 32, x - 62 - gap) < 16] = 2
    return Micrograph(image=(truth > 0).astype(np.float32), name="pair"), truth


def test_a_perfect_answer_and_a_merged_one() -> None:
    image, truth = pair()
    perfect = masks.summary([masks.score(lambda _, given: given, image, truth)])
    for figure in ("iou", "iou_mean", "f1", "f1_mean", "panoptic"):
        assert perfect[figure] == 1.0
    assert perfect["count"] == perfect["diameter"] == 0.0
    merged = masks.summary([masks.score(lambda _, given: (given > 0).astype(np.int32), image, truth)])
    assert merged["iou"] == 1.0
    assert merged["f1"] == merged["panoptic"] == 0.0
    assert merged["count"] == -0.5


def test_intervals_hold_the_value_and_are_a_point_where_all_images_are_alike() -> None:
    image, truth = pair()
    good = masks.score(lambda _, given: given, image, truth)
    bad = masks.score(lambda _, given: given * 0, image, truth)
    assert masks.with_intervals([good] * 5)["f1"] == (1.0, 1.0, 1.0)
    value, low, high = masks.with_intervals([good, bad, good, good, bad, good])["iou"]
    assert low < value < high


def test_the_worst_come_first_and_are_drawn(tmp_path: Path) -> None:
    images = [(*pair(gap), False) for gap in (4, 5, 6)]
    answers = iter([1, 0, 1])

    def half_wrong(_: Micrograph, truth: np.ndarray) -> np.ndarray:
        return truth * next(answers, 0)

    scores = [masks.score(half_wrong, image, truth) for image, truth, _ in images]
    cases = masks.worst(images, scores, half_wrong)
    assert len(cases) == 3
    assert cases[0][1] is images[1][0].image
    assert "0 of 2 found, 0 wrong" in cases[0][0]
    draw(cases, tmp_path / "gallery.png")
    with Image.open(tmp_path / "gallery.png") as picture:
        assert picture.size[0] > 1000


def test_outlines_are_green_where_true_and_red_where_found() -> None:
    image, truth = pair()
    picture = outlined(image.image, np.where(truth == 1, truth, 0), truth)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)}
    assert {FOUND, TRUE} <= colours
    left = {tuple(colour) for colour in picture[:, :46].reshape(-1, 3)}
    assert TRUE not in left, "what was found lies over what is there"


@pytest.mark.real_data
def test_held_out_papers_are_a_fifth_and_the_same_every_time(real_data: Path) -> None:
    folder = real_data / "emps_train"
    names = [image.name for image, _, _ in masks.held_out(folder, "source_doi", "bright_field_like")]
    assert len(names) == 66
    assert len(set(names)) == 66
