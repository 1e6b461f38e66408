import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from nanonet.records import InputError
from simulate.crystals import Crystal, crystal, onto_beam, repeat_along
from simulate.structures import (
    LyingFlat,
    Mixture,
    ParticleRecipe,
    Plate,
    RandomOrientation,
    Rod,
    Sphere,
    Wulff,
    ZoneAxis,
    make_particle,
)
from simulate.truth import columns_of, group_columns

RECIPE = ParticleRecipe(diameter=(14.0, 18.0), depth=(2, 5))


@pytest.mark.parametrize("zone_axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1)])
def test_columns_are_the_lines_of_the_lattice(zone_axis):
    """Exact integer arithmetic: atoms are of one column just if their difference is along [uvw]."""
    atoms = crystal("Au").unit_cell().repeat((4, 4, 4))
    doubled = np.rint(2 * atoms.positions / crystal("Au").lattice_constant).astype(int)
    lines = np.unique(np.cross(doubled, zone_axis), axis=0, return_inverse=True)[1].ravel()
    ids = group_columns(atoms.positions @ onto_beam(zone_axis, 0.3).T)
    pairs = set(zip(ids.tolist(), lines.tolist(), strict=True))
    assert len(pairs) == len(set(ids.tolist())) == len(set(lines.tolist()))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_depths_count_the_cations_and_positions_are_their_mean(seed):
    particle = make_particle(RECIPE, np.random.default_rng(seed))
    atoms = particle.atoms()
    columns = columns_of(atoms).counted()
    cations = atoms.positions[atoms.numbers == 58]
    assert columns.depths.sum() == len(cations) == (particle.occupied & particle.sites.counted).sum()
    assert columns.depths.min() >= 1
    assert columns.depths.max() <= RECIPE.depth[1]
    # With a mistilt of 0.5° a column of 20 Å leans by 0.2 Å: its atoms stay next to its position, and no
    # other column comes near.
    flat = cations[:, 1::-1]
    distances, nearest = cKDTree(columns.positions).query(flat)
    assert distances.max() < 0.3
    np.testing.assert_array_equal(np.bincount(nearest, minlength=len(columns)), columns.depths)
    means = np.array([flat[nearest == column].mean(axis=0) for column in range(len(columns))])
    np.testing.assert_allclose(means, columns.positions, atol=1e-9)


def test_depth_is_drawn_over_its_range():
    depths = [
        columns_of(make_particle(ParticleRecipe(), np.random.default_rng([1, i])).atoms()).depths.max()
        for i in range(40)
    ]
    assert set(range(2, 8)) <= set(depths) <= set(range(2, 10))


@pytest.mark.parametrize("name", ["CeO2", "MgO", "TiO2"])
def test_oxides_are_nearly_stoichiometric_and_keep_their_bonds(name):
    recipe = ParticleRecipe(
        materials=[name], diameter=(35, 35), depth=None, orientation=ZoneAxis(axes=[[0, 0, 1]], mistilt=0)
    )
    atoms = make_particle(recipe, np.random.default_rng(0)).atoms()
    oxygen = atoms.numbers == 8
    ideal = 1 if name == "MgO" else 2
    assert oxygen.sum() / (~oxygen).sum() == pytest.approx(ideal, rel=0.08)
    bonds = cKDTree(atoms.positions[~oxygen]).query(atoms.positions[oxygen])[0]
    lengths = {"CeO2": (2.343, 2.344), "MgO": (2.105, 2.107), "TiO2": (1.94, 1.99)}[name]
    assert lengths[0] <= bonds.min() <= bonds.max() <= lengths[1]
    # Every metal atom keeps at least half of the oxygens that it has in the bulk.
    reach = 1.1 * np.median(bonds)
    number = cKDTree(atoms.positions[oxygen]).query_ball_point(
        atoms.positions[~oxygen], reach, return_length=True
    )
    assert number.max() == {"CeO2": 8, "MgO": 6, "TiO2": 6}[name]
    assert (number >= 2).mean() > 0.97


def test_mistilt_turns_the_zone_axis_off_the_beam_by_at_most_what_is_asked_for():
    tilts = [np.arccos(make_particle(RECIPE, np.random.default_rng(i)).mistilt[2, 2]) for i in range(20)]
    assert 0.2 < np.degrees(max(tilts)) <= 0.5
    particle = make_particle(RECIPE, np.random.default_rng(1))
    upright = particle.sites.positions[particle.occupied]
    rotation = np.linalg.lstsq(upright, particle.atoms().positions, rcond=None)[0].T
    np.testing.assert_allclose(rotation, particle.mistilt, atol=1e-9)
    told = np.hypot(*particle.about["mistilt_degrees"])
    assert np.degrees(np.arccos(rotation[2, 2])) == pytest.approx(told, rel=1e-4)
    about = particle.specimen().about
    np.testing.assert_allclose(about["rotation"], rotation @ particle.sites.rotation, atol=1e-9)


def test_the_lattice_lies_as_the_rotation_says():
    """Turned back, all sites of gold are a lattice vector apart."""
    recipe = ParticleRecipe(materials=["Au"], depth=None, orientation=RandomOrientation())
    particle = make_particle(recipe, np.random.default_rng(3))
    own = particle.sites.positions @ particle.sites.rotation
    steps = 2 * (own - own[0]) / 4.0782
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    assert (np.rint(steps).astype(int).sum(axis=1) % 2 == 0).all()


def test_random_orientations_are_uniform_on_so3():
    """The mean of a uniform rotation is zero, and that of the squares of its entries one third."""
    solid = Sphere().solid(crystal("Au"), 10.0, np.random.default_rng(0))
    rotations = np.array(
        [
            RandomOrientation().draw(crystal("Au"), solid, np.random.default_rng(i)).rotation
            for i in range(3000)
        ]
    )
    np.testing.assert_allclose(rotations.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose((rotations**2).mean(axis=0), 1 / 3, atol=0.03)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)


@pytest.mark.parametrize(("axis", "repeat"), [((1, 0, 0), 3.9242), ((1, 1, 0), 2.7748), ((1, 1, 1), 6.797)])
def test_metals_have_full_columns(axis, repeat):
    recipe = ParticleRecipe(
        materials=["Pt"],
        orientation=ZoneAxis(axes=[axis], mistilt=0),
        diameter=(26, 26),
        depth=(3, 3),
    )
    atoms = make_particle(recipe, np.random.default_rng(0)).atoms()
    columns = columns_of(atoms)
    assert set(atoms.numbers) == {78}
    assert columns.depths.max() == 3
    assert (columns.occupancy == 1).all()
    assert repeat_along(crystal("Pt"), axis) == pytest.approx(repeat, abs=1e-3)
    for column in columns.ids:
        heights = np.sort(atoms.positions[atoms.arrays["column"] == column, 2])
        np.testing.assert_allclose(np.diff(heights), repeat, rtol=1e-3)


def test_the_centre_of_a_particle_lies_anywhere_in_the_cell():
    """Sizes of spheres of one diameter differ, as their centres do."""
    recipe = ParticleRecipe(materials=["Au"], shapes=[Sphere()], diameter=(20, 20), depth=None)
    sizes = {make_particle(recipe, np.random.default_rng(i)).occupied.sum() for i in range(10)}
    assert len(sizes) > 4
    assert np.mean(list(sizes)) == pytest.approx(4 / 3 * np.pi * 10**3 / (4.0782**3 / 4), rel=0.05)


def test_a_crystal_of_any_cell_is_cut():
    graphite = Crystal(
        name="graphite",
        cell=[2.464, 2.464, 6.711, 90, 90, 120],
        symbols=["C"] * 4,
        scaled_positions=[[0, 0, 0.25], [0, 0, 0.75], [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]],
    )
    recipe = ParticleRecipe(
        materials=[graphite], shapes=[Wulff()], orientation=ZoneAxis(axes=[[0, 0, 1]], mistilt=0), depth=None
    )
    particle = make_particle(recipe, np.random.default_rng(0))
    atoms = particle.atoms()
    nearest = cKDTree(atoms.positions).query(atoms.positions, k=2)[0][:, 1]
    np.testing.assert_allclose(nearest, 2.464 / np.sqrt(3), rtol=1e-6)
    heights = np.unique(np.round(atoms.positions[:, 2], 3))
    np.testing.assert_allclose(np.diff(heights), 6.711 / 2, atol=2e-3)


def test_rods_and_plates_lie_flat():
    for shape, along in ((Rod(axis=(0, 0, 1), aspect=(3, 3)), (0, 0, 1)), (Plate(), (1, 1, 1))):
        recipe = ParticleRecipe(
            materials=["Au"],
            shapes=[shape],
            diameter=(20, 20),
            depth=None,
            orientation=LyingFlat(mistilt=2.0),
        )
        turned = []
        for seed in range(8):
            particle = make_particle(recipe, np.random.default_rng(seed))
            axis = particle.mistilt @ particle.sites.rotation @ np.array(along) / np.linalg.norm(along)
            off = np.arcsin(abs(axis[2])) if isinstance(shape, Rod) else np.arccos(abs(axis[2]))
            assert np.degrees(off) <= 2.0
            turned.append(np.arctan2(axis[1], axis[0]))
            spread = np.ptp(particle.atoms().positions, axis=0)
            assert spread[2] < 22 < spread[:2].max() + 4
        assert np.std(turned) > 0.5
    with pytest.raises(InputError, match="lie flat"):
        LyingFlat().draw(crystal("Au"), Sphere().solid(crystal("Au"), 10, _rng()), _rng())


def _rng():
    return np.random.default_rng(0)


def test_mixtures_draw_their_recipes_as_often_as_asked():
    mixture = Mixture(
        recipes=[
            ParticleRecipe(materials=["Au"], diameter=(10, 10), depth=None),
            ParticleRecipe(materials=["Pt"], diameter=(10, 10), depth=None),
        ],
        weights=[3, 1],
    )
    drawn = [mixture.draw(np.random.default_rng(i)).about["material"] for i in range(100)]
    assert drawn.count("Au") / 100 == pytest.approx(0.75, abs=0.13)
    first, again = (mixture.draw(np.random.default_rng(5)).atoms for _ in range(2))
    np.testing.assert_array_equal(first.positions, again.positions)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ParticleRecipe(materials=["Unobtainium"]), "no crystal"),
        (lambda: ParticleRecipe(materials="Au"), "list"),
        (lambda: ParticleRecipe(materials=["missing.cif"]), "no crystal file missing.cif"),
        (lambda: ParticleRecipe(materials=[{"path": "x"}]), "each of materials"),
        (lambda: ParticleRecipe(shapes=["sphere"]), "each of shapes"),
        (lambda: ParticleRecipe(diameter=(30.0, 20.0)), "diameter"),
        (lambda: ParticleRecipe(depth=(0, 4)), "depth"),
        (lambda: ZoneAxis(axes=[[0, 0, 0]]), "axes"),
        (lambda: ZoneAxis(mistilt=-1), "mistilt"),
        (lambda: Mixture(recipes=[]), "needs recipes"),
        (lambda: Mixture(recipes=[ParticleRecipe()], weights=[1, 2]), "weights"),
        (lambda: make(orientation=RandomOrientation()), "depth=null"),
        (lambda: make_particle(object(), np.random.default_rng(0)), "no lattice sites"),
        (lambda: make(diameter=(0.5, 0.5), depth=None, shapes=[Sphere()]), "holds no atom"),
        (lambda: make(diameter=(900, 900), depth=None), "lessen diameter"),
    ],
)
def test_bad_recipes_are_refused_in_one_line(make, message):
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def make(**changes):
    return make_particle(ParticleRecipe(**changes), np.random.default_rng(0))
