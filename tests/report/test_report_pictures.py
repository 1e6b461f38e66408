"""Pictures hold the outlines where the particles are, in the colour of their kind."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nanonet.report.pictures import CUT, WHOLE, draw_frame, nice_length, outline_colours
from nanonet.report.preview import Preview


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def like(picture: np.ndarray, colour: str) -> np.ndarray:
    return np.abs(picture[..., :3].astype(int) - rgb(colour)).max(axis=-1) < 40


def test_outlines_lie_around_the_particles_in_their_colours(tmp_path: Path) -> None:
    labels = np.zeros((400, 500), np.int32)
    labels[100:200, 150:300], labels[300:, 400:] = 1, 2
    preview = Preview(
        image=np.full((400, 500), 90, np.uint8), name="a", frame=0, labels=labels, pixel_size=1.0
    )
    rows = pd.DataFrame({"particle_id": [1, 2], "confidence": [0.9, np.nan], "touches_border": [False, True]})
    draw_frame(tmp_path / "a.png", preview, outline_colours(rows))
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape[:2] == (800, 1000)
    for colour, y, x in ((WHOLE, (200, 400), (300, 600)), (CUT, (600, 800), (800, 1000))):
        rows_, columns = np.nonzero(like(picture, colour))
        assert (rows_.min(), columns.min()) == pytest.approx((y[0], x[0]), abs=3)
        assert (rows_.max(), columns.max()) == pytest.approx((y[1], x[1]), abs=3)
        assert not like(picture, colour)[y[0] + 8 : y[1] - 8, x[0] + 8 : x[1] - 8].any()
    bar = (picture[..., :3].min(axis=-1) > 250).any(axis=0)
    assert np.count_nonzero(bar) == pytest.approx(200, abs=8)  # 100 Å at 1 Å, two pixels each


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(7.0, (5, "0.5 nm")), (4.9, (2, "2 Å")), (25000.0, (20000, "2 µm")), (1000, (1000, "100 nm"))],
)
def test_scale_bars_are_round(limit: float, expected: tuple[float, str]) -> None:
    assert nice_length(limit) == expected
