"""The record goes into the header of a checkpoint as JSON and comes back whole."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nanonet.records import InputError
from nanonet.records.familiarity import LEVELS, Familiarity, familiarity_from


@pytest.fixture
def familiarity():
    rng = np.random.default_rng(0)
    steps = rng.uniform(0.1, 1.0, (3, 5, len(LEVELS)))
    spread = np.tril(rng.standard_normal((2, 6, 6)))
    spread[:, np.arange(6), np.arange(6)] = rng.uniform(0.5, 1.5, (2, 6))
    return Familiarity(
        side=128,
        log_dose=np.array([1.3, 2.7, 4.3]),
        features=np.cumsum(steps, axis=-1) - 2,
        weight=np.array([0.25, 0.75]),
        mean=rng.standard_normal((2, 6)),
        spread=spread,
        surprise=np.cumsum(rng.uniform(0.1, 1.0, (3, len(LEVELS))), axis=-1),
        tail=0.45,
        frames=1200,
        structures=80,
    )


def test_json_brings_it_back(familiarity):
    text = json.dumps(familiarity.plain())
    back = familiarity_from(json.loads(text))
    assert (back.side, back.frames, back.structures, back.tail) == (128, 1200, 80, 0.45)
    for name in ("log_dose", "features", "weight", "mean", "spread", "surprise"):
        np.testing.assert_allclose(getattr(back, name), getattr(familiarity, name), rtol=1e-5)
    assert json.dumps(back.plain()) == text


def test_damaged_ones_are_refused(familiarity):
    plain = familiarity.plain()
    with pytest.raises(InputError, match="tail"):
        familiarity_from({name: value for name, value in plain.items() if name != "tail"})
    with pytest.raises(InputError, match="newer"):
        familiarity_from({**plain, "newer": 1})
    with pytest.raises(InputError, match="no familiarity"):
        familiarity_from({**plain, "side": "wide"})
    with pytest.raises(InputError, match="no familiarity"):
        familiarity_from([1, 2])  # type: ignore[arg-type]


@pytest.mark.usefixtures("unlike_shapes")
def test_parts_that_do_not_fit_are_refused(familiarity):
    with pytest.raises(InputError, match="mean of a familiarity"):
        familiarity_from({**familiarity.plain(), "mean": [[0.0, 1.0]] * 2})


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("log_dose", lambda values: values[::-1], "increase"),
        ("surprise", lambda values: 0 * values, "increase"),
        ("mean", lambda values: np.nan * values, "finite"),
        ("spread", lambda values: -values, "positive"),
    ],
)
def test_what_makes_no_sense_is_refused(familiarity, name, change, said):
    with pytest.raises(InputError, match=said):
        replace(familiarity, **{name: change(getattr(familiarity, name))})
