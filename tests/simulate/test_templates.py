"""The library of an informed reader, made of small gold particles in HAADF, and what it is made with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nanonet.atomic_columns.likelihood import Places, read_likelihood
from nanonet.configuration import build, compose
from nanonet.records import InputError, Micrograph
from nanonet.workers.local import Local
from simulate.camera.detector import Detector
from simulate.defects.surface import RaggedEnds
from simulate.in_plane import neighbours, spacing, turn_between, turned
from simulate.movies.settings import value_of, with_value
from simulate.photon_transfer import measured_detector
from simulate.shards.generate import generate
from simulate.shards.recipe import as_node
from simulate.shards.store import find_shards, read_shard
from simulate.stem.linear import LinearHAADF
from simulate.stem.microscope import ScanningMicroscope
from simulate.structures.orientation import ZoneAxis
from simulate.structures.recipe import ParticleRecipe
from simulate.tem.hrtem import HRTEM
from simulate.tem.microscope import Microscope, Setting
from simulate.tem.optics import Optics
from simulate.template_particles import empty_places
from simulate.templates import TemplateLibrary
from simulate.told_setting import told_setting
from simulate.truth import columns_of
from simulate.view import View

STEADY = ScanningMicroscope(
    semiangle_cutoff=23.0,
    defocus=0.0,
    Cs=0.0,
    astigmatism=0.0,
    coma=0.0,
    focal_spread=30.0,
    source_size=0.35,
    pixel_size=0.2,
    dose=1e6,
    drift=0.0,
    jitter=0.0,
    flyback=0.0,
    line_gain=0.0,
    afterglow=0.0,
    dark=0.0,
    readout=0.0,
)
HELD_OUT = 1


@pytest.fixture(scope="session")
def gold(tmp_path_factory) -> Path:
    """Ragged gold particles on [110], turned about the beam; the last ones are not for the library."""
    return generate(
        structures=ParticleRecipe(
            materials=("Au",),
            diameter=(13.0, 15.0),
            depth=(2, 4),
            orientation=ZoneAxis(axes=((1, 1, 0),), mistilt=0.0),
            defects=(RaggedEnds(),),
        ),
        imaging=LinearHAADF(),
        microscope=STEADY,
        output=tmp_path_factory.mktemp("gold") / "shards",
        n_structures=11,
        seed=5,
        cluster=Local(workers=1),
    )


@pytest.fixture(scope="session")
def library(gold) -> TemplateLibrary:
    setting = STEADY.draw(200e3, np.random.default_rng(0))
    return TemplateLibrary(gold, setting, particles=len(find_shards(gold)) - HELD_OUT)


def frame_of(library, gold, number, *, angle=0.0, dose=None):
    """Return a frame of a particle that a library lacks, places and depths of its columns."""
    shard, setting = read_shard(gold, number), library.setting
    shape = (int(shard.side / setting.pixel_size) - 2,) * 2
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = axes @ (setting.pixel_size * (np.array(shape) - 1) / 2)
    y, x = shard.side / 2 - middle
    view = View(origin=(float(y), float(x)), pixel_size=setting.pixel_size, shape=shape, axes=axes)
    setting = setting if dose is None else replace(setting, dose=dose)
    expected = library.imaging.expected(shard.stored, shard.side, setting, view)
    image = setting.record(expected, np.random.default_rng([1, number]))
    seen = columns_of(shard.atoms).counted().seen(view)
    micrograph = Micrograph(
        image=image, name="gold", pixel_size=setting.pixel_size, modality="HAADF", dose=setting.dose
    )
    return micrograph, seen.positions, seen.depths


def exactly_read(library, gold, **how) -> float:
    right = []
    for number in range(len(find_shards(gold)) - HELD_OUT, len(find_shards(gold))):
        micrograph, positions, depths = frame_of(library, gold, number, **how)
        table = pd.DataFrame({"frame": 0, "y_angstrom": positions[:, 0], "x_angstrom": positions[:, 1]})
        read = read_likelihood(micrograph, places=Places(table=table), library=library)
        chances = read.tables[1].data.filter(like="p_").to_numpy()
        right.append(chances.argmax(axis=1) == depths)
    return float(np.concatenate(right).mean())


def test_templates_are_brighter_the_deeper_the_column(library):
    templates = library(library.particles[0].positions, pixel_size=0.2)
    depths, middle = len(templates.mean), templates.mean.shape[-1] // 2
    assert depths >= 4
    assert np.all(np.diff(templates.mean[:, middle, middle]) > 0)
    # The empty place beside a particle holds the tails of its neighbours only.
    assert templates.mean[0, middle, middle] < 0.5 * templates.mean[1, middle, middle]
    assert templates.radius == pytest.approx(2.5 / 2, abs=0.1)  # half of a / sqrt(2 · 8 / 3)
    assert templates.modes.shape == (depths, templates.modes.shape[1], *templates.mean.shape[1:])


def test_particles_that_the_library_lacks_are_read(library, gold):
    assert exactly_read(library, gold) > 0.95
    assert 0.4 < exactly_read(library, gold, dose=300.0) < 0.95


def test_a_crystal_that_is_turned_about_the_beam_is_read_as_well(library, gold):
    assert exactly_read(library, gold, angle=np.radians(31.0)) > 0.95


def test_signals_go_with_the_dose_and_the_noise_does_not(library):
    places = library.particles[0].positions
    one, two = (library(places, pixel_size=0.2, dose=dose) for dose in (1e6, 2e6))
    np.testing.assert_allclose(two.mean - two.offset, 2 * (one.mean - one.offset), rtol=0.02)
    np.testing.assert_allclose(two.modes, 2 * one.modes, rtol=0.02, atol=1e-6)


def test_another_setting_shares_the_particles(library):
    dimmer = library.under(replace(library.setting, dose=1e5))
    assert dimmer.particles is library.particles
    places = library.particles[0].positions
    dim, bright = (some(places, pixel_size=0.2).mean for some in (dimmer, library))
    np.testing.assert_allclose(dim, 0.1 * bright, rtol=0.05)


def test_a_frame_of_another_scale_is_refused(library):
    with pytest.raises(InputError, match=r"0\.25 Å, the told setting 0\.2 Å"):
        library(library.particles[0].positions, pixel_size=0.25)


@pytest.mark.parametrize(
    ("choice", "message"), [({"particles": 0}, "at least 1 particle"), ({"radius": 0.0}, "must be positive")]
)
def test_a_library_that_cannot_be_is_refused(gold, library, choice, message):
    with pytest.raises(InputError, match=message):
        TemplateLibrary(gold, library.setting, **choice)


def test_too_few_particles_are_said_to_be_too_few(gold, library):
    lone = TemplateLibrary(gold, library.setting, particles=1)
    with pytest.raises(InputError, match="simulate more particles"):
        lone(lone.particles[0].positions, pixel_size=0.2)


def test_the_setting_of_a_movie_is_that_of_its_manifest(gold, tmp_path):
    manifest = json.loads((gold / "manifest.json").read_text())
    setting = replace(STEADY.draw(200e3, np.random.default_rng(3)), dose=1234.0)
    manifest["setting"] = {**setting.values(), "defocus": 17.0, "drift_y": 0.3, "drift_x": -0.1}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    told = told_setting(tmp_path)
    assert (told.dose, value_of(told, "defocus")) == (1234.0, 17.0)
    assert told.drift == (0.3, -0.1)
    assert told == told_setting(tmp_path / "manifest.json")


def test_a_way_without_a_direction_is_left_out(tmp_path):
    recipe = {"imaging": HRTEM(), "microscope": Microscope(motion=0.8)}
    setting = recipe["microscope"].draw(300e3, np.random.default_rng(1))
    manifest = {"recipe": as_node(recipe), "setting": setting.values()}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    told = told_setting(tmp_path)
    assert told.detector.motion is None
    assert told == with_value(setting, "motion", None)


def test_the_config_makes_the_reader(library, gold, tmp_path):
    """As nanonet infer columns=likelihood truth=... columns.library.shards=... columns.library.setting=..."""
    manifest = json.loads((gold / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "setting": library.setting.values()}))
    micrograph, positions, depths = frame_of(library, gold, len(library.particles))
    truth = {"frame": 0, "column_id": 1, "y_angstrom": positions[:, 0], "x_angstrom": positions[:, 1]}
    pd.DataFrame({**truth, "depth": depths}).to_csv(tmp_path / "truth.csv", index=False)
    words = [
        f"truth={tmp_path / 'truth.csv'}",
        f"columns.library.shards={gold}",
        f"columns.library.setting={tmp_path}",
        f"columns.library.particles={len(library.particles)}",
    ]
    config = compose("infer", ["pipeline=columns", "input=unused", "columns=likelihood", *words])
    columns, _ = build(config.columns)(micrograph).tables
    assert len(columns) == len(depths)
    assert np.mean(columns.data.depth.to_numpy(int) == depths) > 0.95


def test_shards_are_no_movie(gold, tmp_path):
    for path in (gold, tmp_path):
        with pytest.raises(InputError, match="does not tell the setting"):
            told_setting(path)


CELL = np.array([[2.5, 0.0], [0.9, 2.3]])
NODES = np.stack(np.meshgrid(np.arange(9), np.arange(9), indexing="ij"), -1).reshape(-1, 2) @ CELL


@pytest.mark.parametrize("degrees", [-70.0, -12.3, 0.0, 40.4, 89.0])
def test_the_turn_of_a_crystal_is_found(degrees):
    rng = np.random.default_rng(2)
    moved = turned(NODES, np.radians(degrees)) + 0.05 * rng.standard_normal(NODES.shape)
    angle, agreement = turn_between(neighbours(moved), neighbours(NODES))
    # An oblique lattice comes back after half a turn.
    assert (np.degrees(angle) + degrees + 90) % 180 - 90 == pytest.approx(0, abs=0.3)
    assert agreement > 0.7


def test_another_lattice_does_not_agree():
    square = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2)
    slanted = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2) @ [[1.0, 0], [0.5, 2]]
    assert turn_between(neighbours(slanted), neighbours(square))[1] < 0.6
    assert turn_between(np.zeros((0, 2)), neighbours(square)) == (0.0, 0.0)


def test_empty_places_are_those_of_the_lattice():
    inner = np.flatnonzero((NODES[40] == NODES).all(axis=1))[0]
    without = np.delete(NODES, inner, axis=0)
    found = empty_places(without, spacing(without))
    assert np.hypot(*(found - NODES[inner]).T).min() < 1e-9
    nodes = found @ np.linalg.inv(CELL)
    np.testing.assert_allclose(nodes, np.rint(nodes), atol=1e-9)
    assert len(np.unique(np.rint(nodes), axis=0)) == len(nodes)
    vacant = np.all((nodes > -0.5) & (nodes < 8.5), axis=1)
    assert vacant.sum() == 1
    assert len(empty_places(NODES[:1], 2.5)) == 0


def test_a_perfect_detector_counts_electrons():
    perfect = Setting(optics=Optics(energy=300e3), detector=Detector(pixel_size=0.25, dose=100.0))
    noise = measured_detector(perfect, 6.0)
    assert noise.gain == pytest.approx(1, rel=0.03)
    assert noise.efficiency == pytest.approx(1, rel=0.03)
    assert (noise.dark, noise.floor) == (0, 0)


def test_a_detector_is_known_by_its_mean_and_variance():
    """Counts that a library calls quanta have a variance that is their mean, whatever the detector does."""
    setting = Microscope().draw(300e3, np.random.default_rng(8))
    noise = measured_detector(setting, 20.0)
    import torch

    counts = setting.record(torch.full((512, 512), 30.0), np.random.default_rng(9)).astype(float)
    quanta = noise.gain * (counts - noise.dark) + noise.floor
    blocks = quanta.reshape(128, 4, 128, 4).sum(axis=(1, 3))
    assert blocks.var() / 16 == pytest.approx(quanta.mean(), rel=0.05)
    assert quanta.mean() == pytest.approx(noise.efficiency * 30.0 + noise.floor, rel=0.02)
