from functools import partial
from pathlib import Path

import pytest

from nanonet.records import InputError
from simulate.exit_wave import WaveRecipe
from simulate.generate import generate, run
from simulate.microscope import Microscope
from simulate.shards import find_shards, read_manifest, shard_path
from simulate.structures import ParticleRecipe


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def make(small_recipe: ParticleRecipe, quick_waves: WaveRecipe) -> partial[Path]:
    return partial(
        generate, structures=small_recipe, exit_wave=quick_waves, microscope=Microscope(), seed=7, workers=1
    )


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path, make):
    alone = make(output=tmp_path / "alone", n_structures=3)
    several = make(output=tmp_path / "several", n_structures=3, workers=2)
    assert contents(alone) == contents(several)
    assert len(find_shards(alone)) == 3


def test_a_stopped_run_goes_on_with_the_same_result_and_keeps_what_is_there(tmp_path, make):
    whole = make(output=tmp_path / "whole", n_structures=2)
    stopped = make(output=tmp_path / "stopped", n_structures=1)
    kept = shard_path(stopped, 0).stat().st_mtime_ns
    make(output=stopped, n_structures=2)
    assert shard_path(stopped, 0).stat().st_mtime_ns == kept
    assert contents(stopped) == contents(whole)
    manifest = read_manifest(whole)
    assert (manifest["seed"], manifest["n_structures"]) == (7, 2)
    assert manifest["recipe"]["exit_wave"]["frozen_phonons"] == 2
    assert "abtem" in manifest["versions"]


def test_other_seeds_make_other_particles(tmp_path, make):
    first = make(output=tmp_path / "first", n_structures=1)
    other = make(output=tmp_path / "other", n_structures=1, seed=8)
    assert (shard_path(first, 0) / "waves/c/0/0/0").read_bytes() != (
        shard_path(other, 0) / "waves/c/0/0/0"
    ).read_bytes()


def test_no_structures_are_refused(tmp_path, make):
    with pytest.raises(InputError, match="n_structures"):
        make(output=tmp_path, n_structures=0)


def test_progress_goes_to_stderr_and_results_keep_their_order(capfd):
    assert run(abs, [-3, -1, -2], workers=1, title="waves") == [3, 1, 2]
    out, err = capfd.readouterr()
    assert out == ""
    assert "waves" in err
    assert "an hour" in err


def test_a_job_that_fails_in_a_worker_says_why():
    with pytest.raises(InputError, match="no crystal 'Xx'"):
        run(_fail, [0, 1], workers=2, title="waves")


@pytest.mark.slow
def test_a_worker_that_is_killed_is_reported_in_one_line():
    with pytest.raises(InputError, match="fewer workers"):
        run(_die, [0, 1], workers=2, title="waves")


def _die(index: int) -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def _fail(index: int) -> None:
    from simulate.crystals import crystal

    crystal("Xx")
