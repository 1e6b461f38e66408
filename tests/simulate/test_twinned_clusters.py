import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.records import InputError
from simulate.crystals import crystal
from simulate.structures import Decahedron, Icosahedron, ParticleRecipe, ZoneAxis, make_particle
from simulate.structures.twinned import decahedron_grains, icosahedron_grains

BOND = 4.0782 / np.sqrt(2)
MAGIC = [13, 55, 147, 309, 561]  # Mackay's numbers


def cluster(shape, diameter, axis=(1, 1, 0), seed=0, material="Au"):
    recipe = ParticleRecipe(
        materials=[material],
        shapes=[shape],
        diameter=(diameter, diameter),
        depth=None,
        orientation=ZoneAxis(axes=[axis], mistilt=0),
    )
    return make_particle(recipe, np.random.default_rng(seed))


def coordination(positions):
    return cKDTree(positions).query_ball_point(positions, 1.2 * BOND, return_length=True) - 1


def layer():
    """Distance of the shells of an icosahedron along a threefold axis."""
    squeezed = np.array(icosahedron_grains()[0].deformation) @ np.ones(3) / np.sqrt(3)
    return 4.0782 / np.sqrt(3) * np.linalg.norm(squeezed)


@pytest.mark.parametrize("shells", range(1, 6))
def test_icosahedra_have_the_magic_numbers(shells):
    particle = cluster(Icosahedron(jitter=0), 2 * (shells + 0.5) * layer())
    assert particle.occupied.sum() == MAGIC[shells - 1]


def test_an_icosahedron_of_55_has_its_coordination_numbers():
    particle = cluster(Icosahedron(jitter=0), 5.0 * layer())
    numbers, counts = np.unique(coordination(particle.atoms().positions), return_counts=True)
    assert dict(zip(numbers.tolist(), counts.tolist(), strict=True)) == {6: 12, 8: 30, 12: 13}


@pytest.mark.parametrize("shells", [2, 4])
def test_it_is_the_cluster_that_ase_builds(shells):
    """All distances between atoms, up to a scale: an independent construction."""
    from ase.cluster import Icosahedron as Reference

    ours = cluster(Icosahedron(jitter=0), 2 * (shells + 0.5) * layer()).atoms()
    theirs = Reference("Au", shells + 1)
    assert len(ours) == len(theirs)
    first, second = (np.sort(atoms.get_all_distances().ravel()) for atoms in (ours, theirs))
    np.testing.assert_allclose(first / first[-1], second / second[-1], atol=1e-9)


def test_grains_keep_their_volume_and_close():
    for grains, number in ((icosahedron_grains(), 20), (decahedron_grains(), 5)):
        assert len(grains) == number
        assert all(np.linalg.det(grain.deformation) == pytest.approx(1.0) for grain in grains)
        points = np.random.default_rng(0).standard_normal((5000, 3))
        held = np.sum([grain.holds(points * 100) for grain in grains], axis=0)
        assert (held >= 1).all()  # no gap
        assert (held == 1).mean() > 0.999  # no overlap but the planes


def test_bonds_of_an_icosahedron_are_short_along_the_radius_and_long_across():
    atoms = cluster(Icosahedron(jitter=0), 9.0 * layer()).atoms()
    pairs = cKDTree(atoms.positions).query_pairs(1.2 * BOND, output_type="ndarray")
    lengths = np.linalg.norm(np.diff(atoms.positions[pairs], axis=1)[:, 0], axis=1) / BOND
    assert lengths.min() == pytest.approx(0.976, abs=0.001)
    assert lengths.max() == pytest.approx(1.026, abs=0.001)
    assert lengths.max() / lengths.min() == pytest.approx(1.0515, abs=1e-3)  # 1 / sin 72°, any icosahedron


def rotated_onto_itself(positions, fold):
    """Largest distance of an atom from one, after a turn by 360° / fold about z."""
    angle = 2 * np.pi / fold
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return cKDTree(positions).query(positions @ turn.T)[0].max()


@pytest.mark.parametrize(("axis", "fold"), [((1, 1, 0), 5), ((1, 1, 1), 3), ((2, 1, 1), 2)])
def test_its_axes_lie_along_the_beam(axis, fold):
    particle = cluster(Icosahedron(jitter=0), 20.0, axis)
    positions = particle.sites.positions[particle.occupied]
    assert rotated_onto_itself(positions, fold) < 1e-6
    assert rotated_onto_itself(positions, 4) > 0.5


@pytest.mark.parametrize(
    ("axis", "deepest"),
    # Along its fivefold axis atom lies on atom, 2 · shells + 1; along the threefold one every third layer.
    [((1, 1, 0), 9), ((1, 1, 1), 3), ((2, 1, 1), 5)],
)
def test_columns_of_an_icosahedron(axis, deepest):
    particle = cluster(Icosahedron(jitter=0), 9.0 * layer(), axis)
    filled = particle.sites.columns[particle.occupied]
    counts = np.bincount(filled[filled >= 0])
    assert counts.max() == deepest
    flat = particle.sites.positions[:, :2]
    # Independent of how they were found: atoms of one column share (x, y), those of two do not.
    for column in range(0, particle.sites.columns.max(), 3):
        own = flat[particle.sites.bounds(column)]
        same = np.linalg.norm(flat - own[0], axis=1) < 1e-4
        assert set(particle.sites.columns[same]) <= {column, -1}
        np.testing.assert_allclose(own, own[:1].repeat(len(own), axis=0), atol=1e-6)


def test_a_decahedron_on_its_fivefold_axis_is_all_columns():
    particle = cluster(Decahedron(jitter=0, notch=(0.2, 0.2), aspect=(1.0, 1.0)), 40.0)
    positions = particle.sites.positions[particle.occupied]
    assert rotated_onto_itself(positions, 5) < 1e-6
    assert (particle.sites.columns >= 0).all()
    places = np.array([particle.sites.positions[particle.sites.bounds(c)][0, :2] for c in range(60)])
    assert cKDTree(places).query(places, k=2)[0][:, 1].min() > 2.3
    heights = particle.sites.positions[particle.sites.bounds(0), 2]
    np.testing.assert_allclose(np.diff(heights), BOND, rtol=1e-6)


def test_marks_decahedra_have_grooves_and_inos_have_none():
    ino, marks = (
        cluster(Decahedron(jitter=0, notch=(notch, notch), aspect=(1.0, 1.0)), 40.0) for notch in (0.0, 0.3)
    )
    assert marks.occupied.sum() < ino.occupied.sum()
    positions = ino.sites.positions[ino.occupied]
    numbers = coordination(positions)
    # The axis of an Ino decahedron is of atoms of bulk coordination but for its two tips.
    axis = np.linalg.norm(positions[:, :2], axis=1) < 0.1
    assert (numbers[axis] == 12).sum() == axis.sum() - 2
    # A re-entrant groove: columns at its bottom have more neighbours than any ridge would.
    assert (
        np.linalg.norm(marks.sites.positions[marks.occupied, :2], axis=1).max()
        < np.linalg.norm(positions[:, :2], axis=1).max()
    )


def test_only_grains_on_a_zone_axis_have_columns():
    particle = cluster(Decahedron(jitter=0), 30.0, axis=(0, 0, 1))
    off = particle.sites.columns[particle.occupied] == -1
    assert 0.2 < off.mean() < 0.8


@pytest.mark.parametrize("shape", [Icosahedron(), Decahedron()])
@pytest.mark.parametrize("material", ["CeO2", "PtNi"])
def test_they_are_of_fcc_metals(shape, material):
    with pytest.raises(InputError, match="fcc metals"):
        shape.solid(crystal(material), 20.0, np.random.default_rng(0))


def test_they_may_be_of_ordered_and_disordered_cubic_alloys():
    assert cluster(Icosahedron(), 20.0, material="Pt3Ni").occupied.sum() > 100
