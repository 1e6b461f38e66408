"""Every format comes out as the same numbers, shape and calibration that were put in."""

import pickle

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from nanonet.io import read_series
from nanonet.records import InputError

RNG = np.random.default_rng([2, 0])
MOVIE = RNG.integers(0, 4000, (3, 20, 30)).astype(np.uint16)


def only(path, **given):
    series = read_series(path, **given)
    (stack,) = series.stacks
    assert len(series) == stack.shape[0] == len(stack.frames)
    for micrograph in series:
        assert micrograph.image.dtype == np.float32
        assert micrograph.image.shape == stack.shape[1:]
    return stack


def assert_holds(stack, frames):
    assert stack.shape == np.asarray(frames).shape
    for stored, frame in zip(stack.frames, frames, strict=True):
        np.testing.assert_array_equal(stored, np.asarray(frame, dtype=np.float32))


def write_hspy(path, data, axes, **metadata):
    from rsciio.hspy import file_writer

    described = [
        {"name": n, "scale": s, "units": u, "offset": 0.0, "size": size, "navigate": i < data.ndim - 2}
        | {"index_in_array": i}
        for i, ((n, s, u), size) in enumerate(zip(axes, data.shape, strict=True))
    ]
    signal = {
        "data": data,
        "axes": described,
        "metadata": {"General": {"title": "x"}, "Signal": {"signal_type": ""}} | metadata,
        "original_metadata": {},
        "learning_results": {},
        "attributes": {"_lazy": False, "ragged": False},
        "tmp_parameters": {},
        "package_info": {"package": "hyperspy", "package_version": "2"},
        "models": None,
    }
    file_writer(str(path), signal, show_progressbar=False)


def write_ncem(path, data, dims, voltage=200.0):
    with h5py.File(path, "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        file.create_group("microscope").attrs["voltage"] = voltage
        group = file.create_group("signals/movie")
        group.attrs["emd_group_type"] = 1
        group["data"] = data
        for i, (name, step, unit) in enumerate(dims, start=1):
            group[f"dim{i}"] = np.arange(data.shape[i - 1]) * step
            group[f"dim{i}"].attrs.update(name=name, units=unit)


def write_velox(path, images, **about):
    """``images`` maps the detector to (y, x, t); "unit", "pixel" and the frame time may be given."""
    import json

    with h5py.File(path, "w") as file:
        file["Version"] = np.array([json.dumps({"version": "11"})], dtype=h5py.string_dtype())
        for number, (detector, data) in enumerate(images.items()):
            group = file.create_group(f"Data/Image/{number:032x}")
            group.create_dataset("Data", data=data, chunks=(*data.shape[:2], 1), compression="gzip")
            size = str(about.get("pixel", 2e-11))
            described = {
                "BinaryResult": {"Detector": detector, "PixelSize": {"width": size, "height": size}}
                | {"PixelUnitX": about.get("unit", "m"), "PixelUnitY": about.get("unit", "m")},
                "Optics": {"AccelerationVoltage": "300000"},
                "Scan": {"FrameTime": "0.5"},
            }
            text = np.zeros((4000, data.shape[2]), np.uint8)
            encoded = json.dumps(described).encode()
            text[: len(encoded)] = np.frombuffer(encoded, np.uint8)[:, None]
            group["Metadata"] = text


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", "<i2", "<i4", ">i4", "<f4", ">f4", "<f8", "?"])
@pytest.mark.parametrize("suffix", [".npy", ".tif", ".npz"])
def test_every_number_type_and_byte_order_is_read(tmp_path, dtype, suffix):
    frames = (MOVIE % 2 if dtype == "?" else MOVIE % 100).astype(dtype)
    path = tmp_path / f"movie{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, frames, byteorder=dtype[0] if dtype[0] in "<>" else None)
    else:
        (np.save if suffix == ".npy" else np.savez)(path, frames)
    assert_holds(only(path, pixel_size="px"), frames)


@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "u2", "f2"])
def test_an_mrc_stack_is_read_as_frames_in_time(tmp_path, dtype):
    path = tmp_path / "movie.mrcs"
    frames = (MOVIE % 100).astype(dtype)
    with mrcfile.new(path) as file:
        file.set_data(frames)
        file.set_image_stack()
        file.voxel_size = 0.8
    stack = only(path)
    assert_holds(stack, frames)
    assert stack.pixel_size == pytest.approx(0.8)
    assert stack.notes == ()


def test_a_big_endian_mrc_with_an_extended_header(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(MOVIE[0].astype(">i2"))
        file.set_extended_header(np.zeros(512, "u1"))
        file.voxel_size = 1.5
    stack = only(path)
    assert_holds(stack, MOVIE[:1])
    assert stack.pixel_size == pytest.approx(1.5)


def test_an_mrc_volume_is_read_with_a_note(tmp_path):
    path = tmp_path / "map.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.arange(512, dtype=np.float32).reshape(8, 8, 8))
        file.set_volume()
        file.voxel_size = 1.0
    stack = only(path)
    assert stack.shape == (8, 8, 8)
    assert "3D volume" in stack.notes[0]


@pytest.mark.parametrize(
    ("unit", "angstrom"),
    [
        ("nm", 10), ("µm", 1e4), ("um", 1e4), ("\\u00B5m", 1e4), ("micron", 1e4), ("Å", 1), ("A", 1),
        ("angstrom", 1), ("pm", 0.01),
    ],
)  # fmt: skip
def test_imagej_units(tmp_path, unit, angstrom):
    path = tmp_path / "movie.tif"
    metadata = {"unit": unit, "finterval": 0.5, "axes": "TYX"}
    try:
        tifffile.imwrite(path, MOVIE, imagej=True, resolution=(50.0, 50.0), metadata=metadata)
    except UnicodeEncodeError:
        pytest.skip("tifffile writes ASCII only")
    stack = only(path)
    assert_holds(stack, MOVIE)
    assert stack.pixel_size == pytest.approx(0.02 * angstrom)
    assert stack.frame_time == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("unit", "angstrom"), [("nm", 10), ("µm", 1e4), ("Å", 1), ("pm", 0.01), ("m", 1e10), (None, 1e4)]
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_ome_units(tmp_path, unit, angstrom, compression):
    path = tmp_path / "movie.ome.tif"
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "TimeIncrement": 2.0}
    metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit} if unit else {}
    tifffile.imwrite(path, MOVIE, ome=True, metadata=metadata, compression=compression)
    stack = only(path)
    assert_holds(stack, MOVIE)
    assert stack.pixel_size == pytest.approx(0.25 * angstrom)
    assert stack.frame_time == pytest.approx(2.0)


@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_the_resolution_of_a_plain_tif_is_no_pixel_size(tmp_path, unit):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, MOVIE[0], resolution=(300, 300), resolutionunit=unit)
    with pytest.raises(InputError, match=r"read\.pixel_size=0\.2 \(Å\).*read\.pixel_size=px"):
        read_series(path)


def test_the_tags_of_digital_micrograph_in_a_tif(tmp_path):
    path = tmp_path / "a.tif"
    tags = [(65003 + i, "s", 0, "nm", False) for i in (0, 1)]
    tags += [(65009 + i, "d", 1, 0.031, False) for i in (0, 1)]
    tifffile.imwrite(path, MOVIE[0], extratags=tags, resolution=(300, 300), metadata=None)
    assert only(path).pixel_size == pytest.approx(0.31)


def test_a_tif_packed_by_another_program(tmp_path):
    path = tmp_path / "a.tif"
    first, *more = [Image.fromarray(frame.astype(np.uint8)) for frame in MOVIE]
    first.save(path, save_all=True, append_images=more, compression="tiff_lzw")
    assert_holds(only(path, pixel_size=1.0), MOVIE.astype(np.uint8))


def test_hspy(tmp_path):
    path = tmp_path / "movie.hspy"
    axes = [("time", 200.0, "ms"), ("y", 0.02, "nm"), ("x", 0.02, "nm")]
    instrument = {"TEM": {"beam_energy": 300.0, "acquisition_mode": "STEM"}}
    write_hspy(path, MOVIE, axes, General={"title": "HAADF"}, Acquisition_instrument=instrument)
    stack = only(path)
    assert_holds(stack, MOVIE)
    assert stack.pixel_size == pytest.approx(0.2)
    assert stack.frame_time == pytest.approx(0.2)
    assert stack.energy == pytest.approx(300e3)
    assert stack.modality == "HAADF"


@pytest.mark.parametrize("order", ["tyx", "xyt", "yxt", "txy"])
def test_ncem_emd_goes_by_the_names_of_its_axes(tmp_path, order):
    path = tmp_path / "movie.emd"
    about = {"t": ("time", 0.1, "[s]"), "y": ("y", 0.03, "[n_m]"), "x": ("x", 0.03, "[n_m]")}
    data = MOVIE.transpose(*["tyx".index(letter) for letter in order])
    write_ncem(path, data, [about[letter] for letter in order])
    stack = only(path)
    assert_holds(stack, MOVIE)
    assert stack.pixel_size == pytest.approx(0.3)
    assert stack.frame_time == pytest.approx(0.1)
    assert stack.energy == pytest.approx(200e3)


def test_velox_movie(tmp_path):
    path = tmp_path / "movie.emd"
    write_velox(path, {"HAADF": MOVIE.transpose(1, 2, 0)})
    stack = only(path)
    assert_holds(stack, MOVIE)
    assert stack.pixel_size == pytest.approx(0.2)
    assert (stack.energy, stack.frame_time, stack.modality) == (300e3, 0.5, "HAADF")


def test_velox_asks_which_of_several_detectors(tmp_path):
    path = tmp_path / "a.emd"
    images = {"BF": MOVIE.transpose(1, 2, 0), "HAADF": MOVIE[::-1].transpose(1, 2, 0)}
    write_velox(path, images)
    with pytest.raises(InputError, match=r"read\.dataset=NAME of BF, HAADF"):
        read_series(path)
    with pytest.raises(InputError, match="has no data set 'DF4'; it holds BF, HAADF"):
        read_series(path, dataset="DF4")
    stack = only(path, dataset="BF")
    assert_holds(stack, MOVIE)
    assert stack.modality == "BF-STEM"


def test_velox_takes_the_haadf_image_of_a_spectrum_image(tmp_path):
    path = tmp_path / "map.emd"
    write_velox(path, {"Fe": MOVIE[:1].transpose(1, 2, 0), "HAADF": MOVIE[1:2].transpose(1, 2, 0)})
    with h5py.File(path, "a") as file:
        file.create_group("Data/SpectrumImage")
    assert_holds(only(path), MOVIE[1:2])


def test_npz_takes_pixel_size_and_the_usual_name(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, frames=MOVIE, positions=np.zeros((5, 2)), pixel_size=0.3)
    stack = only(path)
    assert_holds(stack, MOVIE)
    assert stack.pixel_size == pytest.approx(0.3)
    np.testing.assert_array_equal(stack.frames[2], MOVIE[2])
    np.testing.assert_array_equal(stack.frames[0], MOVIE[0])


def test_npy_in_fortran_order(tmp_path):
    np.save(tmp_path / "a.npy", np.asfortranarray(MOVIE))
    assert_holds(only(tmp_path / "a.npy", pixel_size=1.0), MOVIE)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_grey_pictures(tmp_path, suffix, mode):
    if (suffix, mode) == (".bmp", "RGBA"):
        pytest.skip("bmp keeps no alpha")
    grey = (MOVIE[0] % 2 * 255 if mode == "1" else MOVIE[0] % 256).astype(np.uint8)
    Image.fromarray(grey).convert(mode).save(tmp_path / f"a{suffix}")
    stored = only(tmp_path / f"a{suffix}", pixel_size=1.0).frames[0]
    np.testing.assert_array_equal(stored, grey // 255 if mode == "1" else grey)


def test_a_16_bit_png(tmp_path):
    Image.fromarray(MOVIE[0]).save(tmp_path / "a.png")
    assert_holds(only(tmp_path / "a.png", pixel_size=1.0), MOVIE[:1])


def test_a_grey_jpg_saved_in_colour(tmp_path):
    grey = Image.fromarray((MOVIE[0] % 256).astype(np.uint8))
    grey.convert("RGB").save(tmp_path / "a.jpg", quality=95)
    assert only(tmp_path / "a.jpg", pixel_size=1.0).shape == (1, 20, 30)


@pytest.mark.parametrize("suffix", [".npy", ".hspy", ".tif"])
def test_a_series_can_be_sent_to_another_process(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(path, MOVIE)
    elif suffix == ".tif":
        tifffile.imwrite(path, MOVIE, compression="zlib")
    else:
        write_hspy(path, MOVIE, [("t", 1.0, "s"), ("y", 1.0, "nm"), ("x", 1.0, "nm")])
    series = pickle.loads(pickle.dumps(read_series(path, pixel_size=1.0)))
    np.testing.assert_array_equal(series[1].image, MOVIE[1])


def test_memory_does_not_grow_with_the_movie(tmp_path):
    import tracemalloc

    peaks = []
    for count in (20, 200):
        path = tmp_path / f"{count}.npy"
        np.lib.format.open_memmap(path, "w+", "u2", (count, 128, 128))[:] = 1
        tracemalloc.start()
        for micrograph in read_series(path, pixel_size="px"):
            assert micrograph.image.max() == 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 1e5
