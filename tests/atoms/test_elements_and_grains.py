"""Alloys, ions and twins, from the map: what each atom is, and which lattice it is on."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from nanonet.atoms.crystal import Crystal, crystal_of
from nanonet.atoms.detect import detect
from nanonet.atoms.elements import elements
from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.statistics import atom_statistics

TURN = Rotation.from_rotvec([0.4, -0.7, 0.3]).as_matrix()


def test_an_alloy_is_told_apart_with_honest_probabilities(particle) -> None:
    rng = np.random.default_rng(0)
    heavy = rng.random(len(particle.atoms)) < 0.4
    weights = np.where(heavy, 100.0, 60.0) * rng.normal(1, 0.03, len(heavy))
    mixed = replace(particle, atoms=replace(particle.atoms, weights=weights))
    crystal = crystal_of("PtNi", "fcc", 3.92)
    for noise, right in ((6.0, 0.97), (20.0, 0.75)):
        found = detect(mixed.map(noise), crystal)
        told = elements(found, crystal)
        _, nearest = cKDTree(particle.atoms.positions).query(found.fit.atoms.positions)
        correct = (np.array(told.symbols) == "Pt") == heavy[nearest]
        assert told.told
        assert correct.mean() > right
        assert told.probability.mean() == pytest.approx(correct.mean(), abs=0.07)


@pytest.mark.parametrize(("formula", "faint"), [("CuAl", 0.28), ("NiCu", 0.7), ("PtNi", 0.4)])
def test_the_heavier_element_is_the_brighter_one(particle, formula: str, faint: float) -> None:
    rng = np.random.default_rng(0)
    heavy = rng.random(len(particle.atoms)) < 0.5
    mixed = replace(particle, atoms=replace(particle.atoms, weights=np.where(heavy, 100.0, 100.0 * faint)))
    crystal = crystal_of(formula, "fcc", 3.92)
    brighter = {"CuAl": "Cu", "NiCu": "Cu", "PtNi": "Pt"}[formula]
    found = detect(mixed.map(3.0), crystal)
    _, nearest = cKDTree(particle.atoms.positions).query(found.fit.atoms.positions)
    correct = (np.array(elements(found, crystal).symbols) == brighter) == heavy[nearest]
    assert correct.mean() > 0.95


@pytest.mark.parametrize(("noise", "most_lost"), [(8.0, 0), (14.0, 8)])
def test_the_faint_element_of_an_alloy_is_not_taken_for_empty_sites(particle, noise, most_lost) -> None:
    rng = np.random.default_rng(3)
    faint = rng.random(len(particle.atoms)) < 0.5
    weights = np.where(faint, 100 * (28 / 78) ** 1.7, 100.0)
    mixed = replace(particle, atoms=replace(particle.atoms, weights=weights))
    found = detect(mixed.map(noise), crystal_of("PtNi", "fcc", 3.92))
    off, _ = cKDTree(found.fit.atoms.positions).query(particle.atoms.positions)
    assert (off > 0.8).sum() <= most_lost
    assert len(found.fit.atoms) <= len(particle.atoms) + 2
    assert found.probability.sum() + found.hidden_probability.sum() == pytest.approx(201, abs=most_lost + 2)


@pytest.mark.parametrize(("symbol", "structure", "edge"), [("Pb", "fcc", 4.95), ("Ce", "fcc", 5.41)])
def test_atoms_far_apart_are_found(particle, symbol: str, structure: str, edge: float) -> None:
    crystal = crystal_of(symbol, structure, edge)
    grid = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3)
    sites = grid @ crystal.primitive * edge
    sites = sites[np.linalg.norm(sites, axis=1) < 9.0] @ TURN.T + 12.2
    atoms = GaussianAtoms(
        positions=sites, weights=np.full(len(sites), 100.0), u_iso=np.full(len(sites), 0.16)
    )
    found = detect(replace(particle, atoms=atoms).map(8.0), crystal)
    off, _ = cKDTree(sites).query(found.fit.atoms.positions)
    assert len(off) == len(sites)
    assert off.max() < 0.4


def test_one_kind_of_atom_is_no_alloy(particle) -> None:
    crystal = crystal_of("PtNi", "fcc", 3.92)
    assert not elements(detect(particle.map(15.0), crystal), crystal).told


def test_all_ions_of_ceria_are_on_one_lattice(particle) -> None:
    crystal = Crystal(structure="fluorite", lattice_constant=5.41, elements=("Ce", "O"))
    grid = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3), axis=-1).reshape(-1, 3)
    grid = grid[crystal.allowed(grid)]
    sites = grid @ crystal.primitive * 5.41
    near = np.linalg.norm(sites, axis=1) < 7.5
    kind, sites = crystal.species(grid[near]), sites[near] @ TURN.T + 12.2
    atoms = GaussianAtoms(
        positions=sites, weights=np.where(kind == 0, 100.0, 30.0), u_iso=np.full(len(sites), 0.12)
    )
    found = detect(replace(particle, atoms=atoms).map(6.0), crystal)
    off, nearest = cKDTree(sites).query(found.fit.atoms.positions)
    data = atom_statistics(found, crystal).table.data
    assert len(np.unique(nearest[off < 0.5])) > 0.95 * len(sites)
    assert (off < 0.5).mean() > 0.97
    on = data["on_lattice"].to_numpy() & (off < 0.5)
    assert on.mean() > 0.95
    assert ((data["element"] == "Ce").to_numpy() == (kind[nearest] == 0))[on].mean() > 0.99
    inner = on & (data["radius_angstrom"].to_numpy() < 4.0)
    assert set(data["coordination_number"][inner & (data["element"] == "Ce").to_numpy()]) == {8}
    assert set(data["coordination_number"][inner & (data["element"] == "O").to_numpy()]) == {4}


def test_a_twinned_particle_is_found_whole(particle) -> None:
    crystal = crystal_of("Pt")
    grid = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3), axis=-1).reshape(-1, 3)
    sites = grid @ crystal.primitive * 3.92
    sites = sites[np.linalg.norm(sites, axis=1) < 9.0]
    normal = np.ones(3) / np.sqrt(3)
    below = sites[sites @ normal < -0.1]
    whole = np.concatenate([sites[sites @ normal < 0.1], below - 2 * np.outer(below @ normal, normal)])
    atoms = GaussianAtoms(
        positions=whole @ TURN.T + 12.2, weights=np.full(len(whole), 100.0), u_iso=np.full(len(whole), 0.2)
    )
    found = detect(replace(particle, atoms=atoms).map(25.0), crystal)
    off, nearest = cKDTree(atoms.positions).query(found.fit.atoms.positions)
    assert (off < 0.6).mean() > 0.98
    assert len(np.unique(nearest)) > 0.98 * len(whole)
    assert len(found.grains) == 2
    data = atom_statistics(found, crystal).table.data
    assert (data["grain"] >= 0).mean() > 0.97
    assert data["coordination_number"].max() == 12
