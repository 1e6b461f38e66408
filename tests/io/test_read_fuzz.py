"""Whatever bytes a file is made of: a series or an `InputError` of one line comes out, and soon."""

import contextlib
import io
import shutil
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from nanonet.io import read_series
from nanonet.io.readers.find_files import FORMATS
from nanonet.io.writers.dm import write_dm
from nanonet.records import InputError

MOVIE = np.random.default_rng([2, 3]).integers(0, 200, (3, 9, 11)).astype(np.int16)
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"
QUICK = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
pytestmark = pytest.mark.timeout(60)


def read_all(path):
    message = ""
    try:
        for micrograph in read_series(path, pixel_size=1.0):
            assert micrograph.image.dtype == np.float32
            assert micrograph.image.ndim == 2
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) < 600


def emd(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("data/a")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=MOVIE, chunks=(1, 9, 11), compression="gzip")
        for i, unit in enumerate(("[s]", "[n_m]", "[n_m]"), start=1):
            group[f"dim{i}"] = np.arange(2.0)
            group[f"dim{i}"].attrs.update(name="tyx"[i - 1], units=unit)


def picture(path):
    Image.fromarray(MOVIE[0].astype(np.uint8)).save(path)


WRITERS = {
    "a.dm3": lambda path: write_dm(path, MOVIE, MOVIE.shape, "int16", pixel_size=0.2),
    "a.dm4": lambda path: write_dm(path, MOVIE, MOVIE.shape, "int16", pixel_size=0.2, energy=3e5),
    "a.emd": emd,
    "a.mrc": lambda path: mrcfile.write(path, MOVIE),
    "a.tif": lambda path: tifffile.imwrite(path, MOVIE, imagej=True),
    "packed.tif": lambda path: tifffile.imwrite(path, MOVIE, ome=True, compression="zlib"),
    "a.npy": lambda path: np.save(path, MOVIE),
    "a.npz": lambda path: np.savez_compressed(path, MOVIE),
    "a.png": picture,
    "a.jpg": picture,
    "a.bmp": picture,
}
FILES = ["formats/test_stackbuilder_imagestack.dm3", "formats/example_image.emd", "formats/temp.mrc"]
FILES += ["formats/sio2_haadf.hspy", "haadf_atomic/SrTiO3_1.ser"]


@pytest.fixture(scope="module")
def valid(tmp_path_factory, write_ser):
    """Return the bytes of a valid file of each format."""
    folder = tmp_path_factory.mktemp("valid")
    for name, write in WRITERS.items():
        write(folder / name)
    write_ser(folder / "a.ser", list(MOVIE))
    for name in FILES:
        if (REAL / name).is_file():
            shutil.copy(REAL / name, folder / Path(name).name)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def places(size):
    """Return a strategy of positions: anywhere, and more often near the head, where the lengths are."""
    return st.one_of(st.integers(0, size - 1), st.integers(0, min(size - 1, 400)))


@pytest.mark.parametrize("name", ["a.ser", *WRITERS, *(Path(name).name for name in FILES)])
@QUICK
@given(data=st.data())
def test_damaged_files(tmp_path, valid, name, data):
    if name not in valid:
        pytest.skip("the real data (../shared/data) is not here")
    damaged = bytearray(valid[name])
    change = st.tuples(places(len(damaged)), st.binary(min_size=1, max_size=8))
    for place, value in data.draw(st.lists(change, min_size=1, max_size=6)):
        damaged[place : place + len(value)] = value
    cut = data.draw(st.one_of(st.none(), places(len(damaged))))
    path = tmp_path / f"damaged{Path(name).suffix}"
    path.write_bytes(bytes(damaged[:cut]))
    read_all(path)


HEADS = (b"", b"\0\0\0\3", b"\0\0\0\4", b"II*\0\x08\0\0\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"\x93NUMPY\1\0")
HEADS += (b"PK\3\4", b"II\x97\x01\x10\x02\x22\x41\0\0", b"\x89HDF\r\n\x1a\n", b"BM", b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@QUICK
@given(head=st.sampled_from(HEADS), content=st.binary(max_size=2000))
@example(head=b"", content=b"\0" * 4096)
@example(head=b"", content=b"\xff" * 4096)
def test_random_bytes(tmp_path, suffix, head, content):
    path = tmp_path / f"random{suffix}"
    path.write_bytes(head + content)
    read_all(path)


@QUICK
@given(text=st.text(max_size=30))
def test_any_text_as_an_input_or_a_choice_of_frames(tmp_path, text):
    np.save(tmp_path / "a.npy", MOVIE)
    with contextlib.suppress(InputError):
        assert len(read_series(tmp_path / "a.npy", pixel_size=1.0, frames=text)) > 0
    with pytest.raises(InputError):
        read_series(f"{tmp_path}/none/{text}")


def test_a_length_that_leads_in_circles_does_not_hang(tmp_path):
    """An array of 2**31 structures of nothing: RosettaSciIO alone would build it."""
    file = io.BytesIO()
    for number in (3, 100, 1):
        file.write(number.to_bytes(4, "big"))
    file.write(b"\0\0" + (1).to_bytes(4, "big") + b"\x15\0\1a%%%%" + (4).to_bytes(4, "big"))
    for number in (20, 15, 0, 0, 2**31 - 1):
        file.write(number.to_bytes(4, "big"))
    path = tmp_path / "a.dm3"
    path.write_bytes(file.getvalue() + b"\0" * 100)
    with pytest.raises(InputError, match=r"a tag claims 2147483647 elements in a file of"):
        read_series(path, pixel_size=1.0)


@pytest.mark.parametrize(("place", "value"), [("free space", 0), ("heap", 2**31)])
def test_a_text_heap_without_an_end_does_not_hang(tmp_path, place, value):
    """The HDF5 library would walk for ever through a heap of texts whose free space has length 0."""
    path = tmp_path / "a.emd"
    emd(path)
    assert len(read_series(path)) == 3
    data = bytearray(path.read_bytes())
    at = heap = data.index(b"GCOL")
    if place == "free space":
        at = heap + 16
        while int.from_bytes(data[at : at + 2], "little"):  # objects 1, 2, ...; 0 is the free space
            at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    data[at + 8 : at + 16] = value.to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.emd is damaged: a heap of its texts has no end"):
        read_series(path)
