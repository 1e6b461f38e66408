from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from nanonet.io.writers.star import StarOptics, euler_angles, write_star
from nanonet.records import InputError, Orientations


def poses(count: int = 20) -> Orientations:
    g = np.random.default_rng(0)
    return Orientations(
        rotations=Rotation.random(count, rng=g).as_matrix(),
        shifts=g.normal(0, 3, (count, 2)),
        particle_ids=np.arange(count) + 100,
        class_ids=g.integers(1, 4, count),
    )


def relion_matrix(rot: float, tilt: float, psi: float) -> np.ndarray:
    """The matrix A(rot, tilt, psi) as RELION's documentation writes it out, element by element."""
    ca, cb, cg = np.cos(np.radians([rot, tilt, psi]))
    sa, sb, sg = np.sin(np.radians([rot, tilt, psi]))
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


def parse_star(path: Path) -> dict[str, dict[str, list[str]]]:
    """Read a star file of loops, as RELION does: blocks, labels, then rows until an empty line."""
    tables: dict[str, dict[str, list[str]]] = {}
    for block in path.read_text().split("\ndata_")[1:]:
        lines = block.splitlines()
        labels = [line.split()[0].lstrip("_") for line in lines if line.startswith("_")]
        assert lines[2] == "loop_"
        assert [line.split()[1] for line in lines if line.startswith("_")] == [
            f"#{i + 1}" for i in range(len(labels))
        ]
        rows = [line.split() for line in lines[3:] if line and not line.startswith("_")]
        tables[lines[0]] = {label: [row[i] for row in rows] for i, label in enumerate(labels)}
    return tables


def test_angles_give_the_rotation_back(tmp_path: Path) -> None:
    orientations = poses()
    write_star(tmp_path / "o.star", orientations, 0.2, [f"{i + 1:06d}@p.mrcs" for i in range(20)])
    table = parse_star(tmp_path / "o.star")["particles"]
    angles = np.array([table[f"rlnAngle{name}"] for name in ("Rot", "Tilt", "Psi")], dtype=float).T
    for rotation, (rot, tilt, psi) in zip(orientations.rotations, angles, strict=True):
        np.testing.assert_allclose(relion_matrix(rot, tilt, psi), rotation, atol=1e-7)
        active = (
            Rotation.from_euler("z", -psi, degrees=True)
            * Rotation.from_euler("y", -tilt, degrees=True)
            * Rotation.from_euler("z", -rot, degrees=True)
        )
        np.testing.assert_allclose(active.as_matrix(), rotation, atol=1e-7)
    assert ((angles[:, 1] >= 0) & (angles[:, 1] <= 180)).all()


@settings(max_examples=60, deadline=None)
@given(
    rot=st.floats(-180, 180), tilt=st.sampled_from([0.0, 180.0, 90.0, 1e-9, 179.9999999, 37.0]),
    psi=st.floats(-180, 180),
)  # fmt: skip
def test_the_poles_too(rot: float, tilt: float, psi: float) -> None:
    rotation = relion_matrix(rot, tilt, psi)
    np.testing.assert_allclose(relion_matrix(*euler_angles(rotation[None])[0]), rotation, atol=1e-6)


def test_an_atom_lands_where_the_pose_puts_it(tmp_path: Path) -> None:
    """RELION projects A r along z, then moves the image by its origin to centre the particle."""
    orientations = poses(1)
    write_star(tmp_path / "o.star", orientations, 0.2, ["1@p.mrcs"])
    row = {label: values[0] for label, values in parse_star(tmp_path / "o.star")["particles"].items()}
    atom = np.array([3.0, -1.0, 2.0])
    shift_y, shift_x = orientations.shifts[0]
    seen_x, seen_y, _ = orientations.rotations[0] @ atom
    seen_x, seen_y = seen_x + shift_x, seen_y + shift_y
    centred_x, centred_y, _ = (
        relion_matrix(*(float(row[f"rlnAngle{n}"]) for n in ("Rot", "Tilt", "Psi"))) @ atom
    )
    assert seen_x + float(row["rlnOriginXAngst"]) == pytest.approx(centred_x, abs=1e-5)
    assert seen_y + float(row["rlnOriginYAngst"]) == pytest.approx(centred_y, abs=1e-5)


def test_tables_and_labels(tmp_path: Path) -> None:
    orientations = poses(4)
    write_star(
        tmp_path / "o.star", orientations, 0.2, [f"{i + 1}@p.mrcs" for i in range(4)],
        random_subset=np.array([1, 2, 1, 2]),
        optics=StarOptics(energy=300e3, Cs=1.2e7, amplitude_contrast=0.1, image_size=64),
    )  # fmt: skip
    tables = parse_star(tmp_path / "o.star")
    assert tables["optics"] == {
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnOpticsGroup": ["1"],
        "rlnImagePixelSize": ["0.200000"],
        "rlnImageSize": ["64"],
        "rlnImageDimensionality": ["2"],
        "rlnVoltage": ["300.000000"],
        "rlnSphericalAberration": ["1.200000"],
        "rlnAmplitudeContrast": ["0.1"],
    }
    particles = tables["particles"]
    assert particles["rlnImageName"] == ["1@p.mrcs", "2@p.mrcs", "3@p.mrcs", "4@p.mrcs"]
    assert particles["rlnClassNumber"] == [str(number) for number in orientations.class_ids]
    assert particles["rlnParticleId"] == ["100", "101", "102", "103"]
    assert particles["rlnRandomSubset"] == ["1", "2", "1", "2"]
    assert particles["rlnOpticsGroup"] == ["1"] * 4
    assert {len(values) for values in particles.values()} == {4}


def test_unknown_optics_are_left_out(tmp_path: Path) -> None:
    write_star(tmp_path / "o.star", poses(2), 0.2, ["a", "b"])
    tables = parse_star(tmp_path / "o.star")
    assert set(tables["optics"]) == {
        "rlnOpticsGroupName", "rlnOpticsGroup", "rlnImagePixelSize", "rlnImageDimensionality",
    }  # fmt: skip
    assert "rlnRandomSubset" not in tables["particles"]


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="differ in length"):
        write_star(tmp_path / "o.star", poses(3), 0.2, ["a", "b"])
    with pytest.raises(InputError, match="pixel_size"):
        write_star(tmp_path / "o.star", poses(1), 0.0, ["a"])
    with pytest.raises(InputError, match="no quotes or line breaks"):
        write_star(tmp_path / "o.star", poses(1), 0.2, ["a\nb"])
    write_star(tmp_path / "o.star", poses(1), 0.2, ["1@two words.mrcs"])
    assert '"1@two words.mrcs"' in (tmp_path / "o.star").read_text()
