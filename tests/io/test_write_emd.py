from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nanonet.io import read_series
from nanonet.io.writers.emd import write_emd
from nanonet.records import InputError


def counts(shape: tuple[int, int, int] = (5, 24, 30)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 900, shape).astype(np.uint16)


def test_it_is_read_back_with_its_calibration(tmp_path: Path) -> None:
    frames = counts()
    write_emd(tmp_path / "m.emd", iter(frames), pixel_size=0.213, frame_time=0.025, energy=80e3)
    series = read_series(tmp_path / "m.emd")
    np.testing.assert_array_equal(np.stack([shot.image for shot in series]), frames)
    assert series.is_movie
    first = series[0]
    assert first.pixel_size == pytest.approx(0.213)
    assert first.frame_time == pytest.approx(0.025)
    assert first.energy == 80e3


def test_ncempy_and_rosettasciio_open_it(tmp_path: Path) -> None:
    from ncempy.io.emd import emdReader, fileEMD
    from rsciio.emd import file_reader

    frames = counts()
    path = tmp_path / "m.emd"
    write_emd(path, frames, pixel_size=0.2, frame_time=0.5, energy=300e3, dose=20.0, modality="HRTEM")
    theirs = emdReader(str(path))
    np.testing.assert_array_equal(theirs["data"], frames)
    assert theirs["pixelSize"] == pytest.approx([0.5, 0.02, 0.02])
    assert theirs["pixelUnit"] == ["[s]", "[n_m]", "[n_m]"]
    with fileEMD(str(path), readonly=True) as file:
        told = file.getMetadata(file.list_emds[0])
    assert told["voltage"] == 300e3
    assert told["dose"] == 20.0
    assert told["modality"] == "HRTEM"

    (signal,) = file_reader(str(path))
    axes = {axis["name"]: axis for axis in signal["axes"]}
    assert {name: axis["units"] for name, axis in axes.items()} == {"time": "s", "y": "nm", "x": "nm"}
    assert [axes[name]["scale"] for name in ("time", "y", "x")] == pytest.approx([0.5, 0.02, 0.02])
    order = [axes[name]["index_in_array"] for name in ("time", "y", "x")]
    np.testing.assert_array_equal(np.asarray(signal["data"]).transpose(order), frames)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "bool"])
def test_types_and_values_are_kept(tmp_path: Path, dtype: str) -> None:
    import h5py

    frames = (counts() % 120).astype(dtype)
    write_emd(tmp_path / "m.emd", frames, pixel_size=None)
    with h5py.File(tmp_path / "m.emd") as file:
        stored = file["data/m/data"][:]
    np.testing.assert_array_equal(stored, frames)
    assert stored.dtype == ("int8" if dtype == "bool" else dtype)


def test_pixels_without_a_size_have_none(tmp_path: Path) -> None:
    from nanonet.io.readers.emd import open_file

    write_emd(tmp_path / "m.emd", counts(), pixel_size=None)
    found = open_file(tmp_path / "m.emd", None)
    assert found.pixel is None
    assert found.frame_time is None
    assert found.energy is None


def test_equal_movies_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_emd(tmp_path / name / "m.emd", counts(), pixel_size=0.2)
    assert (tmp_path / "a/m.emd").read_bytes() == (tmp_path / "b/m.emd").read_bytes()


def test_nothing_stays_of_a_broken_write(tmp_path: Path) -> None:
    def broken():
        yield counts()[0]
        raise RuntimeError("the detector fell off")

    with pytest.raises(RuntimeError):
        write_emd(tmp_path / "m.emd", broken(), pixel_size=0.2)
    with pytest.raises(ValueError, match="no frame"):
        write_emd(tmp_path / "m.emd", [], pixel_size=0.2)
    with pytest.raises(ValueError, match="must be"):
        write_emd(tmp_path / "m.emd", [counts()[0], counts()[0, :-1]], pixel_size=0.2)
    with pytest.raises(InputError, match="pixel_size"):
        write_emd(tmp_path / "m.emd", counts(), pixel_size=0.0)
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_movie(tmp_path: Path) -> None:
    def peak(length: int) -> int:
        frame = counts((1, 256, 256))[0]
        tracemalloc.start()
        write_emd(tmp_path / "m.emd", (frame for _ in range(length)), pixel_size=0.2)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(60) < peak(4) + 2 * 256 * 256 * 2
