"""The whole way from a map to an atomic model, and what is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import ase.io
import mrcfile
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.io.writers.volumes import write_mrc
from nanonet.records import Volume

VOXEL = 0.4
Infer = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Half maps and their mean of 79 gold atoms, and where the atoms are."""
    from ase.cluster import Octahedron

    sites = Octahedron("Au", 5, 1, latticeconstant=4.08).get_positions()
    sites = (sites - sites.mean(0)) @ Rotation.from_rotvec([0.3, 0.5, -0.2]).as_matrix().T + 11.0
    count = len(sites)
    atoms = GaussianAtoms(positions=sites, weights=np.full(count, 100.0), u_iso=np.full(count, 0.22))
    rng = np.random.default_rng(0)
    clean = draw(atoms, (52, 54, 56), VOXEL)
    halves = tuple(clean + rng.normal(scale=8.0, size=clean.shape).astype(np.float32) for _ in range(2))
    path = tmp_path_factory.mktemp("maps") / "gold particle.mrc"
    write_mrc(
        path, Volume(density=(halves[0] + halves[1]) / 2, voxel_size=VOXEL, half_maps=(halves[0], halves[1]))
    )
    return path, sites


def test_a_map_becomes_an_atomic_model(mapped, tmp_path: Path, infer: Infer) -> None:
    path, sites = mapped
    output = tmp_path / "run"
    halves = [f"half{i}={path.with_name(f'{path.stem}_half{i}.mrc')}" for i in (1, 2)]
    code, _, err = infer("pipeline=atoms", f"input={path}", "element=Au", f"output={output}", *halves)
    assert code == 0, err
    data = pd.read_csv(output / "atoms.csv")
    places = data[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy()
    off, which = cKDTree(places).query(sites)
    assert len(data) == len(sites) == len(np.unique(which))
    assert np.sqrt((off**2).mean()) < 0.05
    assert set(data["element"]) == {"Au"}

    # One place, whatever the file: from the centre of voxel 0.
    pdb, xyz = (ase.io.read(output / f"atoms.{kind}") for kind in ("pdb", "extxyz"))
    assert pdb.get_positions() == pytest.approx(places, abs=6e-4)
    assert xyz.get_positions() == pytest.approx(places, abs=1e-5)
    assert xyz.arrays["u_iso_angstrom2"] == pytest.approx(data["u_iso_angstrom2"], rel=1e-4)

    strained = [float(line[60:66]) for line in _rows(output / "pdb" / "radial_strain.pdb")]
    known_strain = data["radial_strain"].dropna().to_numpy()
    assert strained == pytest.approx(100 * known_strain, abs=0.006)
    assert min(strained) < 0
    axes = pd.read_csv(output / "grains.csv").loc[0, [f"{a}_{x}" for a in "abc" for x in "xyz"]]
    rotation = axes.to_numpy(dtype=float).reshape(3, 3).T
    assert rotation == pytest.approx(Rotation.from_rotvec([0.3, 0.5, -0.2]).as_matrix(), abs=0.01)

    row = pd.read_csv(output / "particle.csv").iloc[0]
    assert row["structure"] == "fcc"
    assert row["lattice_constant_angstrom"] == pytest.approx(4.08, abs=0.02)
    assert row["atoms"] == len(sites)
    known = pd.read_csv(output / "data_dictionary.csv")
    assert set(known.loc[known["file"] == "atoms.csv", "column"]) == set(data.columns)
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "Coordination numbers" in page
    assert "Sections across z" in page
    assert "52 sections" in page
    # Plotly itself has 4.8 MB; sections are no frames of their own.
    assert len(page) < 5.2e6
    known_inputs = json.loads((output / "provenance.json").read_text(encoding="utf-8"))["inputs"]
    assert set(known_inputs) == {path.name, f"{path.stem}_half1.mrc", f"{path.stem}_half2.mrc"}


def _rows(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.startswith("HETATM")]


def test_a_particle_that_the_map_cuts_and_a_wrong_voxel_size_are_said(
    mapped, tmp_path: Path, infer: Infer
) -> None:
    path, _ = mapped
    with mrcfile.open(path) as mrc:
        write_mrc(tmp_path / "cut.mrc", Volume(density=mrc.data[:, :, :28].copy(), voxel_size=VOXEL))
        write_mrc(tmp_path / "dark.mrc", Volume(density=-mrc.data, voxel_size=VOXEL))
    code, _, err = infer(
        "pipeline=atoms", f"input={tmp_path / 'dark.mrc'}", "element=Au", f"output={tmp_path / 'dark'}"
    )
    assert code == 0, err
    assert "is its contrast inverted?" in " ".join((tmp_path / "dark" / "report.html").read_text().split())
    given = (f"input={tmp_path / 'cut.mrc'}", "element=Au", f"output={tmp_path / 'run'}")
    code, _, err = infer("pipeline=atoms", *given, "read.pixel_size=0.41")
    assert code == 0, err
    places = pd.read_csv(tmp_path / "run" / "atoms.csv")["x_angstrom"]
    assert places.between(-0.41, 28 * 0.41).all()
    said = " ".join((tmp_path / "run" / "report.html").read_text(encoding="utf-8").split())
    assert "lie on the faces of the map" in said
    assert "the file says" in said


def test_a_map_is_compared_with_an_earlier_run_and_with_a_model(mapped, tmp_path: Path, infer: Infer) -> None:
    path, sites = mapped
    halves = [f"half{i}={path.with_name(f'{path.stem}_half{i}.mrc')}" for i in (1, 2)]
    code, _, err = infer(
        "pipeline=atoms", f"input={path}", "element=Au", f"output={tmp_path / 'first'}", *halves
    )
    assert code == 0, err
    # A model of the same particle that lies elsewhere, and lacks an atom that has come since.
    turned = np.delete(sites, 7, axis=0) @ Rotation.from_rotvec([0.2, -0.4, 0.1]).as_matrix().T + 3.0
    ase.io.write(tmp_path / "earlier.xyz", ase.Atoms("Au" * len(turned), positions=turned))
    output = tmp_path / "second"
    code, _, err = infer(
        "pipeline=atoms",
        f"input={path}",
        "element=Au",
        f"compare=[{tmp_path / 'first'},{tmp_path / 'earlier.xyz'}]",
        "noise_draws=1",
        f"output={output}",
        *halves,
    )
    assert code == 0, err
    models = pd.read_csv(output / "compared_models.csv")
    first, earlier = models.iloc[0], models.iloc[1]
    assert (first["common"], first["gained"], first["lost"], first["displaced"]) == (len(sites), 0, 0, 0)
    assert (earlier["common"], earlier["gained"], earlier["lost"]) == (len(sites) - 1, 1, 0)
    assert earlier["rmsd_angstrom"] < 0.05
    assert {"compared_models.csv", "compared_atoms.csv"} <= {one.name for one in output.iterdir()}
    assert "first" in (output / "report.html").read_text(encoding="utf-8")

    code, _, err = infer(
        "pipeline=atoms",
        f"input={path}",
        "element=Au",
        f"compare=[{tmp_path / 'none.pdb'}]",
        f"output={tmp_path / 'third'}",
    )
    assert code == 2
    assert "none.pdb" in err.strip().splitlines()[-1]


def test_what_is_no_map_of_atoms_is_refused_in_one_line(mapped, tmp_path: Path, infer: Infer) -> None:
    path, _ = mapped
    rng = np.random.default_rng(0)
    np.save(tmp_path / "scaleless.npy", rng.normal(size=(20, 20, 20)))
    np.save(tmp_path / "flat.npy", rng.normal(size=(20, 20)))
    holed = rng.normal(size=(20, 20, 20))
    holed[3, 4, 5] = np.nan
    np.save(tmp_path / "holed.npy", holed)
    small = rng.normal(size=(10, 10, 10)).astype(np.float32)
    write_mrc(tmp_path / "small.mrc", Volume(density=small, voxel_size=VOXEL))
    write_mrc(tmp_path / "turned.mrc", Volume(density=small, voxel_size=VOXEL))
    with mrcfile.open(tmp_path / "turned.mrc", mode="r+") as mrc:
        mrc.header.mapc, mrc.header.maps = 3, 1
    size = "read.pixel_size=0.4"
    refused = {
        "along z, y, x": [f"input={tmp_path / 'turned.mrc'}", "element=Au"],
        "does not say its pixel size": [f"input={tmp_path / 'scaleless.npy'}", "element=Au"],
        "2D image": [f"input={tmp_path / 'flat.npy'}", "element=Au", size],
        "NaN": [f"input={tmp_path / 'holed.npy'}", "element=Au", size],
        "no chemical element": [f"input={path}", "element=Qq"],
        "element is missing": [f"input={path}"],
        "half1= and half2=": [f"input={path}", "element=Au", f"half1={path}"],
        "no_such_file.mrc": [
            f"input={path}",
            "element=Au",
            *(f"half{i}={tmp_path / 'no_such_file.mrc'}" for i in (1, 2)),
        ],
        "has shape": [f"input={path}", "element=Au", *(f"half{i}={tmp_path / 'small.mrc'}" for i in (1, 2))],
    }
    for number, (words, given) in enumerate(refused.items()):
        code, _, err = infer("pipeline=atoms", *given, f"output={tmp_path / str(number)}")
        last = err.strip().splitlines()[-1]
        assert code == 2, (words, err)
        assert words in last, last
