"""An analysis on its way to a worker: built again there from its config, and of the same images."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from stand_in_imaging import Heap

from nanonet.configuration import build, compose
from nanonet.io.writers.images import write_tif
from nanonet.pipeline.analysis import Analysis, Errand, prepared
from nanonet.records import InputError


@pytest.fixture(autouse=True)
def trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANONET_TRUST", "")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    y, x = np.mgrid[:48, :40]
    for number in range(3):
        mean = np.where((y - 20) ** 2 + (x - 18 - number) ** 2 < 64, 60, 10)
        frame = np.random.default_rng([number]).poisson(mean).astype(np.uint16)
        write_tif(folder / f"image_{number}.tif", frame[None], pixel_size=2.0)
    return folder


def analysis(*words: str) -> Analysis:
    config = compose("infer", ["pipeline=particles", "segment=classical", *words])
    settings = OmegaConf.to_container(config)
    assert isinstance(settings, dict)
    return Analysis(pipeline=build(config.pipeline), series=build(config.read), settings=settings)


def sent(job: Analysis) -> Any:
    return pickle.loads(pickle.dumps(job))


def test_a_worker_finds_the_same_to_the_last_byte(images: Path) -> None:
    here = analysis(f"input={images}")
    there = sent(here)
    assert isinstance(there, Errand)
    for frame in range(3):
        mine, its = here(frame), there(frame)
        assert mine.entry == its.entry
        assert mine.pages == its.pages
        assert [table.tobytes() for table in mine.tables] == [table.tobytes() for table in its.tables]
        assert len(mine.tables[0]) == 1


def test_what_travels_is_small_and_is_built_once(images: Path) -> None:
    job = analysis(f"input={images}")
    assert len(pickle.dumps(job)) < 10_000
    assert sent(job) == sent(job)
    assert prepared(sent(job)) is prepared(sent(job))


def test_another_run_of_the_same_config_is_built_anew(images: Path) -> None:
    """A worker of a cluster that goes on may have seen the files of that name before they were changed."""
    first, second = analysis(f"input={images}"), analysis(f"input={images}")
    assert prepared(sent(first)) is not prepared(sent(second))


def test_relative_paths_begin_where_the_command_runs(images: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(images.parent)
    there = sent(analysis("input=images"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert there(1).entry["frame"] == 1
    assert Path.cwd() == elsewhere


def test_a_worker_need_not_have_the_folder_in_which_the_command_runs(
    images: Path, tmp_path: Path, monkeypatch
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    there = sent(analysis(f"input={images}"))
    monkeypatch.chdir(tmp_path)
    place.rmdir()
    assert there(2).entry["frame"] == 2


def test_a_worker_that_does_not_see_the_images_says_so_in_one_line(images: Path) -> None:
    there = sent(analysis(f"input={images}"))
    images.rename(images.with_name("gone"))
    with pytest.raises(InputError, match=r"on a worker: .*does not exist; .*all workers share") as caught:
        there(0)
    assert "\n" not in str(caught.value)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), InputError)


def test_a_worker_that_sees_other_images_is_refused(images: Path) -> None:
    there = sent(analysis(f"input={images}"))
    (images / "image_0.tif").rename(images / "image_00.tif")
    with pytest.raises(InputError, match="a worker sees other images of images"):
        there(0)


def test_packages_that_the_user_trusts_are_trusted_on_workers(images: Path, monkeypatch) -> None:
    job = analysis(f"input={images}")
    node = {"_target_": "stand_in_imaging.Heap", "atoms": 3}
    own = Analysis(pipeline=job.pipeline, series=job.series, settings={**job.settings, "pipeline": node})
    with pytest.raises(InputError, match=r"on a worker: .*not of a trusted package"):
        prepared(sent(own))
    monkeypatch.setenv("NANONET_TRUST", "stand_in_imaging")
    own = Analysis(pipeline=job.pipeline, series=job.series, settings={**job.settings, "pipeline": node})
    there = sent(own)
    os.environ["NANONET_TRUST"] = ""
    assert prepared(there).pipeline == Heap(atoms=3)
