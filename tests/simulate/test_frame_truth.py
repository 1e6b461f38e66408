from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial.transform import Rotation

from simulate.crystals import CRYSTALS
from simulate.draw import ColumnSampler
from simulate.frame_truth import FrameTruth, frame_truth
from simulate.projected import estimated_volume, neighbour_distance
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Specimen
from simulate.structures.recipe import ParticleRecipe
from simulate.view import View, quarter_turn

GOLD = CRYSTALS["Au"]
PIXEL = 0.4
SIDE = 128 * PIXEL
MIDDLE = np.full(3, SIDE / 2)


def sphere(
    radius: float, rotation: np.ndarray | None = None, instance: int = 1, about: np.ndarray | float = 0.0
) -> Atoms:
    """A ball of gold around the origin, its columns told by nothing; ``about`` is a place in the lattice."""
    count = int(np.ceil(2 * radius / GOLD.lattice_constant)) + 4
    atoms = bulk("Au", cubic=True, a=GOLD.lattice_constant).repeat(count)
    atoms.positions -= atoms.positions.mean(axis=0) + about
    atoms = atoms[np.linalg.norm(atoms.positions, axis=1) <= radius]
    atoms.set_cell(None)
    turned = atoms.positions @ (np.eye(3) if rotation is None else rotation).T
    atoms.positions = turned
    atoms.set_array(COLUMN, np.full(len(atoms), -1))
    atoms.set_array(COUNTED, np.ones(len(atoms), dtype=bool))
    atoms.set_array(INSTANCE, np.full(len(atoms), instance))
    atoms.set_array(DISPLACEMENT, np.zeros((len(atoms), 3)))
    return atoms


def at(atoms: Atoms, place: np.ndarray) -> Atoms:
    moved = atoms.copy()
    moved.positions += place
    return moved


def specimen_of(atoms: Atoms, **about: object) -> Specimen:
    known = {"atomic_volume": GOLD.atomic_volume, **about}
    return Specimen(atoms=atoms, thermal_displacements={"Au": 0.08}, about=known)


def whole_view(quarters: int = 0, mirrored: bool = False) -> View:
    """128 pixels square about the middle of the box."""
    axes = quarter_turn(quarters, mirrored=mirrored)
    first = MIDDLE[:2] - axes @ np.full(2, 63.5 * PIXEL)
    return View(origin=(first[0], first[1]), pixel_size=PIXEL, shape=(128, 128), axes=axes)


@pytest.fixture(scope="module")
def particle() -> Specimen:
    """A small ceria particle on [110] with strain, in the middle of its box."""
    drawn = ParticleRecipe(diameter=(24.0, 24.0), depth=(4, 4)).draw(np.random.default_rng(2))
    atoms = drawn.atoms
    moved = 0.01 * atoms.positions * [1.0, 0.0, 0.5]
    atoms.set_array(DISPLACEMENT, moved)
    atoms.positions += moved
    return replace(drawn, atoms=at(atoms, MIDDLE))


@pytest.fixture(scope="module")
def plain(particle: Specimen) -> FrameTruth:
    return frame_truth(particle, whole_view())


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_truth_of_a_turned_view_is_the_turned_truth(particle, plain, quarters, mirrored):
    view = whole_view(quarters, mirrored)
    seen = frame_truth(particle, view)

    def turned(map_: np.ndarray) -> np.ndarray:
        return np.rot90(map_[..., ::-1] if mirrored else map_, -quarters, axes=(-2, -1))

    np.testing.assert_array_equal(seen.mask, turned(plain.mask))
    np.testing.assert_array_equal(seen.labels, turned(plain.labels))
    np.testing.assert_allclose(seen.thickness, turned(plain.thickness), atol=1e-4)
    directions = np.linalg.inv(view.axes)
    field = np.einsum("ij,jyx->iyx", directions, turned(plain.displacement))
    np.testing.assert_allclose(seen.displacement, field, atol=1e-5)
    places = view.to_image(whole_view().to_box(plain.columns.positions))
    np.testing.assert_allclose(seen.columns.positions, places, atol=1e-9)
    np.testing.assert_array_equal(seen.columns.depths, plain.columns.depths)
    shifts = plain.columns.displacements @ directions.T
    np.testing.assert_allclose(seen.columns.displacements, shifts, atol=1e-9)
    np.testing.assert_allclose(seen.atoms.positions[:, 2], plain.atoms.positions[:, 2])
    np.testing.assert_allclose(np.linalg.det(seen.orientation), -1 if mirrored else 1)


def test_turning_the_particle_and_looking_again_is_turning_the_view(particle):
    """The atoms are turned by 90° about the beam, with nothing but a rotation matrix."""
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    atoms = particle.atoms.copy()
    atoms.positions = (atoms.positions - MIDDLE) @ turn.T + MIDDLE
    atoms.set_array(DISPLACEMENT, atoms.arrays[DISPLACEMENT] @ turn.T)
    about = {**particle.about, "rotation": turn @ np.array(particle.about["rotation"])}
    again = frame_truth(replace(particle, atoms=atoms, about=about), whole_view())
    # x goes to y: the image's own axes turned back from the new x and y.
    seen = frame_truth(particle, whole_view(1))
    np.testing.assert_array_equal(again.mask, seen.mask)
    np.testing.assert_allclose(again.thickness, seen.thickness, atol=1e-4)
    np.testing.assert_allclose(again.displacement, seen.displacement, atol=1e-5)
    np.testing.assert_allclose(again.orientation, seen.orientation, atol=1e-9)
    np.testing.assert_allclose(again.atoms.positions, seen.atoms.positions, atol=1e-9)


def test_the_truth_of_a_crop_is_the_cropped_truth(particle, plain):
    view = View(
        origin=(float(whole_view().origin[0] + 50 * PIXEL), float(whole_view().origin[1] + 41 * PIXEL)),
        pixel_size=PIXEL,
        shape=(30, 45),
    )
    crop = (slice(50, 80), slice(41, 86))
    seen = frame_truth(particle, view)
    assert 0 < plain.mask[crop].sum() < plain.mask.sum()
    np.testing.assert_array_equal(seen.mask, plain.mask[crop])
    np.testing.assert_allclose(seen.thickness, plain.thickness[crop], atol=1e-4)
    np.testing.assert_allclose(seen.displacement, plain.displacement[:, crop[0], crop[1]], atol=1e-5)
    shift = np.array([50, 41]) * PIXEL
    inside = view.contains(plain.columns.positions - shift)
    np.testing.assert_allclose(seen.columns.positions, plain.columns.positions[inside] - shift)
    assert view.contains(seen.atoms.positions[:, 1::-1]).all()
    assert len(seen.atoms) < len(plain.atoms)


def test_thickness_keeps_the_volume_of_the_atoms(particle, plain):
    volume = len(particle.atoms) * CRYSTALS["CeO2"].lattice_constant ** 3 / 12
    assert plain.particles[0].volume == pytest.approx(volume)
    assert plain.thickness.sum() * PIXEL**2 == pytest.approx(volume, rel=1e-4)


def test_a_drift_that_shears_the_image_leaves_the_thickness(particle, plain):
    axes = np.eye(2) + np.array([[0.04, 0.03], [-0.02, 0.05]])
    first = MIDDLE[:2] - axes @ np.full(2, 63.5 * PIXEL)
    view = View(origin=(first[0], first[1]), pixel_size=PIXEL, shape=(128, 128), axes=axes)
    seen = frame_truth(particle, view)
    volume = seen.thickness.sum() * PIXEL**2 * np.linalg.det(axes)
    assert volume == pytest.approx(plain.particles[0].volume, rel=1e-4)
    assert seen.thickness[64, 64] == pytest.approx(plain.thickness[64, 64], rel=0.01)
    np.testing.assert_allclose(seen.orientation @ seen.orientation.T, np.eye(3), atol=1e-12)


def test_a_sphere_is_as_thick_as_a_sphere():
    """t = 2 sqrt(R² - r²), as the smoothing leaves it: a mean over lattices whose atoms end at R."""
    y, x = np.mgrid[:128, :128] * PIXEL - 63.5 * PIXEL
    wanted = 2 * np.sqrt(np.maximum(18.0**2 - y**2 - x**2, 0))
    smooth = gaussian_filter(wanted, neighbour_distance(GOLD.atomic_volume) / 2 / PIXEL)
    found = []
    for seed in range(24):
        turn = Rotation.random(random_state=seed).as_matrix()
        atoms = at(sphere(18.0, turn, about=np.random.default_rng(seed).uniform(0, 4, 3)), MIDDLE)
        found.append(frame_truth(specimen_of(atoms), whole_view()).thickness)
    mean = np.mean(found, axis=0)
    np.testing.assert_allclose(mean, smooth, atol=0.7)
    assert np.abs(mean - smooth).mean() < 0.1
    inner = np.hypot(y, x) < 0.7 * 18
    np.testing.assert_allclose(mean[inner], wanted[inner], atol=1.0)
    # One sphere alone is rough by an atom here and there.
    np.testing.assert_allclose(found[0][inner], wanted[inner], atol=2.5)


def test_the_mask_of_a_sphere_ends_half_a_neighbour_beyond_its_atoms():
    atoms = at(sphere(18.0, Rotation.random(random_state=4).as_matrix()), MIDDLE)
    truth = frame_truth(specimen_of(atoms), whole_view())
    distance = neighbour_distance(GOLD.atomic_volume)
    assert distance == pytest.approx(GOLD.lattice_constant / np.sqrt(2))
    y, x = np.mgrid[:128, :128] * PIXEL - 63.5 * PIXEL
    assert np.hypot(y, x)[truth.mask].max() < 18.0 + distance / 2 + PIXEL
    assert truth.mask.sum() * PIXEL**2 > np.pi * 18.0**2
    assert truth.mask[np.hypot(y, x) < 16].all()
    for y, x in truth.atoms.positions[:, 1::-1] / PIXEL:
        assert truth.mask[round(y), round(x)]


@pytest.mark.parametrize("axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_gaps_between_columns_belong_to_the_particle_and_missing_columns_do_not(axis):
    from simulate.crystals import turn_onto_beam

    turn = turn_onto_beam(np.array(axis) / np.linalg.norm(axis))
    atoms = at(sphere(14.0, turn), MIDDLE)
    away = np.linalg.norm(atoms.positions[:, :2] - MIDDLE[:2], axis=1)
    view = whole_view()
    y, x = np.mgrid[:128, :128] * PIXEL - 63.5 * PIXEL
    full = frame_truth(specimen_of(atoms), view).mask
    assert full[np.hypot(y, x) < 12].all()
    pierced = frame_truth(specimen_of(atoms[away > 5.0]), view).mask
    hole = full & ~pierced
    # What is left open is where no column is: the missing ones less their half of the way.
    assert hole[np.hypot(y, x) < 2.0].all()
    assert not hole[np.hypot(y, x) > 7.0].any()


def test_particles_over_one_another_keep_what_is_hidden():
    below, above = sphere(8.0, instance=1), sphere(10.0, instance=2)
    atoms = at(below, MIDDLE + np.array([0, 0, 30])) + at(above, MIDDLE + np.array([9, 0, 0]))
    truth = frame_truth(specimen_of(atoms), whole_view())
    assert [particle.instance for particle in truth.particles] == [2, 1]
    both = truth.amodal(1) & truth.amodal(2)
    assert both.sum() * PIXEL**2 > 50
    assert (truth.labels[both] == 2).all()
    np.testing.assert_array_equal(truth.mask, truth.amodal(1) | truth.amodal(2))
    alone = [frame_truth(specimen_of(atoms[atoms.arrays[INSTANCE] == i]), whole_view()) for i in (1, 2)]
    for instance, single in zip((1, 2), alone, strict=True):
        np.testing.assert_array_equal(truth.amodal(instance), single.mask)
    np.testing.assert_allclose(truth.thickness, sum(single.thickness for single in alone), atol=1e-4)


def test_surroundings_are_atoms_but_no_particle():
    atoms = at(sphere(8.0), MIDDLE) + at(sphere(5.0, instance=0), MIDDLE + np.array([10, 10, 0]))
    truth = frame_truth(specimen_of(atoms), whole_view())
    assert set(np.unique(truth.labels)) == {0, 1}
    assert truth.amodal(1).sum() == truth.mask.sum()
    assert len(truth.atoms) == len(atoms)


def test_the_orientation_turns_the_lattice_into_the_image(particle):
    """Bonds of the seen atoms, turned back, are lattice vectors: half face diagonals between cations."""
    ideal = particle.atoms.copy()
    ideal.positions -= ideal.arrays[DISPLACEMENT]
    for quarters, mirrored in ((0, False), (1, False), (3, True)):
        truth = frame_truth(replace(particle, atoms=ideal), whole_view(quarters, mirrored))
        cations = truth.atoms[truth.atoms.arrays[COUNTED]].positions
        bonds = (cations - cations[len(cations) // 2]) @ truth.orientation
        halves = bonds / (CRYSTALS["CeO2"].lattice_constant / 2)
        np.testing.assert_allclose(halves, np.rint(halves), atol=1e-6)
        assert np.linalg.det(truth.orientation) == pytest.approx(-1 if mirrored else 1)
        assert np.linalg.det(truth.rotation) == pytest.approx(1)
    assert frame_truth(specimen_of(ideal), whole_view()).orientation is None


def test_the_displacement_field_is_the_strain_that_was_put_in(plain):
    """x is stretched by 1 %, y not at all."""
    inner = binary_erosion(plain.mask, iterations=8)
    dy, dx = plain.displacement
    assert np.isnan(dy[~plain.mask]).all()
    np.testing.assert_allclose(dy[inner], 0, atol=1e-6)
    x = np.broadcast_to((np.arange(128) - 63.5) * PIXEL, (128, 128))
    slope = np.polyfit(x[inner], dx[inner], 1)[0]
    assert slope == pytest.approx(0.01, rel=0.1)


def test_a_volume_that_no_crystal_says_is_found_from_the_atoms():
    assert estimated_volume(sphere(12.0).positions) == pytest.approx(GOLD.atomic_volume, rel=1e-3)
    ceria = CRYSTALS["CeO2"].unit_cell().repeat(4).positions
    assert estimated_volume(ceria) == pytest.approx(CRYSTALS["CeO2"].atomic_volume, rel=0.15)
    # A dimer is too small for a tessellation.
    assert estimated_volume(np.array([[0.0, 0, 0], [0, 0, 2.88]])) == pytest.approx(2.88**3 / np.sqrt(2))
    truth = frame_truth(
        Specimen(atoms=at(sphere(9.0), MIDDLE), thermal_displacements={}, about={}), whole_view()
    )
    assert truth.particles[0].volume == pytest.approx(len(truth.atoms) * GOLD.atomic_volume, rel=1e-3)


def test_a_frame_beside_the_particle_shows_nothing():
    view = View(origin=(200.0, 200.0), pixel_size=PIXEL, shape=(20, 30))
    truth = frame_truth(specimen_of(at(sphere(8.0), MIDDLE)), view)
    assert truth.particles == ()
    assert not truth.mask.any()
    assert truth.thickness.shape == (20, 30)
    assert not truth.thickness.any()
    assert len(truth.atoms) == len(truth.columns) == 0


def test_labels_of_the_sampler_are_the_columns_of_the_truth(ceria_shards: Path):
    sampler = ColumnSampler(ceria_shards, crop_pixels=96)
    for seed in range(4):
        sample = sampler.draw(1, np.random.default_rng(seed))
        shard = sampler.read(1)
        _, view = sampler.scene(shard, np.random.default_rng(seed))
        truth = frame_truth(shard, view)
        np.testing.assert_array_equal(sample.positions, truth.columns.counted().positions)
        np.testing.assert_array_equal(sample.depths, truth.columns.counted().depths)
        for y, x in np.clip(np.rint(sample.positions / view.pixel_size), 0, 95).astype(int):
            assert truth.mask[y, x]


def test_a_shard_knows_the_volume_of_its_atoms(ceria_shards: Path):
    shard = ColumnSampler(ceria_shards).read(0)
    assert shard.about["atomic_volume"] == pytest.approx(CRYSTALS["CeO2"].lattice_constant ** 3 / 12)
