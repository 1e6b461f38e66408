import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from stand_in_imaging import Dust, Heap, Shadow

from nanonet.configuration import build
from nanonet.records import InputError
from nanonet.workers.local import Local
from simulate.environments import AmorphousCarbon
from simulate.shards.box import BEAM_MARGIN, bounds, enclose
from simulate.shards.generate import Plan, attempt, generate, write_structure
from simulate.shards.manifest import read_manifest, recipe_part
from simulate.shards.recipe import as_node
from simulate.shards.store import find_shards, read_shard, shard_path
from simulate.structures import ParticleRecipe
from simulate.tem.exit_wave import Multislice
from simulate.tem.hrtem import HRTEM
from simulate.tem.microscope import Microscope


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def make() -> partial[Path]:
    return partial(
        generate,
        structures=Heap(),
        imaging=Shadow(),
        microscope=Dust(),
        environment=Dust(),
        seed=7,
        cluster=Local(workers=1),
    )


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(tmp_path, make):
    alone = make(output=tmp_path / "alone", n_structures=5)
    several = make(output=tmp_path / "several", n_structures=5, cluster=Local(workers=2))
    assert contents(alone) == contents(several)
    assert find_shards(alone) == [0, 1, 2, 3, 4]


@pytest.mark.slow
def test_the_bytes_of_multislice_do_not_depend_on_the_number_of_workers(tmp_path):
    parts = {
        "structures": ParticleRecipe(diameter=(10.0, 11.0), depth=(2, 3)),
        "imaging": HRTEM(multislice=Multislice(slice_thickness=2.0), diffuse_waves=1, padding=4.0),
        "microscope": Microscope(),
        "environment": AmorphousCarbon(),
    }
    alone = generate(**parts, output=tmp_path / "alone", n_structures=2, cluster=Local(workers=1))
    several = generate(**parts, output=tmp_path / "several", n_structures=2, cluster=Local(workers=2))
    assert contents(alone) == contents(several)
    assert recipe_part(read_manifest(alone), "imaging") == parts["imaging"]


def test_a_stopped_run_goes_on_with_the_same_result_and_keeps_what_is_there(tmp_path, make, capfd):
    whole = make(output=tmp_path / "whole", n_structures=3)
    stopped = make(output=tmp_path / "stopped", n_structures=1)
    kept = shard_path(stopped, 0).stat().st_mtime_ns
    capfd.readouterr()
    make(output=stopped, n_structures=3)
    out, err = capfd.readouterr()
    assert out == ""
    assert "going on after 1 of 3" in err
    assert "an hour" in err
    assert "3 structures" in err
    assert "MB each" in err
    assert shard_path(stopped, 0).stat().st_mtime_ns == kept
    assert contents(stopped) == contents(whole)


def test_the_manifest_rebuilds_the_recipe_and_tells_the_errors(tmp_path, make, monkeypatch):
    monkeypatch.setenv("NANONET_TRUST", "stand_in_imaging")
    structures = Heap(atoms=12)
    folder = make(output=tmp_path / "shards", n_structures=2, structures=structures)
    manifest = read_manifest(folder)
    assert (manifest["seed"], manifest["n_structures"]) == (7, 2)
    assert {"abtem", "numpy", "nanonet"} <= set(manifest["versions"])
    assert manifest["errors"] == {"contrast": 0.05}
    assert manifest["bytes_per_structure"] == round(
        np.mean([shard_path(folder, i).stat().st_size for i in (0, 1)])
    )
    for part, original in (
        ("structures", structures),
        ("imaging", Shadow()),
        ("environment", Dust()),
        ("microscope", Dust()),
    ):
        assert recipe_part(manifest, part) == original


def test_other_seeds_make_other_particles_and_a_smaller_number_keeps_all(tmp_path, make):
    first = make(output=tmp_path / "first", n_structures=2)
    other = make(output=tmp_path / "other", n_structures=1, seed=8)
    assert shard_path(first, 0).read_bytes() != shard_path(other, 0).read_bytes()
    make(output=first, n_structures=1)
    assert find_shards(first) == [0, 1]


def test_the_box_holds_the_particle_in_its_middle_and_all_surroundings(tmp_path, make):
    folder = make(output=tmp_path / "shards", n_structures=1)
    shard = read_shard(folder, 0)
    atoms = shard.atoms
    particle = atoms[atoms.arrays["instance"] == 1]
    low, high = bounds(particle)
    assert shard.side == pytest.approx((high - low)[:2].max() + 6.0)
    np.testing.assert_allclose((low + high)[:2] / 2, shard.side / 2, atol=1e-9)
    low, high = bounds(atoms)
    assert low[2] == pytest.approx(BEAM_MARGIN)
    assert atoms.cell[2, 2] - high[2] == pytest.approx(BEAM_MARGIN)
    np.testing.assert_array_equal(np.diag(atoms.cell)[:2], shard.side)
    assert (atoms.positions[:, :2] >= 0).all()
    assert (atoms.positions[:, :2] < shard.side).all()
    assert set(atoms.arrays) == {"numbers", "positions", "column", "counted", "instance", "displacement"}
    assert shard.about["zone_axis"] == [1, 1, 0]
    assert shard.about["support"] == "dust"
    assert shard.about["thermal_displacements"]["Au"] == 0.08


def test_the_frame_of_a_box_can_be_held_while_the_atoms_change():
    atoms = Heap().draw(np.random.default_rng(0)).atoms
    frame = bounds(atoms)
    fewer = enclose(atoms[5:], 30.0, frame, frame)
    np.testing.assert_allclose(fewer.positions, enclose(atoms, 30.0, frame).positions[5:])
    np.testing.assert_allclose(fewer.cell, enclose(atoms, 30.0, frame).cell)


def test_no_structures_and_no_atoms_are_refused(tmp_path, make):
    with pytest.raises(InputError, match="n_structures"):
        make(output=tmp_path / "none", n_structures=0)
    with pytest.raises(InputError, match=r"\[7, 0\].*enlarge the particle"):
        make(output=tmp_path / "empty", n_structures=1, structures=Heap(atoms=0))


def test_a_worker_that_does_not_see_the_output_says_so(tmp_path):
    plan = Plan(structures=Heap(), environment=None, imaging=Shadow(), folder=tmp_path / "far", seed=1)
    failure = attempt(plan.folder, partial(write_structure, plan), 0)
    assert failure is not None
    assert "a disk that all workers share" in failure.message
    assert not (tmp_path / "far").exists()


def test_a_structure_that_fails_is_named_and_does_not_stop_the_others(tmp_path, make):
    def fails(index):
        rng = np.random.default_rng([7, index])
        rng.standard_normal((40, 3))
        return rng.uniform()

    worst = int(np.argmax([fails(index) for index in range(12)]))
    limit = sorted(fails(index) for index in range(12))[-2] + 1e-9
    heap = Heap(largest=limit)
    with pytest.raises(InputError, match=rf"\[7, {worst}\] failed: the heap fell over \(1 failed") as caught:
        make(output=tmp_path / "shards", n_structures=12, structures=heap)
    assert "in draw" in str(caught.value.__cause__)
    assert find_shards(tmp_path / "shards") == [index for index in range(12) if index != worst]
    assert read_manifest(tmp_path / "shards")["bytes_per_structure"] > 0


def test_a_run_gives_up_where_many_fail(tmp_path, make):
    with pytest.raises(InputError, match=r"\[7, 0\].*fell over \(4 failed; what was made is kept\)"):
        make(output=tmp_path / "shards", n_structures=50, structures=Heap(largest=-1.0))


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


def test_one_run_a_folder(tmp_path, make):
    folder = make(output=tmp_path / "shards", n_structures=1)
    (folder / ".running").mkdir()
    command = [sys.executable, "-c", HOLD, str(folder / ".running" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another run"):
            make(output=folder, n_structures=2)
        other.communicate(b"\n")
    assert find_shards(make(output=folder, n_structures=2)) == [0, 1]
    assert not (folder / ".running").exists()


SLOW_RUN = """
import sys
from pathlib import Path
from stand_in_imaging import Dust, Heap, Shadow
from nanonet.workers.dask import Dask
from nanonet.workers.local import Local
from simulate.shards.generate import generate

if __name__ == "__main__":
    parts = dict(structures=Heap(), imaging=Shadow(pause=0.2), microscope=Dust(), seed=7)
    generate(**parts, output=Path(sys.argv[1]), n_structures=60, cluster=eval(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["Local(workers=2)", "Dask(workers=2)"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_whole_shards_and_no_processes_and_goes_on(tmp_path, how, cluster):
    script, folder = tmp_path / "run.py", tmp_path / "shards"
    script.write_text(SLOW_RUN)
    paths = os.pathsep.join(str(path) for path in (Path(__file__).parents[1], Path(__file__).parents[2]))
    command, environment = [sys.executable, script, folder, cluster], {**os.environ, "PYTHONPATH": paths}
    run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    limit = time.monotonic() + 60
    while not (folder.is_dir() and len(find_shards(folder)) >= 4) and time.monotonic() < limit:
        time.sleep(0.05)
    if how is signal.SIGINT:
        os.killpg(run.pid, how)  # as a terminal does
    else:
        run.kill()
    # It ends when the last process that holds stderr does, so that none is left behind.
    errors = run.communicate(timeout=60)[1].decode()
    assert run.returncode != 0
    # Of the process that was asked only: workers die silently.
    assert errors.count("Traceback") == (how is signal.SIGINT), errors
    done = find_shards(folder)
    assert 4 <= len(done) < 60
    parts = {"structures": Heap(), "imaging": Shadow(pause=0.2), "microscope": Dust(), "seed": 7}
    parts["cluster"] = Local(workers=1)
    generate(**parts, output=folder, n_structures=max(done) + 2)
    quick = {**parts, "imaging": Shadow()}
    whole = generate(**quick, output=tmp_path / "whole", n_structures=max(done) + 2)
    names = [name for name in contents(whole) if name.startswith("structure")]
    assert len(names) == max(done) + 2
    assert all(contents(folder)[name] == contents(whole)[name] for name in names)


def test_what_a_config_can_hold_becomes_a_node_and_comes_back(monkeypatch):
    monkeypatch.setenv("NANONET_TRUST", "stand_in_imaging")
    assert build(as_node(Shadow(pause=0.5))) == Shadow(pause=0.5)
    node = as_node({"a": (1, np.float32(0.5)), "b": Path("x"), "c": np.eye(2), "d": None, "e": {2, 1}})
    assert node == {"a": [1, 0.5], "b": "x", "c": [[1, 0], [0, 1]], "d": None, "e": [1, 2]}
    assert json.loads(json.dumps(node)) == node
    assert as_node(replace(Heap(), atoms=3))["_target_"] == "stand_in_imaging.Heap"
    with pytest.raises(InputError, match="object cannot be written into a manifest"):
        as_node({"x": object()})


def test_images_do_not_show_where_surroundings_end(tmp_path, small_recipe, quick_waves):
    from simulate.draw import ColumnSampler

    folder = generate(
        structures=small_recipe,
        imaging=quick_waves,
        microscope=Microscope(),
        environment=AmorphousCarbon(thickness=8.0),
        output=tmp_path / "shards",
        n_structures=1,
        cluster=Local(workers=1),
    )
    side = read_shard(folder, 0).side
    ColumnSampler(folder, crop_pixels=int(side / 0.25) - 1).draw(0, np.random.default_rng(0))
    with pytest.raises(InputError, match="least_side"):
        ColumnSampler(folder, crop_pixels=int(side / 0.25) + 1).draw(0, np.random.default_rng(0))
