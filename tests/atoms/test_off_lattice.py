"""Displacements from the lattice that two models share, and those that they do not."""

import numpy as np

from nanonet.atoms.off_lattice import off_lattice


def _sets(shared: float, own: float, count: int = 300) -> tuple:
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 30, size=(count, 3))
    common = rng.normal(scale=shared, size=(count, 3))
    sets = []
    for order in (np.arange(count), rng.permutation(count)[: count - 20]):
        off = common + rng.normal(scale=own, size=(count, 3))
        sets.append((places[order] + 0.01 * off[order], off[order]))
    return tuple(sets)


def test_common_displacements_correlate_whatever_the_order() -> None:
    one, other = _sets(0.05, 0.05)
    found = off_lattice(one, other, 2.8, np.random.default_rng(1))
    assert 270 < found.atoms < 290  # 280 are in both
    assert 0.4 < found.correlation < 0.6
    assert found.p_value == 1e-4


def test_noise_alone_does_not() -> None:
    one, other = _sets(0.0, 0.05)
    found = off_lattice(one, other, 2.8, np.random.default_rng(1))
    assert abs(found.correlation) < 0.1
    assert found.p_value > 0.01


def test_a_shift_of_all_atoms_is_no_displacement() -> None:
    one, other = _sets(0.0, 0.05)
    moved = tuple((places, off + 0.3) for places, off in (one, other))
    found = off_lattice(*moved, 2.8, np.random.default_rng(1))
    assert abs(found.correlation) < 0.1


def test_too_few_atoms_say_nothing() -> None:
    one, other = _sets(0.05, 0.0, count=21)
    found = off_lattice(one, other, 2.8, np.random.default_rng(1))
    assert np.isnan(found.correlation)
    assert found.p_value == 1.0
