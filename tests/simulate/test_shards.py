import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from ase import Atoms

from nanonet.records import InputError
from simulate.shards.manifest import MANIFEST, begin, read_manifest, recipe_part
from simulate.shards.store import Shard, find_shards, read_shard, shard_path, write_shard

MANIFEST_OF_ONE = {"recipe": {"structures": {"depth": (2, 5)}}, "seed": 1, "n_structures": 3}


def shard(structure: int = 4) -> Shard:
    rng = np.random.default_rng(0)
    atoms = Atoms(numbers=[58, 8, 8, 6], positions=rng.uniform(0, 20, (4, 3)), cell=[20, 20, 15.1], pbc=True)
    atoms.set_array("column", np.array([0, 1, 70000, -1]))
    atoms.set_array("counted", np.array([True, False, False, False]))
    atoms.set_array("instance", np.zeros(4, dtype=np.int64))
    atoms.set_array("displacement", rng.normal(size=(4, 3)))
    wave = rng.standard_normal((2, 16, 16)) + 1j * rng.standard_normal((2, 16, 16))
    stored = {
        "waves": wave.astype(np.complex64),
        "diffuse": rng.standard_normal((16, 16)).astype(np.float32),
        "half": rng.standard_normal((3, 5)).astype(np.float16),
        "nothing": np.zeros((0, 4)),
        "zeros": np.zeros((7, 7), dtype=np.float32),
        "scalar": np.array(0.1),
        "counts": np.array([0, 2**40]),
        "turned": np.asfortranarray(rng.standard_normal((4, 6))),
    }
    about = {"material": "CeO2", "zone_axis": [1, 1, 0], "mistilt_degrees": [0.1, -0.2], "deep": {"a": None}}
    return Shard(structure=structure, side=20.0, stored=stored, atoms=atoms, about=about)


def test_a_shard_comes_back_to_the_last_bit(tmp_path):
    before = shard()
    write_shard(tmp_path, before)
    after = read_shard(tmp_path, 4)
    assert (after.structure, after.side, after.about) == (4, 20.0, before.about)
    for old, new in ((before.stored, after.stored), (before.atoms.arrays, after.atoms.arrays)):
        assert set(old) == set(new)
        for name, array in old.items():
            assert new[name].dtype == array.dtype, name
            assert new[name].shape == array.shape, name
            assert new[name].tobytes() == array.tobytes(), name
            assert new[name].flags.writeable
            assert new[name].flags.aligned
    np.testing.assert_array_equal(after.atoms.cell, before.atoms.cell)
    assert after.atoms.pbc.all()


def test_any_zarr_reads_a_shard_and_it_is_one_file(tmp_path):
    before = shard()
    path = write_shard(tmp_path, before)
    assert [entry.name for entry in tmp_path.iterdir()] == ["structure_000004.zarr.zip"]
    group = zarr.open_group(zarr.storage.ZipStore(path), mode="r")
    assert group.metadata.zarr_format == 3
    np.testing.assert_array_equal(group["imaging/waves"], before.stored["waves"])
    np.testing.assert_array_equal(group["atoms/column"], [0, 1, 70000, -1])
    np.testing.assert_array_equal(group["imaging/zeros"], before.stored["zeros"])
    assert group.attrs["about"]["material"] == "CeO2"


def test_a_shard_takes_little_more_than_its_arrays(tmp_path):
    before = shard()
    wave = np.ones((200, 200), dtype=np.complex64)
    big = Shard(structure=0, side=20.0, stored={"wave": wave}, atoms=before.atoms, about={})
    assert write_shard(tmp_path, big).stat().st_size < wave.nbytes + 8000


def test_the_same_shard_makes_the_same_bytes(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    assert write_shard(first, shard()).read_bytes() == write_shard(second, shard()).read_bytes()


def test_a_write_that_is_cut_off_leaves_no_shard(tmp_path, monkeypatch):
    begin(tmp_path, MANIFEST_OF_ONE)
    write, calls = zipfile.ZipFile.writestr, []

    def failing(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            os._exit(9)  # as SIGKILL: nothing is cleaned up
        return write(self, *arguments, **options)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", failing)
    child = os.fork()
    if child == 0:
        write_shard(tmp_path, shard())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    assert find_shards(tmp_path) == []
    assert list(tmp_path.glob(".structure_*"))
    assert begin(tmp_path, MANIFEST_OF_ONE) == []
    assert not list(tmp_path.glob(".structure_*"))
    write_shard(tmp_path, shard())
    assert begin(tmp_path, MANIFEST_OF_ONE) == find_shards(tmp_path) == [4]


def test_shards_are_found_by_number_also_beyond_a_million(tmp_path):
    for name in ("structure_000010.zarr.zip", "structure_1000002.zarr.zip", "structure_000002.zarr.zip"):
        (tmp_path / name).touch()
    for name in ("structure_000003.zarr.zip.part", ".structure_000005.ab.zip", "structure_x.zarr.zip"):
        (tmp_path / name).touch()
    assert find_shards(tmp_path) == [2, 10, 1000002]
    assert shard_path(tmp_path, 1000002).exists()


def test_shards_of_another_recipe_or_seed_are_not_mixed(tmp_path):
    begin(tmp_path, MANIFEST_OF_ONE)
    begin(tmp_path, {**MANIFEST_OF_ONE, "n_structures": 9})
    assert read_manifest(tmp_path)["n_structures"] == 9
    with pytest.raises(InputError, match=r"another seed \(seed 1 there, 2 now\)"):
        begin(tmp_path, {**MANIFEST_OF_ONE, "seed": 2})
    with pytest.raises(InputError, match="another recipe"):
        begin(tmp_path, {**MANIFEST_OF_ONE, "recipe": {}})
    with pytest.raises(InputError, match=r"structures.depth \[2, 5\] there, \[2, 6\] now"):
        begin(tmp_path, {**MANIFEST_OF_ONE, "recipe": {"structures": {"depth": (2, 6)}}})


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        begin(tmp_path, MANIFEST_OF_ONE)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '"text"', json.dumps({"format": "other"}), json.dumps({"format": "nanonet-exit-waves"})],
)
def test_what_is_no_manifest_is_refused_in_one_line(tmp_path, text):
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_manifest_without_the_part_or_of_a_stranger_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"recipe\.imaging"):
        recipe_part({"recipe": {}}, "imaging")
    with pytest.raises(InputError, match="trusted"):
        recipe_part({"recipe": {"imaging": {"_target_": "os.system", "command": "true"}}}, "imaging")


def test_a_missing_shard_is_named(tmp_path):
    with pytest.raises(InputError, match=r"structure_000004.*missing"):
        read_shard(tmp_path, 4)


def cut(data: bytes) -> bytes:
    return data[:-300]


def beheaded(data: bytes) -> bytes:
    return data[500:]


def flipped(data: bytes) -> bytes:
    at = data.index(b"imaging/waves/c/0/0/0") + 200
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def emptied(data: bytes) -> bytes:
    return b""


def another(data: bytes) -> bytes:
    return b"not a zip at all" * 100


@pytest.mark.parametrize("damage", [cut, beheaded, flipped, emptied, another])
def test_a_damaged_shard_is_named_and_what_to_do(tmp_path: Path, damage):
    path = write_shard(tmp_path, shard())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"structure_000004.*delete it") as caught:
        read_shard(tmp_path, 4)
    assert "\n" not in str(caught.value)


def test_a_shard_that_lacks_an_array_is_damaged(tmp_path):
    path = write_shard(tmp_path, shard())
    with zipfile.ZipFile(path) as file:
        kept = {name: file.read(name) for name in file.namelist() if "positions" not in name}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in kept.items():
            file.writestr(name, data)
    with pytest.raises(InputError, match=r"structure_000004.*delete it"):
        read_shard(tmp_path, 4)
