import numpy as np
import pytest
import torch
from scipy import constants

from nanonet.records import InputError
from simulate.optics import Optics, focal_nodes, image_intensity, transfer_function, wavelength

FULL = {
    "defocus": 60.0,
    "Cs": -9e4,
    "astigmatism": 20.0,
    "astigmatism_angle": 0.4,
    "coma": 400.0,
    "coma_angle": 1.1,
}


def random_waves(phonons: int = 3, count: int = 64, seed: int = 0) -> torch.Tensor:
    """Waves like exit waves: vacuum of 1 and scattering within 1.2 1/Å, its phonon part a tenth of it."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((phonons + 1, 2, count, count))
    field = noise[0] + 0.1 * noise[1:]
    k = np.fft.fftfreq(count, 0.2)
    spectrum = np.fft.fft2(field[:, 0] + 1j * field[:, 1]) * ((k[:, None] ** 2 + k**2) < 1.2**2)
    scattered = np.fft.ifft2(spectrum)
    return torch.from_numpy((1 + 0.3 * scattered / scattered.std()).astype(np.complex64))


def test_the_wavelength_is_relativistic():
    rest = constants.m_e * constants.c**2 / constants.e
    assert wavelength(300e3) == pytest.approx(0.0196875, rel=1e-5)
    momentum = np.sqrt((300e3 + rest) ** 2 - rest**2)
    assert wavelength(300e3) == pytest.approx(
        1e10 * constants.h * constants.c / constants.e / momentum, rel=1e-9
    )
    with pytest.raises(InputError, match="energy"):
        wavelength(0.0)


@pytest.mark.parametrize("energy", [80e3, 300e3])
def test_the_transfer_function_is_abtems(energy):
    import abtem

    with abtem.config.set({"precision": "float64"}):
        theirs = abtem.CTF(
            energy=energy, gpts=(48, 64), sampling=(0.2, 0.2), angular_spread=0.2 * np.sqrt(2), **FULL
        )._evaluate_kernel()
    ours = transfer_function(Optics(energy=energy, angular_spread=0.2, **FULL), (64, 48), 0.2)
    assert np.abs(ours.numpy() - theirs.T).max() < 1e-6


def test_underfocus_looks_at_a_plane_before_the_specimen():
    """exp(-iχ) of a positive defocus is free space of the opposite sign, exp(+iπ λ Δf k²)."""
    k = np.fft.fftfreq(64, 0.2)
    expected = np.exp(1j * np.pi * wavelength(300e3) * 35.0 * (k[:, None] ** 2 + k**2))
    ours = transfer_function(Optics(energy=300e3, defocus=35.0), (64, 64), 0.2)
    np.testing.assert_allclose(ours.numpy(), expected, atol=1e-6)


def test_the_aperture_stops_what_lies_beyond_its_angle():
    transfer = transfer_function(Optics(energy=300e3, aperture=20.0), (64, 64), 0.2).abs().numpy()
    k = np.fft.fftfreq(64, 0.2)
    angle = 1e3 * wavelength(300e3) * np.hypot(k[:, None], k)
    np.testing.assert_array_equal(transfer, (angle <= 20.0).astype(np.float32))


def test_a_batch_of_settings_is_each_setting_alone():
    waves = torch.stack([random_waves(seed=0), random_waves(seed=1)])
    batch = Optics(
        energy=300e3,
        defocus=torch.tensor([30.0, 60.0]),
        Cs=-9e4,
        focal_spread=torch.tensor([10.0, 25.0]),
        astigmatism=torch.tensor([5.0, 0.0]),
        astigmatism_angle=torch.tensor([0.3, 0.0]),
        angular_spread=0.1,
    )
    images = image_intensity(waves, 0.2, batch)
    for index, (defocus, spread, astigmatism, angle) in enumerate(
        ((30.0, 10.0, 5.0, 0.3), (60.0, 25.0, 0.0, 0.0))
    ):
        alone = Optics(
            energy=300e3,
            defocus=defocus,
            Cs=-9e4,
            focal_spread=spread,
            astigmatism=astigmatism,
            astigmatism_angle=angle,
            angular_spread=0.1,
        )
        torch.testing.assert_close(images[index], image_intensity(waves[index], 0.2, alone))


def test_the_image_is_differentiable_in_the_settings():
    waves = random_waves(phonons=1, count=32)
    target = torch.linspace(0, 1, 32)

    def loss(defocus: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        return (
            image_intensity(waves, 0.2, Optics(energy=300e3, defocus=defocus, focal_spread=spread)) * target
        ).sum()

    values = torch.tensor(40.0, requires_grad=True), torch.tensor(20.0, requires_grad=True)
    gradients = torch.autograd.grad(loss(*values), values)
    with torch.no_grad():
        by_defocus = (loss(values[0] + 0.5, values[1]) - loss(values[0] - 0.5, values[1])) / 1.0
        by_spread = (loss(values[0], values[1] + 0.5) - loss(values[0], values[1] - 0.5)) / 1.0
    assert gradients[0].item() == pytest.approx(by_defocus.item(), rel=0.02, abs=0.02)
    assert gradients[1].item() == pytest.approx(by_spread.item(), rel=0.02, abs=0.02)


@pytest.mark.parametrize("configurations", [1, 3, 8])
def test_focal_nodes_have_the_moments_of_a_normal_distribution(configurations):
    offsets, weights = focal_nodes(configurations, 5)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights * offsets).sum() == pytest.approx(0.0, abs=1e-12)
    assert (weights * offsets**2).sum() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_allclose(weights.sum(axis=1), 1 / configurations, rtol=0.02)


def reference_image(waves: torch.Tensor, optics: dict[str, float], spread: float) -> np.ndarray:
    """Each phonon configuration at each of 41 Gauss-Hermite nodes, in numpy."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    k = np.fft.fftfreq(waves.shape[-1], 0.2)
    square = (k[:, None] ** 2 + k**2) * wavelength(300e3) ** 2
    total = 0.0
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        c10 = -(optics["defocus"] + spread * node)
        chi = 2 * np.pi / wavelength(300e3) * (0.5 * c10 * square + 0.25 * optics["Cs"] * square**2)
        images = np.abs(np.fft.ifft2(np.fft.fft2(waves.numpy()) * np.exp(-1j * chi))) ** 2
        total = total + weight * images.mean(axis=0)
    return np.asarray(total)


@pytest.mark.parametrize(("phonons", "points", "error"), [(1, 9, 0.01), (3, 5, 0.02)])
def test_the_focal_sum_is_the_true_one(phonons, points, error):
    waves = random_waves(phonons=phonons)
    optics = {"defocus": 50.0, "Cs": -9e4}
    expected = reference_image(waves, optics, 25.0)
    image = image_intensity(
        waves, 0.2, Optics(energy=300e3, focal_spread=25.0, **optics), focal_points=points
    ).numpy()
    assert np.sqrt(((image - expected) ** 2).mean()) < error * expected.std()
    coherent = image_intensity(waves, 0.2, Optics(energy=300e3, **optics)).numpy()
    assert np.sqrt(((coherent - expected) ** 2).mean()) > 0.2 * expected.std()


def test_vacuum_stays_vacuum():
    image = image_intensity(
        torch.ones(2, 32, 32, dtype=torch.complex64), 0.2, Optics(energy=300e3, focal_spread=30.0, **FULL)
    )
    torch.testing.assert_close(image, torch.ones(32, 32))
