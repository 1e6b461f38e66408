"""Physics of cameras that must hold on this machine: edges, flat fields, counting statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from simulate.camera.camera import Camera
from simulate.camera.detector import Detector, expose
from simulate.check import Check

if TYPE_CHECKING:
    import torch

COUNTING = Camera(mtf=[[0, 1], [0.1, 0.93], [0.5, 0.73], [1, 0.39]], dqe0=0.8)
SCINTILLATOR = Camera(
    mtf=[[0, 1], [0.06, 0.73], [0.125, 0.49], [0.5, 0.17], [1, 0.04]],
    ntf=[[0, 1], [0.06, 0.89], [0.125, 0.77], [0.5, 0.51], [1, 0.3]],
    dqe0=0.4,
    counting=False,
    gain=7.0,
    readout=3.0,
)
CAMERAS = {"counting camera": COUNTING, "scintillator camera": SCINTILLATOR}


def check_cameras() -> tuple[Check, ...]:
    """Run all checks of cameras; they take about two seconds."""
    return (*check_edges(), *check_noise_power(), *check_quantum_efficiency(), *check_poisson())


def check_edges() -> tuple[Check, ...]:
    """Measure the MTF on slanted edges, and compare it with the camera's curve."""
    return tuple(
        Check(
            name=f"MTF from slanted edges, {name}, largest difference",
            measured=float(np.abs(np.subtract(*measured_mtf(camera)[1:])).max()),
            expected=0.0,
            tolerance=0.005,
        )
        for name, camera in CAMERAS.items()
    )


def measured_mtf(
    camera: Camera, *, electrons: float = 1e5
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return fractions of Nyquist's frequency, the MTF measured there and the camera's own.

    The object is a row of dark bars with edges slanted by 7°. It is sampled and recorded, and its harmonics
    below Nyquist's frequency are looked up in the Fourier transform of the counts.
    """
    from simulate.camera.sampling import sample_spectrum
    from simulate.view import View

    size = 512
    detector = expose(camera, pixel_size=0.5, dose=electrons / 0.25)
    steps, amplitudes, bars = _bars(2 * size)
    view = View(origin=(0.0, 0.0), pixel_size=0.5, shape=(size, size))
    seen = sample_spectrum(bars, (2 * size, 2 * size), 0.25, view, detector.response)
    counts = detector.record(electrons * seen, np.random.default_rng(0))
    resolved = steps[:, 1] < size // 2
    steps, amplitudes = steps[resolved], amplitudes[resolved]
    spectrum = np.fft.fft2(counts, norm="forward")[steps[:, 0], steps[:, 1]]
    found = np.abs(spectrum) / (camera.counts_per_electron * electrons * np.abs(amplitudes))
    fraction = 2 * np.hypot(*steps.T) / size
    return fraction, found, np.array([camera.signal.at(f) for f in fraction])


def _bars(size: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Return the harmonics (n, 2) of slanted bars, their amplitudes, and their spectrum on a grid.

    The bars let 0.1 of the beam through, so that the ringing of the cut-off series stays above 0.
    """
    import torch

    orders = np.arange(1, size // 16, 2)
    steps = np.outer(orders, [1, 8])
    amplitudes = 0.8 * np.sin(np.pi * orders / 2) / (np.pi * orders)
    spectrum = torch.zeros(size, size // 2 + 1, dtype=torch.complex64)
    spectrum[0, 0] = 0.5 * size**2
    spectrum[steps[:, 0], steps[:, 1]] = torch.from_numpy(amplitudes * size**2).to(torch.complex64)
    return steps, amplitudes, spectrum


def check_noise_power() -> tuple[Check, ...]:
    """Compare the noise power spectrum of flat fields with the model's, ring by ring."""
    checks = []
    for name, camera in CAMERAS.items():
        _, measured, expected = flat_field_noise(camera)
        checks.append(
            Check(
                name=f"noise power of a flat field, {name}, largest relative difference",
                measured=float(np.abs(measured / expected - 1).max()),
                expected=0.0,
                tolerance=0.05,
            )
        )
    return tuple(checks)


def flat_field_noise(
    camera: Camera, *, electrons: float = 20.0, frames: int = 32, rings: int = 8
) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, " r"], Float[np.ndarray, " r"]]:
    """Return fractions of Nyquist's frequency, and the noise power there as measured and as modelled.

    The model is gain² · electrons · NTF² / dqe0 for an integrating camera, electrons · dqe0 · NTF² for a
    counting one, and the noise of dark current and readout [counts² a pixel].
    """
    import torch

    size = 128
    detector = expose(camera, pixel_size=1.0, dose=electrons)
    flat = torch.full((frames, size, size), electrons)
    counts = detector.record(flat, np.random.default_rng(1)).astype(np.float64)
    power = (np.abs(np.fft.fft2(counts - counts.mean(), norm="ortho")) ** 2).mean(axis=0)
    places = 2 * np.fft.fftfreq(size)
    fraction = np.hypot(places[:, None], places)
    transfer = camera.noise(torch.from_numpy(fraction)).numpy() ** 2
    quantum = camera.counts_per_electron**2 * electrons / camera.dqe0
    model = quantum * transfer + camera.readout**2 + camera.dark**2
    ring = np.clip((fraction * rings).astype(int), 0, rings)
    ring.flat[0] = rings  # the mean itself is no noise
    members = np.bincount(ring.ravel())[:rings]
    fractions, measured, expected = (
        np.bincount(ring.ravel(), values.ravel())[:rings] / members for values in (fraction, power, model)
    )
    return fractions, measured, expected


def check_quantum_efficiency() -> tuple[Check, ...]:
    """Measure how much noisier the sum over many pixels is than the electrons themselves."""
    import torch

    checks = []
    for name, camera in CAMERAS.items():
        electrons, size = 50.0, 16
        detector = expose(camera, pixel_size=1.0, dose=electrons)
        frames = detector.record(torch.full((4000, size, size), electrons), np.random.default_rng(2))
        totals = frames.astype(np.float64).sum(axis=(1, 2))
        noise = totals.var() - (camera.readout**2 + camera.dark**2) * size**2
        checks.append(
            Check(
                name=f"DQE at low frequencies, {name}",
                measured=float(totals.mean() ** 2 / noise / (electrons * size**2)),
                expected=camera.dqe0,
                tolerance=0.1 * camera.dqe0,
            )
        )
    return tuple(checks)


def check_poisson() -> tuple[Check, ...]:
    """Compare mean and variance of counts of 0.01 to 1,000 electrons a pixel with Poisson's."""
    import torch

    checks = []
    for mean in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0):
        detector = Detector(pixel_size=1.0, dose=mean)
        counts = detector.record(torch.full((400, 400), mean), np.random.default_rng(3)).astype(np.float64)
        error = np.sqrt(1 / counts.size)
        for what, measured, deviation in (
            ("mean", counts.mean() / mean, error / np.sqrt(mean)),
            ("variance", counts.var() / mean, error * np.sqrt(2 + 1 / mean)),
        ):
            checks.append(
                Check(
                    name=f"{what} of {mean:g} counts, relative",
                    measured=float(measured),
                    expected=1.0,
                    tolerance=float(5 * deviation),
                )
            )
    return tuple(checks)
