import numpy as np
import pytest
from crystal_pieces import piece

from simulate.defects import Dislocation, StackingFault, Twin
from simulate.defects.elasticity import straight_dislocation
from simulate.defects.planes import bond_vectors
from simulate.defects.surroundings import crowded
from simulate.structures.changes import coordination, neighbours

MIDDLE = {"offset": (-0.1, 0.1)}


def rng(seed=0):
    return np.random.default_rng(seed)


def environments(particle):
    """Return sites of fcc and of hcp surroundings: 12 or just the 6 in plane have an opposite neighbour."""
    sites = particle.sites
    first, second = neighbours(sites).T
    starts, ends = np.concatenate([first, second]), np.concatenate([second, first])
    full = np.flatnonzero(particle.occupied & (coordination(sites, particle.occupied) == 12))
    fcc, hcp = [], []
    for site in full:
        vectors = (sites.positions[ends[starts == site]] - sites.positions[site]).round(3)
        opposite = sum(np.abs(vectors + one).max(axis=1).min() < 0.01 for one in vectors)
        (fcc if opposite == 12 else hcp).append(site)
        assert opposite in (6, 12)
    return np.array(fcc, dtype=int), np.array(hcp, dtype=int)


def layers(particle, sites):
    normal = np.array(particle.about["defects"][-1]["normal"])
    return np.unique((particle.sites.positions[sites] @ normal).round(2))


@pytest.mark.parametrize("axis", [(1, 1, 0), (1, 1, 1), (0, 0, 1), (1, 1, 2), None])
def test_a_twin_boundary_is_one_hexagonal_layer(axis):
    twin = Twin(**MIDDLE).apply(piece("Au", axis, radius=13.0), rng(3))
    fcc, hcp = environments(twin)
    assert len(fcc) > 100
    assert len(layers(twin, hcp)) == 1
    assert len(crowded(twin, closest=0.99)) == 0


def test_a_lamella_has_two_boundaries_that_far_apart():
    twin = Twin(count=(2, 2), spacing=(3, 3), **MIDDLE).apply(piece("Au", radius=14.0), rng(1))
    hcp = layers(twin, environments(twin)[1])
    assert len(hcp) == 2
    assert np.diff(hcp) == pytest.approx(3 * 4.0782 / np.sqrt(3), abs=0.02)


def test_beyond_a_twin_boundary_the_crystal_is_the_mirror_image():
    before = piece("Au", radius=14.0)
    twin = Twin(**MIDDLE).apply(before, rng(3))
    note = twin.about["defects"][-1]
    normal, height = np.array(note["normal"]), note["heights"][0]
    mirror = np.eye(3) - 2 * np.outer(normal, normal)
    vectors = bond_vectors(before.sites)
    first, second = neighbours(twin.sites).T
    both = twin.sites.positions @ normal > height + 3
    above = both[first] & both[second]
    found = (twin.sites.positions[second] - twin.sites.positions[first])[above]
    nearest = np.linalg.norm(found[:, None] - vectors @ mirror.T, axis=-1).min(axis=1)
    assert nearest.max() < 1e-6
    assert np.linalg.norm(found[:, None] - vectors, axis=-1).min(axis=1).max() > 0.5


def test_a_twin_of_ceria_keeps_all_distances():
    twin = Twin(**MIDDLE).apply(piece("CeO2", radius=16.0), rng(3))
    assert twin.about["defects"][-1]["heights"]
    assert len(crowded(twin, closest=0.99)) == 0
    # Ce beside the boundary keeps at least 7 of its 8 anions.
    sites = twin.sites
    cations = sites.positions[twin.occupied & sites.counted]
    anions = sites.positions[twin.occupied & ~sites.counted]
    inside = np.linalg.norm(cations, axis=1) < 10
    number = (np.linalg.norm(cations[inside][:, None] - anions, axis=-1) < 2.5).sum(axis=1)
    assert set(number.tolist()) == {7, 8}


def test_columns_survive_where_the_zone_axis_does():
    for axis, kept in (((1, 1, 0), True), ((1, 1, 1), True), ((1, 1, 2), True), ((0, 0, 1), False)):
        twin = Twin(**MIDDLE).apply(piece("Au", axis, radius=12.0), rng(3))
        in_column = twin.sites.columns[twin.occupied] >= 0
        assert in_column.all() == kept
        assert in_column.mean() > 0.2
    assert (Twin(**MIDDLE).apply(piece("Au", None), rng(3)).sites.columns == -1).all()


def test_a_column_through_a_twin_across_the_beam_goes_on():
    before = piece("Au", (1, 1, 1), radius=13.0)
    twin = Twin(**MIDDLE).apply(before, rng(3))
    assert len(np.unique(twin.sites.columns[twin.occupied])) <= 1.1 * len(
        np.unique(before.sites.columns[before.occupied])
    )


def test_an_intrinsic_fault_is_two_hexagonal_layers_and_an_extrinsic_one_has_a_cubic_one_between():
    spacing = 3.9242 / np.sqrt(3)
    for extrinsic, apart in ((0.0, spacing), (1.0, 2 * spacing)):
        fault = StackingFault(extrinsic=extrinsic, **MIDDLE).apply(piece("Pt", radius=14.0), rng(1))
        hcp = layers(fault, environments(fault)[1])
        assert len(hcp) == 2
        assert np.diff(hcp) == pytest.approx(apart, abs=0.02)
        assert len(crowded(fault, closest=0.99)) == 0
        assert (fault.sites.columns >= 0).all()


def test_the_crystal_above_a_fault_has_slipped_by_a_sixth_of_112():
    before = piece("Pt", radius=12.0)
    fault = StackingFault(extrinsic=0.0).apply(before, rng(1))
    first, last = (np.sort(p.sites.positions.sum(axis=1)) for p in (before, fault))
    assert not np.allclose(first, last)
    normal = np.array(fault.about["defects"][-1]["normal"])
    beyond = fault.sites.positions @ normal > fault.about["defects"][-1]["heights"][0]
    shift = fault.sites.positions[beyond].mean(axis=0) - before.sites.positions[
        before.sites.positions @ normal > fault.about["defects"][-1]["heights"][0]
    ].mean(axis=0)
    assert np.linalg.norm(shift) == pytest.approx(3.9242 / np.sqrt(6), rel=1e-3)
    assert shift @ normal == pytest.approx(0, abs=1e-9)


def test_what_is_no_single_fcc_crystal_is_left_alone():
    twinned = Twin(**MIDDLE).apply(piece("Au", radius=12.0), rng(3))
    for defect in (Twin(), StackingFault(), Dislocation()):
        again = defect.apply(twinned, rng())
        np.testing.assert_array_equal(again.sites.positions, twinned.sites.positions)
        np.testing.assert_array_equal(again.displacements, twinned.displacements)


def circuit(particle, line, steps, centre):
    """Walk a closed circuit of lattice vectors from atom to atom; return by what its sites fail to close."""
    from scipy.spatial import cKDTree

    vectors = bond_vectors(particle.sites)
    sums = (vectors[:, None] + vectors).reshape(-1, 3)
    candidates = np.concatenate([vectors, sums])
    across = candidates[np.abs(candidates @ line) < 0.05]
    across = across[np.linalg.norm(across, axis=1) > 1]
    across = across[np.argsort(np.linalg.norm(across, axis=1), kind="stable")]
    one = across[0]
    other = next(v for v in across if abs(np.cross(one, v) @ line) > 1 and abs(one @ v) < 0.1)
    counted = np.flatnonzero(particle.occupied & particle.sites.counted)
    real = (particle.sites.positions + particle.displacements)[counted]
    tree = cKDTree(real)
    start = at = tree.query(centre - steps / 2 * (one + other))[1]
    for vector in (one, other, -one, -other):
        for _ in range(steps if abs(vector @ one) > 0.1 else round(steps * 0.7)):
            distance, at = tree.query(real[at] + vector)
            assert distance < 0.35 * np.linalg.norm(vectors[0])
    ideal = particle.sites.positions[counted]
    return ideal[at] - ideal[start]


@pytest.mark.parametrize("name", ["Au", "CeO2"])
@pytest.mark.parametrize("character", ["edge", "mixed", "screw"])
def test_the_burgers_circuit_fails_to_close_by_the_burgers_vector(name, character):
    radius = 17.0 if name == "Au" else 22.0
    defect = Dislocation(characters=[character], offset=(0.0, 0.0), dissociation=(0.0, 0.0))
    bent = defect.apply(piece(name, radius=radius), rng(2))
    note = bent.about["defects"][-1]
    assert note["character"] == character
    burgers, line = np.array(note["burgers"]), np.array(note["line"])
    failure = circuit(bent, line, 4, np.array(note["through"]))
    assert np.abs(np.abs(failure @ burgers) / (burgers @ burgers) - 1) < 1e-6
    np.testing.assert_allclose(np.linalg.norm(failure), np.linalg.norm(burgers), rtol=1e-6)


def test_displacements_are_smooth_but_for_the_cut():
    bent = Dislocation(characters=["edge"], offset=(0.0, 0.0)).apply(piece("Au", radius=20.0), rng(2))
    note = bent.about["defects"][-1]
    size = np.linalg.norm(note["burgers"])
    normal, line = np.array(note["plane"]), np.array(note["line"])
    along = np.cross(normal, line)
    away = bent.sites.positions - np.array(note["through"])
    x, y = away @ along, away @ normal
    pairs = neighbours(bent.sites)
    pairs = pairs[bent.occupied[pairs].all(axis=1)]
    jump = np.linalg.norm(bent.displacements[pairs[:, 0]] - bent.displacements[pairs[:, 1]], axis=1)
    far = np.hypot(x[pairs].mean(axis=1), y[pairs].mean(axis=1)) > 8
    crossing = (y[pairs[:, 0]] * y[pairs[:, 1]] < 0) & (x[pairs].mean(axis=1) < 0)
    assert jump[far & ~crossing].max() < 0.2 * size
    assert jump[far & crossing].min() > 0.6 * size


def test_the_field_of_a_dislocation_is_in_equilibrium_and_gains_the_burgers_vector():
    poisson, step = 0.35, 1e-2
    known = {"edge": 2.0, "screw": 1.0, "poisson": poisson, "core": 1e-6}

    def field(x, y):
        return straight_dislocation(np.atleast_1d(x), np.atleast_1d(y), **known)[0]

    angles = np.array([-np.pi + 1e-9, np.pi - 1e-9])
    ends = straight_dislocation(5 * np.cos(angles), 5 * np.sin(angles), **known)
    np.testing.assert_allclose(ends[1] - ends[0], [2.0, 0.0, 1.0], atol=1e-6)

    def second(x, y, i, j):
        di, dj = step * np.eye(2)[i], step * np.eye(2)[j]
        p = np.array([x, y])
        return (
            field(*(p + di + dj)) - field(*(p + di - dj)) - field(*(p - di + dj)) + field(*(p - di - dj))
        ) / (4 * step**2)

    for x, y in ((3.0, 2.0), (-2.0, 4.0), (1.0, -5.0)):
        xx, yy, xy = second(x, y, 0, 0), second(x, y, 1, 1), second(x, y, 0, 1)
        laplace = xx + yy
        gradient = np.array([xx[0] + xy[1], xy[0] + yy[1]])
        navier = (1 - 2 * poisson) * laplace[:2] + gradient  # Navier's equation without forces
        np.testing.assert_allclose(navier, 0, atol=2e-5)
        assert laplace[2] == pytest.approx(0, abs=2e-5)


def test_partials_enclose_a_stacking_fault():
    width = 14.0
    defect = Dislocation(characters=["mixed"], offset=(0.0, 0.0), dissociation=(width, width))
    split = defect.apply(piece("Au", radius=24.0), rng(4))
    note = split.about["defects"][-1]
    assert note["width"] == pytest.approx(width)
    # Across the fault the atoms are in each other's hollows: layers as far apart as in the crystal.
    assert len(crowded(split, closest=0.85)) == 0
    whole = Dislocation(characters=["mixed"], offset=(0.0, 0.0), dissociation=(0.0, 0.0)).apply(
        piece("Au", radius=24.0), rng(4)
    )
    assert whole.about["defects"][-1]["width"] == 0
    assert not np.allclose(whole.displacements, split.displacements)


def test_a_line_along_the_beam_has_the_characters_that_its_direction_allows():
    found = {
        Dislocation().apply(piece("Au", (1, 1, 0), radius=10.0), rng(seed)).about["defects"][0]["character"]
        for seed in range(25)
    }
    assert found == {"edge", "mixed", "screw"}
    none = Dislocation(characters=["screw"]).apply(piece("Au", (0, 0, 1), radius=10.0), rng())
    assert none.about["defects"][0]["burgers"] is None
