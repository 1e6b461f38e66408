from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import mrcfile
import numpy as np
import pytest
import tifffile

from nanonet.io import read_series
from nanonet.io.writers import images as write_images
from nanonet.io.writers.images import TifWriter, write_hspy, write_mrc_stack, write_npy, write_tif
from nanonet.records import InputError

SHAPE = (5, 24, 30)


def labels() -> np.ndarray:
    found = np.random.default_rng(0).integers(0, 400, SHAPE).astype(np.int32)
    found[2, 3, 4] = 2**31 - 1  # ImageJ's own format would lose it
    return found


def depths() -> np.ndarray:
    found = np.random.default_rng(1).normal(5, 2, SHAPE).astype(np.float32)
    found[0, 0, 0], found[1, 0, 0] = np.nan, np.inf
    return found


@pytest.mark.parametrize("make", [labels, depths])
@pytest.mark.parametrize("streamed", [True, False])
def test_tif_keeps_every_number(tmp_path: Path, make: Callable[[], np.ndarray], streamed: bool) -> None:
    frames = make()
    write_tif(tmp_path / "m.tif", iter(list(frames)) if streamed else frames, pixel_size=0.2)
    with tifffile.TiffFile(tmp_path / "m.tif") as tif:
        back = tif.asarray()
        assert tif.series[0].axes == "TYX"
        assert len(tif.series) == 1
        assert len(tif.pages) == 5
        assert tif.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    assert back.dtype == frames.dtype
    np.testing.assert_array_equal(back, frames)


@pytest.mark.parametrize("pixel_size", [0.2, 0.07498, 1.0, 53.0, 1234.5])
@pytest.mark.parametrize("make", [labels, depths])
def test_every_reader_finds_the_pixel_size(
    tmp_path: Path, pixel_size: float, make: Callable[[], np.ndarray]
) -> None:
    from rsciio.tiff import file_reader

    path = tmp_path / "m.tif"
    write_tif(path, make(), pixel_size=pixel_size, frame_time=0.025, description="<depth> & Å")

    # Fiji's own reader and tifffile: the resolution tags, in pixels per cm.
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages.first.tags
        assert tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
        for name in ("XResolution", "YResolution"):
            above, below = tags[name].value
            assert 1e8 * below / above == pytest.approx(pixel_size, rel=1e-7)
        xml = ElementTree.fromstring(tif.ome_metadata or "")
    # Bio-Formats and other readers of OME.
    space = {"o": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
    pixels = xml.find(".//o:Pixels", space)
    assert pixels is not None
    assert float(pixels.attrib["PhysicalSizeX"]) == pytest.approx(pixel_size / 10)
    assert float(pixels.attrib["PhysicalSizeY"]) == pytest.approx(pixel_size / 10)
    assert pixels.attrib["PhysicalSizeXUnit"] == "nm"
    assert float(pixels.attrib["TimeIncrement"]) == 0.025
    assert [pixels.attrib[f"Size{axis}"] for axis in "TZCYX"] == ["5", "1", "1", "24", "30"]
    assert xml.findtext(".//o:Description", namespaces=space) == "<depth> & Å"
    # hyperspy.
    (signal,) = file_reader(str(path))
    assert [axis["scale"] for axis in signal["axes"]] == pytest.approx(
        [0.025, pixel_size / 10, pixel_size / 10]
    )
    assert [axis["units"] for axis in signal["axes"]] == ["s", "nm", "nm"]
    # nanonet.
    series = read_series(path)
    assert series.pixel_size == pytest.approx(pixel_size)
    assert series[3].frame_time == pytest.approx(0.025)
    np.testing.assert_array_equal(series[3].image, make()[3].astype(np.float32))


def test_a_tif_in_pixels_has_no_calibration(tmp_path: Path) -> None:
    write_tif(tmp_path / "m.tif", labels(), pixel_size=None)
    with tifffile.TiffFile(tmp_path / "m.tif") as tif:
        assert tif.pages.first.tags["ResolutionUnit"].value == tifffile.RESUNIT.NONE
        assert "PhysicalSize" not in (tif.ome_metadata or "")


@pytest.mark.parametrize(
    ("given", "stored"),
    [("bool", "uint8"), ("int64", "int32"), ("float64", "float32"), ("float16", "float32")],
)
def test_types_that_the_format_lacks(tmp_path: Path, given: str, stored: str) -> None:
    frames = np.arange(2 * 4 * 5).reshape(2, 4, 5).astype(given)
    write_tif(tmp_path / "m.tif", frames, pixel_size=1.0)
    back = tifffile.imread(tmp_path / "m.tif")
    assert back.dtype == stored
    np.testing.assert_array_equal(back, frames)


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="int32 at most"):
        write_tif(tmp_path / "m.tif", np.full((1, 3, 3), 2**31), pixel_size=1.0)
    with pytest.raises(InputError, match="convert the frames"):
        write_tif(tmp_path / "m.tif", np.ones((1, 3, 3), complex), pixel_size=1.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("pixel_size", [0.0, -1.0, np.nan, np.inf])
def test_a_pixel_size_must_be_positive(tmp_path: Path, pixel_size: float) -> None:
    with pytest.raises(InputError, match="pixel_size must be positive and finite"):
        write_tif(tmp_path / "m.tif", labels(), pixel_size=pixel_size)


def test_frames_must_be_alike_and_as_many_as_announced(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be"):
        write_tif(tmp_path / "m.tif", [np.zeros((3, 4)), np.zeros((4, 3))], pixel_size=1.0)
    with pytest.raises(ValueError, match="got 0 pages"):
        write_tif(tmp_path / "m.tif", [], pixel_size=1.0)
    with (
        pytest.raises(ValueError, match="announced were 3"),
        TifWriter(tmp_path / "m.tif", pixel_size=1.0, n_frames=3) as tif,
    ):
        tif.write(np.zeros((3, 4)))
    assert not list(tmp_path.iterdir())


def stop_after(write: Callable[[np.ndarray], None], frame: np.ndarray) -> None:
    write(frame)
    raise KeyboardInterrupt


def test_an_interrupted_tif_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), TifWriter(tmp_path / "m.tif", pixel_size=1.0) as tif:
        stop_after(tif.write, np.zeros((3, 4)))
    assert not list(tmp_path.iterdir())


def test_more_than_4_gb_become_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = labels()
    write_tif(tmp_path / "known.tif", frames, pixel_size=1.0)
    write_tif(tmp_path / "unknown.tif", (frame for frame in frames), pixel_size=1.0)
    monkeypatch.setattr(write_images, "_CLASSIC_BYTES", frames.nbytes - 1)
    write_tif(tmp_path / "large.tif", frames, pixel_size=1.0)
    for name, big in (("known", False), ("unknown", True), ("large", True)):
        with tifffile.TiffFile(tmp_path / f"{name}.tif") as tif:
            assert tif.is_bigtiff is big
            np.testing.assert_array_equal(tif.asarray(), frames)


WRITERS: dict[str, Callable[[Path, Iterator[np.ndarray]], None]] = {
    "tif": lambda path, frames: write_tif(path, frames, pixel_size=0.3),
    "hspy": lambda path, frames: write_hspy(path, frames, pixel_size=0.3),
    "mrcs": lambda path, frames: write_mrc_stack(path, frames, pixel_size=0.3),
    "npy": write_npy,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_equal_frames_make_equal_files(tmp_path: Path, kind: str) -> None:
    for folder in ("a", "b"):
        WRITERS[kind](tmp_path / folder / f"m.{kind}", iter(depths()[2:]))
    assert (tmp_path / "a" / f"m.{kind}").read_bytes() == (tmp_path / "b" / f"m.{kind}").read_bytes()


@pytest.mark.parametrize("kind", WRITERS)
def test_memory_does_not_grow_with_the_movie(tmp_path: Path, kind: str) -> None:
    frame = np.zeros((64, 64), dtype=np.float32)

    def peak(n_frames: int) -> int:
        tracemalloc.start()
        WRITERS[kind](tmp_path / f"m.{kind}", (frame + i for i in range(n_frames)))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(3)  # imports
    assert peak(400) < peak(20) + 40 * frame.nbytes  # the frames alone would be 400


@pytest.mark.parametrize("kind", WRITERS)
def test_no_frames_is_an_error(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match=r"no frame|0 pages"):
        WRITERS[kind](tmp_path / f"m.{kind}", iter([]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", WRITERS)
def test_unequal_frames_are_an_error(tmp_path: Path, kind: str) -> None:
    frames = [np.zeros((3, 4), np.float32), np.zeros((3, 5), np.float32)]
    with pytest.raises(ValueError, match="must be"):
        WRITERS[kind](tmp_path / f"m.{kind}", iter(frames))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [labels, depths])
def test_hspy_is_read_by_hyperspys_reader(tmp_path: Path, make: Callable[[], np.ndarray]) -> None:
    from rsciio.hspy import file_reader

    frames = make()
    write_hspy(tmp_path / "m.hspy", iter(frames), pixel_size=0.2, frame_time=0.025, energy=300e3, title="a/b")
    (signal,) = file_reader(str(tmp_path / "m.hspy"))
    assert signal["data"].dtype == frames.dtype
    np.testing.assert_array_equal(signal["data"], frames)
    found = [(a["name"], a["size"], a["scale"], a["units"], bool(a["navigate"])) for a in signal["axes"]]
    assert found == [
        ("time", 5, 0.025, "s", True),
        ("y", 24, pytest.approx(0.02), "nm", False),
        ("x", 30, pytest.approx(0.02), "nm", False),
    ]
    assert signal["metadata"]["Acquisition_instrument"]["TEM"]["beam_energy"] == 300
    assert signal["metadata"]["General"]["title"] == "a/b"
    series = read_series(tmp_path / "m.hspy")
    assert (series.pixel_size, series[0].energy, series[0].frame_time) == (pytest.approx(0.2), 300e3, 0.025)


def test_hspy_in_pixels(tmp_path: Path) -> None:
    from rsciio.hspy import file_reader

    write_hspy(tmp_path / "m.hspy", labels(), pixel_size=None)
    axes = file_reader(str(tmp_path / "m.hspy"))[0]["axes"]
    assert [(axis["scale"], axis["units"]) for axis in axes] == [(1.0, None)] * 3


def test_hspy_on_a_disk_that_is_full_at_any_byte() -> None:
    """HDF5 ends the program when a write fails; here it must not, wherever that happens."""
    import io

    import h5py

    from nanonet.io.writers.hspy import ForgivingFile

    class Small(io.BytesIO):
        room = 0

        def write(self, data: object) -> int:
            if self.tell() + len(memoryview(data)) > self.room:
                raise OSError(28, "full")
            return super().write(data)

    for room in range(0, 12_000, 400):
        disk = Small()
        disk.room = room
        forgiving = ForgivingFile(disk)
        with h5py.File(forgiving, "w") as file:
            data = file.create_dataset("d", (0, 16, 16), "u2", maxshape=(None, 16, 16), chunks=(1, 16, 16))
            for i in range(20):
                data.resize(i + 1, axis=0)
                data[i] = np.full((16, 16), i, "u2")
        with pytest.raises(OSError, match="full"):
            forgiving.raise_failure()


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "uint8", "bool", "int32", "float64"])
def test_mrc_stack_is_valid(tmp_path: Path, dtype: str) -> None:
    frames = np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)
    write_mrc_stack(tmp_path / "m.mrcs", iter(frames), pixel_size=0.2)
    assert mrcfile.validate(tmp_path / "m.mrcs")
    with mrcfile.open(tmp_path / "m.mrcs") as mrc:
        np.testing.assert_array_equal(mrc.data, frames)
        assert mrc.is_image_stack()
        assert float(mrc.voxel_size.x) == pytest.approx(0.2)
        assert float(mrc.voxel_size.y) == pytest.approx(0.2)
        for name, value in (("dmin", frames.min()), ("dmax", frames.max()), ("dmean", frames.mean())):
            assert float(mrc.header[name]) == pytest.approx(float(value), rel=1e-6)
        assert float(mrc.header.rms) == pytest.approx(float(np.std(frames.astype(float))), rel=1e-6)
    series = read_series(tmp_path / "m.mrcs")
    assert len(series) == 5
    assert series.pixel_size == pytest.approx(0.2)


def test_mrc_refuses_integers_that_float32_rounds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="float32 at most"):
        write_mrc_stack(tmp_path / "m.mrcs", [np.full((3, 3), 2**24 + 1, np.int32)], pixel_size=1.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [labels, depths])
def test_npy_is_read_by_numpy(tmp_path: Path, make: Callable[[], np.ndarray]) -> None:
    write_npy(tmp_path / "m.npy", iter(make()))
    back = np.load(tmp_path / "m.npy", allow_pickle=False)
    assert back.dtype == make().dtype
    np.testing.assert_array_equal(back, make())


def test_npy_header_holds_any_number_of_frames(tmp_path: Path) -> None:
    write_npy(tmp_path / "m.npy", (np.full((1, 2), i % 7, np.uint8) for i in range(12_345)))
    back = np.load(tmp_path / "m.npy")
    assert back.shape == (12_345, 1, 2)
    np.testing.assert_array_equal(back[:, 0, 1], np.arange(12_345) % 7)
