from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.events import find_events
from nanonet.atomic_columns.time.false_alarms import PER, FalseAlarms, count_false_alarms
from nanonet.atomic_columns.time.groups import learn_groups, posterior_of
from nanonet.atomic_columns.time.steps import mean_reading, settled

UNIFORM = np.full(11, 1 / 11)


def searched(shown, *, rate, evidence=0.5):
    likelihood = shown.likelihood ** np.float32(evidence)
    groups = learn_groups(likelihood, np.zeros(shown.depth.shape[1], dtype=int))
    reading = mean_reading(shown.likelihood, UNIFORM)
    events = settled(find_events(posterior_of(likelihood, groups)), reading)
    rng = np.random.default_rng(0)
    alarms = count_false_alarms(likelihood, reading, groups, events, rng, rate=rate)
    return events.taken(np.flatnonzero(events.doubt <= alarms.most_doubt(rate))), alarms


def test_rates_count_what_is_as_certain():
    alarms = FalseAlarms(doubt=np.array([1e-6, 1e-3, 0.1, 0.4]), column_frames=2 * PER)
    np.testing.assert_allclose(alarms.rate(np.array([1e-7, 1e-6, 0.05, 0.5])), [0.5, 1.0, 1.5, 2.5])


@pytest.mark.parametrize("rate", [0.5, 0.9, 1.0, 1.7, 2.0, 2.5, 3.0])
def test_what_is_believed_is_within_the_rate(rate):
    alarms = FalseAlarms(doubt=np.array([1e-6, 1e-3, 0.1, 0.4]), column_frames=2 * PER)
    most = alarms.most_doubt(rate)
    assert alarms.rate(np.array([most]))[0] <= rate
    assert most == 0.5 or alarms.rate(np.array([np.nextafter(most, 1)]))[0] > rate


def test_too_few_frames_to_tell_believe_nothing():
    assert FalseAlarms(doubt=np.empty(0), column_frames=10.0).most_doubt(0.05) == 0.0


@pytest.mark.parametrize(("lasting", "evidence"), [(0.0, 1.0), (0.0, 0.5), (0.3, 0.5)])
def test_columns_that_do_not_change_show_as_few_events_as_asked(make, lasting, evidence):
    rate, found, frames = 1.0, 0, 0
    for seed in range(3):
        shown = make.movie(250, noise=0.6, lasting=lasting, still=True, seed=seed)
        events, _ = searched(shown, rate=rate, evidence=evidence)
        found, frames = found + len(events), frames + shown.depth.size
    assert found <= rate * frames / PER + 3 * np.sqrt(rate * frames / PER)


@pytest.mark.parametrize("lasting", [0.0, 0.1, 0.3])
def test_a_movie_of_changing_columns_keeps_the_rate_and_its_events(make, lasting):
    wrong, allowed = 0, 0.0
    for seed in range(5, 8):
        shown = make.movie(400, noise=0.5, lasting=lasting, seed=seed)
        events, alarms = searched(shown, rate=0.5)
        right, seen = make.matched(events, shown.depth)
        assert seen.mean() > 0.85 - lasting
        assert (alarms.rate(events.doubt) <= 0.5).all()
        wrong, allowed = wrong + np.sum(~right), allowed + 0.5 * shown.depth.size / PER
    assert wrong <= allowed + 2 * np.sqrt(allowed)


def test_shuffled_frames_of_still_columns_show_what_was_counted(make):
    """In columns that do not change, frames may be in any order: an independent count of the same rate."""
    busy = make.movie(300, noise=0.9, lasting=0.3, rim=0.03, inside=0.03, seed=6)
    groups = learn_groups(busy.likelihood, np.zeros(busy.depth.shape[1], dtype=int))
    still = make.movie(100, noise=0.9, lasting=0.3, still=True, seed=6)
    reading = mean_reading(still.likelihood, UNIFORM)

    def found(order):
        posterior = posterior_of(still.likelihood[order], groups)
        return settled(find_events(posterior), reading[order])

    rng = np.random.default_rng(1)
    shuffled = sum(len(found(rng.permutation(100))) for _ in range(10)) / (10 * still.depth.size) * PER
    events = found(np.arange(100))
    alarms = count_false_alarms(still.likelihood, reading, groups, events, rng, rate=1.0)
    assert shuffled > 5
    assert alarms.rate(np.array([0.5]))[0] == pytest.approx(shuffled, rel=0.5)


def test_ambiguous_evidence_is_believed_less(make):
    clear = searched(make.movie(150, radius=16, noise=0.3, seed=7), rate=0.2)[1]
    vague = searched(make.movie(150, radius=16, noise=0.9, lasting=0.3, seed=7), rate=0.2)[1]
    assert vague.most_doubt(0.2) < clear.most_doubt(0.2)
