import numpy as np
import pytest

from nanonet.records import InputError
from simulate.crystals import crystal, facet_normals
from simulate.structures import (
    Cube,
    ParticleRecipe,
    Plate,
    RandomOrientation,
    RhombicDodecahedron,
    Star,
    TruncatedOctahedron,
    Wulff,
    make_particle,
)


def corners(shape, material="Au", diameter=30.0):
    return shape.solid(crystal(material), diameter, np.random.default_rng(0)).corners()


def fewest(points):
    """Corners that are not one and the same."""
    return np.unique(np.round(points, 6), axis=0)


@pytest.mark.parametrize("material", ["Au", "Pt", "CeO2"])
def test_wulff_shapes_are_those_of_wulffpack(material):
    """An independent construction: the same corners, up to the size."""
    from ase.build import bulk
    from wulffpack import SingleCrystal

    kind = crystal(material)
    energies = {tuple(map(int, family)): value for family, value in kind.surface_energies.items()}
    theirs = SingleCrystal(energies, primitive_structure=bulk("Au", a=kind.lattice_constant), natoms=1000)
    expected = np.concatenate([facet.vertices for form in theirs.forms for facet in form.facets])
    expected = fewest(expected / np.linalg.norm(expected, axis=1).max())
    found = fewest(corners(Wulff(jitter=0), material))
    found /= np.linalg.norm(found, axis=1).max()
    distances = np.linalg.norm(expected[:, None] - found, axis=-1)
    assert distances.min(axis=1).max() < 1e-5
    assert distances.min(axis=0).max() < 1e-5


def test_tetragonal_wulff_shapes_are_those_of_wulffpack():
    from wulffpack import SingleCrystal

    kind = crystal("TiO2")
    energies = {tuple(map(int, family)): value for family, value in kind.surface_energies.items()}
    theirs = SingleCrystal(energies, primitive_structure=kind.unit_cell(), natoms=1000)
    expected = np.concatenate([facet.vertices for form in theirs.forms for facet in form.facets])
    sizes = np.sort(np.linalg.norm(fewest(expected), axis=1))
    found = np.sort(np.linalg.norm(fewest(corners(Wulff(jitter=0), "TiO2")), axis=1))
    np.testing.assert_allclose(found / found[-1], sizes / sizes[-1], atol=1e-5)


def test_polyhedra_have_their_corners():
    cube = fewest(corners(Cube(truncation=(0, 0), jitter=0)))
    assert len(cube) == 8
    np.testing.assert_allclose(np.abs(cube), 15.0)
    octahedron = fewest(corners(TruncatedOctahedron(ratio=(2, 2), jitter=0)))
    assert len(octahedron) == 6
    np.testing.assert_allclose(np.linalg.norm(octahedron, axis=1), 15 * np.sqrt(3))
    regular = fewest(corners(TruncatedOctahedron(ratio=(2 / 3**0.5, 2 / 3**0.5), jitter=0)))
    assert len(regular) == 24
    edges = np.linalg.norm(regular[:, None] - regular, axis=-1)
    assert (np.isclose(edges, edges[edges > 1e-6].min(), rtol=1e-6).sum(axis=1) == 3).all()
    dodecahedron = fewest(corners(RhombicDodecahedron(jitter=0)))
    assert len(dodecahedron) == 14
    sizes = np.unique(np.round(np.linalg.norm(dodecahedron, axis=1), 5))
    np.testing.assert_allclose(sizes, [15 * np.sqrt(1.5), 15 * np.sqrt(2)], atol=1e-4)


@pytest.mark.parametrize("family", ["111", "100", "110"])
def test_facets_of_atoms_lie_where_they_should(family):
    """The outermost atoms are never beyond a facet, and near it, wherever the centre is."""
    recipe = ParticleRecipe(
        materials=["Au"],
        shapes=[Wulff(surface_energies={family: 1.0}, jitter=0)],
        diameter=(30, 30),
        depth=None,
    )
    outermost = []
    for seed in range(5):
        particle = make_particle(recipe, np.random.default_rng(seed))
        normals = facet_normals(family) @ particle.sites.rotation.T
        outermost.append((particle.sites.positions[particle.occupied] @ normals.T).max(axis=0))
    assert np.max(outermost) <= 15.0 + 1e-3
    assert np.min(outermost) > 15.0 - 4.0782 / np.sqrt(3) - 1e-3  # the widest layers


def test_facets_are_moved_by_the_jitter():
    solids = [Wulff(jitter=0.1).solid(crystal("Au"), 40.0, np.random.default_rng(i)) for i in range(40)]
    inner = np.array([solid.distances[:8] for solid in solids]) / 20.0
    assert inner.std() == pytest.approx(0.1, abs=0.02)
    assert inner.mean() == pytest.approx(1.0, abs=0.03)


def test_stars_lose_their_faces_and_keep_their_edges():
    whole, etched = (
        Star(etching=(e, e), spread=0.0).solid(crystal("Pt"), 60.0, np.random.default_rng(0))
        for e in (0.0, 0.6)
    )
    rhombic = RhombicDodecahedron(jitter=0).solid(crystal("Pt"), 60.0, np.random.default_rng(0))
    points = np.random.default_rng(0).uniform(-1, 1, (50000, 3)) * whole.reach
    np.testing.assert_array_equal(whole.inside(points), rhombic.inside(points))
    assert not (etched.inside(points) & ~whole.inside(points)).any()
    # Each face is a pyramid that points inwards: its volume is etching times that of the cone under it.
    assert etched.inside(points).sum() / whole.inside(points).sum() == pytest.approx(0.4, abs=0.02)
    edges = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.75, 0.25, 0.25]]) * 30 * np.sqrt(2)
    assert etched.inside(edges * 0.999).all()
    faces = np.array([[1, 1, 0], [0, -1, 1]]) * 15.0
    assert whole.inside(faces * 1.4 / np.sqrt(2)).all()
    assert not etched.inside(faces * 0.8).any()
    assert etched.inside(faces * 0.39 * np.sqrt(2)).all()


def test_a_star_is_etched_to_a_different_degree_each_time():
    recipe = ParticleRecipe(
        materials=["Pt"],
        shapes=[Star(etching=(0, 0.8))],
        diameter=(60, 60),
        depth=None,
        orientation=RandomOrientation(),
    )
    drawn = [make_particle(recipe, np.random.default_rng(i)) for i in range(6)]
    etching = [particle.about["etching"] for particle in drawn]
    sizes = [particle.occupied.sum() for particle in drawn]
    assert np.corrcoef(etching, sizes)[0, 1] < -0.98
    assert np.ptp(etching) > 0.3


def test_a_prism_has_edges_along_close_packed_rows():
    solid = Plate(facet="111", edges=3, jitter=0).solid(crystal("Ag"), 60.0, np.random.default_rng(0))
    rows = np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1]]) / np.sqrt(2)
    across = np.abs(solid.normals[:3] @ rows.T)
    assert (np.isclose(across, 0, atol=1e-9).sum(axis=1) == 1).all()
    assert np.ptp(solid.corners() @ solid.rests_on) == pytest.approx(solid.about["thickness_angstrom"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Wulff(surface_energies={"110": 1.0}).solid(crystal("PtNi"), 20, _rng()),
            "enclose no particle",
        ),
        (lambda: Wulff(surface_energies={"1a": 1.0}).solid(crystal("Au"), 20, _rng()), "'1a'"),
        (lambda: Star().solid(crystal("TiO2"), 20, _rng()), "cubic"),
        (lambda: Star(etching=(0.5, 1.0)), "etching"),
        (lambda: TruncatedOctahedron(ratio=(1.5, 1.0)), "ratio"),
        (lambda: Plate(thickness=(0.0, 0.5)), "thickness"),
    ],
)
def test_bad_shapes_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def _rng():
    return np.random.default_rng(0)
