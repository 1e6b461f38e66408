from pathlib import Path

import numpy as np
import pytest

from nanonet.io.writers.dm import write_dm
from nanonet.io.writers.hspy import write_hspy
from nanonet.io.writers.stacks import write_mrc_stack, write_npy
from nanonet.records import InputError
from simulate.camera import Camera
from simulate.tem.from_file import from_file
from simulate.tem.microscope import Microscope

FORMATS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "formats"
K2 = Camera(mtf=[[0, 1], [1, 0.4]], dqe0=0.8)
FRAMES = np.random.default_rng(0).poisson(16.0, (3, 32, 32)).astype(np.int16)


@pytest.fixture
def movie(tmp_path) -> str:
    path = tmp_path / "movie.dm4"
    write_dm(path, FRAMES, FRAMES.shape, "int16", pixel_size=0.31, energy=200e3, frame_time=0.5)
    return str(path)


def test_pixel_size_and_energy_are_the_files_and_the_rest_is_as_ever(movie):
    microscope = from_file(movie)
    assert microscope.pixel_size == pytest.approx(0.31, rel=1e-5)
    assert microscope.energy == pytest.approx(200e3)
    default = Microscope()
    assert microscope.dose == default.dose
    assert microscope.defocus == default.defocus


def test_the_dose_follows_from_counts_where_these_are_known(movie):
    dose = FRAMES[0].mean() / 0.31**2
    assert from_file(movie, counts_per_electron=2.0).dose == pytest.approx((dose / 4, dose), rel=1e-4)
    by_camera = from_file(movie, camera=K2)
    assert by_camera.camera is K2
    assert by_camera.dose == pytest.approx((dose / 1.6, dose * 2 / 0.8), rel=1e-4)


def test_what_the_user_says_goes_before_the_file(movie):
    microscope = from_file(movie, pixel_size=0.62, dose=[10, 20], energy=300e3, defocus=80.0)
    assert (microscope.pixel_size, microscope.dose) == (0.62, [10, 20])
    assert (microscope.energy, microscope.defocus) == (300e3, 80.0)


def test_settings_drawn_have_the_files_pixel_size_and_refuse_another_energy(movie):
    microscope = from_file(movie)
    setting = microscope.draw(200e3, np.random.default_rng(0))
    assert setting.pixel_size == pytest.approx(0.31, rel=1e-5)
    with pytest.raises(InputError, match="200000 eV"):
        microscope.draw(300e3, np.random.default_rng(0))


def test_every_format_that_has_a_pixel_size_will_do(tmp_path):
    stack = [frame.astype(np.float32) for frame in FRAMES]
    write_mrc_stack(tmp_path / "a.mrc", stack, pixel_size=0.4)
    write_hspy(tmp_path / "a.hspy", stack, pixel_size=0.4)
    for name in ("a.mrc", "a.hspy"):
        microscope = from_file(str(tmp_path / name))
        assert microscope.pixel_size == pytest.approx(0.4, rel=1e-4)
        assert microscope.energy is None


def test_a_file_without_pixel_size_names_the_key_that_helps(tmp_path):
    write_npy(tmp_path / "bare.npy", FRAMES)
    with pytest.raises(InputError, match=r"bare.npy .* give microscope.pixel_size=0.2"):
        from_file(str(tmp_path / "bare.npy"))
    microscope = from_file(str(tmp_path / "bare.npy"), pixel_size=0.2, camera=K2)
    assert microscope.pixel_size == 0.2
    assert microscope.dose[0] == pytest.approx(FRAMES[0].mean() / 0.8 / 0.04 / 2)


def test_what_cannot_be_used_is_refused(tmp_path, movie):
    for arguments, says in (
        ({"file": None}, "file is missing"),
        ({"file": str(tmp_path / "none.dm4")}, "none.dm4"),
        ({"file": movie, "defocs": 1.0}, "defocs.*known: .*defocus"),
        ({"file": movie, "counts_per_electron": 0.0}, "counts_per_electron"),
        ({"file": movie, "pixel_size": -0.2}, "pixel_size"),
    ):
        with pytest.raises(InputError, match=says):
            from_file(**arguments)
    scan = tmp_path / "scan.dm4"
    write_dm(scan, FRAMES, FRAMES.shape, "int16", pixel_size=0.3, energy=200e3, modality="HAADF")
    with pytest.raises(InputError, match="HAADF"):
        from_file(str(scan))
    dark = tmp_path / "dark.dm4"
    write_dm(dark, 0 * FRAMES, FRAMES.shape, "int16", pixel_size=0.3)
    with pytest.raises(InputError, match=r"microscope\.dose"):
        from_file(str(dark), camera=K2)


@pytest.mark.real_data
@pytest.mark.skipif(not FORMATS.is_dir(), reason="no ../shared/data/formats")
@pytest.mark.parametrize(
    ("name", "pixel_size", "says"),
    [
        ("temp.mrc", 2.0, None),
        ("dmTest_float32_nonSquare_diffPixelSize.dm3", 2.0, None),
        ("test_STEM_image.dm3", None, "HAADF"),
        ("jeol_haadf.dm4", None, "HAADF"),
        ("example_image.emd", None, "microscope.pixel_size"),
        ("test_diffraction_pattern.dm3", None, "diffraction"),
        ("08_carbon.dm3", None, "spectrum"),
    ],
)
def test_real_files_give_a_microscope_or_one_clear_line(name, pixel_size, says):
    if says is None:
        assert from_file(str(FORMATS / name)).pixel_size == pytest.approx(pixel_size)
        return
    with pytest.raises(InputError, match=says) as caught:
        from_file(str(FORMATS / name))
    assert "\n" not in str(caught.value)
