"""The bound of a depth where everything else is to be found in the same image."""

import numpy as np
import pytest
from single_atoms_untold import Unknowns


def unknowns(columns, optics, precision=1.0):
    return Unknowns(
        image=np.full(64, 2.0),
        depths=np.arange(len(columns)) + 1.0,
        columns=np.asarray(columns, float),
        optics=np.asarray(optics, float),
        precision=np.full(len(optics), precision),
    )


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((5, 64))


def test_who_is_told_less_never_sees_more(rows):
    told, without_optics, nothing = unknowns(rows[:3], rows[3:]).powers(10.0)
    assert np.allclose(told, 10.0 * (rows[:3] ** 2).sum(1) / 2.0)
    assert (without_optics < told).all()
    assert (nothing < without_optics).all()


def test_what_changes_the_image_in_another_way_costs_nothing(rows):
    apart = np.linalg.qr(rows.T)[0].T
    for power in unknowns(apart[:3], apart[3:]).powers(10.0):
        assert np.allclose(power, 5.0)


def test_optics_that_look_like_a_depth_hide_it_unless_they_are_known_beforehand(rows):
    alike = [rows[0] + 1e-4 * rows[1]]
    unknown, known = (unknowns(rows[:1], alike, precision).powers(1e3)[1] for precision in (0.0, 1e9))
    assert unknown[0] < 0.01
    assert known[0] == pytest.approx(unknowns(rows[:1], alike).powers(1e3)[0][0], rel=1e-3)
