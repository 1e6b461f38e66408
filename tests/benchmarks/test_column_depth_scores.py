"""Columns that were read against the true ones."""

import numpy as np
import pandas as pd
import pytest
from column_depth_scores import COUNTED, SHARES, Tally, costs, estimates, is_changing, tally_movie

PLACES = np.array([[0.0, 0.0], [0.0, 3.0], [3.0, 0.0], [3.0, 3.0]])


def table(frames: list[np.ndarray], positions: np.ndarray = PLACES, confidence: float = 0.9) -> pd.DataFrame:
    """Return a table that reads at each place the depth that is given, nothing where it is 0."""
    rows = []
    for frame, depths in enumerate(frames):
        for (y, x), depth in zip(positions, depths, strict=True):
            if depth:
                rows.append((frame, y, x, depth, depth - 1, depth + 1, confidence))
    names = ["frame", "y", "x", "depth", "depth_low", "depth_high", "confidence"]
    return pd.DataFrame(rows, columns=names).astype({"frame": int})


def movie(*depths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.tile(PLACES, (len(depths), 1, 1)), np.array(depths)


def values(tally: Tally) -> dict[str, float]:
    return {name: estimate.value for name, estimate in estimates([tally]).items()}


def test_the_truth_scores_full_marks() -> None:
    positions, depths = movie([1, 2, 3, 0], [1, 2, 2, 1], [1, 2, 2, 1])
    found = values(tally_movie(table(list(depths)), positions, depths))
    for name in ("recall", "precision", "exact", "within_one", "coverage", "exact_steady", "exact_changing"):
        assert found[name] == 1.0
    assert found["bias"] == 0.0
    assert found["vacant_filled"] == 0.0
    assert found["ece"] == pytest.approx(0.1)  # always right, 0.9 sure


def test_each_mistake_is_counted_where_it_belongs() -> None:
    positions, depths = movie([4, 4, 4, 0])
    read = np.array([4, 5, 0, 1])  # right, one too many, missed, and a column where there is none
    found = values(tally_movie(table([read]), positions, depths))
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["exact"] == pytest.approx(1 / 3)
    assert found["within_one"] == pytest.approx(2 / 3)
    assert found["bias"] == pytest.approx(1 / 2)
    assert found["vacant_filled"] == 1.0


def test_a_column_farther_off_than_half_an_angstrom_is_not_found() -> None:
    positions, depths = movie([4, 4, 4, 4])
    near, far = (values(tally_movie(table([depths[0]], PLACES + d), positions, depths)) for d in (0.34, 0.37))
    assert near["recall"] == near["precision"] == 1.0  # 0.48 Å
    assert far["recall"] == far["precision"] == 0.0  # 0.52 Å


def test_a_change_counts_three_frames_before_and_after() -> None:
    depths = np.array([[2]] * 6 + [[3]] * 6)
    assert np.flatnonzero(is_changing(depths)[:, 0]).tolist() == [3, 4, 5, 6, 7, 8]


def test_steady_and_changing_columns_are_scored_apart() -> None:
    positions, depths = movie(*[[2, 2, 2, 2]] * 4, *[[3, 2, 2, 2]] * 4)
    late = np.vstack([depths[:1], depths[:-1]])  # reads every change a frame too late
    found = values(tally_movie(table(list(late)), positions, depths))
    assert found["exact_steady"] == 1.0
    assert found["exact_changing"] == pytest.approx(1 - 1 / 6)


def test_shallow_and_deep_columns_are_scored_apart() -> None:
    positions, depths = movie([2, 5, 8, 9])
    found = values(tally_movie(table([np.array([2, 6, 7, 9])]), positions, depths))
    assert (found["exact_1_3"], found["exact_4_6"], found["exact_7_up"]) == (1.0, 0.0, 0.5)
    assert (found["bias_1_3"], found["bias_4_6"], found["bias_7_up"]) == (0.0, 1.0, -0.5)


def test_a_reader_of_positions_has_no_share_of_right_depths() -> None:
    positions, depths = movie([4, 4, 4, 4])
    read = table([depths[0]]).assign(depth=np.nan, depth_low=np.nan, depth_high=np.nan)
    found = values(tally_movie(read, positions, depths))
    assert found["recall"] == 1.0
    for name in ("exact", "within_one", "bias", "coverage", "ece"):
        assert np.isnan(found[name])


def test_nothing_found_is_all_missed() -> None:
    positions, depths = movie([4, 4, 4, 4])
    found = values(tally_movie(table([np.zeros(4, int)]), positions, depths))
    assert found["recall"] == found["exact"] == 0.0
    assert np.isnan(found["precision"])


def tally(exact: int, true: int) -> Tally:
    counts = np.zeros(len(COUNTED))
    counts[[COUNTED.index("exact"), COUNTED.index("true")]] = exact, true
    return Tally(counts=counts, confidence=np.zeros(0), right=np.zeros(0, bool))


def test_intervals_are_over_particles() -> None:
    alike = estimates([tally(70, 100)] * 8)["exact"]
    unlike = estimates([tally(50, 100), tally(90, 100)] * 4)["exact"]
    assert alike.value == unlike.value == pytest.approx(0.7)
    assert alike.low is None  # no particle differs from another
    assert unlike.low is not None
    assert unlike.high is not None
    # Eight particles of standard deviation 0.2: the standard error is 0.07, the 90 % interval 1.64 of it.
    assert unlike.low == pytest.approx(0.7 - 1.64 * 0.07, abs=0.03)
    assert unlike.high == pytest.approx(0.7 + 1.64 * 0.07, abs=0.03)


def test_costs_compare_each_particle_with_itself() -> None:
    plain = [tally(50, 100), tally(90, 100)] * 4
    changed = [tally(40, 100), tally(80, 100)] * 4
    lost = costs(plain, changed)["exact"]
    assert lost.value == pytest.approx(0.1)
    # Particles differ by 0.4, but all lose the same: the interval has no width.
    assert lost.low is None or lost.high - lost.low < 1e-9  # type: ignore[operator]


def test_every_share_is_of_something_that_is_counted() -> None:
    assert {part for pair in SHARES.values() for part in pair} == set(COUNTED)
