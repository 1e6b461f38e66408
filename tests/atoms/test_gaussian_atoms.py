"""Atoms drawn into maps, and maps read along their derivatives."""

from dataclasses import replace

import numpy as np
import pytest

from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw, read_along, read_second

SHAPE, VOXEL = (24, 26, 28), 0.3
ATOMS = GaussianAtoms(
    positions=np.array([[3.1, 4.2, 3.3], [5.3, 3.9, 4.1]]),
    weights=np.array([2.0, 3.0]),
    u_iso=np.array([0.12, 0.25]),
)


def test_a_map_holds_the_weight_of_its_atoms_where_they_are() -> None:
    density = draw(ATOMS, SHAPE, VOXEL).astype(float)
    assert density.sum() * VOXEL**3 == pytest.approx(5.0, rel=0.01)
    z, y, x = np.indices(SHAPE) * VOXEL
    middle = [float((axis * density).sum() / density.sum()) for axis in (x, y, z)]
    assert middle == pytest.approx(list((ATOMS.weights[:, None] * ATOMS.positions).sum(0) / 5), abs=0.005)


def test_derivatives_are_those_of_the_drawn_map() -> None:
    field = np.random.default_rng(0).normal(size=SHAPE)
    slopes = read_along(field, ATOMS, VOXEL)

    def held_against(atoms: GaussianAtoms) -> float:
        return float((draw(atoms, SHAPE, VOXEL).astype(float) * field).sum()) * VOXEL**3

    step = 1e-3
    for number in range(2):
        for axis in range(3):
            move = np.zeros((2, 3))
            move[number, axis] = step
            ends = [held_against(replace(ATOMS, positions=ATOMS.positions + s * move)) for s in (1, -1)]
            assert slopes[number, 1 + axis] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-3)
        for column, name in ((0, "weights"), (4, "u_iso")):
            change = np.eye(2)[number] * step
            ends = [
                held_against(replace(ATOMS, **{name: getattr(ATOMS, name) + s * change})) for s in (1, -1)
            ]
            assert slopes[number, column] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-3)


def test_the_trace_of_the_u_tensor_is_u() -> None:
    field = np.random.default_rng(1).normal(size=SHAPE)
    tensor = read_second(field, ATOMS, VOXEL)
    assert np.trace(tensor, axis1=1, axis2=2) == pytest.approx(read_along(field, ATOMS, VOXEL)[:, 4])
    assert tensor == pytest.approx(tensor.transpose(0, 2, 1))


def test_an_atom_cut_by_a_face_of_the_map_is_drawn_in_part() -> None:
    half = GaussianAtoms(
        positions=np.array([[-VOXEL / 2, 3.6, 3.6]]), weights=np.ones(1), u_iso=np.array([0.2])
    )
    assert draw(half, SHAPE, VOXEL).sum() * VOXEL**3 == pytest.approx(0.5, abs=0.01)
