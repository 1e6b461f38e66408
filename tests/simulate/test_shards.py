import json

import numpy as np
import pytest

from nanonet.records import InputError
from simulate.shards import (
    MANIFEST,
    Shard,
    begin,
    find_shards,
    read_manifest,
    read_shard,
    shard_path,
    write_shard,
)

MANIFEST_OF_ONE = {"recipe": {"structures": {"depth": (2, 5)}}, "seed": 1, "n_structures": 3}


def shard(ceria, structure: int = 4) -> Shard:
    waves, columns = ceria
    rng = np.random.default_rng(0)
    return Shard(
        structure=structure,
        exit_waves=waves,
        positions=rng.uniform(0, 20, (7, 3)),
        numbers=np.full(7, 58),
        columns=columns,
        about={"material": "CeO2", "zone_axis": [1, 1, 0], "mistilt_degrees": [0.1, -0.2]},
    )


def test_a_shard_comes_back_as_it_was(tmp_path, ceria):
    before = shard(ceria)
    write_shard(tmp_path, before)
    after = read_shard(tmp_path, 4)
    np.testing.assert_array_equal(after.exit_waves.waves, before.exit_waves.waves)
    assert (after.exit_waves.sampling, after.exit_waves.energy) == (pytest.approx(0.2), 300e3)
    np.testing.assert_array_equal(after.positions, before.positions)
    np.testing.assert_array_equal(after.numbers, before.numbers)
    np.testing.assert_array_equal(after.columns.positions, before.columns.positions)
    np.testing.assert_array_equal(after.columns.depths, before.columns.depths)
    np.testing.assert_array_equal(after.columns.ids, before.columns.ids)
    assert after.about == before.about


def test_a_write_that_is_cut_off_leaves_no_shard(tmp_path, ceria, monkeypatch):
    import zarr

    begin(tmp_path, MANIFEST_OF_ONE)
    create, calls = zarr.Group.create_array, []

    def failing(self, *arguments, **options):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return create(self, *arguments, **options)

    monkeypatch.setattr(zarr.Group, "create_array", failing)
    with pytest.raises(KeyboardInterrupt):
        write_shard(tmp_path, shard(ceria))
    monkeypatch.undo()
    assert find_shards(tmp_path) == []
    assert list(tmp_path.glob(".structure_*"))
    begin(tmp_path, MANIFEST_OF_ONE)
    assert not list(tmp_path.glob(".structure_*"))
    write_shard(tmp_path, shard(ceria))
    assert find_shards(tmp_path) == [4]


def test_shards_of_another_recipe_or_seed_are_not_mixed(tmp_path):
    begin(tmp_path, MANIFEST_OF_ONE)
    begin(tmp_path, {**MANIFEST_OF_ONE, "n_structures": 9})
    assert read_manifest(tmp_path)["n_structures"] == 9
    with pytest.raises(InputError, match="another seed"):
        begin(tmp_path, {**MANIFEST_OF_ONE, "seed": 2})
    with pytest.raises(InputError, match="another recipe"):
        begin(tmp_path, {**MANIFEST_OF_ONE, "recipe": {}})


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


def test_a_damaged_or_missing_shard_is_named(tmp_path, ceria):
    with pytest.raises(InputError, match="structure_000004"):
        read_shard(tmp_path, 4)
    write_shard(tmp_path, shard(ceria))
    chunk = max(
        (p for p in (shard_path(tmp_path, 4) / "waves").rglob("*") if p.is_file()),
        key=lambda p: p.stat().st_size,
    )
    chunk.write_bytes(chunk.read_bytes()[:1000])
    with pytest.raises(InputError, match="structure_000004"):
        read_shard(tmp_path, 4)
