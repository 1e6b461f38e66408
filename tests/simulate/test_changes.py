import numpy as np
import pytest
from crystal_pieces import piece

from simulate.structures.changes import (
    bonds,
    change_end,
    coordination,
    follow,
    nearest_distance,
    neighbours,
    settle_anions,
)


def counted_in(particle, occupied, column):
    bounds = particle.sites.bounds(column)
    own = occupied[bounds] & particle.sites.counted[bounds]
    return particle.sites.positions[bounds][own, 2]


# Along [111] of fluorite anions share the columns of the cations.
@pytest.mark.parametrize(("name", "axis"), [("Au", (1, 1, 0)), ("CeO2", (1, 1, 0)), ("CeO2", (1, 1, 1))])
@pytest.mark.parametrize("at_exit", [False, True])
def test_an_end_gains_and_loses_one_counted_atom(name, axis, at_exit):
    particle = piece(name, axis, radius=9.0, margin=12.0)
    sites, occupied = particle.sites, particle.occupied.copy()
    column = int(np.median(sites.columns[occupied & sites.counted]))
    while not len(counted_in(particle, occupied, column)):
        column += 1
    before = counted_in(particle, occupied, column)
    repeat = np.diff(np.sort(sites.positions[sites.bounds(column)][sites.counted[sites.bounds(column)], 2]))
    assert change_end(sites, occupied, column, gain=True, at_exit=at_exit)
    after = counted_in(particle, occupied, column)
    assert len(after) == len(before) + 1
    np.testing.assert_allclose(
        after.max() - before.max() if at_exit else before.min() - after.min(), repeat[0]
    )
    deepest = len(before)
    assert not change_end(sites, occupied, column, gain=True, at_exit=at_exit, deepest=deepest)
    assert change_end(sites, occupied, column, gain=False, at_exit=at_exit)
    np.testing.assert_array_equal(occupied, particle.occupied)


def test_an_empty_column_and_the_end_of_the_sites_change_nothing():
    particle = piece("Au", radius=8.0)
    occupied = np.zeros_like(particle.occupied)
    assert not change_end(particle.sites, occupied, 3, gain=True, at_exit=True)
    occupied[particle.sites.bounds(3)] = True
    assert not change_end(particle.sites, occupied, 3, gain=True, at_exit=True)
    assert change_end(particle.sites, occupied, 3, gain=False, at_exit=True)


def test_neighbours_are_the_first_shell():
    for name, edge in (("Au", 4.0782), ("CeO2", 5.4113)):
        particle = piece(name)
        sites = particle.sites
        pairs = neighbours(sites)
        lengths = np.linalg.norm(sites.positions[pairs[:, 0]] - sites.positions[pairs[:, 1]], axis=1)
        np.testing.assert_allclose(lengths, edge / np.sqrt(2), rtol=1e-6)
        number = coordination(sites, np.ones(len(sites), dtype=bool))
        assert number.max() == 12
        assert sites.counted[pairs].all()
        of_particle = coordination(sites, particle.occupied)[particle.occupied & sites.counted]
        assert set(of_particle.tolist()) == {6, 7, 8, 9, 12}  # a truncated octahedron: corners to inside


def test_bonds_of_fluorite_are_four_of_one_length():
    sites = piece("CeO2").sites
    pairs = bonds(sites)
    lengths = np.linalg.norm(sites.positions[pairs[:, 0]] - sites.positions[pairs[:, 1]], axis=1)
    np.testing.assert_allclose(lengths, np.sqrt(3) / 4 * 5.4113, rtol=1e-6)
    assert np.bincount(pairs[:, 0]).max() == 4
    assert not sites.counted[pairs[:, 0]].any()
    assert sites.counted[pairs[:, 1]].all()


def test_anions_follow_their_cations():
    particle = piece("CeO2")
    sites = particle.sites
    whole = settle_anions(sites, particle.occupied)
    np.testing.assert_array_equal(whole[sites.counted], particle.occupied[sites.counted])
    held = np.zeros(len(sites), dtype=int)
    pairs = bonds(sites)
    np.add.at(held, pairs[:, 0], particle.occupied[pairs[:, 1]])
    anions = ~sites.counted
    assert whole[anions & (held >= 3)].all()
    assert not whole[anions & (held < 2)].any()
    assert 0.3 < whole[anions & (held == 2)].mean() < 0.7
    assert whole[anions].sum() / whole[sites.counted].sum() == pytest.approx(2, abs=0.1)


def test_anion_vacancies_empty_that_fraction_whatever_their_bonds():
    sites = piece("CeO2", radius=16.0).sites
    everything = np.ones(len(sites), dtype=bool)
    anions = ~sites.counted
    whole, half = (settle_anions(sites, everything, part)[anions].sum() for part in (0.0, 0.5))
    assert half / whole == pytest.approx(0.5, abs=0.05)
    particle = piece("CeO2", radius=16.0)
    some = settle_anions(sites, particle.occupied, 0.2)
    assert not (some & ~settle_anions(sites, particle.occupied, 0.1)).any()


def test_a_metal_has_no_anions_to_settle():
    particle = piece("Pt")
    settled = settle_anions(particle.sites, particle.occupied, 0.5)
    np.testing.assert_array_equal(settled, particle.occupied)
    assert settled is not particle.occupied


def test_anions_far_from_a_change_stay_as_they_were():
    particle = piece("CeO2")
    sites = particle.sites
    before = settle_anions(sites, particle.occupied, 0.1)
    after = before.copy()
    cation = np.flatnonzero(before & sites.counted)[40]
    after[cation] = False
    followed = follow(sites, before, after)
    distance = np.linalg.norm(sites.positions - sites.positions[cation], axis=1)
    np.testing.assert_array_equal(followed[distance > 2.5], before[distance > 2.5])
    assert not (followed & ~before).any()
    np.testing.assert_array_equal(follow(sites, before, before), before)


def test_the_nearest_distance_leaves_the_point_itself_aside():
    line = np.array([[0.0, 0, 0], [2.0, 0, 0], [4.0, 0, 0]])
    assert nearest_distance(line, line) == pytest.approx(2.0)
    assert nearest_distance(line + np.array([0, 1.5, 0]), line) == pytest.approx(1.5)
