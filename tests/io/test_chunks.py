from __future__ import annotations

import pickle
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanonet import records
from nanonet.io.chunks import ChunkStore
from nanonet.records import Column, ColumnTable, FrameResult, InputError, ParticleTable, SummaryTable, Table


def table(data: dict[str, Any], kind: type[Table] = ParticleTable) -> Table:
    frame = pd.DataFrame(data)
    columns = tuple(Column(name=name, unit="nm", meaning=f"what {name} is, in Å²") for name in frame.columns)
    return kind(data=frame, columns=columns)


def result(frame: int = 0, rows: int = 4) -> FrameResult:
    g = np.random.default_rng(frame)
    data = {
        "particle_id": np.arange(1, rows + 1, dtype=np.int32),
        "track_id": pd.array([None, *range(1, rows)], dtype="Int64"),
        "y_nm": g.normal(size=rows),
        "confidence": np.where(np.arange(rows) % 2, np.nan, 0.5).astype(np.float32),
        "separated": np.arange(rows) % 2 == 0,
        "known": pd.array([True, None] * (rows // 2), dtype="boolean"),
        "image": [f"Å {i}.tif" for i in range(rows)],
        "note": np.array([None, 1, "x", 2.5] * (rows // 4), dtype=object),
    }
    return FrameResult(
        frame=frame,
        tables=(table(data), table({"depth": g.integers(0, 9, 7)}, ColumnTable)),
        maps={
            "labels": g.integers(0, 9, (16, 20), dtype=np.int32),
            "depth": g.normal(size=(16, 20)).astype("f4"),
        },
        warnings=("dose below the trained range",) if frame % 2 else (),
    )


def assert_same(found: FrameResult, expected: FrameResult) -> None:
    assert found.frame == expected.frame
    assert found.warnings == expected.warnings
    assert list(found.maps) == list(expected.maps)
    for name, array in expected.maps.items():
        assert found.maps[name].dtype == array.dtype
        assert found.maps[name].shape == array.shape
        assert found.maps[name].tobytes() == array.tobytes()
    assert len(found.tables) == len(expected.tables)
    for ours, theirs in zip(found.tables, expected.tables, strict=True):
        assert type(ours) is type(theirs)
        assert ours.columns == theirs.columns
        pd.testing.assert_frame_equal(ours.data, theirs.data, check_exact=True)
        assert list(ours.data.dtypes) == list(theirs.data.dtypes)


def test_results_come_back_exactly(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "run", "print")
    written = [result(i) for i in range(3)]
    store.write(0, written)
    for found, expected in zip(store.read(0), written, strict=True):
        assert_same(found, expected)


names = st.text(max_size=12)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=True, allow_infinity=True)


def columns_of(rows: int) -> st.SearchStrategy[Any]:
    def listed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(values, min_size=rows, max_size=rows)

    def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.none() | values

    small = st.integers(0, 100)
    return st.one_of(
        listed(integers).map(lambda v: np.array(v, dtype=np.int64)),
        listed(small).map(lambda v: np.array(v, dtype=np.uint16)),
        listed(floats).map(lambda v: np.array(v, dtype=np.float64)),
        listed(st.floats(width=32)).map(lambda v: np.array(v, dtype=np.float32)),
        listed(st.booleans()).map(lambda v: np.array(v, dtype=bool)),
        listed(maybe(integers)).map(lambda v: pd.array(v, dtype="Int64")),
        listed(maybe(small)).map(lambda v: pd.array(v, dtype="UInt8")),
        listed(maybe(st.floats(allow_nan=False))).map(lambda v: pd.array(v, dtype="Float64")),
        listed(maybe(st.booleans())).map(lambda v: pd.array(v, dtype="boolean")),
        listed(maybe(st.text())).map(lambda v: pd.array(v, dtype="string")),
        listed(maybe(st.text())).map(lambda v: pd.array(v, dtype="str")),
        listed(maybe(st.text() | st.booleans() | st.integers() | st.floats(allow_nan=False))).map(
            lambda v: pd.Series(v, dtype=object)
        ),
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(0, 5))
    heads = draw(st.lists(names, max_size=5, unique=True))
    data = {name: pd.Series(draw(columns_of(rows))) for name in heads}
    frame = pd.DataFrame(data, columns=heads, index=pd.RangeIndex(rows if heads else 0))
    kind = draw(st.sampled_from([ParticleTable, ColumnTable, SummaryTable, records.AtomTable, Table]))
    return kind(
        data=frame, columns=tuple(Column(name=n, unit=draw(names), meaning=draw(names)) for n in heads)
    )


arrays = st.builds(
    lambda seed, shape, dtype: (np.random.default_rng(seed).normal(0, 50, shape)).astype(dtype),
    st.integers(0, 9),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.sampled_from(["f4", "f8", "i4", "i8", "u1", "?", ">i2"]),
)
results = st.builds(
    FrameResult,
    frame=st.integers(0, 10**9),
    tables=st.lists(tables(), max_size=3).map(tuple),
    maps=st.dictionaries(names, arrays, max_size=3),
    warnings=st.lists(st.text(), max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(written=st.lists(results, max_size=3))
def test_any_results_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, written: list[FrameResult]
) -> None:
    store = ChunkStore(tmp_path_factory.mktemp("run"), "print")
    store.write(5, written)
    assert store.done() == {5}
    found = store.read(5)
    assert len(found) == len(written)
    for ours, theirs in zip(found, written, strict=True):
        assert_same(ours, theirs)
    store.remove()


def test_a_run_goes_on_after_the_last_finished_chunk(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "run", "print")
    assert store.done() == set()
    store.write(0, [result(0), result(1)])
    store.write(2, [result(4)])
    again = ChunkStore(tmp_path / "run", "print")
    assert again.done() == {0, 2}
    again.write(1, [result(2), result(3)])
    assert again.done() == {0, 1, 2}
    assert [found.frame for found in again.results(3)] == [0, 1, 2, 3, 4]


def test_a_missing_chunk_is_said(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, "print")
    store.write(0, [result()])
    with pytest.raises(InputError, match=r"chunk 1 .* is missing or damaged .*: start the run again"):
        list(store.results(2))


def test_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    ChunkStore(tmp_path / "run", "print").write(0, [result()])
    with pytest.raises(
        InputError, match="unfinished run with other settings or input: choose another output="
    ):
        ChunkStore(tmp_path / "run", "other")
    assert ChunkStore(tmp_path / "run", "print").done() == {0}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0, "fingerprint": "print"}', "\x00"])
def test_a_store_that_does_not_say_whose_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(InputError, match="choose another output="):
        ChunkStore(tmp_path, "print")


def test_chunks_without_a_fingerprint_are_foreign(tmp_path: Path) -> None:
    ChunkStore(tmp_path, "print").write(0, [result()])
    (tmp_path / "store.json").unlink()
    with pytest.raises(InputError, match="choose another output="):
        ChunkStore(tmp_path, "print")


def test_a_kill_while_writing_leaves_the_chunk_undone(tmp_path: Path) -> None:
    """Killed hard, a process leaves its hidden half; the chunk is not taken for done, nor in the way."""
    store = ChunkStore(tmp_path, "print")
    store.write(0, [result()])
    whole = (tmp_path / "chunk_000000.npz").read_bytes()
    (tmp_path / ".chunk_000001.0a1b2c3d.npz").write_bytes(whole[: len(whole) // 2])
    assert store.done() == {0}
    store.write(1, [result(1)])
    assert store.done() == {0, 1}
    store.remove()
    assert not tmp_path.exists()


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, "print")
    store.write(0, [result(7)])
    with pytest.raises(ValueError, match="cannot keep"):
        store.write(0, [FrameResult(frame=0, tables=(table({"t": [pd.Timestamp(0)]}),))])
    assert store.read(0)[0].frame == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chunk_000000.npz", "store.json"]


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_chunk_is_not_done(tmp_path: Path, part: float) -> None:
    store = ChunkStore(tmp_path, "print")
    store.write(0, [result()])
    path = tmp_path / "chunk_000000.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert store.done() == set()
    with pytest.raises(InputError, match="missing or damaged"):
        store.read(0)


def test_no_flipped_byte_goes_unseen(tmp_path: Path) -> None:
    """Whatever byte is damaged: the chunk is not done, or what it holds is still right."""
    store = ChunkStore(tmp_path, "print")
    expected = result()
    store.write(0, [expected])
    path = tmp_path / "chunk_000000.npz"
    whole = path.read_bytes()
    unseen = 0
    for at in np.random.default_rng(0).integers(0, len(whole), 300):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        if store.done():
            unseen += 1
            assert_same(store.read(0)[0], expected)
    assert unseen < 60, "only dates and the like in the directory of the archive may change unseen"


def test_a_chunk_under_another_number_is_not_done(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, "print")
    store.write(0, [result()])
    shutil.copy(tmp_path / "chunk_000000.npz", tmp_path / "chunk_000003.npz")
    (tmp_path / "chunk_x.npz").write_text("not ours")
    assert store.done() == {0}


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., None], tuple[()]]:
            return (tmp_path / "exploded").touch, ()

    store = ChunkStore(tmp_path / "run", "print")
    store.write(0, [result()])
    path = tmp_path / "run" / "chunk_000000.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b" " * (117 - len(header)) + b"\n"
    poisoned = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + pickle.dumps(Bomb())
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, poisoned if "map0" in name else data)
    with pytest.raises(InputError, match="damaged"):
        store.read(0)
    assert not (tmp_path / "exploded").exists()


def test_equal_results_make_equal_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        ChunkStore(tmp_path / folder, "print").write(0, [result()])
    assert (tmp_path / "a" / "chunk_000000.npz").read_bytes() == (
        tmp_path / "b" / "chunk_000000.npz"
    ).read_bytes()


def test_numbers_of_numpy_in_a_column_of_objects(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, "print")
    odd = pd.Series([np.int64(3), None, np.float32(0.5), pd.NA, np.True_], dtype=object)
    store.write(0, [FrameResult(frame=0, tables=(table({"t": odd}),))])
    assert list(store.read(0)[0].tables[0].data["t"]) == [3, None, 0.5, None, True]


@pytest.mark.parametrize(
    "column", [pd.to_datetime(["2020-01-01"]), pd.Categorical(["a"]), pd.Series([[1, 2]]), np.array([1j])]
)
def test_columns_of_other_kinds_are_refused(tmp_path: Path, column: Any) -> None:
    with pytest.raises(ValueError, match="cannot keep"):
        ChunkStore(tmp_path, "print").write(0, [FrameResult(frame=0, tables=(table({"t": column}),))])


def test_every_kind_of_table_comes_back_as_itself(tmp_path: Path) -> None:
    kinds = [kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, Table)]
    assert len({kind.stem for kind in kinds}) == len(kinds) > 5
    store = ChunkStore(tmp_path, "print")
    store.write(0, [FrameResult(frame=0, tables=tuple(table({"a": [1]}, kind) for kind in kinds))])
    assert [type(found) for found in store.read(0)[0].tables] == kinds


def test_memory_does_not_grow_with_the_run(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path, "print")
    noise = np.random.default_rng(0).normal(size=(128, 128))

    def peak(n_chunks: int) -> int:
        tracemalloc.start()
        for index in range(n_chunks):
            store.write(index, [FrameResult(frame=index, maps={"m": noise})])
        assert sum(1 for _ in store.results(n_chunks)) == n_chunks
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2)
    assert peak(40) < peak(4) + 4 * noise.nbytes


def test_removing_spares_what_is_not_its_own(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "run", "print")
    store.write(0, [result()])
    (tmp_path / "run" / "notes.txt").write_text("mine")
    store.remove()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]
    store.remove()


def test_a_store_that_got_no_chunk_is_free_for_other_settings(tmp_path):
    ChunkStore(tmp_path / "store", "first")
    assert ChunkStore(tmp_path / "store", "second").done() == set()
    ChunkStore(tmp_path / "store", "second").write(0, [])
    with pytest.raises(InputError, match="other settings"):
        ChunkStore(tmp_path / "store", "third")
