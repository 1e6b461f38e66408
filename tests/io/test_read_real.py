"""Real files of microscopes: the numbers agree with RosettaSciIO and ncempy, which read them on their own."""

import importlib

import numpy as np
import pytest

from nanonet.io import read_series
from nanonet.records import InputError

pytestmark = pytest.mark.real_data

# file, shape, pixel size [Å], energy [eV], modality; from the files' own tags
IMAGES = [
    ("formats/jeol_haadf.dm4", (1, 112, 112), 12.490135850384831, 80e3, "HAADF"),
    ("formats/test_STEM_image.dm3", (1, 68, 68), 2.4853801727294922, 200e3, "HAADF"),
    ("formats/test_stackbuilder_imagestack.dm3", (3, 2, 16), 599.8290330171585, None, "HAADF"),
    ("formats/sio2_haadf.hspy", (1, 128, 128), 85.52446030080318, 200e3, "HAADF"),
    ("formats/temp.mrc", (3, 128, 128), 2.0, None, None),
    ("haadf_atomic/Au_nanoparticle.emd", (1, 2048, 2048), 0.074984014901309905, 300e3, "HAADF"),
    ("haadf_atomic/SrTiO3_1.ser", (1, 1024, 1024), 0.10012704240403384, 80e3, None),
    ("haadf_atomic/SrTiO3.emi", (1, 1024, 1024), 0.10012704240403384, 80e3, None),
    ("haadf_atomic/lattice_acquisition18.emd", (1, 1024, 1024), 0.12246524915099144, 200e3, None),
    ("haadf_atomic/counting_series.npz", (5, 361, 361), 0.125, None, None),
    ("film_maps/Ta_film_03.mrc", (131, 61, 131), 0.3216, None, None),
]
MODULES = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".hspy": "hspy",
    ".ser": "tia",
    ".emd": "emd",
}


@pytest.mark.parametrize(("name", "shape", "pixel_size", "energy", "modality"), IMAGES)
def test_calibration(real_data, name, shape, pixel_size, energy, modality):
    (stack,) = read_series(real_data / name).stacks
    assert stack.shape == shape
    assert stack.pixel_size == pytest.approx(pixel_size, rel=1e-6)
    assert stack.energy == (None if energy is None else pytest.approx(energy))
    assert stack.modality == modality
    assert stack.notes == ()


@pytest.mark.parametrize(
    "name", [row[0] for row in IMAGES if row[0][-4:].lstrip(".") in ("dm3", "dm4", "hspy", "ser", "emd")]
)
def test_numbers_are_those_of_rosettasciio(real_data, name):
    (stack,) = read_series(real_data / name).stacks
    module = importlib.import_module(f"rsciio.{MODULES[name[name.rindex('.') :]]}")
    data = np.asarray(module.file_reader(str(real_data / name))[0]["data"]).reshape(stack.shape)
    if name.endswith("lattice_acquisition18.emd"):
        data = data.transpose(0, 2, 1)  # it takes the first axis of the file for x; the file names it Y
    for mine, other in zip(stack.frames, data, strict=True):
        np.testing.assert_array_equal(mine, other.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("haadf_atomic/SrTiO3_1.ser", "ser"),
        ("formats/dmTest_3D_int16_64_65_66.dm3", "dm"),
        ("formats/dmTest_3D_int16_64_65_66.dm4", "dm"),
        ("formats/test_STEM_image.dm3", "dm"),
    ],
)
def test_numbers_are_those_of_ncempy(real_data, name, reader):
    module = importlib.import_module(f"ncempy.io.{reader}")
    data = getattr(module, f"{reader}Reader")(str(real_data / name))["data"]
    (stack,) = read_series(real_data / name, pixel_size="px").stacks
    for mine, other in zip(stack.frames, data.reshape(stack.shape), strict=True):
        np.testing.assert_array_equal(mine, other.astype(np.float32))


def test_pixels_that_are_not_square(real_data):
    path = real_data / "formats" / "dmTest_float32_nonSquare_diffPixelSize.dm3"
    (stack,) = read_series(path).stacks
    (raw,) = read_series(path, pixel_size="px").stacks
    assert raw.shape == (1, 64, 128)
    assert stack.shape == (1, 64, 127 * 5 + 1)
    assert stack.pixel_size == pytest.approx(2.0)
    assert stack.notes == ("pixels 2 x 10 Å resampled to 2 Å squares",)
    np.testing.assert_allclose(stack.frames[0][:, ::5], raw.frames[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("formats/test_diffraction_pattern.dm3", r"is a diffraction pattern \(1/nm\), not an image"),
        ("formats/08_carbon.dm3", "is a spectrum"),
        ("formats/example_image.emd", r"read\.pixel_size=0\.2 \(Å\), or read\.pixel_size=px"),
        ("atomic_models/aet_model_HEA1.mat", "has no suffix of an image that can be read"),
        ("README.md", "has no suffix of an image that can be read"),
    ],
)
def test_what_is_no_image_is_refused_as_what_it_is(real_data, name, message):
    with pytest.raises(InputError, match=message):
        read_series(real_data / name)


@pytest.mark.parametrize("folder", ["sintering_bftem/images", "catalyst_boxes/images"])
def test_pictures_of_publications(real_data, folder):
    series = read_series(real_data / folder, pixel_size="px")
    assert len(series) == sum(path.suffix in (".png", ".jpg") for path in (real_data / folder).iterdir())
    assert all(micrograph.image.std() > 0 for micrograph in series)


def test_the_lattice_constant_of_strontium_titanate(real_data):
    """3.905 Å in the file's own calibration: the first ring of the Fourier transform of the image."""
    image = read_series(real_data / "haadf_atomic" / "SrTiO3_1.ser")[0]
    window = np.outer(np.hanning(1024), np.hanning(1024))
    power = np.abs(np.fft.rfft2((image.image - image.image.mean()) * window, (4096, 4096))) ** 2
    ky, kx = np.fft.fftfreq(4096, image.pixel_size)[:, None], np.fft.rfftfreq(4096, image.pixel_size)
    power[(np.hypot(ky, kx) < 0.2) | (np.hypot(ky, kx) > 0.3)] = 0
    row, column = np.unravel_index(np.argmax(power), power.shape)
    assert 1 / np.hypot(ky[row, 0], kx[column]) == pytest.approx(3.905, rel=0.05)
