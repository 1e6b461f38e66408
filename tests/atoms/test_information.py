"""The Fisher information of atoms against sums over voxels, and errors against what noise does."""

import numpy as np
import pytest

from nanonet.atoms.fit import fit, typical_spread
from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.atoms.information import covariances, information
from nanonet.atoms.noise import NoiseSpectrum, spectrum
from nanonet.atoms.scene import Scene

VOXEL, SIGMA = 0.3, 0.5


def white(sigma: float = SIGMA) -> NoiseSpectrum:
    frequency = np.linspace(0, 0.5 / VOXEL, 200)
    return NoiseSpectrum(
        frequency=frequency, power=np.full(200, sigma**2 * VOXEL**3), highest=float(frequency[-1])
    )


def pair() -> GaussianAtoms:
    return GaussianAtoms(
        positions=np.array([[4.0, 4.1, 4.2], [5.3, 4.6, 4.0]]),
        weights=np.array([5.0, 3.0]),
        u_iso=np.array([0.2, 0.3]),
    )


def test_information_is_that_of_all_voxels() -> None:
    atoms, shape, step = pair(), (32, 32, 32), 1e-4
    columns = []
    for number in range(2):
        for place in range(5):
            maps = []
            for sign in (1, -1):
                values = np.column_stack([atoms.weights, atoms.positions, atoms.u_iso])
                values[number, place] += sign * step
                moved = GaussianAtoms(positions=values[:, 1:4], weights=values[:, 0], u_iso=values[:, 4])
                x = [np.indices(shape)[2 - a] * VOXEL for a in range(3)]
                maps.append(
                    sum(
                        p * np.exp(-sum((x[a] - r[a]) ** 2 for a in range(3)) / (2 * u))
                        for p, r, u in zip(moved.peaks, moved.positions, moved.u_iso, strict=True)
                    )
                )
            columns.append(((maps[0] - maps[1]) / (2 * step)).ravel())
    jacobian = np.stack(columns, axis=1)
    brute = jacobian.T @ jacobian / SIGMA**2
    found = information(atoms, white(), reach=3.0)
    scale = np.sqrt(np.outer(brute.diagonal(), brute.diagonal()))
    # Waves longer than 12 Å count as background, which the sum over voxels knows nothing of.
    assert found.matrix().toarray() / scale == pytest.approx(brute / scale, abs=0.02)
    whole = np.linalg.inv(found.matrix().toarray())
    assert covariances(found, np.zeros((2, 5)))[0] == pytest.approx(whole[:5, :5], rel=0.02, abs=1e-4)


def test_errors_are_what_noise_does_to_a_fit() -> None:
    atoms = pair()
    clean = draw(atoms, (32, 32, 32), VOXEL)
    off = []
    for seed in range(30):
        noise = np.random.default_rng(seed).normal(scale=0.2, size=clean.shape)
        scene = Scene(density=clean + noise.astype(np.float32), voxel_size=VOXEL, noise=white(0.2))
        found = fit(scene, atoms, typical_spread(atoms), rounds=6)
        off.append((found.atoms.positions - atoms.positions) / found.position_errors)
    assert np.std(off) == pytest.approx(1.0, abs=0.12)
    assert np.mean(off) == pytest.approx(0.0, abs=0.2)


def test_the_spectrum_of_white_noise_is_flat() -> None:
    noise = np.random.default_rng(0).normal(scale=2.0, size=(40, 40, 40))
    found = spectrum(noise, VOXEL)
    inside = (found.frequency > 0.2) & (found.frequency < 1.6)
    assert found.power[inside] == pytest.approx(4.0 * VOXEL**3, rel=0.15)
    assert found.highest == pytest.approx(0.5 / VOXEL, rel=0.1)


def test_a_map_that_was_filtered_is_used_up_to_its_band_only() -> None:
    noise = np.fft.fftn(np.random.default_rng(0).normal(size=(40, 40, 40)))
    k = np.linalg.norm(np.stack(np.meshgrid(*[np.fft.fftfreq(40, VOXEL)] * 3)), axis=0)
    found = spectrum(np.fft.ifftn(noise * (k < 1.0)).real, VOXEL)
    assert found.highest == pytest.approx(1.0, abs=0.06)
    assert found.weight(np.array([1.3])) == 0
