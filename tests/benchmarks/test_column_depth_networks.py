"""The contest of networks: what takes part, and how its results are told. Training has its own tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from column_depth_networks import CANDIDATES, EIGHTFOLD, QUICK, Contest, in_bfloat16, measure
from column_depth_networks import seconds_per_megapixel as time_network
from column_depth_networks_report import MEASURES, bracket, report, resampled, shares

from nanonet.configuration import build


def contest(folder: Path, frames: int = 1) -> Contest:
    return Contest(shards=folder, minutes=0.1, frames=frames, particles=1, images=1)


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the config of every candidate."""
    of = contest(tmp_path_factory.mktemp("shards"))
    return {name: of.config(words, seed=3) for name, words in CANDIDATES.items()}


def test_every_candidate_is_a_network_for_depth(configs: dict[str, Any]) -> None:
    for config in configs.values():
        network = build(config["model"]).eval()
        with torch.inference_mode():
            assert network(torch.ones(1, 1, 32, 32)).shape == (1, 11, 32, 32)


def test_seven_frames_can_be_read_together(tmp_path: Path) -> None:
    network = build(contest(tmp_path, frames=7).config(CANDIDATES["unet"], seed=0)["model"]).eval()
    with torch.inference_mode():
        assert network(torch.ones(1, 7, 32, 32)).shape == (1, 11, 32, 32)


def test_candidates_differ_in_nothing_but_their_words(configs: dict[str, Any]) -> None:
    assert len({str(config) for config in configs.values()}) == len(CANDIDATES)
    assert {(config["data"]["seed"], config["seed"]) for config in configs.values()} == {(0, 3)}
    assert set(QUICK) | set(EIGHTFOLD) <= set(CANDIDATES)


def test_a_log_of_another_contest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    (tmp_path / "unet_seed_0.json").write_text(json.dumps({"asked": {"minutes": 60}}), encoding="utf-8")
    with pytest.raises(SystemExit, match="give another --log"):
        measure(contest(tmp_path), "unet", 0, tmp_path)


def test_the_time_of_reading_grows_with_the_network() -> None:
    small, large = (torch.nn.Conv2d(1, width, 5, padding=2) for width in (1, 64))
    assert 0 < time_network(small, 1, side=128) < time_network(large, 1, side=128)
    assert in_bfloat16() in (True, False)


def found(exact: list[int], true: int = 100) -> dict[str, Any]:
    """Return what was read of some particles, all columns found."""
    counts = {str(particle): [true, true, true, right, true] for particle, right in enumerate(exact)}
    return {
        "parameters": 1000,
        "images": 10,
        "cpu_seconds": 2.0,
        "s_per_mpx": 0.5,
        "counts": {"100": counts, "400": counts},
    }


def test_shares_add_up_over_seeds() -> None:
    assert MEASURES == ("n_true", "n_found", "n_matched", "n_exact", "n_within_one")
    part, whole = shares([found([50, 70]), found([60, 80])], "100", "n_exact", "n_true")
    np.testing.assert_array_equal(part, [110, 150])
    np.testing.assert_array_equal(whole, [200, 200])


def test_differences_are_of_the_same_particles() -> None:
    rng = np.random.default_rng(0)
    exact = rng.integers(20, 90, 30)
    first, better = (resampled(exact + more, np.full(30, 100)) for more in (0, 5))
    assert np.ptp(first[1:]) > 0.05  # particles differ by far more
    np.testing.assert_allclose(better - first, 0.05, atol=1e-12)
    assert bracket(better - first, "+") == "+0.050 [+0.050, +0.050]"


def test_one_particle_has_no_interval() -> None:
    assert bracket(resampled(np.array([50]), np.array([100]))) == "0.500"
    assert bracket(resampled(np.array([0]), np.array([0]))) == "–"


def test_the_report_tells_every_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    results = {"unet": [found([50, 70]), found([60, 80])], "other": [found([90, 90])]}
    figures = report(results, ["100", "400"])
    printed = capsys.readouterr().out
    assert figures["exact_unet_100"] == 0.65
    assert figures["exact_other_400"] == 0.9
    assert figures["within_unet_100"] == 1.0
    assert "+0.250" in printed
    assert "0.600 to 0.700" in printed  # the seeds
