from pathlib import Path

import pytest

from nanonet.configuration.compose import compose
from nanonet.configuration.targets import build
from nanonet.records import InputError

EXPERIMENTS = sorted(
    path.stem for path in (Path(__file__).parents[2] / "configs/simulate/experiment").glob("*.yaml")
)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_its_parts_build(experiment, tmp_path):
    config = compose("simulate", [f"experiment={experiment}", f"output={tmp_path}", "seed=3", "workers=1"])
    assert {"simulate", "output", "seed", "workers"} <= set(config)
    assert config.simulate.seed == 3
    for key in ("structures", "exit_wave", "microscope", "movie"):
        if key in config.simulate:
            build(config.simulate[key])


@pytest.mark.parametrize("microscope", ["corrected_300kv", "uncorrected_300kv"])
def test_microscopes_are_chosen_by_name(microscope, tmp_path):
    config = compose("simulate", ["experiment=demo", f"microscope={microscope}", f"output={tmp_path}"])
    drawn = build(config.simulate.microscope)
    assert drawn.range_of("Cs")[0] == (-9e4 if microscope.startswith("corrected") else 1.2e7)


def test_a_typo_is_refused_with_the_known_keys(tmp_path):
    with pytest.raises(InputError, match="frozen_phonons"):
        compose("simulate", ["experiment=demo", "simulate.exit_wave.frozen_phonon=2", f"output={tmp_path}"])
