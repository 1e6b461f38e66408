from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.events import find_events
from nanonet.atomic_columns.time.groups import learn_groups, smooth_groups


def sure(*depths, deepest=6):
    """Return posteriors (t, 1, D + 1) that are nearly sure of the given depths."""
    chance = np.full((len(depths), 1, deepest + 1), 1e-4, dtype=np.float32)
    chance[np.arange(len(depths)), 0, list(depths)] = 1.0
    return chance / chance.sum(2, keepdims=True)


def told(events):
    columns = (events.frame, events.before, events.after, events.kind)
    return [(int(f), int(b), int(a), k) for f, b, a, k in zip(*columns, strict=True)]


def test_one_change_is_one_event():
    found = find_events(sure(*[3] * 20, *[4] * 20))
    assert told(found) == [(20, 3, 4, "gained")]
    assert found.frame_low[0] == found.frame_high[0] == 20
    assert found.probability[0] > 0.99


def test_every_kind_in_its_order():
    found = find_events(sure(*[0] * 9, *[1] * 9, *[2] * 9, *[1] * 9, *[0] * 9))
    kinds = [(9, 0, 1, "born"), (18, 1, 2, "gained"), (27, 2, 1, "lost"), (36, 1, 0, "gone")]
    assert told(found) == kinds


def test_atoms_that_come_at_once_are_one_event():
    assert told(find_events(sure(*[5] * 10, *[0] * 10))) == [(10, 5, 0, "gone")]
    assert told(find_events(sure(*[1] * 10, *[4] * 10))) == [(10, 1, 4, "gained")]


def test_steps_that_are_apart_in_time_stay_apart():
    assert told(find_events(sure(*[1] * 10, *[2] * 3, *[3] * 10))) == [
        (10, 1, 2, "gained"),
        (13, 2, 3, "gained"),
    ]


def test_a_change_that_is_spread_in_time_is_one_event_with_its_interval():
    rise = np.clip((np.arange(60) - 20) / 20, 0.0, 1.0)
    chance = np.zeros((60, 1, 5), dtype=np.float32)
    chance[:, 0, 2], chance[:, 0, 3] = 1 - rise, rise
    found = find_events(chance)
    assert told(found) == [(30, 2, 3, "gained")]
    assert found.frame_low[0] == 21
    assert found.frame_high[0] in (39, 40)


def test_flicker_and_what_is_less_likely_than_not_is_no_event():
    chance = np.zeros((100, 1, 3), dtype=np.float32)
    chance[..., 1] = 0.5 + 0.2 * np.sin(np.arange(100))[:, None]
    chance[..., 2] = 1 - chance[..., 1]
    assert len(find_events(chance)) == 0
    half = sure(*[1] * 50, *[2] * 50) * np.float32(0.45) + sure(*[1] * 100) * np.float32(0.55)
    assert len(find_events(half)) == 0


def test_sites_do_not_disturb_each_other():
    one, other = sure(*[3] * 20, *[4] * 20), sure(*[2] * 11, *[0] * 29)
    both = np.concatenate([one, other, sure(*[1] * 40)], axis=1)
    assert told(find_events(both)) == told(find_events(one)) + told(find_events(other))
    assert find_events(both).site.tolist() == [0, 1]


def test_movies_without_events():
    assert len(find_events(sure(3))) == 0
    assert len(find_events(np.empty((0, 4, 5), dtype=np.float32))) == 0
    assert find_events(sure(3, 3)).kind == []


def test_what_is_surer_than_single_precision_stays_apart():
    def doubt(chance):
        wrong = np.float32(chance)
        posterior = np.array([[[1 - wrong, wrong]]] * 5 + [[[wrong, 1 - wrong]]] * 5, dtype=np.float32)
        return find_events(posterior).doubt[0]

    assert doubt(1e-12) < doubt(1e-10) < 1e-9


@pytest.mark.parametrize(("noise", "recall"), [(0.4, 0.93), (0.6, 0.88), (0.9, 0.78)])
def test_changes_are_found_with_honest_probabilities_and_times(make, noise, recall):
    shown = make.movie(400, noise=noise, seed=4)
    groups = learn_groups(shown.likelihood, np.zeros(shown.depth.shape[1], dtype=int))
    found = find_events(smooth_groups(shown.likelihood, groups).posterior)
    right, seen = make.matched(found, shown.depth)
    assert seen.mean() > recall
    assert right.sum() > found.probability.sum() - 3 * np.sqrt(found.doubt.sum()) - 1
    site, frame, *_ = make.true_events(shown.depth)
    truth = [frame[site == s] for s in found.site]
    alone = [
        (t, low, high)
        for t, f, low, high in zip(truth, found.frame, found.frame_low, found.frame_high, strict=True)
        if np.abs(t - f).min(initial=99) < 10
    ]
    covered = [np.any((t >= low) & (t <= high)) for t, low, high in alone]
    assert np.mean(covered) > 0.85
