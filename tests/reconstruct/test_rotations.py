"""Point groups close, split and leave standard axes; grids of rotations are even and cover what they say."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanonet.reconstruct.point_group import equivalent_frames, factors, on_grid_and_rest, operations
from nanonet.reconstruct.rotation_grid import (
    folded,
    looking_along,
    super_fibonacci,
    view_directions,
)
from nanonet.records import InputError

ORDERS = {"C1": 1, "C2": 2, "C3": 3, "C4": 4, "D2": 4, "D3": 6, "D4": 8, "T": 12, "O": 24, "I": 60}


def same_set(one: np.ndarray, other: np.ndarray) -> bool:
    return len(one) == len(other) and all(np.abs(other - each).max((1, 2)).min() < 1e-9 for each in one)


@pytest.mark.parametrize(("name", "order"), ORDERS.items())
def test_operations_are_a_group_and_split_without_loss(name: str, order: int) -> None:
    group = operations(name)
    assert len(group) == order
    assert np.allclose(group[0], np.eye(3))
    assert same_set((group[:, None] @ group[-1:]).reshape(-1, 3, 3), group)
    on_grid, rest = on_grid_and_rest(group)
    assert same_set((on_grid[:, None] @ rest).reshape(-1, 3, 3), group)
    product = np.eye(3)[None]
    for factor in factors(on_grid):
        product = (factor[:, None] @ product).reshape(-1, 3, 3)
    assert same_set(product, on_grid)


def test_sums_over_the_cubic_group_take_few_terms() -> None:
    assert sum(len(factor) for factor in factors(operations("O"))) == 9


@pytest.mark.parametrize("name", ["D2", "D3", "D4", "T", "O", "I"])
def test_equivalent_frames_turn_a_group_into_itself(name: str) -> None:
    group = operations(name)
    for frame in equivalent_frames(name):
        assert same_set(frame @ group @ frame.T, group)


@pytest.mark.parametrize("name", ["C0", "D1", "X", "", "C-1", "O2"])
def test_an_unknown_group_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="point_group must be"):
        operations(name)


def test_super_fibonacci_is_even() -> None:
    step = 0.5
    grid = super_fibonacci(step)
    assert len(grid) == round(8 * np.pi**2 / step**3)
    asked = Rotation.random(500, rng=0).as_matrix()
    angle = np.arccos(np.clip((np.einsum("nij,gij->ng", asked, grid).max(1) - 1) / 2, -1, 1))
    assert angle.max() < 1.1 * step
    assert np.abs(grid.mean(0)).max() < 0.02


@pytest.mark.parametrize("name", ["C4", "D3", "O"])
def test_an_asymmetric_unit_holds_one_of_each(name: str) -> None:
    group = operations(name)
    directions = view_directions(0.1, group)
    assert len(directions) == pytest.approx(4 * np.pi / 0.01 / len(group), rel=0.1)
    asked = folded(Rotation.random(200, rng=1).as_matrix()[:, 2], group)
    assert np.arccos(np.clip(np.einsum("ni,vi->nv", asked, directions).max(1), -1, 1)).max() < 0.17


def test_looking_along_brings_directions_to_the_beam() -> None:
    directions = np.concatenate([view_directions(0.4, operations("C1")), [[0, 0, 1.0], [0, 0, -1.0]]])
    turned = np.einsum("nij,nj->ni", looking_along(directions), directions)
    np.testing.assert_allclose(turned, np.tile([0, 0, 1.0], (len(directions), 1)), atol=1e-9)
