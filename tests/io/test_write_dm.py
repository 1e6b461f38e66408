"""DM3 and DM4 files, checked with two independent readers and with a strict walk through their bytes."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanonet.io import read_series
from nanonet.io.writers import dm as dm_writer
from nanonet.io.writers.dm import write_dm
from nanonet.io.writers.dm_tags import Pixels, layout
from nanonet.records import InputError

FORMATS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "formats"
TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
SUFFIXES = (".dm3", ".dm4")


def frames(dtype: str, shape: tuple[int, ...] = (4, 6, 9)) -> np.ndarray:
    kind = np.dtype(dtype)
    g = np.random.default_rng(0)
    if kind.kind == "f":
        found = g.normal(0, 1e3, shape).astype(kind)
        found.flat[0], found.flat[1] = np.nan, np.inf
        return found
    limits = np.iinfo(kind)
    found = g.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    found.flat[0], found.flat[1] = limits.min, limits.max
    return found


def read_rsciio(path: Path, **options: Any) -> dict[str, Any]:
    from rsciio.digitalmicrograph import file_reader

    (image,) = file_reader(str(path), **options)
    return image


def read_ncem(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from ncempy.io import dm

    with dm.fileDM(path) as file:
        assert file.numObjects == 1
        assert not file.thumbnail
        return file.getDataset(0), file.getMetadata(0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(4, 6, 9), (6, 9), (1, 6, 9), (3, 1, 1)])
def test_two_readers_get_every_bit(tmp_path: Path, suffix: str, dtype: str, shape: tuple[int, ...]) -> None:
    movie = frames(dtype, shape)
    stack = movie.reshape(-1, *shape[-2:])
    path = tmp_path / f"m{suffix}"
    write_dm(path, iter(stack), shape, dtype, pixel_size=0.2)  # type: ignore[arg-type]
    expected = movie[0] if shape[0] == 1 and movie.ndim == 3 else movie
    for found in (read_rsciio(path)["data"], read_ncem(path)[0]["data"]):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("unit", ["nm", "Å", "pm", "µm"])
def test_calibration(tmp_path: Path, suffix: str, unit: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_dm(
        path, frames("uint16"), (4, 6, 9), "uint16",
        pixel_size=(0.25, 0.2), energy=300e3, frame_time=0.025, unit=unit,
    )  # fmt: skip
    per_unit = {"nm": 10.0, "Å": 1.0, "pm": 0.01, "µm": 1e4}[unit]
    expected = [0.025, 0.25 / per_unit, 0.2 / per_unit]  # t, y, x

    image = read_rsciio(path)
    assert [axis["scale"] for axis in image["axes"]] == pytest.approx(expected, rel=1e-7)
    assert [axis["units"] for axis in image["axes"]] == ["s", unit, unit]
    assert [axis["offset"] for axis in image["axes"]] == [0, 0, 0]
    assert [axis["navigate"] for axis in image["axes"]] == [True, False, False]
    tags = image["original_metadata"]["ImageList"]["TagGroup0"]["ImageTags"]
    assert tags["Microscope Info"]["Voltage"] == 300e3

    data, metadata = read_ncem(path)
    assert list(data["pixelSize"]) == pytest.approx(expected, rel=1e-7)
    assert list(data["pixelUnit"]) == ["s", unit, unit]
    assert metadata["Microscope Info Voltage"] == 300e3


def test_the_projects_own_reader(tmp_path: Path) -> None:
    movie = frames("uint16")
    for suffix in SUFFIXES:
        write_dm(
            tmp_path / f"m{suffix}", movie, movie.shape, "uint16",  # type: ignore[arg-type]
            pixel_size=0.2, energy=300e3, frame_time=0.025,
        )  # fmt: skip
        series = read_series(tmp_path / f"m{suffix}")
        assert len(series) == 4
        assert series.pixel_size == pytest.approx(0.2, rel=1e-6)
        assert series[2].energy == pytest.approx(300e3)
        assert series[2].frame_time == pytest.approx(0.025, rel=1e-6)
        np.testing.assert_array_equal(series[2].image, movie[2])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_unknown_is_not_stated(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    write_dm(path, frames("uint8"), (4, 6, 9), "uint8", pixel_size=None)
    image = read_rsciio(path)
    assert [(axis["scale"], axis["units"]) for axis in image["axes"]] == [(1.0, "")] * 3
    assert "Voltage" not in str(image["original_metadata"])


@pytest.mark.parametrize(
    ("modality", "mode", "signal"),
    [("HRTEM", "TEM", None), ("BF-TEM", "TEM", None), ("HAADF", "STEM", "HAADF"), ("BF-STEM", "STEM", "BF")],
)
def test_modality(tmp_path: Path, modality: Any, mode: str, signal: str | None) -> None:
    write_dm(tmp_path / "m.dm4", frames("uint8"), (4, 6, 9), "uint8", pixel_size=1.0, modality=modality)
    tags = read_rsciio(tmp_path / "m.dm4")["original_metadata"]["ImageList"]["TagGroup0"]["ImageTags"]
    assert tags["Microscope Info"]["Illumination Mode"] == mode
    assert tags.get("DataBar", {}).get("Signal Name") == signal


class Walk:
    """A strict reader of the tag tree, which checks every length that the format states.

    From the published descriptions of the format; `values` maps tag paths to numbers, text or (offset,
    bytes), `unsorted` lists the groups whose flag says that their names are sorted, and are not.
    """

    def __init__(self, data: bytes, size: int | None = None) -> None:
        self.data = data
        self.at = 0
        self.values: dict[str, Any] = {}
        self.unsorted: list[str] = []
        self.version = self._take(">I")
        self.wide = ">Q" if self.version == 4 else ">I"
        stated = self._take(self.wide)
        assert stated == (size or len(data)) - (24 if self.version == 4 else 20)
        assert self._take(">I") == 1, "little-endian values"
        self._group("")
        assert data[self.at :] == bytes(8)

    def _take(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def _group(self, path: str) -> None:
        is_sorted, _, count = self._take("B"), self._take("B"), self._take(self.wide)
        labels = []
        for number in range(count):
            kind, length = self._take("B"), self._take(">H")
            label = self.data[self.at : self.at + length].decode("latin-1")
            self.at += length
            labels.append(label.lower())
            end = self.at + 8 + self._take(">Q") if self.version == 4 else None
            {20: self._group, 21: self._value}[kind](f"{path}/{label or number}")
            assert end is None or end == self.at, f"the length of {path}/{label} is wrong"
        if is_sorted and labels != sorted(labels):
            self.unsorted.append(path)

    def _value(self, path: str) -> None:
        assert self.data[self.at : self.at + 4] == b"%%%%"
        self.at += 4
        info = [self._take(self.wide) for _ in range(self._take(self.wide))]
        simple = {
            2: "<h",
            3: "<i",
            4: "<H",
            5: "<I",
            6: "<f",
            7: "<d",
            8: "<?",
            9: "<b",
            10: "<B",
            11: "<q",
            12: "<Q",
        }
        if info[0] == 15:
            assert len(info) == 3 + 2 * info[2]
            self.values[path] = tuple(self._take(simple[code]) for code in info[4::2])
        elif info[0] == 20:
            fields = [info[1]] if info[1] != 15 else info[5:-1:2]
            nbytes = info[-1] * sum(struct.calcsize(simple[code]) for code in fields)
            self.values[path] = (self.at, nbytes)
            if info[1] == 4 and not path.endswith("/Data"):
                self.values[path] = self.data[self.at : self.at + nbytes].decode("utf-16-le")
            self.at += nbytes
        else:
            assert len(info) == 1
            self.values[path] = self._take(simple[info[0]])


@pytest.mark.real_data
@pytest.mark.parametrize(
    "name", ["dmTest_3D_int16_64_65_66.dm3", "dmTest_3D_int16_64_65_66.dm4", "jeol_haadf.dm4"]
)
def test_the_walk_agrees_with_files_of_digitalmicrograph(name: str) -> None:
    if not (FORMATS / name).is_file():
        pytest.skip(f"{FORMATS / name} is not there")
    assert "/ImageList/1/ImageData/DataType" in Walk((FORMATS / name).read_bytes()).values


@pytest.mark.real_data
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tags_have_the_types_that_digitalmicrograph_gives_them(tmp_path: Path, suffix: str) -> None:
    theirs = FORMATS / f"dmTest_3D_int16_64_65_66{suffix}"
    if not theirs.is_file():
        pytest.skip(f"{theirs} is not there")
    write_dm(tmp_path / f"m{suffix}", frames("int16"), (4, 6, 9), "int16", pixel_size=1.0)
    ours = Walk((tmp_path / f"m{suffix}").read_bytes()).values
    real = {
        path.replace("/ImageList/1/", "/ImageList/0/"): value
        for path, value in Walk(theirs.read_bytes()).values.items()
        if not path.startswith("/ImageList/0/")
    }
    shared = set(ours) & set(real)
    assert len(shared) > 25
    for path in shared:
        assert type(ours[path]) is type(real[path]), path
    assert ours["/ImageList/0/ImageData/DataType"] == real["/ImageList/0/ImageData/DataType"] == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", TYPES)
def test_every_length_in_the_file_is_right(tmp_path: Path, suffix: str, dtype: str) -> None:
    movie = frames(dtype)
    path = tmp_path / f"movie{suffix}"
    write_dm(path, movie, (4, 6, 9), dtype, pixel_size=0.2, energy=80e3, frame_time=1.0, modality="HAADF")
    walk = Walk(path.read_bytes())
    assert not walk.unsorted
    image = "/ImageList/0/ImageData"
    offset, nbytes = walk.values[f"{image}/Data"]
    assert path.read_bytes()[offset : offset + nbytes] == movie.tobytes()
    assert [walk.values[f"{image}/Dimensions/{axis}"] for axis in range(3)] == [9, 6, 4]
    assert walk.values[f"{image}/PixelDepth"] == np.dtype(dtype).itemsize
    assert walk.values["/ImageList/0/Name"] == "movie"
    # What DigitalMicrograph needs to show it: display 8 draws source 0, which is image 0.
    assert walk.values["/DocumentObjectList/0/ImageSource"] == walk.values["/ImageSourceList/0/Id/0"]
    assert walk.values["/ImageSourceList/0/ImageRef"] == 0
    assert walk.values["/Image Behavior/ViewDisplayID"] == walk.values["/DocumentObjectList/0/UniqueID"]


def huge_tree(count: int) -> dict[str, Any]:
    shape = (count // (4096 * 4096), 4096, 4096)
    return dm_writer._tag_tree(shape, np.dtype("uint16"), (0.02, 0.02), "nm", 0.01, {"ImageTags": {}})


def test_lengths_beyond_32_bits() -> None:
    count = 400 * 4096 * 4096  # 13.4 GB
    segments = layout(huge_tree(count), 4)
    total = sum(map(len, segments))
    assert total > 2 * count
    head, pixels, tail = segments
    assert isinstance(head, bytes)
    assert isinstance(tail, bytes)
    assert isinstance(pixels, Pixels)
    assert len(pixels) == 2 * count
    version, size, order = struct.unpack_from(">IQI", head)
    assert (version, size, order) == (4, total - 24, 1)
    # The length before each entry around the pixels counts to the entry's end.
    for name in (b"ImageList", b"ImageData", b"\x00\x04Data"):
        at = head.rindex(name) + len(name)
        (length,) = struct.unpack_from(">Q", head, at)
        assert length > 2 * count
        assert at + 8 + length <= total
    assert struct.unpack(">Q", head[-8:])[0] == count


def test_both_readers_open_a_file_of_5_gb(tmp_path: Path) -> None:
    """A file with a hole, which takes no space: only its last pixels are written."""
    shape = (160, 4096, 4096)
    path = tmp_path / "large.dm4"
    head, pixels, tail = layout(huge_tree(160 * 4096 * 4096), 4)
    last = np.arange(100, dtype="<u2")
    with path.open("wb") as file:
        file.write(bytes(head))  # type: ignore[arg-type]
        file.seek(len(pixels) - last.nbytes, 1)
        file.write(last.tobytes() + bytes(tail))  # type: ignore[arg-type]
    if path.stat().st_blocks * 512 > 2**24:
        pytest.skip("this disk keeps no holes")
    image = read_rsciio(path, lazy=True)
    assert image["data"].shape == shape
    np.testing.assert_array_equal(image["data"][-1, -1, -100:].compute(scheduler="synchronous"), last)
    from ncempy.io import dm

    with dm.fileDM(path) as file:
        np.testing.assert_array_equal(file.getMemmap(0)[-1, -1, -100:], last)


def test_dm3_ends_at_2_gb(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 GB of a dm3 file: name it \.dm4"):
        write_dm(tmp_path / "m.dm3", [], (2048, 1024, 1024), "uint16", pixel_size=1.0)
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_movie(tmp_path: Path) -> None:
    def peak(n_frames: int) -> int:
        one = np.zeros((64, 64), dtype=np.uint16)
        tracemalloc.start()
        movie = (one + i for i in range(n_frames))
        write_dm(tmp_path / "m.dm4", movie, (n_frames, 64, 64), "uint16", pixel_size=1.0)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2)
    assert peak(600) < peak(10) + 20 * 64 * 64 * 2


@pytest.mark.parametrize("count", [3, 5])
def test_the_announced_number_of_frames_must_come(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match="announced"):
        write_dm(tmp_path / "m.dm4", frames("uint8", (count, 6, 9)), (4, 6, 9), "uint8", pixel_size=1.0)
    assert not list(tmp_path.iterdir())


def test_values_must_fit_their_type(tmp_path: Path) -> None:
    for odd in (np.array([[65536]]), np.array([[0.5]]), np.array([[-1]]), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="cannot hold exactly"):
            write_dm(tmp_path / "m.dm4", [odd], (1, 1), "uint16", pixel_size=1.0)
    write_dm(tmp_path / "m.dm4", [np.array([[3.0]])], (1, 1), "uint16", pixel_size=1.0)
    assert read_ncem(tmp_path / "m.dm4")[0]["data"].item() == 3


def test_frames_of_any_memory_layout(tmp_path: Path) -> None:
    movie = frames("int32", (3, 8, 10))
    views = [movie[0, ::-1, ::2], np.asfortranarray(movie[1, :, ::2]), movie[2, :, 1::2].astype(">i4")]
    write_dm(tmp_path / "m.dm4", views, (3, 8, 5), "int32", pixel_size=1.0)
    np.testing.assert_array_equal(read_rsciio(tmp_path / "m.dm4")["data"], np.stack(views))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("m.tif", {}, "must be named .dm3 or .dm4, got m.tif"),
        ("m.dm4", {"unit": "px"}, "unit must be one of nm, Å"),
        ("m.dm4", {"pixel_size": 0.0}, "pixel_size must be positive and finite, got 0.0 Å"),
        ("m.dm4", {"pixel_size": (1.0, np.nan)}, "pixel_size must be positive"),
        ("m.dm4", {"dtype": "complex64"}, "a dm file holds int16"),
        ("m.dm4", {"dtype": "int64"}, "not int64"),
    ],
)
def test_bad_input(tmp_path: Path, name: str, options: dict[str, Any], message: str) -> None:
    given = {"shape": (4, 6, 9), "dtype": "uint8", "pixel_size": 1.0} | options
    with pytest.raises(InputError, match=message):
        write_dm(tmp_path / name, frames("uint8"), **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(3,), (1, 2, 3, 4), (0, 2, 2), (2, 0)])
def test_bad_shapes(tmp_path: Path, shape: Any) -> None:
    with pytest.raises(ValueError, match="shape must be"):
        write_dm(tmp_path / "m.dm4", [], shape, "uint8", pixel_size=1.0)


def test_equal_movies_make_equal_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_dm(tmp_path / folder / "m.dm4", frames("uint8"), (4, 6, 9), "uint8", pixel_size=0.2)
    assert (tmp_path / "a" / "m.dm4").read_bytes() == (tmp_path / "b" / "m.dm4").read_bytes()
