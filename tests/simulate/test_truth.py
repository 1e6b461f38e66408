import numpy as np
import pytest
from ase import Atoms

from simulate.crystals import CRYSTALS, turn_onto_beam
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE
from simulate.structures.orientation import ZoneAxis
from simulate.structures.recipe import ParticleRecipe
from simulate.truth import columns_of, group_columns
from simulate.view import View, quarter_turn


def marked(symbols, positions, columns, counted, displacements=None) -> Atoms:
    atoms = Atoms(symbols, positions=positions)
    atoms.set_array(COLUMN, np.array(columns))
    atoms.set_array(COUNTED, np.array(counted, dtype=bool))
    atoms.set_array(INSTANCE, np.ones(len(atoms), dtype=int))
    atoms.set_array(DISPLACEMENT, np.zeros((len(atoms), 3)) if displacements is None else displacements)
    return atoms


@pytest.fixture
def three_columns() -> Atoms:
    """Ce with O in column 7, O alone in column 4, Ce with a vacancy in column 9, one atom of no column."""
    return marked(
        "CeCeOOOCeCeCeC",
        [
            *([1.0, 2.0, 0.0], [1.1, 2.0, 3.8], [1.5, 2.6, 1.9]),
            *([5.0, 6.0, 0.0], [5.0, 6.2, 1.9]),
            *([8.0, 3.0, 0.0], [8.0, 3.0, 3.8], [8.0, 3.0, 11.4]),
            [20.0, 20.0, 0.0],
        ],
        [7, 7, 7, 4, 4, 9, 9, 9, -1],
        [1, 1, 0, 0, 0, 1, 1, 1, 1],
    )


def test_depth_counts_the_cations_and_places_the_column(three_columns):
    columns = columns_of(three_columns)
    np.testing.assert_array_equal(columns.ids, [4, 7, 9])
    np.testing.assert_array_equal(columns.depths, [0, 2, 3])
    # Anions in a column of cations do not pull it; a column of anions alone lies where they are.
    np.testing.assert_allclose(columns.positions, [[6.1, 5.0], [2.0, 1.05], [3.0, 8.0]])


def test_every_element_is_counted_column_by_column(three_columns):
    columns = columns_of(three_columns)
    assert columns.elements == ("O", "Ce")
    np.testing.assert_array_equal(columns.counts, [[2, 0], [1, 2], [0, 3]])
    assert len(columns) == 3


def test_occupancy_is_the_filled_share_from_first_to_last(three_columns):
    np.testing.assert_allclose(columns_of(three_columns).occupancy, [1, 1, 3 / 4])


def test_counted_columns_are_those_that_are_labelled(three_columns):
    columns = columns_of(three_columns).counted()
    np.testing.assert_array_equal(columns.ids, [7, 9])
    assert columns.counts.shape == (2, 2)


def test_displacements_are_means_over_the_atoms_that_place_the_column():
    moved = np.array([[0.1, 0.0, 0.0], [0.3, -0.2, 5.0], [9.0, 9.0, 9.0]])
    positions = [[0.0, 0.0, 0.0], [0.0, 0.0, 3.8], [0.0, 0.0, 1.9]]
    atoms = marked("CeCeO", positions, [0, 0, 0], [1, 1, 0], moved)
    np.testing.assert_allclose(columns_of(atoms).displacements, [[-0.1, 0.2]])


def test_atoms_of_no_column_give_none():
    columns = columns_of(marked("Au2", np.eye(3)[:2], [-1, -1], [1, 1]))
    assert len(columns) == 0
    assert columns.seen(View(origin=(0, 0), pixel_size=1, shape=(9, 9))).positions.shape == (0, 2)


def test_columns_are_seen_in_the_frame_of_the_image_and_only_on_it(three_columns):
    moved = np.zeros((9, 3))
    moved[5:8] = [0.2, 0.1, 0.0]
    three_columns.set_array(DISPLACEMENT, moved)
    axes = quarter_turn(1)
    view = View(origin=(6.0, 4.0), pixel_size=0.5, shape=(20, 12), axes=axes)
    seen = columns_of(three_columns).seen(view)
    # A step along the image's y is one along the box's x, one along its x goes against the box's y.
    np.testing.assert_array_equal(seen.ids, [4, 9])
    np.testing.assert_allclose(seen.positions, [[1.0, -0.1], [4.0, 3.0]], atol=1e-12)
    np.testing.assert_allclose(seen.displacements[1], [0.2, -0.1])


@pytest.mark.parametrize("axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1)])
def test_columns_of_a_whole_crystal_are_full_along_every_axis(axis):
    """Along [100] the anions of ceria repeat at half the distance of its cations."""
    recipe = ParticleRecipe(diameter=(18.0, 18.0), depth=None, orientation=ZoneAxis(axes=(axis,)))
    columns = columns_of(recipe.draw(np.random.default_rng(0)).atoms)
    np.testing.assert_allclose(columns.counted().occupancy, 1.0)


@pytest.mark.parametrize("name", ["Au", "CeO2"])
def test_groups_are_the_lines_of_atoms_along_the_zone_axis(name):
    crystal = CRYSTALS[name]
    along = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    positions = crystal.unit_cell().repeat((3, 3, 3)).positions @ turn_onto_beam(along).T
    groups = group_columns(positions)
    assert sorted(set(groups)) == list(range(groups.max() + 1))
    for group in range(groups.max() + 1):
        assert np.ptp(positions[groups == group, :2], axis=0).max() < 1e-6
    first = np.array([positions[groups == group, 1::-1].mean(axis=0) for group in range(groups.max() + 1)])
    # No two groups are one column, and they come in the order of y, then x.
    apart = np.linalg.norm(first[:, None] - first[None], axis=2) + 9 * np.eye(len(first))
    assert apart.min() > 0.5
    assert (np.diff(first[:, 0].round(3)) >= 0).all()


def test_a_column_of_a_drawn_particle_is_a_line_of_one_repeat():
    specimen = ParticleRecipe(materials=("Au",), diameter=(16.0, 16.0), depth=(5, 5)).draw(
        np.random.default_rng(0)
    )
    columns = columns_of(specimen.atoms)
    assert columns.depths.max() == 5
    assert columns.depths.sum() == len(specimen.atoms)
    for column in columns.ids:
        heights = np.sort(specimen.atoms.positions[specimen.atoms.arrays[COLUMN] == column, 2])
        np.testing.assert_allclose(np.diff(heights), CRYSTALS["Au"].lattice_constant / np.sqrt(2), atol=0.02)
