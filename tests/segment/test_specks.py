"""Specks and pinholes below a size are taken out, and nothing larger."""

import numpy as np
import pytest

from nanonet.segment.specks import disc_area, without_specks


def block(size: int, *, hole: int = 0, at: tuple[int, int] = (5, 5)) -> np.ndarray:
    """Return a square of a side, with a square hole in its middle."""
    mask = np.zeros((40, 40), dtype=bool)
    y, x = at
    mask[y : y + size, x : x + size] = True
    inner = (size - hole) // 2
    mask[y + inner : y + inner + hole, x + inner : x + inner + hole] = False
    return mask


@pytest.mark.parametrize(("size", "stays"), [(3, False), (4, True)])
def test_pieces_go_by_the_area_of_a_disc(size: int, stays: bool) -> None:
    """A disc of 4 px has 12.6 px."""
    assert disc_area(4.0) == pytest.approx(12.566, abs=1e-3)
    assert without_specks(block(size), 4.0).any() == stays


@pytest.mark.parametrize(("hole", "stays"), [(3, False), (4, True)])
def test_holes_go_by_the_same_area(hole: int, stays: bool) -> None:
    found = without_specks(block(16, hole=hole), 4.0)
    assert (found.sum() == 16 * 16) == (not stays)
    assert np.array_equal(found, block(16, hole=hole if stays else 0))


def test_a_bay_at_the_edge_of_the_frame_is_no_hole() -> None:
    mask = block(16, at=(0, 8))
    mask[0, 12:14] = False
    assert np.array_equal(without_specks(mask, 4.0), mask)


def test_what_meets_over_corners_does_not_hang_together() -> None:
    mask = block(3) | block(3, at=(8, 8))
    assert not without_specks(mask, 4.0).any()
    ring = block(16)
    ring[8:11, 8:11] = ring[11:14, 11:14] = False
    assert np.array_equal(without_specks(ring, 4.0), block(16))


@pytest.mark.parametrize("diameter", [0.0, 1.0])
def test_nothing_is_smaller_than_a_pixel(diameter: float) -> None:
    mask = np.random.default_rng(0).random((30, 30)) < 0.5
    assert np.array_equal(without_specks(mask, diameter), mask)
