"""The particle is followed, cut out, and what is not the particle taken off."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from nanonet.records import InputError, Micrograph, Series, Stack
from nanonet.tumbling.cut import cut
from nanonet.tumbling.half import Half
from nanonet.tumbling.place import places
from nanonet.tumbling.track import smoothed, track_of

SIDE = 96
RADIUS = 14.0


def _movie(count: int, sign: float = 1.0, waves: float = 0.0, seed: int = 0) -> tuple[Series, np.ndarray]:
    """Return frames of a disc that wanders, over standing waves, and where it is (y, x)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((SIDE, SIDE))
    way = SIDE / 2 + np.cumsum(rng.normal(scale=0.7, size=(count, 2)), axis=0).clip(-14, 14)
    background = waves * np.cos(2 * np.pi * (13 * x + 7 * y) / SIDE) + 20.0 + 0.05 * y
    frames = []
    for place in way:
        height = np.clip(RADIUS**2 - (y - place[0]) ** 2 - (x - place[1]) ** 2, 0, None)
        frame = background + sign * np.sqrt(height) / 2 + rng.normal(scale=3.0, size=(SIDE, SIDE))
        frames.append(frame.astype(np.float32))
    stack = Stack(frames=frames, shape=(count, SIDE, SIDE), name="movie.npy", pixel_size=0.5)
    return Series(name="movie.npy", stacks=(stack,)), way


def _places(series: Series) -> pd.DataFrame:
    return pd.concat([places(one).data for one in series], ignore_index=True)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_bright_and_a_dark_particle_are_followed(sign: float) -> None:
    series, way = _movie(60, sign)
    track = track_of(_places(series))
    assert track.sign == sign
    assert track.lost == 0
    assert np.sqrt(((track.places - way) ** 2).mean()) < 0.6


def test_a_frame_that_shows_something_else_is_left_out() -> None:
    series, _ = _movie(60)
    table = _places(series)
    far = table["frame"] == 30
    table.loc[far, ["bright_y_px", "bright_x_px"]] = 3.0
    track = track_of(table)
    assert track.lost == 1
    assert 30 not in track.frames


def test_noise_shows_no_particle() -> None:
    rng = np.random.default_rng(0)
    frames = [Micrograph(image=rng.normal(size=(64, 64)).astype(np.float32), name="n") for _ in range(40)]
    with pytest.raises(InputError, match="no particle"):
        track_of(pd.concat([places(one).data for one in frames]))


def test_a_way_is_smoothed_as_its_steps_say() -> None:
    rng = np.random.default_rng(0)
    way = np.cumsum(rng.normal(scale=0.5, size=400))
    seen = way + rng.normal(scale=2.0, size=400)
    kept = np.ones(400, dtype=bool)
    found = smoothed(seen, kept)
    assert np.std(found - way) < 0.55 * np.std(seen - way)
    still = smoothed(5.0 + rng.normal(scale=2.0, size=400), kept)
    assert np.std(still) < 0.7
    fast = np.cumsum(rng.normal(scale=5.0, size=400))
    assert np.std(smoothed(fast + rng.normal(scale=0.1, size=400), kept) - fast) < 0.5


def test_the_support_goes_and_the_particle_stays(tmp_path: Path) -> None:
    series, _ = _movie(240, waves=4.0)
    boxes, said = cut(series, track_of(_places(series)), 0.5, tmp_path / "boxes.npy")
    assert any("support" in line for line in said)
    assert len(boxes) == 240
    assert boxes.side % 2 == 0
    # White noise of variance 9, whatever stood there before.
    assert boxes.noise[3:] == pytest.approx(np.full(len(boxes.noise) - 3, 9.0), rel=0.15)
    mean = boxes.mean
    middle = boxes.side // 2
    assert mean[middle, middle] == pytest.approx(RADIUS / 2, rel=0.15)
    assert abs(mean[0].mean()) < 0.2
    # What the filter took of the particle is not looked at, and no more than that.
    assert boxes.transmission is not None
    wave_y, wave_x = (round(cycles * 2 * boxes.side / SIDE) for cycles in (7, 13))
    assert boxes.transmission[wave_y, wave_x] < 0.5
    assert (boxes.transmission > 0.9).mean() > 0.95
    whole = len(Half(boxes=boxes, radius=RADIUS * 0.5, detail=1.5, spread=1.0).spectra(np.arange(2)).shell)
    unfiltered = replace(boxes, transmission=None)
    every = len(
        Half(boxes=unfiltered, radius=RADIUS * 0.5, detail=1.5, spread=1.0).spectra(np.arange(2)).shell
    )
    assert 0.9 * every < whole < every
    y, x = np.indices(mean.shape) - middle
    wave = np.exp(2j * np.pi * (13 * x + 7 * y) / SIDE)
    each = np.array([abs((box * wave).mean()) for box in boxes.read(np.arange(40))])
    assert each.mean() < 0.3  # of 2 that the waves had


def test_without_a_support_nothing_is_filtered(tmp_path: Path) -> None:
    series, _ = _movie(210)
    boxes, said = cut(series, track_of(_places(series)), 0.5, tmp_path / "boxes.npy")
    assert not any("support" in line for line in said)
    assert boxes.transmission is None


def test_the_steep_noise_of_a_liquid_is_no_support(tmp_path: Path) -> None:
    series, _ = _movie(210)
    rng = np.random.default_rng(1)
    frames = []
    for one in series:
        slow = gaussian_filter(rng.normal(size=one.image.shape), 4.0, mode="wrap")
        frames.append((one.image + 4.0 * slow / slow.std()).astype(np.float32))
    stack = Stack(frames=frames, shape=(210, SIDE, SIDE), name="movie.npy", pixel_size=0.5)
    noisy = Series(name="movie.npy", stacks=(stack,))
    boxes, _ = cut(noisy, track_of(_places(noisy)), 0.5, tmp_path / "boxes.npy")
    assert boxes.transmission is None or (boxes.transmission > 0.9).mean() > 0.995


def test_a_particle_that_fills_the_frame_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.indices((40, 40)) - 20
    disc = 5.0 * gaussian_filter((np.hypot(y, x) < 18).astype(float), 1.0)
    frames = [(disc + rng.normal(size=disc.shape)).astype(np.float32) for _ in range(210)]
    series = Series(name="m", stacks=(Stack(frames=frames, shape=(210, 40, 40), name="m", pixel_size=0.5),))
    with pytest.raises(InputError, match="background"):
        cut(series, track_of(_places(series)), 0.5, tmp_path / "boxes.npy")


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    series, _ = _movie(50)
    with pytest.raises(InputError, match="200"):
        cut(series, track_of(_places(series)), 0.5, tmp_path / "boxes.npy")
