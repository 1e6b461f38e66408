"""The published detection: what it finds in clean maps, where it splits, what each removal removes."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.atoms.binarise import centres_of_mass, split
from nanonet.atoms.crystal import crystal_of
from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.log_fit import log_fit
from nanonet.atoms.single import SingleDetection, detect_single, simulated_atom

PT = crystal_of("Pt")


@pytest.fixture(scope="module")
def clean(particle):
    return detect_single(particle.map(1.0), PT)


def test_a_clean_map_is_no_challenge(clean, particle) -> None:
    off, nearest = cKDTree(particle.atoms.positions).query(clean.fit.atoms.positions)
    assert off.max() < 0.15
    assert len(np.unique(nearest)) == len(off)
    assert len(off) > 0.94 * len(particle.atoms)


def test_it_claims_no_probabilities_and_keeps_its_curve(clean) -> None:
    assert np.isnan(clean.probability).all()
    assert np.isnan(clean.fit.position_errors).all()
    cut = clean.binarised
    assert len(cut.thresholds) >= 15
    assert (np.diff(cut.thresholds) > 0).all()
    assert 0.9 < cut.correlations.max() <= 1
    assert len(np.unique(cut.labels)) - 1 == len(clean.probability)


def test_each_removal_can_be_switched_off(particle) -> None:
    """A lone atom far from the others goes for its neighbours only; unlike ones go at any rate of two sd."""
    lone = particle.atoms.positions.mean(0) + np.array([0.0, 0.0, 11.3])
    extra = replace(particle.atoms.subset(np.array([0])), positions=lone[None])
    volume = replace(particle, atoms=particle.atoms.joined(extra)).map(1.0)

    def found(**settings: bool) -> np.ndarray:
        return detect_single(volume, PT, SingleDetection(**settings)).fit.atoms.positions

    every = found(remove_unlike=False, remove_lone=False)
    assert cKDTree(every).query(lone)[0] < 0.2
    assert len(every) == 202
    social = found(remove_unlike=False)
    assert cKDTree(social).query(lone)[0] > 2.0
    assert len(found(remove_lone=False)) < len(every)


def test_two_atoms_in_one_component_are_split() -> None:
    z, y, x = np.indices((12, 12, 24))
    blobs = [np.exp(-((x - c) ** 2 + (y - 6) ** 2 + (z - 6) ** 2) / 8) for c in (7.0, 15.0)]
    density = blobs[0] + 0.8 * blobs[1]
    labels = (density > 0.1).astype(int)
    centres = centres_of_mass(density, split(density, density, labels, radius=3.0))
    assert centres[np.argsort(centres[:, 0])] == pytest.approx(np.array([[7, 6, 6], [15, 6, 6]]), abs=0.35)
    one = (blobs[0] > 0.3).astype(int)
    assert split(blobs[0], blobs[0], one, radius=3.0).max() == 1


def test_a_simulated_atom_is_a_ball_of_its_potential() -> None:
    atom = simulated_atom("Pt", 0.36)
    assert atom == pytest.approx(atom.transpose(2, 0, 1), abs=1e-6 * atom.max())
    assert np.unravel_index(atom.argmax(), atom.shape) == (8, 8, 8)
    # f(0) is the integral of the potential, up to 4πε and the like; carbon has far less of it.
    assert atom.sum() > 3 * simulated_atom("C", 0.36).sum()


def test_logarithms_tell_u_where_there_is_no_noise(particle) -> None:
    atoms = GaussianAtoms(
        positions=np.array([[12.1, 12.3, 11.9]]), weights=np.array([50.0]), u_iso=np.array([0.24])
    )
    alone = replace(particle, atoms=atoms).map(0.0)
    peak, u = log_fit(alone.density, atoms.positions, 0.36, 1.1)
    assert peak == pytest.approx(atoms.peaks, rel=0.01)
    assert u.u_iso == pytest.approx(0.24, rel=0.01)
    assert u.tensors[0] == pytest.approx(0.24 * np.eye(3), abs=0.003)
    noise = np.random.default_rng(0).normal(scale=8.0, size=alone.density.shape)
    biased = [
        log_fit(alone.density + np.roll(noise, s, 0), atoms.positions, 0.36, 1.1)[1].u_iso[0]
        for s in range(9)
    ]
    assert np.median(biased) > 0.27  # that it is blind to noise is why it is not the default
