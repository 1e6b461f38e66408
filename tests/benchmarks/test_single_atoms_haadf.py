"""The bound of depths by electrons alone: what a reader of drawn numbers reaches, and nobody passes."""

import numpy as np
import pytest
from single_atoms_haadf import DEEPEST, right

EVEN = np.full(DEEPEST, 1 / DEEPEST)


def test_more_electrons_and_more_knowledge_never_harm():
    share = np.bincount([3, 4, 4, 6, 7, 7, 7], minlength=DEEPEST + 1)[1:] / 7
    bounds = [right(share, EVEN, counts)[0] for counts in (2.0, 5.0, 20.0, 500.0)]
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(1.0, abs=1e-3)
    assert all(right(share, share, counts)[0] >= right(share, EVEN, counts)[0] for counts in (2.0, 5.0, 20.0))


def test_who_rounds_the_electrons_of_drawn_columns_comes_close_and_not_beyond():
    rng = np.random.default_rng(0)
    depth = rng.integers(1, DEEPEST + 1, 200_000)
    electrons = rng.poisson(50.0 * depth)
    rounded = np.clip(np.rint(electrons / 50.0), 1, DEEPEST)
    exact, within_one = right(EVEN, EVEN, 50.0)
    assert exact - 0.02 < np.mean(rounded == depth) < exact + 0.003
    assert np.mean(abs(rounded - depth) <= 1) == pytest.approx(within_one, abs=0.005)
