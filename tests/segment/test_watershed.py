"""Touching particles are cut at necks, and only there."""

import numpy as np
import pytest

from nanonet.records import InputError
from nanonet.segment import watershed
from nanonet.segment.separation import Foreground


def discs(*centres: tuple[float, float, float], shape: tuple[int, int] = (120, 200)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.any([(y - cy) ** 2 + (x - cx) ** 2 <= r**2 for cy, cx, r in centres], axis=0)


def separate(mask: np.ndarray, *, neck: float, smallest: float) -> tuple[np.ndarray, np.ndarray]:
    found = watershed.separate(Foreground(mask=mask, smallest=smallest), neck=neck)
    assert not found.flagged.any()
    return found.labels, found.separated


def test_apart_particles_are_numbered_in_rows_and_not_separated() -> None:
    labels, separated = separate(discs((30, 150, 15), (80, 40, 20), (85, 150, 10)), neck=0.75, smallest=6)
    assert [labels[30, 150], labels[80, 40], labels[85, 150]] == [1, 2, 3]
    assert labels.dtype == np.int32
    assert separated.tolist() == [False, False, False]


def test_touching_discs_are_cut_at_the_neck() -> None:
    mask = discs((60, 70, 20), (60, 105, 20), (20, 20, 8))
    labels, separated = separate(mask, neck=0.75, smallest=6)
    assert labels.max() == 3
    assert separated[labels[60, 70] - 1]
    assert separated[labels[60, 105] - 1]
    assert not separated[labels[20, 20] - 1]
    assert np.array_equal(labels > 0, mask)
    at = np.flatnonzero(np.diff(labels[60, 70:106]))
    assert at == pytest.approx([17], abs=1)


@pytest.mark.parametrize(("distance", "parts"), [(22, 1), (34, 2)])
def test_discs_stay_one_until_their_neck_is_narrow(distance: int, parts: int) -> None:
    """The rule 2 r sqrt(1 - neck²) gives 26.5 px here."""
    mask = discs((60, 80, 20), (60, 80 + distance, 20))
    assert separate(mask, neck=0.75, smallest=6)[0].max() == parts


@pytest.mark.parametrize("angle", np.linspace(0, np.pi / 2, 7))
def test_rods_and_ellipses_are_not_cut(angle: float) -> None:
    y, x = np.mgrid[-80:81, -80:81]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    for mask in ((np.abs(u) < 60) & (np.abs(v) < 9), (u / 60) ** 2 + (v / 15) ** 2 < 1):
        assert separate(mask, neck=0.75, smallest=6)[0].max() == 1


def test_nothing_smaller_than_the_smallest_is_cut_off() -> None:
    mask = discs((60, 80, 25), (60, 110, 6))
    assert separate(mask, neck=0.75, smallest=6)[0].max() == 2
    assert separate(mask, neck=0.75, smallest=16)[0].max() == 1


def test_neck_zero_cuts_nothing() -> None:
    assert separate(discs((60, 70, 20), (60, 109, 20)), neck=0.0, smallest=6)[0].max() == 1


def test_empty_and_full_masks() -> None:
    labels, separated = separate(np.zeros((9, 9), dtype=bool), neck=0.75, smallest=6)
    assert labels.max() == 0
    assert len(separated) == 0
    assert separate(np.ones((9, 9), dtype=bool), neck=0.75, smallest=6)[0].max() == 1


@pytest.mark.parametrize("neck", [-0.1, 1.5])
def test_a_neck_that_is_no_share_is_refused(neck: float) -> None:
    with pytest.raises(InputError, match=rf"neck must be in 0\.\.1, got {neck}"):
        separate(np.ones((9, 9), dtype=bool), neck=neck, smallest=6)
