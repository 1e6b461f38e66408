"""Surroundings: density, distances, periodicity, and what they tell of themselves."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial import cKDTree

from nanonet.records import InputError
from simulate.environments import AmorphousCarbon, LiquidCell, OxideSupport
from simulate.environments.amorphous_carbon import carbon_film
from simulate.environments.graphene import graphene_stack
from simulate.environments.oxide import oxide_slab, random_rotation, support_crystal
from simulate.environments.water import water
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Specimen

SIDE = 42.0
ENVIRONMENTS = [
    AmorphousCarbon(thickness=(10.0, 20.0)),
    AmorphousCarbon(thickness=12.0, face="entrance"),
    OxideSupport(materials=("TiO2", "Al2O3"), thickness=(10.0, 20.0)),
    LiquidCell(liquid=(8.0, 16.0)),
]


def gold(offset=(3.0, -5.0, 2.0)):
    atoms = bulk("Au", cubic=True) * (6, 6, 6)
    atoms.positions -= atoms.positions.mean(axis=0)
    atoms = atoms[np.linalg.norm(atoms.positions, axis=1) < 9.0]
    atoms = Atoms(atoms.numbers, atoms.positions + offset)
    atoms.set_array(COLUMN, np.arange(len(atoms)))
    atoms.set_array(COUNTED, np.ones(len(atoms), dtype=bool))
    atoms.set_array(INSTANCE, np.ones(len(atoms), dtype=np.int64))
    atoms.set_array(DISPLACEMENT, np.full((len(atoms), 3), 0.1))
    return Specimen(atoms=atoms, thermal_displacements={"Au": 0.088}, about={"shape": "sphere"})


def distances(positions, side, reach, across=None):
    """Distances of pairs in a box that is periodic in x, y; of pairs across its x face only if asked for."""
    positions = positions - positions.min(axis=0)
    period = np.array([side, side, 1e4])
    pairs = cKDTree(positions % period, boxsize=period).query_pairs(reach, output_type="ndarray")
    raw = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    over = np.abs(raw[:, 0]) > side / 2
    raw -= period * np.rint(raw / period)
    found = np.linalg.norm(raw, axis=1)
    return found if across is None else found[over == across]


@pytest.fixture(scope="module")
def film():
    return carbon_film(SIDE, 25.0, np.random.default_rng(3))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: type(e).__name__)
def test_particle_stays_and_surroundings_are_told_apart(environment):
    particle = gold()
    n = len(particle.atoms)
    specimen = environment.surround(particle, SIDE, np.random.default_rng(1))
    atoms = specimen.atoms
    assert len(atoms) > 2 * n
    np.testing.assert_array_equal(atoms.positions[:n], particle.atoms.positions)
    np.testing.assert_array_equal(atoms.arrays[COLUMN][:n], np.arange(n))
    assert (atoms.arrays[INSTANCE][:n] == 1).all()
    assert (atoms.arrays[INSTANCE][n:] == 0).all()
    assert (atoms.arrays[COLUMN][n:] == -1).all()
    assert not atoms.arrays[COUNTED][n:].any()
    assert not atoms.arrays[DISPLACEMENT][n:].any()
    assert set(atoms.get_chemical_symbols()) <= set(specimen.thermal_displacements)
    assert specimen.thermal_displacements["Au"] == 0.088
    assert specimen.about["shape"] == "sphere"
    assert specimen.about["environment"]["kind"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: type(e).__name__)
def test_surroundings_fill_the_box_that_is_centred_on_the_particle(environment):
    particle = gold()
    n = len(particle.atoms)
    added = environment.surround(particle, SIDE, np.random.default_rng(1)).atoms.positions[n:]
    own = particle.atoms.positions
    middle = (own.min(axis=0) + own.max(axis=0))[:2] / 2
    # Hydrogen of water may stick out by its bond.
    assert (np.abs(added[:, :2] - middle) <= SIDE / 2 + 1.0).all()
    counts = np.histogram2d(*(added[:, :2] - middle).T, bins=6, range=[[-SIDE / 2, SIDE / 2]] * 2)[0]
    assert counts.min() > 0.5 * counts.max()
    assert cKDTree(own).query(added)[0].min() > 1.7


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda e: type(e).__name__)
def test_same_seed_same_atoms(environment):
    first, again, other = (
        environment.surround(gold(), SIDE, np.random.default_rng([5, i])) for i in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.atoms.positions, again.atoms.positions)
    assert first.about == again.about
    assert first.about != other.about


def test_film_has_the_density_of_evaporated_carbon_everywhere(film):
    per_gram = 6.02214076e23 / 12.011
    assert len(film) / (SIDE**2 * 25.0 * 1e-24) / per_gram == pytest.approx(2.0, rel=0.02)
    for axis, edge in enumerate((SIDE, SIDE, 25.0)):
        layers = np.histogram(film[:, axis], 5, range=(0, edge))[0]
        # 880 atoms a layer: Poisson's spread would be 3.4 %, and a network is more even than that.
        assert np.ptp(layers) / layers.mean() < 0.12


def test_thick_and_thin_films_have_the_same_density():
    thin = carbon_film(30.0, 3.0, np.random.default_rng(0))
    assert len(thin) == pytest.approx(0.1003 * 30.0**2 * 3.0, rel=0.06)


def test_pair_correlation_of_carbon(film):
    found = distances(film, SIDE, 4.0)
    assert found.min() >= 1.2
    bonds = found[found < 1.85]
    assert 1.42 < bonds.mean() < 1.50
    inside = (film[:, 2] > 3) & (film[:, 2] < 22)
    period = [SIDE, SIDE, 1e4]
    neighbours = cKDTree(film, boxsize=period).query_ball_point(film[inside], 1.85, return_length=True) - 1
    assert 2.8 < neighbours.mean() < 3.4
    counts, edges = np.histogram(found, np.arange(1.2, 4.0, 0.1))
    g = counts / (edges[:-1] + 0.05) ** 2
    # A gap between the first two shells, the second near 2.5 Å.
    assert g[(edges[:-1] > 1.75) & (edges[:-1] < 2.05)].max() < 0.03 * g.max()
    second = edges[:-1][edges[:-1] > 2.1][np.argmax(g[edges[:-1] > 2.1])]
    assert 2.3 < second < 2.6


def test_nothing_tells_the_seam_of_a_film(film):
    over, within = (distances(film, SIDE, 3.0, across=flag) for flag in (True, False))
    # Of bonds a share of reach / side crosses the face: mean |Δx| of a bond is half its length.
    bonds_over, bonds = (over < 1.85).sum(), (within < 1.85).sum()
    assert bonds_over / bonds == pytest.approx(0.5 * 1.47 / SIDE, rel=0.25)
    assert over[over < 1.85].mean() == pytest.approx(within[within < 1.85].mean(), abs=0.02)
    assert over.min() >= 1.2


def test_gap_and_face_of_a_film():
    particle = gold()
    heights = particle.atoms.positions[:, 2]
    n = len(heights)
    for face in ("exit", "entrance"):
        environment = AmorphousCarbon(thickness=10.0, face=face, gap=2.5)
        z = environment.surround(particle, SIDE, np.random.default_rng(0)).atoms.positions[n:, 2]
        gap = z.min() - heights.max() if face == "exit" else heights.min() - z.max()
        assert gap == pytest.approx(2.5, abs=0.15)
        assert np.ptp(z) == pytest.approx(10.0, abs=0.3)


@pytest.mark.parametrize(
    ("name", "density"), [("MgO", 3.58), ("CeO2", 7.21), ("TiO2", 4.25), ("anatase", 3.89), ("Al2O3", 3.99)]
)
def test_oxides_have_their_density_and_composition(name, density):
    rng = np.random.default_rng(0)
    cell = support_crystal(name).unit_cell()
    assert cell.get_masses().sum() / cell.get_volume() / 0.602214 == pytest.approx(density, rel=0.01)
    slab = oxide_slab(cell, random_rotation(rng), 50.0, 40.0, rng)
    middle = (np.abs(slab.positions[:, :2] - 25.0) < 20.0).all(axis=1)
    volume = 40.0**3
    assert slab[middle].get_masses().sum() / volume / 0.602214 == pytest.approx(density, rel=0.02)
    assert distances(slab.positions, 50.0, 2.5).min() >= 1.6


def test_oxide_is_one_crystal_away_from_its_seam():
    rng = np.random.default_rng(4)
    slab = oxide_slab(support_crystal("MgO").unit_cell(), random_rotation(rng), 45.0, 20.0, rng)
    inside = ((slab.positions > 3) & (slab.positions < [42, 42, 17])).all(axis=1)
    count = cKDTree(slab.positions).query_ball_point(slab.positions[inside], 2.2, return_length=True) - 1
    assert (count == 6).all()


def test_water_is_water():
    liquid = water(30.0, 25.0, np.random.default_rng(0))
    assert liquid.get_masses().sum() / (30.0**2 * 25.0) / 0.602214 == pytest.approx(1.0, rel=0.02)
    oxygen, hydrogen = liquid.positions[::3], liquid.positions.reshape(-1, 3, 3)[:, 1:]
    arms = hydrogen - oxygen[:, None]
    np.testing.assert_allclose(np.linalg.norm(arms, axis=-1), 0.958, rtol=1e-6)
    angle = np.degrees(np.arccos((arms[:, 0] * arms[:, 1]).sum(axis=-1) / 0.958**2))
    np.testing.assert_allclose(angle, 104.5, atol=0.01)
    found = distances(oxygen, 30.0, 5.0)
    first = found[found < 3.3]
    assert first.min() > 2.3
    assert 2.7 < first.mean() < 2.9
    # Molecules clash with no other one, but for a few in a thousand.
    clashes = cKDTree(liquid.positions).query_pairs(1.5, output_type="ndarray") // 3
    assert (clashes[:, 0] != clashes[:, 1]).sum() < 0.005 * len(oxygen)


@pytest.mark.parametrize("side", [45.3, 61.7, 83.1])
def test_graphene_repeats_with_the_box(side):
    sheets, strain = graphene_stack(side, 2, np.random.default_rng(2))
    assert strain < 0.01
    lower = sheets.positions[sheets.positions[:, 2] < 1]
    area = 2.461**2 * np.sqrt(0.75) / 2
    assert len(lower) == len(sheets) / 2 == pytest.approx(side**2 / area, rel=0.02)
    tree = cKDTree(lower[:, :2] % side, boxsize=side)
    near, _ = tree.query(lower[:, :2] % side, k=4)
    np.testing.assert_allclose(near[:, 1:], 1.4209, rtol=0.011)
    # AB: half of the upper sheet's atoms lie over atoms, half over the middles of hexagons.
    upper = sheets.positions[sheets.positions[:, 2] > 1]
    over = tree.query(upper[:, :2] % side)[0]
    assert (over < 0.2).sum() == len(upper) / 2


def test_graphene_is_never_strained_much():
    for side in np.arange(36.0, 130.0, 6.7):
        assert graphene_stack(side, 1, np.random.default_rng(0))[1] < (0.01 if side > 72 else 0.02)


def test_windows_enclose_the_liquid_and_the_particle():
    particle = gold()
    n = len(particle.atoms)
    specimen = LiquidCell(liquid=10.0, layers=(2, 2)).surround(particle, SIDE, np.random.default_rng(0))
    symbols = np.array(specimen.atoms.get_chemical_symbols())
    z = specimen.atoms.positions[:, 2]
    carbon = np.unique(np.round(z[symbols == "C"], 3))
    assert len(carbon) == 4
    rest = z[symbols != "C"]
    assert carbon[1] < rest.min() - 1.5
    assert rest.max() + 1.5 < carbon[2]
    assert carbon[2] - carbon[1] == pytest.approx(np.ptp(z[:n]) + 10.0 + 2 * 3.2, abs=0.01)
    assert (symbols == "H").sum() == 2 * (symbols == "O").sum()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AmorphousCarbon(thickness=(30.0, 20.0)), "thickness must be"),
        (lambda: AmorphousCarbon(density=3.5), "g/cm³"),
        (lambda: AmorphousCarbon(face="top"), "exit, entrance or either"),
        (lambda: OxideSupport(materials=("rust",)), "Al2O3, Au"),
        (lambda: LiquidCell(liquid=1.0), "liquid must be"),
        (lambda: LiquidCell(layers=(0, 2)), "layers must be"),
        (lambda: AmorphousCarbon().surround(gold(), 12.0, np.random.default_rng(0)), "too small"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_lists_of_yaml_are_ranges():
    from hydra.utils import instantiate

    node = {"_target_": "simulate.environments.AmorphousCarbon", "thickness": [10, 12]}
    specimen = instantiate(node).surround(gold(), SIDE, np.random.default_rng(0))
    assert 10 <= specimen.about["environment"]["thickness"] <= 12


def test_about_is_plain():
    import json

    for environment, seed in itertools.product(ENVIRONMENTS, range(1)):
        specimen = environment.surround(gold(), SIDE, np.random.default_rng(seed))
        json.dumps(specimen.about)
