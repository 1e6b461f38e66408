from __future__ import annotations

import numpy as np

from nanonet.atomic_columns.time.migration import find_migration


def row_of(sites):
    return np.stack([np.arange(sites - 1), np.arange(1, sites)], axis=1)


def changes(frames=2000, sites=30, rate=0.01, seed=0, burst=None, restless=None):
    rng = np.random.default_rng(seed)
    chance = np.full((frames, sites), rate)
    if burst is not None:
        chance[::burst] = 0.4
    if restless is not None:
        chance[restless, 10:14] = 0.2
    return (rng.random((2, frames, sites)) < chance).astype(np.float32)


def scores(found):
    """Return the excess of each pair in units of its error."""
    return found.excess / np.maximum(found.error, 1e-9)


def test_gains_and_losses_are_sums_over_the_movie():
    gains, losses = changes(frames=300)
    found = find_migration(gains, losses, row_of(30))
    np.testing.assert_allclose(found.gains, gains.sum(0))
    np.testing.assert_allclose(found.losses, losses.sum(0))
    assert len(found.pairs) == 58


def test_independent_changes_are_no_exchange():
    for seed in range(3):
        for more in ({}, {"burst": 50}, {"restless": slice(500, 1000)}):
            found = find_migration(*changes(seed=seed, **more), row_of(30))
            assert abs(found.excess.sum()) < 3.5 * np.sqrt(np.sum(found.error**2))
            assert np.mean(np.abs(scores(found)) > 3) < 0.05


def test_chance_is_what_independent_changes_show():
    found = find_migration(*changes(rate=0.03, frames=4000), row_of(30))
    np.testing.assert_allclose(found.chance.mean(), 4000 * 0.03**2 * 2, rtol=0.1)


def test_atoms_that_move_to_a_neighbour_are_found_with_their_direction():
    gains, losses = changes(seed=4)
    when = np.arange(20, 1900, 60)
    losses[when, 5] = 1.0
    gains[when + np.arange(len(when)) % 2, 6] = 1.0
    found = find_migration(gains, losses, row_of(30))
    there = (found.pairs == [5, 6]).all(1)
    back = (found.pairs == [6, 5]).all(1)
    assert abs(found.excess[there][0] - len(when)) < 3 * found.error[there][0]
    assert scores(found)[there][0] > 4 > scores(found)[~there].max()
    assert found.net[there][0] == -found.net[back][0] > 0.7 * len(when)
    sent, error = found.at_sites(0)
    assert sent.argmax() == 5
    assert found.at_sites(1)[0].argmax() == 6
    assert sent[5] > 4 * error[5]


def test_without_neighbours_or_changes_nothing_moves():
    nothing = np.zeros((50, 4), dtype=np.float32)
    found = find_migration(nothing, nothing, row_of(4))
    assert (found.moves == 0).all()
    assert (found.chance == 0).all()
    alone = find_migration(*changes(sites=5), np.empty((0, 2), dtype=int))
    assert alone.at_sites(0)[0].tolist() == [0.0] * 5
