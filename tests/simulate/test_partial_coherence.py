"""Images of partly coherent beams against explicit sums over source and focus."""

import numpy as np
import pytest
import torch

from simulate.tem.coherence import coherent_modes
from simulate.tem.image import focal_offsets, image_intensity
from simulate.tem.optics import Optics, random_phases, wavelength

SAMPLING = 0.22
NOTHING = torch.zeros(0, 64, 64, dtype=torch.complex64)


def wave(count: int = 64, seed: int = 0) -> torch.Tensor:
    """A wave like a crystal's: vacuum of 1, beams of a lattice, and scattering between them to 1.4 1/Å."""
    rng = np.random.default_rng(seed)
    k = np.fft.fftfreq(count, SAMPLING)
    square = k[:, None] ** 2 + k**2
    field = np.fft.fft2(rng.standard_normal((count, count)) + 1j * rng.standard_normal((count, count)))
    field[::6, ::8] *= 12
    field *= (square < 1.4**2) * np.exp(-square / 0.8)
    scattered = np.fft.ifft2(field)
    return torch.from_numpy((1 + 0.25 * scattered / scattered.std()).astype(np.complex64))


def transform(exit_wave: torch.Tensor) -> torch.Tensor:
    return torch.fft.fft2(exit_wave)


def chi(defocus: float, Cs: float, count: int, tilt: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    k = wavelength(300e3) * np.fft.fftfreq(count, SAMPLING)
    square = (k[:, None] + tilt[0]) ** 2 + (k + tilt[1]) ** 2
    return np.asarray(2 * np.pi / wavelength(300e3) * (-0.5 * defocus * square + 0.25 * Cs * square**2))


def explicit_image(exit_wave: torch.Tensor, optics: Optics, tilts: int = 5, foci: int = 41) -> np.ndarray:
    """The incoherent sum over a fine grid of foci and tilts, in numpy, double precision, no expansion."""
    spectrum = np.fft.fft2(exit_wave.numpy().astype(np.complex128))
    offsets = np.linspace(-4.5, 4.5, foci)
    focal = np.exp(-(offsets**2) / 2)
    nodes, weights = np.polynomial.hermite_e.hermegauss(tilts)
    angle = 1e-3 * optics.angular_spread
    total, norm = np.zeros(spectrum.shape), 0.0
    for offset, share in zip(offsets, focal, strict=True):
        for y, v in zip(nodes, weights, strict=True):
            for x, u in zip(nodes, weights, strict=True):
                phase = chi(
                    optics.defocus + optics.focal_spread * offset,
                    optics.Cs,
                    len(spectrum),
                    (angle * y, angle * x),
                )
                total += share * v * u * np.abs(np.fft.ifft2(spectrum * np.exp(-1j * phase))) ** 2
                norm += share * v * u
    return total / norm


def error(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.sqrt(((image - reference) ** 2).mean()) / reference.std())


@pytest.mark.parametrize(
    ("optics", "bound"),
    [
        (Optics(energy=300e3, defocus=50.0, Cs=-9e4, focal_spread=25.0, angular_spread=0.1), 0.02),
        (Optics(energy=300e3, defocus=-60.0, Cs=2e5, focal_spread=35.0, angular_spread=0.2), 0.04),
        (Optics(energy=300e3, defocus=600.0, Cs=1.2e7, focal_spread=30.0, angular_spread=0.05), 0.06),
    ],
)
def test_four_modes_are_the_explicit_sum(optics, bound):
    exit_wave = wave()
    expected = explicit_image(exit_wave, optics, tilts=7)
    image = image_intensity(transform(exit_wave), NOTHING, SAMPLING, optics, modes=4).numpy()
    assert error(image, expected) < bound
    # A quasi-coherent envelope alone, the way of most programs, is much further off.
    features = random_phases(optics, (64, 64), SAMPLING)
    envelope = torch.exp(-0.5 * features.square().sum(dim=0)).numpy()
    phase = chi(optics.defocus, optics.Cs, 64)
    quasi = np.abs(np.fft.ifft2(np.fft.fft2(exit_wave.numpy()) * envelope * np.exp(-1j * phase))) ** 2
    assert error(quasi, expected) > 3 * error(image, expected)


def test_more_modes_come_nearer():
    optics = Optics(energy=300e3, defocus=0.0, Cs=-9e4, focal_spread=40.0, angular_spread=0.2)
    exit_wave = wave(seed=1)
    expected = explicit_image(exit_wave, optics, foci=61)
    errors = [
        error(image_intensity(transform(exit_wave), NOTHING, SAMPLING, optics, modes=m).numpy(), expected)
        for m in (1, 4, 16, 48)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2e-3


def test_modes_and_rest_share_out_every_beam():
    optics = Optics(energy=300e3, defocus=50.0, focal_spread=30.0, angular_spread=0.1)
    power = transform(wave()).abs().square()
    modes, rest = coherent_modes(random_phases(optics, (64, 64), SAMPLING), power, 6)
    torch.testing.assert_close(modes.square().sum(dim=0) + rest, torch.ones(64, 64), atol=1e-5, rtol=0)
    # The first pivot is the direct beam: it interferes with every other as the envelopes say.
    assert modes[0, 0, 0].item() == pytest.approx(1.0)
    assert modes[1:, 0, 0].abs().max().item() < 1e-6


def test_the_modes_are_the_mutual_coherence():
    """With as many modes as beams, Σ_m a_m(k) a_m(k') = exp(-½ |f(k) - f(k')|²)."""
    optics = Optics(energy=300e3, focal_spread=40.0, angular_spread=0.3, Cs=1e7)
    features = random_phases(optics, (5, 4), 0.8)
    modes, _ = coherent_modes(features, torch.ones(5, 4), 20)
    flat = features.flatten(1)
    exact = torch.exp(-0.5 * (flat[:, :, None] - flat[:, None, :]).square().sum(dim=0))
    found = torch.einsum("mk,ml->kl", modes.flatten(1), modes.flatten(1))
    torch.testing.assert_close(found, exact, atol=2e-3, rtol=0)


def test_a_batch_of_settings_is_each_setting_alone():
    spectra = torch.stack([transform(wave(seed=0)), transform(wave(seed=1))])
    diffuse = 0.1 * torch.stack([transform(wave(seed=2)), transform(wave(seed=3))])
    values = {
        "defocus": [30.0, 60.0],
        "focal_spread": [10.0, 25.0],
        "astigmatism": [5.0, 0.0],
        "astigmatism_angle": [0.3, 0.0],
    }
    rest = {"energy": 300e3, "Cs": -9e4, "angular_spread": 0.1}
    batch = Optics(**rest, **{name: torch.tensor(pair) for name, pair in values.items()})
    images = image_intensity(spectra, diffuse[:, None], SAMPLING, batch)
    for index in range(2):
        alone = Optics(**rest, **{name: pair[index] for name, pair in values.items()})
        expected = image_intensity(spectra[index], diffuse[index][None], SAMPLING, alone)
        torch.testing.assert_close(images[index], expected, atol=2e-5, rtol=1e-4)


def test_the_image_is_differentiable_in_the_settings():
    spectrum, target = transform(wave(32)), torch.linspace(0, 1, 32)
    nothing = torch.zeros(0, 32, 32, dtype=torch.complex64)

    def loss(defocus: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
        optics = Optics(energy=300e3, defocus=defocus, focal_spread=spread)
        return (image_intensity(spectrum, nothing, SAMPLING, optics, modes=12) * target).sum()

    values = torch.tensor(40.0, requires_grad=True), torch.tensor(20.0, requires_grad=True)
    gradients = torch.autograd.grad(loss(*values), values)
    with torch.no_grad():
        by_defocus = (loss(values[0] + 0.5, values[1]) - loss(values[0] - 0.5, values[1])) / 1.0
        by_spread = (loss(values[0], values[1] + 0.5) - loss(values[0], values[1] - 0.5)) / 1.0
    assert gradients[0].item() == pytest.approx(by_defocus.item(), rel=0.03, abs=0.03)
    assert gradients[1].item() == pytest.approx(by_spread.item(), rel=0.03, abs=0.03)


def test_diffuse_waves_add_their_intensity():
    optics = Optics(energy=300e3, defocus=50.0, Cs=-9e4)
    elastic, scattered = wave(seed=0), 0.1 * (wave(seed=1) - 1)
    diffuse = torch.stack([transform(scattered), transform(-scattered)])
    together = image_intensity(transform(elastic), diffuse, SAMPLING, optics)
    pair = torch.stack([elastic + scattered, elastic - scattered])
    phase = torch.from_numpy(np.exp(-1j * chi(50.0, -9e4, 64)).astype(np.complex64))
    expected = torch.fft.ifft2(transform(pair) * phase).abs().square().mean(dim=0)
    torch.testing.assert_close(together, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_diffuse_waves_are_spread_over_the_foci(count):
    offsets = focal_offsets(count)
    assert offsets.mean() == pytest.approx(0.0, abs=1e-12)
    assert offsets.std() == pytest.approx(1.0 if count > 1 else 0.0)


def test_vacuum_stays_vacuum():
    optics = Optics(energy=300e3, defocus=60.0, Cs=1e7, focal_spread=30.0, angular_spread=0.2, coma=400.0)
    nothing = torch.zeros(2, 32, 32, dtype=torch.complex64)
    image = image_intensity(transform(torch.ones(32, 32, dtype=torch.complex64)), nothing, 0.2, optics)
    torch.testing.assert_close(image, torch.ones(32, 32), atol=1e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_draws_what_the_cpu_draws():
    optics = Optics(energy=300e3, defocus=50.0, Cs=-9e4, focal_spread=25.0, angular_spread=0.1, coma=200.0)
    spectrum, diffuse = transform(wave(seed=0)), 0.1 * transform(wave(seed=1))[None]
    here = image_intensity(spectrum, diffuse, SAMPLING, optics)
    there = image_intensity(spectrum.cuda(), diffuse.cuda(), SAMPLING, optics)
    torch.testing.assert_close(there.cpu(), here, atol=1e-4, rtol=1e-4)
