"""From maps to atoms: all that are there, nothing else, with errors that hold."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.atoms.coordination import coordination
from nanonet.atoms.crystal import crystal_of
from nanonet.atoms.detect import Detection, detect
from nanonet.atoms.particle_summary import particle_statistics
from nanonet.atoms.statistics import atom_statistics
from nanonet.records import InputError, Volume

PT = crystal_of("Pt")
NOISE = 25.0  # the largest intensity of an atom is 71


@pytest.fixture(scope="module")
def noisy(particle):
    return detect(particle.map(NOISE), PT)


def test_all_atoms_are_found_and_nothing_else(noisy, particle) -> None:
    off, nearest = cKDTree(particle.atoms.positions).query(noisy.fit.atoms.positions)
    assert len(np.unique(nearest)) == len(nearest) == len(particle.atoms)
    assert off.max() < 0.6
    assert noisy.probability.min() > 0.5


def test_errors_and_u_are_right(noisy, particle) -> None:
    _, nearest = cKDTree(particle.atoms.positions).query(noisy.fit.atoms.positions)
    off = np.abs(noisy.fit.atoms.positions - particle.atoms.positions[nearest])
    assert (off < 1.645 * noisy.fit.position_errors).mean() == pytest.approx(0.9, abs=0.05)
    assert noisy.fit.atoms.u_iso.mean() == pytest.approx(0.2, abs=0.01)
    assert noisy.fit.atoms.weights.mean() == pytest.approx(100.0, rel=0.05)


def test_statistics_of_a_perfect_particle(noisy, particle) -> None:
    found = atom_statistics(noisy, PT)
    data = found.table.data
    _, nearest = cKDTree(particle.atoms.positions).query(noisy.fit.atoms.positions)
    true = coordination(particle.atoms.positions, cutoff=3.4, bulk=12)
    assert (data["coordination_number"] == true.number[nearest]).mean() > 0.98
    assert data["generalized_coordination_number"].max() == pytest.approx(12.0)
    assert data.loc[data["coordination_number"] == 12, "degree_of_isotropy"].mean() > 0.9
    assert data["on_lattice"].all()
    row = particle_statistics(found, noisy, PT).data.iloc[0]
    assert row["atoms"] == 201
    assert row["lattice_constant_angstrom"] == pytest.approx(3.96, abs=0.02)
    assert abs(row["lattice_constant_angstrom"] - 3.96) < 3 * row["sigma_lattice_constant_angstrom"]


def test_a_vacancy_stays_empty_and_an_adatom_stays(particle) -> None:
    """The lattice proposes sites; what is there decides."""
    middle = particle.atoms.positions.mean(axis=0)
    away = np.linalg.norm(particle.atoms.positions - middle, axis=1)
    hole = int(away.argmin())
    on = particle.atoms.positions[np.argsort(away)[-60:]]
    # On top of three neighbouring atoms of a face, where the next layer would go on.
    first = on[0]
    triple = on[np.argsort(np.linalg.norm(on - first, axis=1))[:3]]
    normal = triple.mean(0) - middle
    add = triple.mean(0) + normal / np.linalg.norm(normal) * 2.3
    kept = particle.atoms.subset(np.arange(len(particle.atoms)) != hole)
    extra = replace(kept.subset(np.array([0])), positions=add[None])
    volume = replace(particle, atoms=kept.joined(extra)).map(10.0)
    found = detect(volume, PT).fit.atoms.positions
    tree = cKDTree(found)
    assert tree.query(particle.atoms.positions[hole])[0] > 1.5
    assert tree.query(add)[0] < 0.3
    assert len(found) == 201


def test_the_lattice_is_no_need(particle) -> None:
    found = detect(particle.map(8.0), PT, Detection(lattice_prior=False))
    assert found.lattice is None
    assert cKDTree(found.fit.atoms.positions).query(particle.atoms.positions)[0].max() < 0.5
    assert 201 <= len(found.probability) <= 205  # one in a hundred may be false


def test_half_maps_tell_the_noise(particle) -> None:
    halves = (particle.map(30.0, 1).density, particle.map(30.0, 2).density)
    whole = Volume(density=(halves[0] + halves[1]) / 2, voxel_size=0.36, half_maps=halves)
    found = detect(whole, PT)
    middle = float(np.interp(0.8, found.scene.noise.frequency, found.scene.noise.power))
    assert middle == pytest.approx(30.0**2 / 2 * 0.36**3, rel=0.15)
    assert len(found.probability) == 201


def test_maps_without_noise_and_masked_ones_lose_nothing(particle) -> None:
    """There is no noise to look at outside: what the atoms leave tells it."""
    clean = particle.map(0.0)
    found = detect(clean, PT).fit.atoms.positions
    assert len(found) == 201
    assert cKDTree(found).query(particle.atoms.positions)[0].max() < 0.08
    grid = np.stack(np.indices(clean.density.shape)[::-1], axis=-1) * 0.36
    near = cKDTree(particle.atoms.positions).query(grid, distance_upper_bound=2.5)[0] < 2.5
    masked = replace(clean, density=(particle.map(NOISE).density * near).astype(np.float32))
    off = cKDTree(detect(masked, PT).fit.atoms.positions).query(particle.atoms.positions)[0]
    assert (off < 0.6).mean() > 0.98


def test_noise_has_no_atoms() -> None:
    noise = np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32)
    with pytest.raises(InputError, match="no atoms"):
        detect(Volume(density=noise, voxel_size=0.4), PT)


def test_a_shape_that_all_atoms_have_is_not_taken_for_noise(particle) -> None:
    """U of 0.14, 0.16 and 0.18 Å² along x, y and z, by filtering an image of atoms of 0.16."""
    round_atoms = replace(particle.atoms, u_iso=np.full(len(particle.atoms), 0.16))
    clean = replace(particle, atoms=round_atoms).map(0.0)
    k = [np.fft.fftfreq(n, clean.voxel_size) for n in clean.density.shape]
    shape = np.exp(-2 * np.pi**2 * 0.02 * (k[0][:, None, None] ** 2 - k[2] ** 2))
    drawn = np.fft.ifftn(np.fft.fftn(clean.density) * shape).real
    drawn += np.random.default_rng(0).normal(scale=6.0, size=drawn.shape)
    crystal = crystal_of("Pt")
    found = detect(replace(clean, density=drawn.astype(np.float32)), crystal)
    data = atom_statistics(found, crystal).table.data
    core = data[data["coordination_number"] == 12]
    assert core["degree_of_isotropy"].mean() == pytest.approx(0.14 / 0.18, abs=0.07)
    assert core["u_zz_angstrom2"].mean() > core["u_yy_angstrom2"].mean() > core["u_xx_angstrom2"].mean()
