"""Bad files and files that hold no image: one line that names the file and says what is wrong."""

import struct
import zlib

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from nanonet.io import read_series
from nanonet.io.readers.find_files import FORMATS
from nanonet.records import InputError

MOVIE = np.random.default_rng([2, 1]).integers(0, 200, (4, 32, 40)).astype(np.int16)


def refused(path, message, **given):
    with pytest.raises(InputError, match=message) as caught:
        list(read_series(path, **({"pixel_size": "px"} | given)))
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_a_ser_movie_and_its_settings(tmp_path, write_ser):
    path = write_ser(tmp_path / "a_1.ser", MOVIE)
    xml = (
        "<ObjectInfo><ExperimentalDescription><Root><Data><Label>High tension</Label><Value>200</Value>"
        "<Unit>kV</Unit></Data><Data><Label>Mode</Label><Value>{}</Value><Unit/></Data></Root>"
        "</ExperimentalDescription><AcquireInfo><FrameTime>0.4</FrameTime></AcquireInfo></ObjectInfo>"
    )
    (tmp_path / "a.emi").write_text("junk" + xml.format("STEM nP Diffraction") + "junk")
    (stack,) = read_series(tmp_path / "a.emi").stacks
    assert stack.shape == MOVIE.shape
    assert (stack.pixel_size, stack.energy, stack.frame_time) == (pytest.approx(0.2), 200e3, 0.4)
    for stored, frame in zip(stack.frames, MOVIE, strict=True):
        np.testing.assert_array_equal(stored, frame[::-1])
    (tmp_path / "a.emi").write_text(xml.format("TEM uP Diffraction"))
    refused(path, "a_1.ser is a diffraction pattern")
    (tmp_path / "a.emi").write_text("<ObjectInfo><broken></ObjectInfo>")
    assert len(read_series(path)) == 4
    refused(write_ser(tmp_path / "b_1.ser", MOVIE, cut=-100), "cut short")
    refused(write_ser(tmp_path / "c_1.ser", MOVIE, kind=0x4120), "is a spectrum")
    (tmp_path / "d.emi").write_text("x")
    refused(tmp_path / "d.emi", r"d_1\.ser is missing")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@pytest.mark.parametrize("content", [b"", b"\0" * 2000, b"This is a text.\n" * 100, bytes(range(256)) * 10])
def test_a_file_of_something_else(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    text = refused(path, rf"^a\{suffix} ")
    if not content:
        assert "is empty" in text


@pytest.mark.parametrize("suffix", sorted(set(FORMATS) - {".png"}))
def test_a_picture_under_another_name(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(MOVIE[0].astype(np.uint8)).save(path, format="png")
    refused(path, f"is not a valid {suffix[1:]} file.*it looks like a PNG picture")


def test_paths_that_are_not_there(tmp_path):
    refused(tmp_path / "none.dm4", "does not exist")
    refused("", "no input is given")
    refused([], "the list of files is empty")
    refused(f"{tmp_path}/*.dm4", "holds no image")
    refused(tmp_path, "holds no image")
    refused("a\0b.tif", "cannot be read|does not exist")
    refused("x" * 5000, "cannot be read|does not exist")
    (tmp_path / "x.tif").mkdir()
    refused(tmp_path / "x.tif", "folder .*x.tif holds no image")
    (tmp_path / "a.xyz").write_bytes(b"123")
    refused(tmp_path / "a.xyz", r"no suffix of an image that can be read: \.bmp, \.dm3")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", MOVIE)

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    refused(tmp_path / "a.npy", "a.npy cannot be read: permission denied")


def make(path, write_ser):
    """Write the movie in the format of the suffix, with the library of the format."""
    if path.suffix == ".npy":
        np.save(path, MOVIE)
    elif path.suffix == ".npz":
        np.savez_compressed(path, MOVIE)
    elif path.suffix in (".mrc", ".mrcs"):
        mrcfile.write(path, MOVIE)
    elif path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, MOVIE, compression="zlib" if path.suffix == ".tiff" else None)
    elif path.suffix == ".emd":
        with h5py.File(path, "w") as file:
            group = file.create_group("data/a")
            group.attrs["emd_group_type"] = 1
            group.create_dataset("data", data=MOVIE, chunks=(1, 32, 40))
    elif path.suffix == ".ser":
        write_ser(path, MOVIE)
    else:
        Image.fromarray(MOVIE[0].astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    "suffix", [".npy", ".npz", ".mrc", ".tif", ".tiff", ".emd", ".ser", ".png", ".jpg", ".bmp"]
)
@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_a_file_cut_short_is_found_out(tmp_path, suffix, fraction, write_ser):
    path = make(tmp_path / f"a{suffix}", write_ser)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    refused(path, rf"^a\{suffix} ")


def test_a_file_that_shrinks_after_it_was_opened(tmp_path, write_ser):
    for suffix in (".npy", ".mrc", ".tif", ".ser"):
        path = make(tmp_path / f"a{suffix}", write_ser)
        series = read_series(path, pixel_size="px")
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(InputError, match=rf"^a\{suffix} "):
            series[3]
        path.unlink()
        with pytest.raises(InputError, match="does not exist"):
            series[0]


def test_a_claim_of_a_million_million_pixels_is_not_believed(tmp_path, write_ser):
    head = np.lib.format.header_data_from_array_1_0(MOVIE) | {"shape": (10**4, 10**4, 10**4)}
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
    refused(tmp_path / "a.npy", "cut short or damaged")
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/a")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", (10, 10**6, 10**6), "f4", chunks=(1, 1000, 1000))
    refused(tmp_path / "a.emd", "damaged: it claims frames of 1000000 x 1000000 pixels")
    data = bytearray(make(tmp_path / "a.mrc", write_ser).read_bytes())
    data[0:8] = struct.pack("<ii", 10**6, 10**6)
    (tmp_path / "a.mrc").write_bytes(data)
    refused(tmp_path / "a.mrc", r"^a\.mrc ")
    data = bytearray(write_ser(tmp_path / "a.ser", MOVIE).read_bytes())
    at = data.index(struct.pack("<II", 40, 32))
    data[at : at + 8] = struct.pack("<II", 10**6, 10**6)
    (tmp_path / "a.ser").write_bytes(data)
    refused(tmp_path / "a.ser", r"^a\.ser ")


COLOUR = np.random.default_rng(0).integers(0, 255, (16, 20, 3)).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy", "a.jpg", "a.bmp"])
def test_colour_is_refused(tmp_path, name):
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, COLOUR)
    elif name == "a.tif":
        tifffile.imwrite(path, COLOUR, photometric="rgb")
    else:
        Image.fromarray(COLOUR).save(path)
    refused(path, "convert it to grey")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_tif_of_equal_colours_is_taken_as_grey(tmp_path, compression, planar):
    grey = np.repeat(COLOUR[..., :1], 3, axis=-1)
    stored = grey if planar == "contig" else np.moveaxis(grey, -1, 0)
    options = {"photometric": "rgb", "planarconfig": planar, "metadata": None, "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    np.testing.assert_array_equal(read_series(tmp_path / "a.tif", pixel_size="px")[0].image, COLOUR[..., 0])


def test_a_palette_of_colours_is_refused(tmp_path):
    Image.fromarray(COLOUR).convert("P").save(tmp_path / "a.png")
    Image.fromarray(COLOUR).convert("P").save(tmp_path / "b.tif")
    refused(tmp_path / "a.png", "convert it to grey")
    refused(tmp_path / "b.tif", "convert it to grey")


def test_a_transparent_picture_is_refused(tmp_path):
    values = np.repeat(COLOUR[..., :1], 4, axis=-1)
    Image.fromarray(values).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "partly transparent")


def test_complex_and_object_arrays_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", MOVIE.astype(np.complex64))
    refused(tmp_path / "a.npy", "is complex .*: give its intensity")
    np.save(tmp_path / "b.npy", np.array([[{}, {}], [{}, {}]]), allow_pickle=True)
    refused(tmp_path / "b.npy", r"^b\.npy ")
    mrcfile.write(tmp_path / "a.mrc", MOVIE[0].astype(np.complex64))
    refused(tmp_path / "a.mrc", "is complex")
    tifffile.imwrite(tmp_path / "a.tif", MOVIE[0].astype(np.complex64))
    refused(tmp_path / "a.tif", "is complex")


@pytest.mark.parametrize(
    ("shape", "units", "message"),
    [
        ((4, 4), ("1/nm", "1/nm"), r"is a diffraction pattern \(1/nm\), not an image"),
        ((4, 4), ("[n_m^-1]", "[n_m^-1]"), "is a diffraction pattern"),
        ((4, 4), ("mrad", "mrad"), r"is a diffraction pattern \(mrad\)"),
        ((4, 4), ("1/px", "1/px"), "is a diffraction pattern"),
        ((4, 4, 9), ("nm", "nm", "eV"), "is a spectrum or a spectrum image"),
        ((9, 4, 4), ("keV", "nm", "nm"), "is a spectrum or a spectrum image"),
        ((2, 3, 4, 5), ("nm", "nm", "1/nm", "1/nm"), r"4 axes \(2, 3, 4, 5\) \(4D-STEM\?\)"),
        ((1, 30), ("nm", "nm"), "a line of 30 values"),
        ((30,), ("nm",), "1-D data"),
    ],
)
def test_what_is_no_image_is_said_to_be_what_it_is(tmp_path, shape, units, message):
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/a")
        group.attrs["emd_group_type"] = 1
        group["data"] = np.ones(shape)
        for i, unit in enumerate(units, start=1):
            group[f"dim{i}"] = np.arange(2.0)
            group[f"dim{i}"].attrs["units"] = unit
    refused(tmp_path / "a.emd", message)


def test_several_arrays_and_none(tmp_path):
    np.savez(tmp_path / "a.npz", left=MOVIE, right=MOVIE)
    refused(tmp_path / "a.npz", "read.dataset=NAME of left, right")
    refused(tmp_path / "a.npz", "has no data set 'up'; it holds left, right", dataset="up")
    assert len(read_series(tmp_path / "a.npz", dataset="left", pixel_size=1.0)) == 4
    np.savez(tmp_path / "b.npz", x=np.ones(3))
    refused(tmp_path / "b.npz", "holds no image")
    np.save(tmp_path / "a.npy", MOVIE)
    refused(tmp_path / "a.npy", "leave out read.dataset=left", dataset="left")


def test_libraries_keep_quiet(tmp_path, capfd, write_ser):
    for suffix in FORMATS:
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"II*\0\x08\0\0\0" + bytes(range(256)) * 20)
        refused(path, r"^a\.")
    path = make(tmp_path / "b.tiff", write_ser)
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, r"^b\.tiff ")
    assert capfd.readouterr() == ("", "")


def test_a_picture_of_too_many_pixels_is_refused_as_what_it_is(tmp_path):
    """The header alone claims 900 million pixels: nothing may be allocated for it."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 30000, 30000, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = struct.pack(">I", 10) + b"IDAT"
    (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data)
    with pytest.raises(InputError, match=r"huge\.png has more than the 178 million pixels"):
        read_series(tmp_path / "huge.png", pixel_size=1.0)
