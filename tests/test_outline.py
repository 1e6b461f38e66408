"""Lengths of outlines against those of the shapes that were drawn."""

import numpy as np
import pytest

from nanonet.outline import convexity, measure_outline, outlines

ANGLES = np.linspace(0.0, np.pi / 2, 10)


def grid(half: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    return y, x


def disc(radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    y, x = grid(int(radius) + 4)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def rectangle(length: float, width: float, angle: float) -> np.ndarray:
    y, x = grid(int(length) + 4)
    y, x = y - 0.21, x + 0.13
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (np.abs(u) <= length / 2) & (np.abs(v) <= width / 2)


@pytest.mark.parametrize("radius", [5.0, 10.0, 30.0])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.3, 0.45)])
def test_disc(radius: float, centre: tuple[float, float]) -> None:
    shape = measure_outline(disc(radius, centre))
    assert shape.perimeter == pytest.approx(2 * np.pi * radius, rel=0.04 if radius < 10 else 0.021)
    assert shape.hull_perimeter == pytest.approx(shape.perimeter, rel=0.01)
    assert shape.hull_area == pytest.approx(np.pi * radius**2, rel=0.04)
    assert shape.feret_min == pytest.approx(2 * radius, abs=1.0)
    assert shape.feret_max == pytest.approx(2 * radius, abs=1.0)


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("length", "width"), [(20, 20), (40, 20), (90, 30)])
def test_rectangle_turned_by_any_angle(angle: float, length: float, width: float) -> None:
    shape = measure_outline(rectangle(length, width, angle))
    assert shape.perimeter == pytest.approx(2 * (length + width), rel=0.04)
    assert shape.hull_area == pytest.approx(length * width, rel=0.06)
    assert shape.feret_min == pytest.approx(width, abs=1.0)
    assert shape.feret_max == pytest.approx(np.hypot(length, width), abs=1.6)


def test_rectangle_along_the_axes_has_its_exact_width() -> None:
    mask = np.zeros((30, 40), dtype=bool)
    mask[5:16, 4:31] = True
    shape = measure_outline(mask)
    assert shape.feret_min == pytest.approx(11.0)
    assert shape.hull_perimeter == pytest.approx(shape.perimeter)


def test_quarter_turns_and_mirrors_change_nothing() -> None:
    mask = np.random.default_rng(4).random((12, 17)) < 0.55
    mask[4:8, 3:14] = True
    wanted = measure_outline(mask)
    for turned in (np.rot90(mask), np.rot90(mask, 2), np.rot90(mask, 3), mask[::-1], mask.T):
        found = measure_outline(turned)
        assert list(vars(found).values()) == pytest.approx(list(vars(wanted).values()), rel=1e-12)


def test_holes_have_no_part_in_the_outline() -> None:
    ring = disc(20.0) & ~np.pad(disc(6.0), 14)
    assert vars(measure_outline(ring)) == vars(measure_outline(disc(20.0)))


def test_pieces_add_up() -> None:
    mask = np.zeros((20, 50), dtype=bool)
    mask[4:14, 4:14] = mask[4:14, 30:40] = True
    alone = measure_outline(mask[:, :20])
    both = measure_outline(mask)
    assert len(outlines(mask)) == 2
    assert both.perimeter == pytest.approx(2 * alone.perimeter)
    assert both.feret_max > 36


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (1, 9), (2, 2), (3, 3)])
def test_few_pixels_give_finite_lengths(size: tuple[int, int]) -> None:
    shape = measure_outline(np.ones(size, dtype=bool))
    assert 0 < shape.feret_min <= shape.feret_max <= np.hypot(*size) + 1e-9
    assert 0 < shape.hull_area <= size[0] * size[1] + 1e-9
    assert shape.hull_perimeter <= shape.perimeter + 1e-9


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.3, 8.0, 40.0])
def test_convexity_of_a_disc_is_one(radius: float) -> None:
    for centre in ((0.0, 0.0), (0.3, 0.45), (0.5, 0.1)):
        assert 0.99 < convexity(disc(radius, centre)) <= 1.0


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("length", "width"), [(6, 4), (20, 20), (60, 4), (90, 30)])
def test_convexity_of_a_rectangle_is_one_at_any_angle(angle: float, length: float, width: float) -> None:
    assert 0.98 < convexity(rectangle(length, width, angle)) <= 1.0


@pytest.mark.parametrize("angle", ANGLES)
def test_convexity_of_an_ell(angle: float) -> None:
    """Two arms of 60 by 20 px share a corner: perimeter 240, its hull 60 + 60 + 20 + 20 + 40 √2."""
    y, x = grid(70)
    u, v = x * np.cos(angle) + y * np.sin(angle) + 30, y * np.cos(angle) - x * np.sin(angle) + 30
    ell = (u >= 0) & (v >= 0) & (u <= 60) & (v <= 60) & ((u <= 20) | (v <= 20))
    assert convexity(ell) == pytest.approx((160 + 40 * np.sqrt(2)) / 240, rel=0.02)


def test_convexity_is_that_of_the_lengths() -> None:
    mask = disc(20.0) | np.roll(disc(20.0), 15, axis=1)
    shape = measure_outline(mask)
    assert convexity(mask) == pytest.approx(shape.hull_perimeter / shape.perimeter)
