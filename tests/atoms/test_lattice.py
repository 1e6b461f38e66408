"""Lattices, neighbours and strain of particles that lie anyhow."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nanonet.atoms.coordination import coordination
from nanonet.atoms.crystal import Crystal, crystal_of
from nanonet.atoms.grains import disorientation, fit_grains
from nanonet.atoms.lattice import fit_lattice
from nanonet.atoms.strain import grain_strains, radial, strain_errors, strain_tensors
from nanonet.records import InputError

CRYSTALS = {
    "fcc": Crystal(structure="fcc", lattice_constant=3.92),
    "bcc": Crystal(structure="bcc", lattice_constant=3.31),
    "sc": Crystal(structure="sc", lattice_constant=2.8),
    "hcp": Crystal(structure="hcp", lattice_constant=2.9, c_over_a=1.6),
    "diamond": Crystal(structure="diamond", lattice_constant=5.43),
    "rocksalt": Crystal(structure="rocksalt", lattice_constant=4.21, elements=("Mg", "O")),
    "fluorite": Crystal(structure="fluorite", lattice_constant=5.41, elements=("Ce", "O")),
}


def ball(crystal: Crystal, stretch: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
    """Return the atoms of a ball of 9 Å, strained in the crystal's axes, then turned."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(-12, 13)] * 3), axis=-1).reshape(-1, 3)
    grid = grid[crystal.allowed(grid)]
    sites = grid @ crystal.primitive * crystal.lattice_constant
    sites = sites[np.linalg.norm(sites, axis=1) < 9.0]
    strained = sites if stretch is None else sites @ stretch.T
    return strained @ Rotation.random(rng=rng).as_matrix().T + rng.uniform(10, 20, 3)


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("seed", range(3))
def test_a_perfect_crystal_that_lies_anyhow_has_no_strain(name: str, seed: int) -> None:
    crystal = CRYSTALS[name]
    positions = ball(crystal, 1.01 * np.eye(3), seed)
    found = fit_lattice(positions, crystal)
    assert found is not None
    assert found.on.all()
    assert found.lattice_constant == pytest.approx(1.01 * crystal.lattice_constant, rel=1e-6)
    assert found.sites() == pytest.approx(positions, abs=1e-6)
    near = coordination(positions, cutoff=found.cutoff, bulk=found.coordination)
    assert (near.number <= found.coordination).all()
    assert near.number.max() == crystal.bulk_coordination
    own = strain_tensors(positions, found, near)
    bulk = strain_tensors(positions, found, near, lattice_constant=crystal.lattice_constant)
    seen = np.isfinite(own[:, 0, 0])
    assert seen.mean() > 0.4
    assert np.abs(own[seen]).max() < 0.002
    assert bulk[seen] == pytest.approx(np.broadcast_to(0.01 * np.eye(3), bulk[seen].shape), abs=1e-6)
    assert np.nanmax(np.abs(radial(bulk, positions, found) - 0.01)) < 1e-6


def test_a_strain_is_found_in_the_axes_of_the_crystal() -> None:
    crystal = CRYSTALS["fcc"]
    stretch = np.diag([1.03, 1.0, 0.98])
    positions = ball(crystal, stretch, 4)
    found = fit_lattice(positions, crystal)
    assert found is not None
    near = coordination(positions, cutoff=found.cutoff, bulk=12)
    strain = strain_tensors(positions, found, near, lattice_constant=3.92)
    values = np.linalg.eigvalsh(strain[np.isfinite(strain[:, 0, 0])])
    assert values == pytest.approx(np.broadcast_to([-0.02, 0.0, 0.03], values.shape), abs=1e-3)
    # Which cubic axis is called x is not known; that they are its axes is.
    off = strain[:, [0, 0, 1], [1, 2, 2]]
    assert np.nanmax(np.abs(off)) < 1e-3


def test_positions_with_errors_still_have_their_lattice() -> None:
    crystal = CRYSTALS["fcc"]
    positions = ball(crystal, seed=5)
    found = fit_lattice(
        positions + np.random.default_rng(0).normal(scale=0.15, size=positions.shape), crystal
    )
    assert found is not None
    assert found.on.mean() > 0.98
    assert found.lattice_constant == pytest.approx(3.92, rel=0.005)


def test_the_error_of_the_lattice_constant_is_what_it_scatters_by() -> None:
    crystal = CRYSTALS["fcc"]
    positions = ball(crystal, seed=5)
    rng = np.random.default_rng(1)
    found = [fit_lattice(positions + rng.normal(scale=0.1, size=positions.shape), crystal) for _ in range(40)]
    edges = np.array([one.lattice_constant for one in found if one is not None])
    errors = np.array([one.lattice_constant_error for one in found if one is not None])
    assert edges.std() == pytest.approx(errors.mean(), rel=0.3)
    assert abs(edges.mean() - 3.92) < 3 * errors.mean() / np.sqrt(len(edges))


@pytest.mark.parametrize("structure", ["fcc", "bcc", "hcp", "diamond", "rocksalt", "fluorite"])
def test_axes_are_those_nearest_to_the_maps(structure: str) -> None:
    crystal = CRYSTALS[structure]
    found = fit_lattice(ball(crystal, seed=5), crystal)
    assert found is not None
    equal = found.rotation @ Rotation.create_group(crystal.rotations).as_matrix()
    assert np.trace(found.rotation) == pytest.approx(np.trace(equal, axis1=1, axis2=2).max())


def test_errors_of_strain_are_what_it_scatters_by() -> None:
    crystal = CRYSTALS["fcc"]
    positions = ball(crystal, seed=5)
    first = fit_lattice(positions, crystal)
    assert first is not None
    near = coordination(positions, cutoff=first.cutoff, bulk=12)
    rng = np.random.default_rng(2)
    drawn = []
    for _ in range(60):
        moved = positions + rng.normal(scale=0.03, size=positions.shape)
        drawn.append(strain_tensors(moved, first, near)[:, [0, 1, 2], [0, 1, 2]])
    scatter = np.sqrt((np.std(drawn, axis=0) ** 2).mean(axis=1))
    said = strain_errors(np.full(positions.shape, 0.03), first, near)
    known = np.isfinite(scatter)
    assert known.mean() > 0.9
    assert (np.isfinite(said) == known).all()
    assert said[known] == pytest.approx(scatter[known], rel=0.35)
    assert said[known].mean() == pytest.approx(scatter[known].mean(), rel=0.05)


def test_neighbours_in_bulk_are_the_crystals() -> None:
    known = {"fcc": 12, "bcc": 8, "sc": 6, "hcp": 12, "diamond": 4, "rocksalt": 6, "fluorite": 8}
    assert {name: crystal.bulk_coordination for name, crystal in CRYSTALS.items()} == known
    fluorite = CRYSTALS["fluorite"]
    anion, cation = np.array([[1, 1, 1]]), np.array([[0, 0, 0]])
    assert fluorite.coordination(anion) == [4]
    assert fluorite.coordination(cation) == [8]
    assert fluorite.species(np.concatenate([anion, cation])).tolist() == [1, 0]
    assert fluorite.bond_length == pytest.approx(5.41 * np.sqrt(3) / 4)
    assert crystal_of("Co").bond_length == pytest.approx(2.50, abs=0.02)


def test_hcp_keeps_its_ratio_of_axes() -> None:
    found = fit_lattice(ball(CRYSTALS["hcp"], np.diag([1.0, 1.0, 1.02]), 3), CRYSTALS["hcp"])
    assert found is not None
    assert found.c_over_a == pytest.approx(1.6 * 1.02, rel=1e-3)


def twinned(seed: int = 0) -> np.ndarray:
    """Return a ball of platinum of which one half is the mirror image of the other across (111)."""
    sites = ball(CRYSTALS["fcc"])
    crystal = fit_lattice(sites, CRYSTALS["fcc"])
    assert crystal is not None
    normal = crystal.rotation @ np.ones(3) / np.sqrt(3)
    away = (sites - sites[np.linalg.norm(sites - sites.mean(0), axis=1).argmin()]) @ normal
    below = sites[away < -0.1]
    mirrored = below - 2 * np.outer(away[away < -0.1], normal)
    rng = np.random.default_rng(seed)
    whole = np.concatenate([below, sites[np.abs(away) < 0.1], mirrored])
    return whole + rng.normal(scale=0.05, size=whole.shape)


def test_a_twin_is_two_grains_each_without_strain() -> None:
    positions = twinned()
    grains = fit_grains(positions, CRYSTALS["fcc"])
    assert len(grains) == 2
    assert sum(grain.on.sum() for grain in grains) == len(positions)
    assert not (grains[0].on & grains[1].on).any()
    turn = disorientation(*grains)
    assert turn.angle == pytest.approx(60, abs=1)
    assert np.abs(turn.axis) == pytest.approx(np.ones(3) / np.sqrt(3), abs=0.03)
    assert turn.is_twin
    near = coordination(positions, cutoff=grains[0].cutoff, bulk=12)
    strain, _ = grain_strains(positions, grains, near)
    assert np.sqrt(np.nanmean(strain**2)) < 0.03  # 0.05 Å of noise; the twin's bonds are 60° off the other's
    assert fit_grains(ball(CRYSTALS["fcc"]), CRYSTALS["fcc"])[1:] == ()


def test_disorder_has_no_lattice() -> None:
    rng = np.random.default_rng(0)
    assert fit_lattice(rng.uniform(0, 20, (300, 3)), CRYSTALS["fcc"]) is None


def test_icosahedron_of_55() -> None:
    from ase.cluster import Icosahedron

    positions = Icosahedron("Pt", 3, latticeconstant=3.92).get_positions()
    near = coordination(positions, cutoff=3.4, bulk=12)
    numbers, counts = np.unique(near.number, return_counts=True)
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == {6: 12, 8: 30, 12: 13}
    middle = int(np.linalg.norm(positions - positions.mean(0), axis=1).argmin())
    assert near.generalized[middle] == 12
    assert near.generalized_own_maximum[middle] == 12
    corner = int(near.number.argmin())  # one inner atom and five at edges
    assert near.generalized[corner] == pytest.approx((12 + 5 * 8) / 12)


def test_elements_are_told_or_refused() -> None:
    assert crystal_of("Pt") == Crystal(structure="fcc", lattice_constant=3.92, elements=("Pt",))
    assert crystal_of("Ta").bulk_coordination == 8
    for bad in ({"element": "Qq"}, {"element": "Ga"}, {"element": "Pt", "structure": "hcp"}):
        with pytest.raises(InputError):
            crystal_of(**bad)
    for bad in ("CeO2", "fluorite"), ("Ce", "fluorite"), ("PtCo", None), ("Pt2x", None), ("", None):
        with pytest.raises(InputError):
            crystal_of(*bad)
    alloy = crystal_of("PtNi3")
    assert alloy.is_alloy
    assert alloy.lattice_constant == pytest.approx((3.92 + 3 * 3.52) / 4)
    assert crystal_of("Co", "fcc", 3.54).bond_length == pytest.approx(3.54 / np.sqrt(2))
