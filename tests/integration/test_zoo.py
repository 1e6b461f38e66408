"""The networks in the box read what they are for, simulated anew from the configs they were trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nanonet.atomic_columns.network import read_depth
from nanonet.cli.main import main
from nanonet.io import read_series
from nanonet.io.writers.images import write_tif
from nanonet.metrics.columns import ColumnScore, score_columns
from nanonet.records import ColumnSample, TrainedNetwork
from nanonet.train.checkpoint import WEIGHTS, ZOO, load_network
from simulate.draw import ColumnSampler
from simulate.draw_frames import FrameSampler

NAMES = sorted(folder.name for folder in ZOO.glob("*") if (folder / WEIGHTS).is_file())
MOVIES = ("column_depth_ceo2_110_hrtem", "column_depth_fcc_110_hrtem")
"""Networks that read frames in a row; an experiment of the same name simulates what they learn from."""
HAADF = "column_depth_fcc_haadf"
NOTHING = ColumnScore(n_true=0, n_found=0, n_matched=0, n_exact=0, n_within_one=0, depth_error=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_in_the_box_is_complete(name: str) -> None:
    network = load_network(f"zoo:{name}")
    assert sum(file.stat().st_size for file in (ZOO / name).iterdir()) < 8 * 2**20
    assert network.calibration is not None
    assert network.calibration.reliability
    assert network.familiarity is not None
    card = (ZOO / name / "card.md").read_text(encoding="utf-8")
    assert f"nanonet train experiment={name}" in card
    for measure in ("exact", "within_one", "calibration_error", "coverage"):
        assert f"| {measure} |" in card
    config = yaml.safe_load((ZOO / name / "config.yaml").read_text(encoding="utf-8"))
    assert config["modality"] == network.modality
    assert "/" not in config["shards"].strip("/").removeprefix("outputs/shards/")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name in MOVIES])
def test_it_reads_particles_that_it_has_not_seen(name: str, tmp_path: Path) -> None:
    """One network reads an image, and better a movie, from files that tell no dose."""
    words = (f"experiment={name}", "n_structures=2", "seed=770", "workers=1", f"output={tmp_path / 'data'}")
    assert main(["simulate", *words]) == 0
    network = load_network(f"zoo:{name}")
    sampler = FrameSampler(tmp_path / "data", alone=0.0, at_end=0.0)
    image = movie = NOTHING
    for index in range(24):
        sample = sampler.draw(sampler.structures[index % 2], np.random.default_rng([7, index]))
        if sample.settings["dose"] > 200:
            image += _score(network, sample, sample.image[3:4], tmp_path)
            movie += _score(network, sample, sample.image, tmp_path)
    for score in (image, movie):
        assert score.recall > 0.95
        assert score.precision > 0.95
        assert score.within_one > 0.9
    assert image.exact > 0.6
    assert movie.exact > image.exact


@pytest.mark.slow
def test_a_network_for_haadf_reads_better_what_it_is_told_the_scale_of(tmp_path: Path) -> None:
    words = (f"experiment={HAADF}", "n_structures=6", "seed=771", "workers=1", f"output={tmp_path / 'data'}")
    assert main(["simulate", *words]) == 0
    network = load_network(f"zoo:{HAADF}")
    sampler = ColumnSampler(tmp_path / "data")
    told = untold = NOTHING
    for index in range(48):
        sample = sampler.draw(sampler.structures[index % 6], np.random.default_rng([8, index]))
        if (sample.counts_per_atom or 0.0) > 20:
            told += _score(network, sample, sample.frames, tmp_path, counts_per_atom=sample.counts_per_atom)
            untold += _score(network, sample, sample.frames, tmp_path)
    for score in (told, untold):
        assert score.recall > 0.85  # columns that the border cuts are among them
        assert score.precision > 0.8
    assert told.within_one > 0.85
    assert told.exact > 0.5
    assert told.exact > untold.exact


def _score(
    network: TrainedNetwork, sample: ColumnSample, frames: np.ndarray, folder: Path, **words: Any
) -> ColumnScore:
    """Return how the middle one of some frames is read from a file."""
    write_tif(folder / "movie.tif", list(frames), pixel_size=sample.pixel_size)
    micrograph = read_series(folder / "movie.tif")[len(frames) // 2]
    table = read_depth(micrograph, network=network, **words).tables[0].data
    found = table[["y_angstrom", "x_angstrom"]].to_numpy(float)
    return score_columns(found, table["depth"].to_numpy(int), sample.positions, sample.depths)
