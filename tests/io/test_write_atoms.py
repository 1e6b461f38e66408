from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read

from nanonet.io.writers.atoms import write_extxyz, write_pdb
from nanonet.records import AtomTable, Column, InputError


def particle(count: int = 60) -> Atoms:
    g = np.random.default_rng(0)
    symbols = g.choice(["Ce", "O", "Pt", "H"], count)
    return Atoms(symbols, positions=g.uniform(-300, 900, (count, 3)))


def table(atoms: Atoms) -> AtomTable:
    x, y, z = atoms.positions.T
    count = len(atoms)
    data = pd.DataFrame(
        {
            "x_angstrom": x,
            "y_angstrom": y,
            "z_angstrom": z,
            "element": atoms.get_chemical_symbols(),
            "coordination_number": np.arange(count) % 13,
            "u_iso_angstrom2": np.where(np.arange(count) == 3, np.nan, 0.01),
            "is_surface": np.arange(count) % 2 == 0,
            "class_id": pd.array([None, *range(1, count)], dtype="Int64"),
            "note": ["two words", "", None, *["a"] * (count - 3)],
        }
    )
    return AtomTable(data=data, columns=tuple(Column(name=n, unit="", meaning="") for n in data))


def test_extxyz_comes_back_with_every_column(tmp_path: Path) -> None:
    atoms = particle()
    write_extxyz(tmp_path / "a.extxyz", atoms, table(atoms))
    back = read(tmp_path / "a.extxyz")
    np.testing.assert_allclose(back.positions, atoms.positions, atol=1e-8)
    assert back.get_chemical_symbols() == atoms.get_chemical_symbols()
    assert not back.pbc.any()
    data = table(atoms).data
    for name in ("coordination_number", "is_surface"):
        assert back.arrays[name].dtype.kind == data[name].dtype.kind
        np.testing.assert_array_equal(back.arrays[name], data[name])
    np.testing.assert_allclose(back.arrays["u_iso_angstrom2"], data["u_iso_angstrom2"])
    assert np.isnan(back.arrays["class_id"][0])
    np.testing.assert_array_equal(back.arrays["class_id"][1:], np.arange(1, len(atoms)))
    assert list(back.arrays["note"][:4]) == ["two_words", "?", "?", "a"]
    assert "note" not in atoms.arrays, "the caller's atoms were changed"


def test_extxyz_of_one_atom_and_of_a_crystal(tmp_path: Path) -> None:
    write_extxyz(tmp_path / "one.extxyz", Atoms("Au", [(1, 2, 3)]))
    np.testing.assert_allclose(read(tmp_path / "one.extxyz").positions, [(1, 2, 3)])
    crystal = bulk("Au", cubic=True)
    write_extxyz(tmp_path / "au.extxyz", crystal)
    back = read(tmp_path / "au.extxyz")
    assert back.pbc.all()
    np.testing.assert_allclose(back.cell, crystal.cell)


def test_a_table_of_other_atoms_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="60 rows, there are 59 atoms"):
        write_extxyz(tmp_path / "a.extxyz", particle()[:-1], table(particle()))


def parse_pdb(path: Path) -> list[dict[str, str]]:
    """Read the columns of the PDB format 3.3 (wwPDB), independent of any library."""
    columns = {
        "record": (1, 6), "serial": (7, 11), "name": (13, 16), "altloc": (17, 17), "residue": (18, 20),
        "chain": (22, 22), "number": (23, 26), "icode": (27, 27), "x": (31, 38), "y": (39, 46), "z": (47, 54),
        "occupancy": (55, 60), "b": (61, 66), "element": (77, 78), "charge": (79, 80),
    }  # fmt: skip
    lines = path.read_text().splitlines()
    assert lines[-1] == "END"
    assert all(len(line) == 80 for line in lines[:-1] if not line.startswith("CRYST1"))
    return [{name: line[a - 1 : b] for name, (a, b) in columns.items()} for line in lines[:-1]]


def test_pdb_columns(tmp_path: Path) -> None:
    atoms = particle()
    b_factors = np.linspace(0, 20, len(atoms))
    write_pdb(tmp_path / "a.pdb", atoms, b_factors)
    rows = parse_pdb(tmp_path / "a.pdb")
    assert {row["record"] for row in rows} == {"HETATM"}
    found = np.array([[float(row[axis]) for axis in "xyz"] for row in rows])
    np.testing.assert_allclose(found, atoms.positions, atol=0.0005 + 1e-9)
    assert [row["element"] for row in rows] == [f"{s.upper():>2}" for s in atoms.get_chemical_symbols()]
    assert {row["name"] for row in rows} == {"CE  ", " O  ", "PT  ", " H  "}
    assert [int(row["serial"]) for row in rows] == list(range(1, len(atoms) + 1))
    assert {row["occupancy"] for row in rows} == {"  1.00"}
    np.testing.assert_allclose([float(row["b"]) for row in rows], b_factors, atol=0.005 + 1e-9)


def test_pdb_is_read_by_ase(tmp_path: Path) -> None:
    atoms = particle()
    write_pdb(tmp_path / "a.pdb", atoms, np.full(60, 0.5))
    back = read(tmp_path / "a.pdb")
    np.testing.assert_allclose(back.positions, atoms.positions, atol=0.001)
    assert back.get_chemical_symbols() == atoms.get_chemical_symbols()
    np.testing.assert_allclose(back.arrays["bfactor"], 0.5)


def test_pdb_of_a_crystal_keeps_its_cell(tmp_path: Path) -> None:
    write_pdb(tmp_path / "a.pdb", bulk("CeO2", "fluorite", a=5.411, cubic=True))
    back = read(tmp_path / "a.pdb")
    np.testing.assert_allclose(back.cell.cellpar(), [5.411] * 3 + [90] * 3)


def test_pdb_of_more_than_99999_atoms(tmp_path: Path) -> None:
    count = 100_010
    positions = np.random.default_rng(0).uniform(0, 500, (count, 3))
    write_pdb(tmp_path / "a.pdb", Atoms(np.full(count, 79), positions=positions))
    rows = parse_pdb(tmp_path / "a.pdb")
    found = np.array([[float(row[axis]) for axis in "xyz"] for row in rows])
    np.testing.assert_allclose(found, positions, atol=0.0005 + 1e-9)
    assert [int(row["serial"]) for row in rows[99_998:100_001]] == [99_999, 0, 1]
    assert len({(row["chain"], row["number"]) for row in rows}) == count


def test_pdb_of_too_many_atoms_is_refused(tmp_path: Path) -> None:
    count = 62 * 9999 + 1
    with pytest.raises(InputError, match="619938 atoms at most, got 619939: write extxyz"):
        write_pdb(tmp_path / "a.pdb", Atoms(np.full(count, 79), positions=np.zeros((count, 3))))


@pytest.mark.parametrize("value", [-1000.0, -999.9996, 9999.9996, 1e5, np.nan, np.inf])
def test_pdb_refuses_coordinates_that_do_not_fit(tmp_path: Path, value: float) -> None:
    with pytest.raises(InputError, match=r"-999\.999 to 9999\.999"):
        write_pdb(tmp_path / "a.pdb", Atoms("Au2", [(0, 0, 0), (0, value, 0)]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [-999.999, 9999.999])
def test_pdb_holds_the_extremes(tmp_path: Path, value: float) -> None:
    write_pdb(tmp_path / "a.pdb", Atoms("Au", [(value,) * 3]))
    assert [float(parse_pdb(tmp_path / "a.pdb")[0][axis]) for axis in "xyz"] == [value] * 3


def test_pdb_b_factors_out_of_range(tmp_path: Path) -> None:
    values = np.array([np.nan, 5e4, 999.99, -1.25, -500.0])
    write_pdb(tmp_path / "a.pdb", Atoms("Au5", positions=np.zeros((5, 3))), values)
    written = [row["b"] for row in parse_pdb(tmp_path / "a.pdb")]
    assert written == ["  0.00", "999.99", "999.99", " -1.25", "-99.99"]


def test_pdb_anisotropic_displacements(tmp_path: Path) -> None:
    displacements = np.array([[0.0123, 0.02, 0.03, -0.001, 0.0, 0.0005], [1.0, 2.0, 3.0, -0.5, 0.25, 0.125]])
    write_pdb(tmp_path / "a.pdb", Atoms("OPt", positions=np.zeros((2, 3))), anisou=displacements)
    lines = (tmp_path / "a.pdb").read_text().splitlines()
    assert [line[:6] for line in lines] == ["HETATM", "ANISOU", "HETATM", "ANISOU", "END"]
    for line, atom, wanted in zip(lines[1::2], lines[0::2], displacements, strict=False):
        assert line[6:27] == atom[6:27]
        found = [int(line[28 + 7 * i : 35 + 7 * i]) / 1e4 for i in range(6)]
        np.testing.assert_allclose(found, wanted, atol=0.5e-4)
        assert line[76:78] == atom[76:78]
    displacements[0] = np.nan
    displacements[1, 3] = 200.0
    write_pdb(tmp_path / "b.pdb", Atoms("OPt", positions=np.zeros((2, 3))), anisou=displacements)
    assert "ANISOU" not in (tmp_path / "b.pdb").read_text()


def test_arrays_of_other_lengths_are_an_error(tmp_path: Path) -> None:
    for extra in ({"b_factors": np.zeros(3)}, {"anisou": np.zeros((2, 5))}):
        with pytest.raises(ValueError, match="b_factors must be"):
            write_pdb(tmp_path / "a.pdb", Atoms("Au2", positions=np.zeros((2, 3))), **extra)
