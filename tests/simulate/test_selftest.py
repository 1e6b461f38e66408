import pytest

from simulate.check import Check
from simulate.selftest import run_selftests


def test_all_physics_holds_on_this_machine():
    checks = list(run_selftests())
    assert len(checks) >= 40
    assert len({check.name for check in checks}) == len(checks)
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(("measured", "passed"), [(1.05, True), (0.89, False), (float("nan"), False)])
def test_a_check_passes_within_its_tolerance(measured, passed):
    assert Check(name="x", measured=measured, expected=1.0, tolerance=0.1).passed is passed
