"""What every shape promises; a new one adds a line to SHAPES."""

import json

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.configuration import build
from simulate.crystals import crystal
from simulate.specimen import COLUMN, COUNTED
from simulate.structures import ParticleRecipe, RandomOrientation, ZoneAxis, make_particle
from simulate.structures.lattice import cut

SHAPES = {
    "wulff": {"_target_": "simulate.structures.Wulff"},
    "wulff_octahedron": {"_target_": "simulate.structures.Wulff", "surface_energies": {"111": 1.0}},
    "cube": {"_target_": "simulate.structures.Cube"},
    "truncated_octahedron": {"_target_": "simulate.structures.TruncatedOctahedron"},
    "rhombic_dodecahedron": {"_target_": "simulate.structures.RhombicDodecahedron"},
    "star": {"_target_": "simulate.structures.Star"},
    "sphere": {"_target_": "simulate.structures.Sphere"},
    "spheroid": {"_target_": "simulate.structures.Spheroid"},
    "superellipsoid": {"_target_": "simulate.structures.Superellipsoid"},
    "faceted": {"_target_": "simulate.structures.Faceted"},
    "etched": {"_target_": "simulate.structures.Etched"},
    "rod": {"_target_": "simulate.structures.Rod"},
    "plate": {"_target_": "simulate.structures.Plate"},
    "plate_round": {"_target_": "simulate.structures.Plate", "edges": 0},
    "decahedron": {"_target_": "simulate.structures.Decahedron"},
    "icosahedron": {"_target_": "simulate.structures.Icosahedron"},
    "broken": {"_target_": "simulate.structures.Broken", "shape": {"_target_": "simulate.structures.Cube"}},
    "fused": {"_target_": "simulate.structures.Fused"},
    "flat_slab": {"_target_": "simulate.structures.FlatSlab"},
    "stepped_slab": {"_target_": "simulate.structures.SteppedSlab"},
    "saw_tooth_slab": {"_target_": "simulate.structures.SawToothSlab"},
}
BOND = 4.0782 / np.sqrt(2)


@pytest.fixture(params=sorted(SHAPES))
def shape(request):
    return build(SHAPES[request.param])


@pytest.fixture
def solid(shape):
    return shape.solid(crystal("Au"), 26.0, np.random.default_rng(3))


@pytest.fixture
def particle(shape):
    recipe = ParticleRecipe(materials=["Au"], shapes=[shape], diameter=(26, 26), depth=None)
    return make_particle(recipe, np.random.default_rng(5))


def test_nothing_is_inside_beyond_the_reach(solid):
    points = np.random.default_rng(0).standard_normal((4000, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert not solid.inside(points * (solid.reach + 0.01)).any()
    assert solid.inside(np.zeros((1, 3)))[0] or "window" in solid.about


def test_the_reach_is_not_wasteful(solid):
    points = np.random.default_rng(0).uniform(-1, 1, (60000, 3)) * solid.reach
    farthest = np.linalg.norm(points[solid.inside(points)], axis=1).max()
    assert farthest > 0.6 * solid.reach


def test_its_volume_is_near_that_of_its_atoms(solid):
    """An atom of gold fills a quarter of the cell; small bodies hold a few more or less."""
    points = np.random.default_rng(1).uniform(-1, 1, (200000, 3)) * solid.reach
    volume = solid.inside(points).mean() * (2 * solid.reach) ** 3
    numbers = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        numbers.append(cut(crystal("Au"), solid, np.eye(3), margin=4.0, on_axis=False, rng=rng)[1].sum())
    # Grains are anchored with an atom on the origin: their number is one, with the whole shell that it has.
    assert np.mean(numbers) * 4.0782**3 / 4 == pytest.approx(volume, rel=0.25 if solid.grains else 0.06)


def test_no_two_sites_lie_closer_than_a_bond(particle):
    """Or 5 % closer, where grains of a multiply twinned particle are strained; empty sites are sites too."""
    nearest = cKDTree(particle.sites.positions).query(particle.sites.positions, k=2)[0][:, 1]
    assert nearest.min() > 0.95 * BOND
    filled = particle.sites.positions[particle.occupied]
    assert np.median(cKDTree(filled).query(filled, k=2)[0][:, 1]) == pytest.approx(BOND, rel=0.03)


def test_empty_sites_surround_the_filled_ones(particle):
    """Every atom has all its twelve neighbours among the sites, filled or not."""
    around = cKDTree(particle.sites.positions)
    number = around.query_ball_point(
        particle.sites.positions[particle.occupied], 1.15 * BOND, return_length=True
    )
    assert (number >= 13).all()
    far = cKDTree(particle.sites.positions[particle.occupied]).query(particle.sites.positions)[0].max()
    assert 0.9 * BOND < far <= 4.0


def test_columns_are_lines_along_the_beam(particle):
    sites = particle.sites
    for column in np.unique(sites.columns[sites.columns >= 0]):
        places = sites.positions[sites.bounds(column)]
        assert np.ptp(places[:, :2], axis=0).max() < 0.2
        assert (np.diff(places[:, 2]) > 1.0).all()
    assert (sites.columns[particle.occupied & sites.counted] >= 0).mean() > 0.25
    assert np.array_equal(np.lexsort((sites.positions[:, 2], sites.columns)), np.arange(len(sites)))


def test_off_a_zone_axis_there_are_no_columns(shape):
    recipe = ParticleRecipe(
        materials=["Au"], shapes=[shape], diameter=(20, 20), depth=None, orientation=RandomOrientation()
    )
    atoms = recipe.draw(np.random.default_rng(0)).atoms
    assert (atoms.arrays[COLUMN] == -1).all()
    assert atoms.arrays[COUNTED].all()


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_it_is_cut_to_a_depth(shape, depth):
    recipe = ParticleRecipe(
        materials=["Au"],
        shapes=[shape],
        diameter=(30, 30),
        depth=(depth, depth),
        orientation=ZoneAxis(axes=[[1, 1, 0]], mistilt=0),
    )
    particle = make_particle(recipe, np.random.default_rng(2))
    columns = particle.sites.columns[particle.occupied]
    assert np.bincount(columns[columns >= 0]).max() <= depth
    whole = make_particle(
        ParticleRecipe(
            materials=["Au"],
            shapes=[shape],
            diameter=(30, 30),
            depth=None,
            orientation=ZoneAxis(axes=[[1, 1, 0]], mistilt=0),
        ),
        np.random.default_rng(2),
    )
    deepest = np.bincount(whole.sites.columns[whole.occupied] + 1)[1:].max()
    assert np.bincount(columns[columns >= 0]).max() == min(depth, deepest)


def test_it_follows_from_its_generator_only(shape):
    recipe = ParticleRecipe(materials=["Au"], shapes=[shape], diameter=(18, 26), depth=None)
    first, second, other = (make_particle(recipe, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.atoms().positions, second.atoms().positions)
    np.testing.assert_array_equal(first.sites.luck, second.sites.luck)
    assert first.about == second.about
    assert len(first.sites) != len(other.sites)


def test_what_is_told_of_it_goes_into_a_manifest(particle):
    told = json.loads(json.dumps(dict(particle.specimen().about)))
    assert told["shape"] == particle.about["shape"]
    assert told["diameter"] == 26.0


def test_a_larger_diameter_holds_more(shape):
    sizes = [
        make_particle(
            ParticleRecipe(materials=["Au"], shapes=[shape], diameter=(d, d), depth=None),
            np.random.default_rng(1),
        ).occupied.sum()
        for d in (16.0, 32.0)
    ]
    assert sizes[1] > 2 * sizes[0]
