import numpy as np
import pytest
import torch
from ase import Atoms

from nanonet.records import InputError
from simulate.camera.detector import Detector
from simulate.shards.box import bounds, enclose
from simulate.specimen import FOCAL_PLANE
from simulate.tem.exit_wave import Multislice, phonon_wave
from simulate.tem.hrtem import HRTEM, waves
from simulate.tem.microscope import Setting
from simulate.tem.optics import Optics, wavelength
from simulate.view import View

SIGMA = {"Au": 0.088}
QUICK = HRTEM(multislice=Multislice(slice_thickness=2.0), padding=5.0)
LENS = Optics(energy=300e3, defocus=50.0, Cs=-9e4, focal_spread=25.0, angular_spread=0.1)
CAMERA = Detector(pixel_size=0.25, dose=1000.0, mtf_nyquist=0.5, vibration=0.2)


def columns(layers: int = 6) -> Atoms:
    """Twelve columns as in gold [110]."""
    places = [(2.88 * (i + 0.5 * (j % 2)), 2.04 * j) for i in range(4) for j in range(3)]
    positions = [(x, y, 2.88 * (z + 0.5 * (n % 2))) for n, (x, y) in enumerate(places) for z in range(layers)]
    return Atoms(f"Au{len(positions)}", positions=positions)


def placed(imaging: HRTEM, atoms: Atoms | None = None) -> tuple[Atoms, float]:
    atoms = columns() if atoms is None else atoms
    box = bounds(atoms)
    side = imaging.side(float((box[1] - box[0])[:2].max()))
    return enclose(atoms, side, box), side


def test_the_box_has_room_and_a_fast_grid():
    side = QUICK.side(17.3)
    assert side >= 17.3 + 2 * QUICK.padding
    assert side == pytest.approx(round(side / 0.1) * 0.1)
    assert HRTEM(least_side=60.0).side(17.3) >= 60.0


def test_what_is_stored_follows_from_the_seed_and_is_small():
    atoms, side = placed(QUICK)
    stored, again = (QUICK.calculate(atoms, SIGMA, (3, 1)) for _ in range(2))
    other = QUICK.calculate(atoms, SIGMA, (3, 2))
    for name, array in stored.items():
        np.testing.assert_array_equal(array, again[name])
        assert array.dtype == np.float16
    np.testing.assert_array_equal(stored["elastic"], other["elastic"])  # it has no noise of phonons
    assert (stored["diffuse"] != other["diffuse"]).mean() > 0.5
    assert sum(array.nbytes for array in stored.values()) == 3 * 4 * stored["elastic"].shape[0] ** 2
    assert stored["elastic"].shape[0] == pytest.approx(side / QUICK.stored_sampling, rel=0.05)


def test_half_precision_costs_nothing_that_is_seen():
    atoms, side = placed(QUICK)
    elastic, diffuse = waves(QUICK.calculate(atoms, SIGMA, (0,)))
    points = elastic.shape[-1]
    exact = phonon_wave(atoms, QUICK.multislice, SIGMA, points, (0, 0)) * points**2
    error = np.abs((elastic + diffuse[0]).numpy() - exact)
    assert np.linalg.norm(error) < 1e-3 * np.linalg.norm(exact[1:, 1:])
    assert side > 0


@pytest.mark.slow
def test_two_diffuse_waves_replace_many_frozen_phonons():
    """Below 0.06 of the contrast against explicit sums over 48 configurations and 31 foci."""
    imaging = HRTEM(padding=5.0)
    atoms, side = placed(imaging)
    stored = imaging.calculate(atoms, SIGMA, (0,))
    points = stored["elastic"].shape[0]
    view = View(origin=(0.1, 0.2), pixel_size=0.25, shape=(int(side / 0.25) - 1,) * 2)
    image = imaging.expected(stored, side, Setting(optics=LENS, detector=CAMERA), view).numpy()

    spectra = np.stack([phonon_wave(atoms, imaging.multislice, SIGMA, points, (9, i)) for i in range(48)])
    k = np.fft.fftfreq(points, side / points)
    square = (wavelength(300e3) ** 2) * (k[:, None] ** 2 + k**2)
    offsets = np.linspace(-3.5, 3.5, 31)
    shares = np.exp(-(offsets**2) / 2) / np.exp(-(offsets**2) / 2).sum()
    intensity = np.zeros((points, points))
    for offset, share in zip(offsets, shares, strict=True):
        phase = -0.5 * (50.0 + 25.0 * offset) * square - 0.25 * 9e4 * square**2
        lens = np.exp(-2j * np.pi / wavelength(300e3) * phase)
        intensity += share * (np.abs(np.fft.ifft2(spectra * lens) * points**2) ** 2).mean(axis=0)
    transform = np.fft.fft2(intensity) / points**2
    response = CAMERA.response(torch.as_tensor(k[:, None]), torch.as_tensor(k[None])).numpy()
    y, x = (start + 0.25 * np.arange(n) for start, n in zip(view.origin, view.shape, strict=True))
    rows, across = np.exp(2j * np.pi * np.outer(y, k)), np.exp(2j * np.pi * np.outer(x, k))
    resolved = np.hypot(0, np.abs(k)) < 2.0
    expected = (
        62.5
        * (
            rows[:, resolved] @ (transform * response)[np.ix_(resolved, resolved)] @ across[:, resolved].T
        ).real
    )
    error = np.sqrt(((image - expected) ** 2).mean()) / expected.std()
    assert error < 0.06
    static = HRTEM(padding=5.0, diffuse_waves=0, thermal_displacements={"Au": 1e-3})
    stiff = static.expected(
        static.calculate(atoms, SIGMA, (0,)), side, Setting(optics=LENS, detector=CAMERA), view
    ).numpy()
    assert np.sqrt(((stiff - expected) ** 2).mean()) / expected.std() > 2 * error


def test_vacuum_gives_the_dose_within_the_box_and_beyond():
    atoms, side = placed(QUICK)
    view = View(origin=(-5.0, -5.0), pixel_size=0.25, shape=(int((side + 10) / 0.25),) * 2)
    image = QUICK.expected(
        QUICK.calculate(atoms, SIGMA, (0,)), side, Setting(optics=LENS, detector=CAMERA), view
    )
    assert image.shape == view.shape
    np.testing.assert_allclose(image[:20].numpy(), 1000 * 0.25**2, rtol=1e-5)
    assert image.std() > 1
    assert image.mean().item() == pytest.approx(62.5, rel=0.02)


def test_thermal_displacements_of_the_user_replace_the_crystals():
    atoms, _ = placed(QUICK)
    stiff = HRTEM(multislice=QUICK.multislice, padding=5.0, thermal_displacements={"Au": 1e-6}).calculate(
        atoms, SIGMA, (0,)
    )
    soft = QUICK.calculate(atoms, SIGMA, (0,))
    assert np.abs(stiff["diffuse"].astype(float)).mean() < 0.3 * np.abs(soft["diffuse"].astype(float)).mean()


def test_without_diffuse_waves_there_are_none():
    imaging = HRTEM(multislice=QUICK.multislice, padding=5.0, diffuse_waves=0)
    atoms, side = placed(imaging)
    stored = imaging.calculate(atoms, SIGMA, (0,))
    assert stored["diffuse"].shape[0] == 0
    view = View(origin=(1.0, 1.0), pixel_size=0.25, shape=(32, 32))
    assert torch.isfinite(imaging.expected(stored, side, Setting(optics=LENS, detector=CAMERA), view)).all()


@pytest.mark.parametrize(
    ("key", "value"),
    [("diffuse_waves", -1), ("modes", 0), ("padding", 0.0), ("stored_sampling", 0.05)],
)
def test_bad_imaging_is_refused(key, value):
    with pytest.raises(InputError, match=key):
        HRTEM(**{key: value})


def test_defocus_zero_is_the_focal_plane_that_the_box_names():
    """A wave from a plane 30 Å higher, seen 30 Å out of focus, is the same image."""
    atoms, side = placed(QUICK)
    higher = atoms.copy()
    higher.info[FOCAL_PLANE] -= 30.0
    view = View(origin=(2.0, 2.0), pixel_size=0.25, shape=(60, 60))
    images = []
    for specimen, defocus in ((atoms, 50.0), (higher, 20.0)):
        lens = Optics(energy=300e3, defocus=defocus, Cs=-9e4)
        stored = QUICK.calculate(specimen, SIGMA, (0,))
        images.append(QUICK.expected(stored, side, Setting(optics=lens, detector=CAMERA), view).numpy())
    np.testing.assert_allclose(images[0], images[1], atol=0.01 * images[0].std())
