"""The networks in the box read what they are for, simulated anew from the configs they were trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from nanonet.atomic_columns.network import read_depth
from nanonet.cli.main import main
from nanonet.instances import match_instances
from nanonet.io import read_series
from nanonet.io.writers.images import write_tif
from nanonet.metrics.columns import ColumnScore, score_columns
from nanonet.records import ColumnSample, Micrograph, TrainedNetwork
from nanonet.segment.network import segment
from nanonet.train.checkpoint import load_network
from nanonet.train.weights_file import WEIGHTS, ZOO
from simulate.draw import ColumnSampler
from simulate.draw_frames import FrameSampler
from simulate.fields import FieldBrightField, FieldHAADF, FieldRecipe, draw_field

NAMES = sorted(folder.name for folder in ZOO.glob("*") if (folder / WEIGHTS).is_file())
MOVIES = ("column_depth_ceo2_110_hrtem", "column_depth_fcc_110_hrtem")
"""Networks that read frames in a row; an experiment of the same name simulates what they learn from."""
HAADF = "column_depth_fcc_haadf"
MEASURES = {
    "column_depth": ("exact", "within_one", "calibration_error", "coverage"),
    "particle_mask": ("iou", "dice", "accuracy"),
    "particle_embedding": ("nearest",),
}
LARGEST = {"column_depth": 8, "particle_mask": 25, "particle_embedding": 2}
"""MiB."""
NOTHING = ColumnScore(n_true=0, n_found=0, n_matched=0, n_exact=0, n_within_one=0, depth_error=0.0)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_in_the_box_is_complete(name: str) -> None:
    network = load_network(f"zoo:{name}")
    assert sum(file.stat().st_size for file in (ZOO / name).iterdir()) < LARGEST[network.task] * 2**20
    card = (ZOO / name / "card.md").read_text(encoding="utf-8")
    assert f"nanonet train experiment={name}" in card
    for measure in MEASURES[network.task]:
        assert f"| {measure} |" in card
    config = yaml.safe_load((ZOO / name / "config.yaml").read_text(encoding="utf-8"))
    assert config["modality"] == network.modality
    source = config["labelled" if network.task == "particle_mask" else "shards"] or ""
    assert "/" not in source.strip("/").removeprefix("outputs/shards/").removeprefix("outputs/labelled/")


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("column_depth")])
def test_a_network_for_columns_says_when_to_believe_it(name: str) -> None:
    network = load_network(f"zoo:{name}")
    assert network.calibration is not None
    assert network.calibration.reliability
    assert network.familiarity is not None


@pytest.mark.slow
@pytest.mark.parametrize("imaging", [FieldBrightField(), FieldHAADF()])
def test_the_network_for_masks_finds_particles_of_simulated_fields(
    imaging: FieldBrightField | FieldHAADF,
) -> None:
    """At a dose at which each of them stands out."""
    network = load_network("zoo:particle_masks")
    recipe = FieldRecipe(shape=(256, 256), count=(5, 15))
    matched = found = true = 0
    for index in range(5):
        sample = draw_field(recipe, imaging, 773, index)
        brightest = 1.0 if sample.image.modality == "BF-TEM" else np.percentile(sample.image.intensity, 99)
        expected = np.maximum(sample.image.intensity / brightest, 0) * 2000.0
        image = np.random.default_rng(index).poisson(expected).astype(np.float32)
        match = match_instances(
            segment(Micrograph(image=image, name="drawn"), network=network).labels, sample.truth.labels
        )
        matched, found, true = matched + len(match.pairs), found + match.found, true + match.true
    assert matched > 0.5 * true
    assert matched > 0.8 * found


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name in MOVIES])
def test_it_reads_particles_that_it_has_not_seen(name: str, tmp_path: Path) -> None:
    """One network reads an image, and better a movie, from files that tell no dose."""
    words = (f"experiment={name}", "n_structures=8", "seed=770", "workers=1", f"output={tmp_path / 'data'}")
    assert main(["simulate", *words]) == 0
    network = load_network(f"zoo:{name}")
    sampler = FrameSampler(tmp_path / "data", alone=0.0, at_end=0.0)
    image = movie = NOTHING
    for index in range(32):
        sample = sampler.draw(sampler.structures[index % 8], np.random.default_rng([7, index]))
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
