"""What overlap hides is given back where particles lie at random."""

import numpy as np
import pytest

from nanonet.measure.overlap import overlap_weights


def scattered(crowding: float, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return diameters of discs thrown on a torus, which overlap none, and the share of area of the rest."""
    rng, side = np.random.default_rng(seed), 1000.0
    number = int(crowding * side**2 / (np.pi / 4 * 20**2))
    diameter = rng.lognormal(np.log(20.0), 0.4, number)
    place = rng.uniform(0, side, (number, 2))
    apart = np.abs(place[:, None] - place[None])
    distance = np.hypot(*np.moveaxis(np.minimum(apart, side - apart), -1, 0))
    np.fill_diagonal(distance, np.inf)
    free = (distance > (diameter[:, None] + diameter) / 2).all(axis=1)
    return diameter, free, float((diameter**2)[~free].sum() / (diameter**2).sum())


@pytest.mark.parametrize("crowding", [0.02, 0.1, 0.2])
def test_sizes_of_all_are_told_from_those_that_overlap_none(crowding):
    raw, corrected = [], []
    for seed in range(12):
        diameter, free, hidden = scattered(crowding, seed)
        seen = diameter[free]
        weight = overlap_weights(seen, np.ones(len(seen)), hidden)
        raw.append(seen.mean() / diameter.mean() - 1)
        corrected.append(np.average(seen, weights=weight) / diameter.mean() - 1)
    assert np.mean(raw) < -0.01 * crowding / 0.02
    assert abs(np.mean(corrected)) < 3 * np.std(corrected) / np.sqrt(12) + 0.003


def test_nothing_hidden_changes_nothing():
    assert np.array_equal(overlap_weights(np.array([3.0, 9.0]), np.ones(2), 0.0), np.ones(2))
    assert overlap_weights(np.zeros(0), np.zeros(0), 0.5).shape == (0,)


def test_larger_particles_count_more_and_the_hidden_area_comes_out():
    diameter, weight = np.array([1.0, 2.0, 4.0, 100.0]), np.array([1.0, 2.0, 1.0, 1.0])
    found = overlap_weights(diameter, weight, 0.4)
    assert (np.diff(found) > 0).all()
    assert found.min() >= 1
    area = weight * diameter**2
    assert 1 - area.sum() / (area * found).sum() == pytest.approx(0.4, abs=1e-3)
