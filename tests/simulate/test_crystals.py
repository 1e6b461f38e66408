import numpy as np
import pytest

from nanonet.records import InputError
from simulate.crystals import CRYSTALS, crystal, facet_normals, onto_beam, repeat_along


@pytest.mark.parametrize("zone_axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1), (-1, 0, 3)])
def test_the_zone_axis_is_turned_onto_the_beam(zone_axis):
    rotation = onto_beam(zone_axis, in_plane=0.7)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(rotation @ zone_axis, [0, 0, np.linalg.norm(zone_axis)], atol=1e-12)


def test_in_plane_rotation_is_right_handed_about_the_beam():
    x_before, x_after = (onto_beam((1, 1, 0), angle) @ [0, 0, 1] for angle in (0.0, np.pi / 2))
    np.testing.assert_allclose(np.cross(x_before, x_after), [0, 0, 1], atol=1e-12)


def test_a_family_of_facets_has_its_multiplicity():
    assert [len(facet_normals(family)) for family in ((1, 0, 0), (1, 1, 0), (1, 1, 1), (3, 1, 1))] == [
        6,
        12,
        8,
        24,
    ]


@pytest.mark.parametrize("name", sorted(CRYSTALS))
@pytest.mark.parametrize("zone_axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1), (2, 2, 0)])
def test_the_repeat_along_a_column_is_that_of_the_atoms(name, zone_axis):
    kind = crystal(name)
    atoms = kind.unit_cell().repeat((5, 5, 5))
    cations = atoms.positions[np.array(atoms.get_chemical_symbols()) == kind.cation]
    away = cations - cations[0]
    direction = np.array(zone_axis) / np.linalg.norm(zone_axis)
    along = away @ direction
    on_line = np.linalg.norm(away - np.outer(along, direction), axis=1) < 1e-6
    assert along[on_line & (along > 1e-6)].min() == pytest.approx(repeat_along(kind, zone_axis))


def test_an_unknown_crystal_and_no_direction_are_refused():
    with pytest.raises(InputError, match="known: Ag, Au, CeO2"):
        crystal("Fe2O3")
    with pytest.raises(InputError, match="zone_axis"):
        onto_beam((0, 0, 0))
