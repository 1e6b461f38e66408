"""Records come back as they were; what is damaged or of another kind comes back as nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nanonet.io.record_arrays import load_record, save_record
from nanonet.records import Orientations, ShellCorrelation, Volume


@dataclass(frozen=True, kw_only=True)
class Found:
    volume: Volume
    orientations: Orientations
    curves: tuple[ShellCorrelation, ...]
    score: float
    name: str
    rest: ShellCorrelation | None = None


def found(halves: bool) -> Found:
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 4, 4, 4))
    return Found(
        volume=Volume(density=maps[0], voxel_size=1.5, half_maps=(maps[1], maps[2]) if halves else None),
        orientations=Orientations(
            rotations=rng.normal(size=(2, 3, 3)),
            shifts=np.zeros((2, 2)),
            particle_ids=np.arange(2),
            class_ids=np.zeros(2, int),
        ),
        curves=tuple(ShellCorrelation(frequency=np.arange(3.0), correlation=np.ones(3)) for _ in range(2)),
        score=0.25,
        name="O",
    )


@pytest.mark.parametrize("halves", [True, False])
def test_a_record_comes_back(tmp_path: Path, halves: bool) -> None:
    one = found(halves)
    save_record(tmp_path / "a.npz", one)
    again = load_record(tmp_path / "a.npz", Found)
    assert again is not None
    assert np.array_equal(again.volume.density, one.volume.density)
    assert (again.volume.half_maps is None) is not halves
    assert again.volume.voxel_size == 1.5
    assert np.array_equal(again.orientations.rotations, one.orientations.rotations)
    assert len(again.curves) == 2
    assert (again.score, again.name, again.rest) == (0.25, "O", None)


def test_what_is_damaged_or_of_another_kind_is_nothing(tmp_path: Path) -> None:
    save_record(tmp_path / "a.npz", found(True))
    assert load_record(tmp_path / "a.npz", Orientations) is None
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    assert load_record(tmp_path / "a.npz", Found) is None
    assert load_record(tmp_path / "none.npz", Found) is None


def test_what_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Odd:
        what: object

    with pytest.raises(ValueError, match="cannot be stored"):
        save_record(tmp_path / "a.npz", Odd(what={1: 2}))
    assert not (tmp_path / "a.npz").exists()
