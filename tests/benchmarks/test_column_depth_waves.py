"""Images as a direct sum, against the lens that training images are made with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from column_depth_waves import Fineness, direct_image, exit_waves, packed, sobol_nodes, unpacked

from simulate.tem.image import image_intensity
from simulate.tem.optics import Optics

LENS = Optics(
    energy=300e3,
    defocus=50.0,
    Cs=-9e4,
    C5=5e7,
    astigmatism=20.0,
    astigmatism_angle=0.7,
    coma=300.0,
    coma_angle=2.0,
)
SIDE = 20.0


@pytest.fixture(scope="module")
def spectra() -> np.ndarray:
    """Return the waves of two phonon configurations of a few columns of ceria."""
    from ase import Atoms

    places = [(8.0, 10.0, z) for z in (4.0, 8.0, 12.0)] + [(11.5, 9.0, 6.0)]
    atoms = Atoms("Ce4", places, cell=(SIDE, SIDE, 16.0), pbc=True)
    fineness = Fineness(configurations=2, sampling=0.1, stored_sampling=0.2)
    return exit_waves(atoms, {"Ce": 0.06}, fineness, (1, 2))


def lens_image(spectra: np.ndarray, optics: Optics, modes: int = 3) -> np.ndarray:
    """Return the mean image of waves by simulate's own lens."""
    points = spectra.shape[-1]
    none = torch.zeros((0, points, points), dtype=torch.complex64)
    images = [
        image_intensity(torch.from_numpy(wave * points**2), none, SIDE / points, optics, modes=modes)
        for wave in spectra
    ]
    return np.mean([image.numpy() for image in images], axis=0)


def difference(image: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(((image - other) ** 2).mean()) / other.std())


def test_a_coherent_image_is_that_of_the_lens(spectra: np.ndarray) -> None:
    found = direct_image(spectra, SIDE, LENS, np.zeros((2, 1, 3)))
    assert found.std() > 0.05
    assert difference(found, lens_image(spectra, LENS)) < 1e-3


def test_the_sum_over_foci_and_angles_is_partial_coherence(spectra: np.ndarray) -> None:
    spread = replace(LENS, focal_spread=30.0, angular_spread=0.15)
    found = direct_image(spectra, SIDE, spread, sobol_nodes(2, 256, 0))
    assert difference(direct_image(spectra, SIDE, LENS, np.zeros((2, 1, 3))), found) > 0.1
    assert difference(lens_image(spectra, spread, modes=12), found) < 0.02


def test_no_electron_is_lost(spectra: np.ndarray) -> None:
    total = float((np.abs(spectra) ** 2).sum(axis=(1, 2)).mean())
    assert total == pytest.approx(1.0, abs=0.03)  # but for those beyond the stored band
    spread = replace(LENS, focal_spread=30.0, angular_spread=0.15)
    assert direct_image(spectra, SIDE, spread, sobol_nodes(2, 4, 0)).mean() == pytest.approx(total, rel=1e-4)


def test_each_configuration_has_atoms_of_its_own(spectra: np.ndarray) -> None:
    still = direct_image(spectra[:1], SIDE, LENS, np.zeros((1, 1, 3)))
    assert difference(direct_image(spectra[1:], SIDE, LENS, np.zeros((1, 1, 3))), still) > 0.02


def test_half_precision_keeps_the_waves(spectra: np.ndarray) -> None:
    again = unpacked(packed(spectra))
    assert np.abs(again - spectra)[:, 1:, 1:].max() < 1e-5
    assert (np.abs(again - spectra) ** 2).sum() < 1e-6 * (np.abs(spectra) ** 2).sum()


def test_nodes_are_standard_normal() -> None:
    nodes = sobol_nodes(24, 32, 5)
    assert nodes.shape == (24, 32, 3)
    assert np.abs(nodes.mean(axis=(0, 1))).max() < 0.02
    assert np.abs(nodes.std(axis=(0, 1)) - 1).max() < 0.02
    assert np.abs(np.corrcoef(nodes.reshape(-1, 3).T) - np.eye(3)).max() < 0.02
    assert np.abs(nodes.mean(axis=1)).max() < 0.15  # each configuration sees all of the distribution
    assert np.abs(nodes.std(axis=1) - 1).max() < 0.2
