from dataclasses import replace

import pytest

from simulate.camera import selftest


def test_the_physics_of_cameras_holds():
    checks = selftest.check_cameras()
    assert len(checks) >= 18
    assert [check for check in checks if not check.passed] == []


@pytest.mark.parametrize(
    ("check", "harm"),
    [
        (selftest.check_edges, {"bits": 8}),
        (selftest.check_noise_power, {"pattern": 0.2}),
        (selftest.check_quantum_efficiency, {"hot": 0.02, "mended": False, "hot_counts": 1e4}),
    ],
)
def test_the_checks_see_a_camera_that_is_not_as_it_says(monkeypatch, check, harm):
    camera = replace(selftest.SCINTILLATOR, **harm)
    monkeypatch.setattr(selftest, "CAMERAS", {"harmed": camera})
    assert not all(result.passed for result in check())
