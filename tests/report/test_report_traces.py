"""Depths over the whole movie come back from the page as they were, and stay small."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest

from nanonet.report import traces
from nanonet.report.history import UNKNOWN, History, history_of
from nanonet.report.traces import encode_traces


def _unpacked(packed: dict, planes: int, sites: int) -> np.ndarray:
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), f"<u{packed['bytes']}")
    return raw.reshape(planes, sites, packed["count"]).astype(int) + UNKNOWN


def _history(depth: np.ndarray, read: np.ndarray, width: np.ndarray) -> History:
    s, t = depth.shape
    return History(
        frames=np.arange(t),
        tracks=np.arange(1, s + 1),
        positions=np.zeros((s, 2)),
        drift=np.zeros((t, 2)),
        unit="angstrom",
        depth=depth,
        low=depth - width,
        high=depth + width,
        confidence=np.ones((s, t)),
        read=read,
        followed=True,
    )


def test_a_short_movie_comes_back_whole(make_movie):
    movie = make_movie()
    history = history_of(movie.columns(), movie.sites())
    encoded = encode_traces(history)
    json.dumps(encoded, allow_nan=False)
    assert encoded["depths"]["step"] == encoded["reads"]["step"] == 1
    depth, low, high = _unpacked(encoded["depths"], 3, 16)
    np.testing.assert_array_equal(depth, movie.depth.T)
    np.testing.assert_array_equal(low, history.low)
    np.testing.assert_array_equal(high, history.high)
    np.testing.assert_array_equal(_unpacked(encoded["reads"], 1, 16)[0], history.read)


def test_without_a_model_readings_are_not_kept_twice(make_movie):
    encoded = encode_traces(history_of(make_movie().columns()))
    assert encoded["reads"] is None
    assert not encoded["followed"]


def test_deep_columns_need_two_bytes():
    depth = np.full((2, 5), 400)
    encoded = encode_traces(_history(depth, depth, np.full_like(depth, 3)))
    assert encoded["depths"]["bytes"] == 2
    assert (_unpacked(encoded["depths"], 3, 2)[2] == 403).all()


def test_noise_is_thinned_into_the_budget_and_the_band_holds_all(monkeypatch):
    rng = np.random.default_rng(0)
    depth, read = rng.integers(2, 9, (20, 3000)), rng.integers(1, 9, (20, 3000))
    width = rng.integers(0, 3, depth.shape)
    history = _history(depth, read, width)
    monkeypatch.setattr(traces, "DEPTH_BUDGET", 30_000)
    monkeypatch.setattr(traces, "READ_BUDGET", 10_000)
    encoded = encode_traces(history)
    assert len(encoded["depths"]["data"]) <= 30_000
    assert len(encoded["reads"]["data"]) <= 10_000
    step = encoded["depths"]["step"]
    assert step > 1
    kept, low, high = _unpacked(encoded["depths"], 3, 20)
    np.testing.assert_array_equal(kept, depth[:, (step - 1) // 2 :: step][:, : kept.shape[1]])
    for index in (0, 7):
        group = np.s_[:, index * step : (index + 1) * step]
        np.testing.assert_array_equal(low[:, index], history.low[group].min(1))
        np.testing.assert_array_equal(high[:, index], history.high[group].max(1))


def test_unknown_frames_do_not_lower_the_band():
    depth = np.array([[4, UNKNOWN, 4, 4]])
    history = _history(depth, depth, np.zeros_like(depth))
    kept = traces._kept(history.low, 1, 2)
    np.testing.assert_array_equal(kept, [[4, 4]])
    np.testing.assert_array_equal(traces._kept(np.full((1, 4), UNKNOWN), 1, 2), [[UNKNOWN, UNKNOWN]])


def test_a_finder_that_reads_no_depth_has_no_traces():
    none = np.full((3, 4), UNKNOWN)
    assert encode_traces(_history(none, none, np.zeros_like(none))) is None


@pytest.mark.parametrize("frames", [2, 3, 5])
def test_a_movie_of_few_frames_ends(frames, monkeypatch):
    monkeypatch.setattr(traces, "DEPTH_BUDGET", 1)
    depth = np.arange(3 * frames).reshape(3, frames) % 5 + 1
    assert encode_traces(_history(depth, depth, np.zeros_like(depth)))["depths"]["count"] == 2
