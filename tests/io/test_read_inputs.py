"""Folders, patterns and lists; a choice of frames; what the user says about the images."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from nanonet.io import read_series
from nanonet.io.readers.resample import square_grid
from nanonet.pipeline.outputs import map_names
from nanonet.records import InputError


@pytest.fixture
def folder(tmp_path):
    """Three pictures, frame 1, 2 and 10, whose grey is their number, and things that are no images."""
    inside = tmp_path / "run7"
    inside.mkdir()
    for number in (10, 1, 2):
        Image.fromarray(np.full((4, 5), number, np.uint8)).save(inside / f"frame{number}.png")
    for name in ("notes.txt", ".hidden.png", "table.csv", "a.emi"):
        (inside / name).write_text("no image")
    (inside / "sub.tif").mkdir()
    return inside


def greys(series):
    return [int(micrograph.image[0, 0]) for micrograph in series]


def test_a_folder_is_one_series_in_natural_order(folder):
    series = read_series(folder, pixel_size=0.5)
    assert series.name == "run7"
    assert greys(series) == [1, 2, 10]
    assert [stack.name for stack in series.stacks] == ["frame1.png", "frame2.png", "frame10.png"]
    assert series.stacks[0].notes == ("ignored beside the images: a.emi, notes.txt, sub.tif, table.csv",)
    assert series[2].name == "frame10.png"
    assert series.pixel_size == 0.5


def test_a_pattern_takes_only_images(folder):
    assert greys(read_series(f"{folder}/*", pixel_size="px")) == [1, 2, 10]
    assert greys(read_series(f"{folder}/frame1*.png", pixel_size="px")) == [1, 10]
    with pytest.raises(InputError, match=r"holds no image .*; it holds notes\.txt"):
        read_series(f"{folder}/*.txt")


def test_a_list(folder):
    names = [str(folder / "frame10.png"), str(folder / "frame1.png")]
    assert greys(read_series(names, pixel_size="px")) == [10, 1]


def test_a_list_as_it_is_typed(folder):
    names = f"[{folder / 'frame10.png'}, '{folder / 'frame1.png'}']"
    assert greys(read_series(names, pixel_size="px")) == [10, 1]


def test_files_named_alike_are_told_apart(tmp_path):
    for number, place in enumerate(("a", "b/c", "b")):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / place / "img.npy", np.full((3, 3), number))
    np.save(tmp_path / "a" / "other.npy", np.full((3, 3), 9))
    series = read_series([f"{tmp_path}/a", f"{tmp_path}/b/*.npy", f"{tmp_path}/b/c"], pixel_size="px")
    assert [one.name for one in series] == ["a/img.npy", "other.npy", "b/img.npy", "b/c/img.npy"]
    assert map_names(series, "labels") == [
        f"labels/{name}.tif" for name in ("a/img", "other", "b/img", "b/c/img")
    ]
    with pytest.raises(InputError, match=r"img\.npy is given 2 times"):
        read_series([f"{tmp_path}/b/*.npy", f"{tmp_path}/b/img.npy"], pixel_size="px")


def test_files_of_one_frame_each_are_a_movie_if_the_user_says_so(folder):
    plain = read_series(folder, pixel_size=0.5)
    movie = read_series(folder, pixel_size=0.5, frame_time=0.1, movie=True)
    assert (plain.is_movie, movie.is_movie) == (False, True)
    assert greys(movie) == [1, 2, 10]
    assert {one.name for one in movie} == {"run7"}
    (stack,) = movie.stacks
    assert [name.rsplit("/", 1)[1] for name in stack.parts] == ["frame1.png", "frame2.png", "frame10.png"]
    assert [around.frame for around in movie[0].around(1)] == [1, 0, 1]
    assert greys(read_series(folder, pixel_size=0.5, movie=True, frames="1:")) == [2, 10]


def test_what_is_no_movie_of_files_is_refused(folder, tmp_path):
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(folder / "frame11.png")
    with pytest.raises(InputError, match=r"must have the same size: frame1\.png .* frame11\.png"):
        read_series(folder, pixel_size=1, movie=True)
    np.save(tmp_path / "long.npy", np.ones((2, 4, 5)))
    with pytest.raises(InputError, match=r"long\.npy holds 2 frames"):
        read_series([str(folder), str(tmp_path / "long.npy")], pixel_size=1, movie=True)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path):
    path = tmp_path / "a[1].npy"
    np.save(path, np.ones((3, 3)))
    assert greys(read_series(path, pixel_size="px")) == [1]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("2:5", [2, 3, 4]), (":3", [0, 1, 2]), ("7:", [7, 8, 9]), ("::4", [0, 4, 8]), ("1:10:3", [1, 4, 7]),
        ("5", [5]), ("-1", [9]), ("-3:", [7, 8, 9]), ("0:10", list(range(10))), (":", list(range(10))),
        (7, [7]),
    ],
)  # fmt: skip
def test_a_choice_of_frames(tmp_path, frames, expected):
    np.save(tmp_path / "a.npy", np.arange(10)[:, None, None] * np.ones((1, 3, 4)))
    series = read_series(tmp_path / "a.npy", pixel_size="px", frame_time=0.5, frames=frames)
    assert greys(series) == expected
    (stack,) = series.stacks
    step = expected[1] - expected[0] if len(expected) > 1 else 1
    assert stack.frame_time == pytest.approx(0.5 * step)


def test_a_choice_of_frames_goes_over_the_files_of_a_folder(tmp_path):
    for part in range(3):
        np.save(tmp_path / f"part{part}.npy", (part * 4 + np.arange(4))[:, None, None] * np.ones((1, 3, 3)))
    for text, expected in {"::3": [0, 3, 6, 9], "5:11:2": [5, 7, 9], "8:": [8, 9, 10, 11]}.items():
        assert greys(read_series(tmp_path, pixel_size="px", frames=text)) == expected


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ("all", "is no choice of frames"), ("1-5", "is no choice"), ("", "is no choice"),
        ("1:2:3:4", "is no choice"),
        ("5:5", "selects none of the 10 frames"), ("8:3", "selects none"),
        ("5:20", "beyond the 10 frames of a.npy"),
        ("10", "beyond the 10"), ("-11:", "beyond the 10"), ("::0", "step"), ("::-1", "step"),
        ("9" * 5000, "is no"),
    ],
)  # fmt: skip
def test_a_nonsense_choice_of_frames(tmp_path, frames, message):
    np.save(tmp_path / "a.npy", np.ones((10, 3, 4)))
    with pytest.raises(InputError, match=message):
        read_series(tmp_path / "a.npy", pixel_size="px", frames=frames)


def tif(path, pixel_y, pixel_x, image):
    metadata = {"PhysicalSizeY": pixel_y, "PhysicalSizeYUnit": "Å", "PhysicalSizeX": pixel_x}
    tifffile.imwrite(path, image, ome=True, metadata=metadata | {"PhysicalSizeXUnit": "Å", "axes": "YX"})
    return path


def test_the_user_overrules_the_file_and_that_is_noted(tmp_path):
    path = tif(tmp_path / "a.tif", 0.5, 0.5, np.ones((4, 6), np.uint8))
    (stack,) = read_series(path, pixel_size=0.2, modality="HAADF", energy=3e5, dose=10, frame_time=2).stacks
    assert (stack.pixel_size, stack.modality, stack.energy, stack.dose) == (0.2, "HAADF", 3e5, 10.0)
    assert stack.notes == ("pixel size 0.2 Å as given; the file says 0.5 x 0.5 Å",)
    assert read_series(path, pixel_size="px").stacks[0].pixel_size is None
    assert read_series(path, pixel_size="0.5").stacks[0].notes == ()


def test_non_square_pixels_are_resampled_onto_the_finer_axis(tmp_path):
    """A plane that rises by 1 a pixel in y and 10 in x stays a plane: 2/3 a square pixel of 2 Å in y."""
    y, x = np.mgrid[:7, :5]
    path = tif(tmp_path / "a.tif", 3.0, 2.0, (y + 10 * x).astype(np.float32))
    (stack,) = read_series(path).stacks
    assert stack.notes == ("pixels 3 x 2 Å resampled to 2 Å squares",)
    assert stack.pixel_size == pytest.approx(2.0)
    assert stack.shape == (1, 10, 5)
    v, u = np.mgrid[:10, :5]
    np.testing.assert_allclose(stack.frames[0], v * 2 / 3 + 10 * u, rtol=1e-5)
    (raw,) = read_series(path, pixel_size=2.0).stacks
    assert raw.shape == (1, 7, 5)


def test_square_within_a_thousandth():
    assert square_grid("a", (10, 10), (1.0, 1.0009)) is None
    grid = square_grid("a", (10, 10), (1.0, 1.002))
    assert grid is not None
    assert grid.shape == (10, 10)
    with pytest.raises(InputError, match=r"pixels of 1e-06 x 1 Å"):
        square_grid("a", (4096, 4096), (1e-6, 1.0))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_void_pixel_size_is_a_missing_one(tmp_path, scale):
    import h5py

    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/a")
        group.attrs["emd_group_type"] = 1
        group["data"] = np.ones((4, 4))
        for i in (1, 2):
            group[f"dim{i}"] = (
                np.full(4, scale) if np.isfinite(scale) and scale <= 0 else np.array([0, scale])
            )
            group[f"dim{i}"].attrs.update(name="yx"[i - 1], units="[n_m]")
    with pytest.raises(InputError, match=r"read\.pixel_size=0\.2 \(Å\), or read\.pixel_size=px"):
        read_series(tmp_path / "a.emd")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pixel_size": 0}, r"read\.pixel_size must be a positive number in Å \(or px\), got 0"),
        ({"pixel_size": -0.2}, "got -0.2"), ({"pixel_size": "nm"}, "got 'nm'"),
        ({"pixel_size": True}, "got True"),
        ({"pixel_size": float("nan")}, "got nan"),
        ({"energy": 300}, r"in eV, got 300: for 300 kV give 300000"),
        ({"energy": -1}, "positive"), ({"dose": 0}, r"read\.dose must be a positive number in e/Å²"),
        ({"frame_time": "x"}, "read.frame_time"),
        ({"modality": "TEM"}, "must be one of HRTEM, BF-TEM, HAADF"),
    ],
)  # fmt: skip
def test_nonsense_from_the_user(tmp_path, given, message):
    np.save(tmp_path / "a.npy", np.ones((3, 4)))
    with pytest.raises(InputError, match=message):
        read_series(tmp_path / "a.npy", **({"pixel_size": 1.0} | given))


def test_the_readers_are_not_loaded_before_they_are_needed():
    import subprocess
    import sys

    code = "import sys, nanonet.io.read; print([m for m in sys.modules if m.partition('.')[0] in "
    code += "('h5py', 'tifffile', 'mrcfile', 'rsciio', 'PIL', 'scipy', 'dask')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
