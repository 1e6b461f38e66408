"""Particles that fit their map badly go where they fit, or nowhere; the others stay."""

import numpy as np

from nanonet.cluster.second_look import moved, suspects


def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, -1], [60, 60, 2])
    own = np.concatenate([rng.normal(0.97, 0.005, 120), [np.nan, np.nan]])
    own[[3, 70]] = 0.8, 0.85
    return classes, own


def test_who_fits_badly_or_nowhere_is_looked_at() -> None:
    classes, own = scene()
    assert np.flatnonzero(suspects(classes, own)).tolist() == [3, 70, 120, 121]


def test_each_goes_where_it_fits() -> None:
    classes, own = scene()
    looked_at = np.array([3, 70, 120, 121, 5])
    scores = np.array([[0.8, 0.972], [0.7, 0.85], [0.5, 0.6], [0.968, 0.9], [0.965, 0.975]])
    found = moved(classes, own, looked_at, scores)
    assert found.classes[[3, 70, 120, 121]].tolist() == [1, -1, -1, 0]
    assert found.classes[5] == 0  # hardly better elsewhere
    assert np.flatnonzero(found.joined).tolist() == [3, 121]
    assert np.flatnonzero(found.dropped).tolist() == [70]
    others = np.setdiff1d(np.arange(len(classes)), looked_at)
    assert np.array_equal(found.classes[others], classes[others])
