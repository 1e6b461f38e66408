from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write
from ase.spacegroup import crystal as spacegroup

from nanonet.configuration import build
from nanonet.records import InputError
from simulate.crystals import from_file, repeat_along
from simulate.specimen import COLUMN, COUNTED, INSTANCE
from simulate.structures import FileRecipe, ParticleRecipe, ZoneAxis, make_particle
from simulate.truth import columns_of

CONFIGS = Path(__file__).parents[2] / "configs/simulate/structures"


@pytest.fixture
def titanate(tmp_path) -> Path:
    sites = [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)]
    write(
        tmp_path / "STO.cif",
        spacegroup(["Sr", "Ti", "O"], sites, spacegroup=221, cellpar=[3.905] * 3 + [90] * 3),
    )
    return tmp_path / "STO.cif"


@pytest.fixture
def gold(tmp_path) -> Path:
    """A block of 4 × 4 × 4 cells, relaxed a little, somewhere."""
    atoms = bulk("Au", cubic=True).repeat(4)
    atoms.positions += 50 + np.random.default_rng(0).normal(scale=0.03, size=(len(atoms), 3))
    atoms.set_cell(None)
    atoms.pbc = False
    write(tmp_path / "gold.xyz", atoms)
    return tmp_path / "gold.xyz"


def test_a_crystal_of_a_cif_is_cut_into_particles(titanate):
    kind = from_file(str(titanate))
    assert kind.name == "SrTiO3"
    assert set(kind.counted) == {"Sr", "Ti"}
    assert repeat_along(kind, (0, 0, 1)) == pytest.approx(3.905)
    recipe = ParticleRecipe(
        materials=[str(titanate)], depth=None, diameter=(40, 40), orientation=ZoneAxis(axes=[[0, 0, 1]])
    )
    atoms = make_particle(recipe, np.random.default_rng(0)).atoms()
    symbols = atoms.get_chemical_symbols()
    assert symbols.count("O") / symbols.count("Ti") == pytest.approx(3, abs=0.4)
    assert symbols.count("Sr") / symbols.count("Ti") == pytest.approx(1, abs=0.2)


def test_shared_sites_of_a_cif_become_a_mixture(tmp_path):
    text = """data_alloy
_cell_length_a 3.85
_cell_length_b 3.85
_cell_length_c 3.85
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Pt1 Pt 0 0 0 0.7
Ni1 Ni 0 0 0 0.3
"""
    path = tmp_path / "alloy.cif"
    path.write_text(text)
    kind = from_file(str(path))
    (shares,) = kind.mixtures.values()
    assert shares == {"Pt": 0.7, "Ni": 0.3}
    atoms = make_particle(
        ParticleRecipe(materials=[kind], diameter=(40, 40), depth=None), np.random.default_rng(0)
    ).atoms()
    assert (atoms.numbers == 78).mean() == pytest.approx(0.7, abs=0.03)


def test_atoms_of_a_file_are_used_as_they_are(gold):
    specimen = FileRecipe(path=str(gold), in_plane=(0, 0)).draw(np.random.default_rng(0))
    atoms = specimen.atoms
    assert len(atoms) == 256
    np.testing.assert_allclose(atoms.positions.min(axis=0), -atoms.positions.max(axis=0), atol=1e-9)
    assert (atoms.arrays[COLUMN] == -1).all()
    assert (atoms.arrays[INSTANCE] == 1).all()
    assert atoms.arrays[COUNTED].all()
    assert specimen.thermal_displacements == {"Au": 0.088}
    from ase.io import read

    ours, theirs = (np.sort(a.get_all_distances().ravel()) for a in (atoms, read(gold)))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("axis", "number", "deepest"), [((0, 0, 1), 64, 4), ((1, 0, 0), 64, 4), ((1, 1, 0), 120, 4)]
)
def test_a_relaxed_file_on_a_zone_axis_has_its_columns(gold, axis, number, deepest):
    recipe = FileRecipe(path=str(gold), zone_axis=axis, mistilt=0.3)
    columns = columns_of(recipe.draw(np.random.default_rng(2)).atoms)
    assert columns.depths.sum() == 256
    assert len(columns) in range(number - 64, number + 9)
    assert columns.depths.max() >= deepest


def test_files_are_turned_as_asked(gold):
    first, second = (
        FileRecipe(path=str(gold), random_orientation=True).draw(np.random.default_rng(i)) for i in (0, 1)
    )
    assert first.about["rotation"] != second.about["rotation"]
    again = FileRecipe(path=str(gold), random_orientation=True).draw(np.random.default_rng(1))
    np.testing.assert_array_equal(second.atoms.positions, again.atoms.positions)


def test_cells_of_a_cif_are_repeated_and_seen_along_uvw(titanate):
    recipe = FileRecipe(path=str(titanate), zone_axis=(1, 1, 0), repeat=(3, 3, 2))
    atoms = recipe.draw(np.random.default_rng(0)).atoms
    assert len(atoms) == 5 * 18
    columns = columns_of(atoms)
    assert columns.counted().depths.max() == 3
    assert set(columns.elements) == {"Sr", "Ti", "O"}


@pytest.mark.parametrize("name", ["atoms.extxyz", "atoms.pdb"])
def test_other_formats_are_read(tmp_path, name):
    atoms = Atoms("AuPt", positions=[[0, 0, 0], [0, 0, 2.8]])
    write(tmp_path / name, atoms)
    specimen = FileRecipe(path=str(tmp_path / name), zone_axis=(0, 0, 1)).draw(np.random.default_rng(0))
    assert columns_of(specimen.atoms).depths.tolist() == [2]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.xyz", None, "no file of atoms"),
        ("a.dat", "1\n\nAu 0 0 0\n", "known: .cif, .xyz"),
        ("broken.xyz", "what is this", "cannot be read"),
        ("empty.xyz", "0\n\n", "holds no atoms|cannot be read"),
        ("many.xyz", "3\n\nAu 0 0 0\nAu 0 0 3\nAu 0 0 6\n", "more than max_atoms = 2"),
        ("odd.xyz", "1\n\nAu 0 0 nan\n", "no numbers|cannot be read"),
        ("broken.cif", "data_x\nloop_\n_atom", "cannot be read|no cell"),
        ("nocell.cif", "data_x\n_chemical_name 'x'\n", "cannot be read|no cell"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, name, text, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        FileRecipe(path=str(path), max_atoms=2).draw(np.random.default_rng(0))
    assert "\n" not in str(caught.value)


def test_bad_recipes_of_files_are_refused(gold):
    for changes, message in (
        ({"zone_axis": (0, 0, 0)}, "zone_axis"),
        ({"zone_axis": (0, 0, 1), "random_orientation": True}, "exclude"),
        ({"repeat": (0, 1, 1)}, "repeat"),
        ({"tolerance": 0.0}, "tolerance"),
    ):
        with pytest.raises(InputError, match=message):
            FileRecipe(path=str(gold), **changes)


def shipped():
    return sorted(path.stem for path in CONFIGS.glob("*.yaml"))


@pytest.mark.parametrize("name", shipped())
def test_shipped_structures_are_built_and_drawn(name, titanate, gold):
    from omegaconf import OmegaConf

    config = OmegaConf.load(CONFIGS / f"{name}.yaml")
    assert (CONFIGS / f"{name}.yaml").read_text().startswith("# ")
    if name == "from_cif":
        config.materials = [str(titanate)]
    if name == "from_atoms":
        config.path = str(gold)
    recipe = build(config)
    first, again = (recipe.draw(np.random.default_rng([1, 2])) for _ in range(2))
    np.testing.assert_array_equal(first.atoms.positions, again.atoms.positions)
    assert len(first.atoms) > 50
    assert {COLUMN, COUNTED, INSTANCE} <= set(first.atoms.arrays)
    assert set(first.atoms.get_chemical_symbols()) <= set(first.thermal_displacements)
    if not name.startswith(("spheres", "star")):
        assert columns_of(first.atoms).counted().depths.max() >= 1
