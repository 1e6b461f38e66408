import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.configuration import build
from nanonet.records import InputError
from simulate.crystals import (
    CRYSTALS,
    STRUCTURES,
    Crystal,
    crystal,
    direction,
    facet_energies,
    facet_normals,
    onto_beam,
    plane_spacing,
    prototype,
    repeat_along,
    solid_solution,
    thermal_displacement,
    zone_axis_along,
)

MONOCLINIC = Crystal(  # ZrO2, P2_1/c, by its atoms
    name="baddeleyite",
    cell=[5.1505, 5.2116, 5.3173, 90, 99.23, 90],
    symbols=["Zr"] * 4 + ["O"] * 8,
    scaled_positions=[
        point
        for x, y, z in ((0.2754, 0.0395, 0.2083), (0.0700, 0.3317, 0.3447), (0.4496, 0.7569, 0.4792))
        for point in (
            (x, y, z),
            (-x, -y, -z),
            (-x, y + 0.5, 0.5 - z),
            (x, 0.5 - y, z + 0.5),
        )
    ],
)
HEXAGONAL = Crystal(
    name="Co",
    cell=[2.507, 2.507, 4.069, 90, 90, 120],
    symbols=["Co", "Co"],
    scaled_positions=[[0, 0, 0], [1 / 3, 2 / 3, 0.5]],
)
KINDS = {**CRYSTALS, "monoclinic": MONOCLINIC, "hexagonal": HEXAGONAL}


@pytest.mark.parametrize("zone_axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1), (-1, 0, 3)])
@pytest.mark.parametrize("kind", [None, "TiO2", "monoclinic", "hexagonal"])
def test_the_zone_axis_is_turned_onto_the_beam(zone_axis, kind):
    owner = KINDS[kind] if kind else None
    rotation = onto_beam(zone_axis, in_plane=0.7, crystal=owner)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    vector = np.array(zone_axis) @ (owner.vectors if owner else np.eye(3))
    np.testing.assert_allclose(rotation @ vector, [0, 0, np.linalg.norm(vector)], atol=1e-12)


def test_in_plane_rotation_is_right_handed_about_the_beam():
    x_before, x_after = (onto_beam((1, 1, 0), angle) @ [0, 0, 1] for angle in (0.0, np.pi / 2))
    np.testing.assert_allclose(np.cross(x_before, x_after), [0, 0, 1], atol=1e-12)


def test_a_family_of_facets_has_its_multiplicity():
    families = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (3, 1, 1))
    assert [len(facet_normals(family)) for family in families] == [6, 12, 8, 24]
    assert [len(facet_normals(family, crystal("PtNi"))) for family in families] == [4, 4, 8, 16]
    assert len(facet_normals("001", crystal("PtNi"))) == 2
    assert [len(facet_normals(family, HEXAGONAL)) for family in ("0001", "10-10", "10-11")] == [2, 6, 12]
    assert [len(facet_normals(family, MONOCLINIC)) for family in ("100", "010", "111")] == [2, 2, 4]


@pytest.mark.parametrize("kind", ["TiO2", "monoclinic", "hexagonal"])
@pytest.mark.parametrize("plane", [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 0, 1)])
def test_a_facet_holds_the_directions_of_its_plane(kind, plane):
    owner = KINDS[kind]
    normal = np.array(plane) @ np.linalg.inv(owner.vectors).T
    normal /= np.linalg.norm(normal)
    assert np.abs(facet_normals(plane, owner) - normal).max(axis=1).min() < 1e-12
    inside = [axis for axis in np.ndindex(5, 5, 5) if np.dot(np.array(axis) - 2, plane) == 0]
    for axis in inside:
        assert abs((np.array(axis) - 2) @ owner.vectors @ normal) < 1e-9


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("zone_axis", [(1, 1, 0), (1, 0, 0), (0, 0, 1), (1, 1, 1), (2, 1, 1), (2, 2, 0)])
def test_the_repeat_along_a_column_is_that_of_the_atoms(name, zone_axis):
    """Brute force: the counted atoms on a line through one of them, over many periods."""
    kind = KINDS[name]
    atoms = kind.unit_cell()
    step = np.array(zone_axis) // np.gcd.reduce(zone_axis)
    period = step @ kind.vectors
    along = period / np.linalg.norm(period)
    own = atoms.positions[np.isin(atoms.get_chemical_symbols(), kind.counted)]
    cells = np.array(list(np.ndindex(7, 7, 7))) - 3
    everything = (own[:, None] + cells @ kind.vectors).reshape(-1, 3)
    most = 0
    for start in own:
        away = everything - start
        height = away @ along
        on_line = np.linalg.norm(away - np.outer(height, along), axis=1) < 1e-2
        most = max(most, int((on_line & (height > -1e-3) & (height < np.linalg.norm(period) - 1e-3)).sum()))
    assert np.linalg.norm(period) / most == pytest.approx(repeat_along(kind, zone_axis))


def test_lattice_planes_of_centred_cells_lie_closer():
    ceria = crystal("CeO2")
    for plane, share in (((1, 1, 1), 3**-0.5), ((1, 0, 0), 0.5), ((1, 1, 0), 8**-0.5), ((2, 0, 0), 0.5)):
        assert plane_spacing(plane, ceria) == pytest.approx(share * 5.4113)
    assert plane_spacing((0, 0, 1), HEXAGONAL) == pytest.approx(4.069)
    heights = np.unique(np.round(ceria.unit_cell().repeat(2).positions[:, :2].sum(axis=1) / np.sqrt(2), 4))
    assert np.diff(heights).min() == pytest.approx(plane_spacing((1, 1, 0), ceria), abs=1e-3)


def test_unknown_surface_energies_follow_the_spacing_of_planes():
    unknown = replace(crystal("Au"), surface_energies={})
    energies = facet_energies(unknown)
    assert energies["111"] == 1.0
    assert energies["100"] == pytest.approx(2 / np.sqrt(3))
    assert facet_energies(HEXAGONAL)["001"] == 1.0


# Shortest bonds [Å] of handbooks.
BONDS = {
    "Au": 2.884,
    "Pt": 2.775,
    "Pd": 2.751,
    "Ag": 2.889,
    "Cu": 2.556,
    "Ni": 2.492,
    "CeO2": 2.343,
    "MgO": 2.106,
    "TiO2": 1.949,
}


@pytest.mark.parametrize("name", sorted(BONDS))
def test_bonds_are_those_of_handbooks(name):
    atoms = crystal(name).unit_cell().repeat(3)
    nearest = cKDTree(atoms.positions).query(atoms.positions, k=2)[0][:, 1]
    assert np.median(nearest) == pytest.approx(BONDS[name], abs=0.012)


@pytest.mark.parametrize(
    ("name", "formula"),
    [("PtNi", {"Pt": 1, "Ni": 1}), ("Pt3Ni", {"Pt": 3, "Ni": 1}), ("PtNi3", {"Pt": 1, "Ni": 3})],
)
def test_ordered_alloys_have_their_formula_and_order(name, formula):
    atoms = crystal(name).unit_cell()
    unit = len(atoms) / sum(formula.values())
    assert {s: atoms.get_chemical_symbols().count(s) / unit for s in formula} == formula
    assert set(crystal(name).counted) == {"Pt", "Ni"}
    symbols = np.array(atoms.repeat(3).get_chemical_symbols())
    if name == "PtNi":  # layers of one element across c
        layers = np.round(atoms.repeat(3).get_scaled_positions()[:, 2] * 6).astype(int) % 6
        assert all(len(set(symbols[layers == layer])) == 1 for layer in range(6))
    else:  # the minority element has the majority's atoms only as neighbours
        positions = atoms.repeat(3).positions
        few = "Ni" if name == "Pt3Ni" else "Pt"
        middle = np.flatnonzero((symbols == few) & (np.abs(positions - positions.mean(0)).max(1) < 3))[0]
        near = np.argsort(np.linalg.norm(positions - positions[middle], axis=1))[1:13]
        assert few not in symbols[near]


@pytest.mark.parametrize(("name", "share"), [("PtNi", 0.5), ("Pt3Ni", 0.75), ("PtNi3", 0.25)])
def test_ordered_alloys_fill_the_volume_of_disordered_ones(name, share):
    volume = np.linalg.det(crystal(name).vectors) / 4
    mixed = solid_solution({"Pt": share, "Ni": 1 - share}).lattice_constant
    assert np.cbrt(4 * volume) == pytest.approx(mixed, rel=0.01)


def test_thermal_displacements_are_those_of_the_tables():
    """B at 293 K: scaled from 280 K, Peng et al. (1996); Sears & Shelley (1991) give the same to 7 %."""
    for element, factor in {"Al": 0.81, "Ni": 0.34, "Cu": 0.56, "Pd": 0.45, "Ag": 0.73, "Pt": 0.37}.items():
        assert 8 * np.pi**2 * thermal_displacement(element) ** 2 == pytest.approx(factor, rel=0.07)
    for element, factor in {"Au": 0.62, "W": 0.161, "Pb": 2.11, "Mo": 0.22, "V": 0.58, "Fe": 0.34}.items():
        assert 8 * np.pi**2 * thermal_displacement(element) ** 2 == pytest.approx(factor, rel=0.07)
    assert crystal("CeO2").thermal_displacements["O"] == 0.075
    assert thermal_displacement("Xe") == 0.08


def test_low_index_directions_are_recognised():
    assert zone_axis_along(direction((2, 1, 1), MONOCLINIC), MONOCLINIC) == (2, 1, 1)
    assert zone_axis_along(np.array([0.6, 0.48, 0.64]), crystal("Au")) is None


def test_a_crystal_of_the_users_own_comes_from_a_config_and_goes_into_a_manifest():
    node = {
        "_target_": "simulate.crystals.Crystal",
        "name": "SrTiO3",
        "cell": 3.905,
        "symbols": ["Sr", "Ti", "O", "O", "O"],
        "scaled_positions": [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
        "counted": ["Sr"],
        "surface_energies": {100: 1.0, "1-10": 1.3, 1: 1.1},  # YAML reads an unquoted 100 and 001 as numbers
        "thermal_displacements": {"Sr": 0.09},
    }
    made = build(node)
    assert made.surface_energies == {"100": 1.0, "1-10": 1.3, "001": 1.1}
    assert made.thermal_displacements["Sr"] == 0.09
    assert made.thermal_displacements["Ti"] > 0
    assert json.loads(json.dumps(asdict(made)))["surface_energies"]["1-10"] == 1.3
    same = build({"_target_": "simulate.crystals.prototype", **_PEROVSKITE})
    np.testing.assert_allclose(same.vectors, made.vectors)
    assert same.name == "SrTiO3"


_PEROVSKITE = {"structure": "perovskite", "elements": ["Sr", "Ti", "O"], "cell": 3.905}


@pytest.mark.parametrize("structure", sorted(STRUCTURES))
def test_no_structure_type_puts_two_atoms_on_one_place(structure):
    elements = ["Pt", "Ni", "O"][: len(STRUCTURES[structure])]
    atoms = prototype(structure=structure, elements=elements, cell=4.0).unit_cell()
    distances = atoms.get_all_distances(mic=True)[~np.eye(len(atoms), dtype=bool)]
    assert distances.min() > 1.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": [1.0, 2.0]}, "cell of X"),
        ({"cell": -1.0}, "cell of X"),
        ({"symbols": ["Au", "Ag"]}, "one of scaled_positions for each"),
        ({"symbols": ["Qq"]}, "Qq"),
        ({"surface_energies": {"11": 1.0}}, "'11'"),
        ({"surface_energies": {"111": -1.0}}, "positive"),
        ({"mixtures": {"Au": {"Au": 0.5, "Ag": 0.2}}}, "add up to 1"),
    ],
)
def test_a_crystal_that_makes_no_sense_is_refused(changes, message):
    given = {"name": "X", "cell": 4.0, "symbols": ["Au"], "scaled_positions": [[0, 0, 0]], **changes}
    with pytest.raises(InputError, match=message) as caught:
        Crystal(**given)
    assert "\n" not in str(caught.value)


def test_an_unknown_crystal_and_no_direction_are_refused():
    with pytest.raises(InputError, match="known: Ag, Au, CeO2"):
        crystal("Fe2O3")
    with pytest.raises(InputError, match="zone_axis"):
        onto_beam((0, 0, 0))
    with pytest.raises(InputError, match="known: L1_0"):
        prototype(structure="garnet", elements=["Au"], cell=4.0)
    with pytest.raises(InputError, match="2 elements"):
        prototype(structure="fluorite", elements=["Ce"], cell=5.4)
