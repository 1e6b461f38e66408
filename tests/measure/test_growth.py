"""Growth rates: recovered, with intervals that hold the true rate as often as they say."""

import numpy as np
import pytest

from nanonet.measure.growth import growth_rate


def one(size: np.ndarray, piece: np.ndarray | None = None, step: float = 1.0):
    time = step * np.arange(len(size), dtype=float)
    return growth_rate(time, size, np.zeros(len(size), dtype=int) if piece is None else piece)


def share_covered(length: int, persistence: float, wild: float, draws: int = 300) -> float:
    rng = np.random.default_rng([length, round(100 * persistence)])
    held = 0
    for _ in range(draws):
        error = rng.standard_normal(length)
        for i in range(1, length):
            error[i] = persistence * error[i - 1] + np.sqrt(1 - persistence**2) * error[i]
        error[rng.random(length) < wild] += 10
        rate = one(0.3 * np.arange(length) + error)
        held += rate.low <= 0.3 <= rate.high
    return held / draws


@pytest.mark.parametrize(
    ("length", "persistence", "wild"), [(8, 0.0, 0.0), (20, 0.0, 0.1), (60, 0.0, 0.0), (60, 0.5, 0.0)]
)
def test_intervals_hold_the_true_rate_as_often_as_they_say(length, persistence, wild) -> None:
    assert 0.85 <= share_covered(length, persistence, wild) <= 0.99


def test_a_line_is_recovered_exactly_and_outliers_do_not_bend_it() -> None:
    line = 5.0 + 0.25 * np.arange(20)
    assert vars(one(line)) == pytest.approx({"value": 0.25, "low": 0.25, "high": 0.25})
    line[7] += 30
    assert one(line).value == pytest.approx(0.25)
    assert one(line, step=0.5).value == pytest.approx(0.5)


def test_a_jump_between_pieces_is_no_growth() -> None:
    piece = (np.arange(20) >= 12).astype(int)
    rate = one(5.0 + 0.1 * np.arange(20) + 4.0 * piece, piece)
    assert rate.value == pytest.approx(0.1)
    assert rate.low <= 0.1 <= rate.high


def test_too_few_points_have_no_rate() -> None:
    assert one(np.arange(4.0)) is None
    assert one(np.arange(6.0), np.arange(6)) is None
    assert one(np.zeros(0)) is None


def test_a_long_track_costs_no_more_than_a_short_one() -> None:
    rng = np.random.default_rng([1])
    size = 5.0 + 0.001 * np.arange(20_000) + 0.2 * rng.standard_normal(20_000)
    rate = one(size, (np.arange(20_000) >= 9_000).astype(int))
    assert rate.value == pytest.approx(0.001, abs=2e-5)
