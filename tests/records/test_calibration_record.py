"""A calibration goes into a file and comes back; one that makes no sense is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from nanonet.records import InputError
from nanonet.records.calibration import Calibration, Reliability, calibration_from

WHOLE = Calibration(
    dose=(20.0, 632.1, 20000.0),
    temperature=(1.3, 1.0, 0.7),
    depth_offset=(0.3, -0.1, 0.0, -0.2),
    level=(0.85, 0.81, 0.5),
    presence_slope=(1.0, 1.1, 0.9),
    presence_offset=(0.2, 0.0, -0.1),
    reliability=(Reliability(dose=(20.0, 66.6), confidence=(0.2, 0.8), right=(0.25, 0.75), number=(4, 8)),),
)


def test_json_keeps_every_digit():
    assert calibration_from(json.loads(json.dumps(asdict(WHOLE)))) == WHOLE
    bare = replace(WHOLE, reliability=())
    assert calibration_from(json.loads(json.dumps(asdict(bare)))) == bare


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dose": (20.0, 20.0, 30.0)}, "must increase"),
        ({"level": (0.9,)}, "same number"),
        ({"level": (0.9, 0.9, 1.1)}, "up to 1"),
        ({"depth_offset": (0.0, float("nan"))}, "finite"),
        ({"temperature": (1.0, 0.0, 1.0)}, "positive"),
        ({"temperature": (1.0, float("nan"), 1.0)}, "positive"),
        ({"presence_offset": (float("inf"), 0.0, 0.0)}, "positive"),
    ],
)
def test_nonsense_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        replace(WHOLE, **changes)


@pytest.mark.parametrize("name", ["dose", "temperature", "depth_offset", "presence_offset"])
def test_a_damaged_file_is_refused(name):
    plain = asdict(WHOLE)
    for damaged in (
        {key: value for key, value in plain.items() if key != name},
        plain | {name: "abc"},
        plain | {name: None},
        plain | {"reliability": [{"dose": [1]}]},
    ):
        with pytest.raises(InputError, match="no calibration"):
            calibration_from(damaged)
    with pytest.raises(InputError, match="update nanonet"):
        calibration_from(plain | {"later": 1})
