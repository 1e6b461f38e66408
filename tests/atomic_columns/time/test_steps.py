from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.events import Events, find_events
from nanonet.atomic_columns.time.groups import learn_groups, posterior_of
from nanonet.atomic_columns.time.steps import mean_reading, settled

UNIFORM = np.full(11, 1 / 11)


def events_at(*changes):
    """Return events (frame, before, after) of one site."""
    frame, before, after = (np.array(values, dtype=int) for values in zip(*changes, strict=True))
    return Events(
        site=np.zeros(len(frame), dtype=int),
        frame=frame,
        frame_low=frame - 1,
        frame_high=frame + 1,
        before=before,
        after=after,
        doubt=np.full(len(frame), 0.01),
    )


def reading(*pieces, noise=0.1, seed=0):
    values = np.concatenate([np.full(n, mean, dtype=float) for n, mean in pieces])
    return (values + noise * np.random.default_rng(seed).normal(size=len(values)))[:, None].astype(np.float32)


def told(events):
    return list(zip(events.frame.tolist(), events.before.tolist(), events.after.tolist(), strict=True))


def test_a_reading_that_does_not_move_is_no_event():
    flicker = events_at((30, 4, 5), (60, 5, 4), (90, 4, 5))
    assert len(settled(flicker, reading((120, 4.5)))) == 0
    assert len(settled(flicker, reading((120, 4.5)), least=0.0)) in (0, 1, 2)


def test_a_true_change_among_flicker_stays_and_gets_its_time():
    found = settled(events_at((30, 4, 5), (57, 5, 4), (80, 4, 5)), reading((62, 4.4), (58, 5.3)))
    assert len(found) == 1
    assert abs(found.frame[0] - 62) <= 1
    assert found.frame_low[0] <= 62 <= found.frame_high[0]
    assert found.after[0] > found.before[0]


def test_true_changes_stay():
    pieces = ((20, 3.0), (15, 4.0), (30, 2.1), (10, 3.0))
    changes = ((21, 3, 4), (34, 4, 2), (66, 2, 3))
    assert told(settled(events_at(*changes), reading(*pieces))) == [(20, 3, 4), (35, 4, 2), (65, 2, 3)]


def test_an_atom_that_moves_the_reading_by_less_than_half_is_not_believed():
    assert len(settled(events_at((50, 3, 4)), reading((50, 3.0), (50, 3.3)))) == 0
    assert len(settled(events_at((50, 3, 4)), reading((50, 3.0), (50, 3.7)))) == 1
    assert len(settled(events_at((50, 3, 5)), reading((50, 3.0), (50, 3.7)))) == 0


def test_the_first_and_the_last_frame():
    found = settled(events_at((1, 3, 4), (39, 4, 3)), reading((1, 3.0), (38, 4.0), (1, 3.0)))
    assert told(found) == [(1, 3, 4), (39, 4, 3)]


def test_no_events():
    nothing = find_events(np.full((5, 2, 3), 1 / 3, dtype=np.float32))
    assert len(settled(nothing, np.ones((5, 2), dtype=np.float32))) == 0


def test_the_reading_is_the_mean_of_what_the_network_said(make):
    shown = make.movie(5, radius=8)
    expected = shown.chance @ np.arange(11)
    np.testing.assert_allclose(mean_reading(shown.chance, UNIFORM), expected, rtol=1e-4)
    prior = np.linspace(1, 2, 11) / np.linspace(1, 2, 11).sum()
    np.testing.assert_allclose(mean_reading(shown.chance / prior, prior), expected, rtol=1e-4)


@pytest.mark.parametrize("lasting", [0.0, 0.3])
@pytest.mark.parametrize("smear", [1, 7])
def test_intervals_hold_the_times_of_true_changes(make, lasting, smear):
    """A network that reads seven frames together has noise that lasts as long."""
    shown = make.movie(400, noise=0.5, lasting=lasting, seed=3)
    kernel = np.ones(smear) / smear
    padded = np.pad(np.log(shown.likelihood), ((smear // 2,) * 2, (0, 0), (0, 0)), mode="edge")
    likelihood = np.exp(np.apply_along_axis(np.convolve, 0, padded, kernel, "valid")).astype(np.float32)
    groups = learn_groups(likelihood, np.zeros(shown.depth.shape[1], dtype=int))
    found = settled(find_events(posterior_of(likelihood, groups)), mean_reading(likelihood, UNIFORM))
    site, frame, *_ = make.true_events(shown.depth)
    held = []
    for s, f, low, high in zip(found.site, found.frame, found.frame_low, found.frame_high, strict=True):
        near = np.sort(np.abs(frame[site == s] - f))
        if len(near) and near[0] < 12 and (len(near) < 2 or near[1] > 20):
            held.append(np.any((frame[site == s] >= low) & (frame[site == s] <= high)))
    assert len(held) > 60
    assert np.mean(held) > 0.85
