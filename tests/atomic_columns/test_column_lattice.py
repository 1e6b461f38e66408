from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanonet.atomic_columns.classical import find_columns
from nanonet.atomic_columns.lattice import fit_lattice, summarise
from nanonet.atomic_columns.reciprocal import reduced
from nanonet.atomic_columns.table import column_table, lattice_columns
from nanonet.records import LatticeTable, Micrograph

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "haadf_atomic"
SHAPE = (320, 320)


def cell_of(vectors):
    a, b = np.hypot(*np.asarray(vectors).T)
    return a, b, np.degrees(np.arccos(vectors[0] @ vectors[1] / (a * b)))


def fitted(micrograph):
    return fit_lattice(micrograph, find_columns(micrograph).tables[0])


def values(table, unit="angstrom"):
    return table.data[[f"a_{unit}", f"b_{unit}", "gamma_degree"]].to_numpy()[0]


@pytest.mark.parametrize("angle", [0.0, 11.3, 45.0, 77.7])
@pytest.mark.parametrize(
    ("vectors", "cell"),
    [
        ([[14.0, 0], [0, 14.0]], (14, 14, 90)),
        ([[13.0, 0], [0, 19.0]], (13, 19, 90)),
        ([[15.0, 0], [-7.5, 12.990381]], (15, 15, 120)),
        ([[10.0, 14.142136], [-10.0, 14.142136]], (17.320508, 17.320508, 109.4712)),
        ([[14.0, 0], [-3.0, 17.0]], (14, 17.262677, 100.0080)),
    ],
    ids=["square", "rectangular", "hexagonal", "centred", "oblique"],
)
def test_any_lattice_at_any_rotation(points_of, draw, shoot, turned, vectors, cell, angle):
    points, _ = points_of(turned(vectors, angle), shape=SHAPE)
    table = fitted(shoot(draw(points, 200, 2.4, SHAPE) + 10))
    assert isinstance(table, LatticeTable)
    np.testing.assert_allclose(values(table) / [0.2, 0.2, 1], cell, rtol=2e-3)
    assert table.data.n_columns[0] > 0.8 * len(points)


def test_the_period_is_that_of_the_chemical_order(points_of, draw, shoot, turned):
    """As SrTiO3 [001]: without the order the period would be shorter by sqrt 2."""
    points, kind = points_of(turned([[19.5, 0], [0, 19.5]], 8), shape=SHAPE, basis=((0, 0), (0.5, 0.5)))
    for weak, period in ((60, 19.5), (200, 19.5 / np.sqrt(2))):
        mean = draw(points, np.where(kind == 0, 200, weak), 2.8, SHAPE) + 10
        np.testing.assert_allclose(values(fitted(shoot(mean)))[:2] / 0.2, period, rtol=2e-3)


def test_two_columns_of_a_cell_at_any_place_keep_the_period(points_of, draw, shoot):
    points, _ = points_of([[30.0, 0], [0, 21.0]], shape=SHAPE, basis=((0, 0), (0.42, 0.5)))
    table = fitted(shoot(draw(points, 200, 2.6, SHAPE) + 10))
    np.testing.assert_allclose(values(table) / [0.2, 0.2, 1], (21, 30, 90), rtol=3e-3)


def test_a_small_particle_and_missing_columns(points_of, draw, shoot):
    points, _ = points_of([[14.0, 0], [0, 14.0]], shape=SHAPE, disc=75)
    points = points[np.random.default_rng(0).random(len(points)) > 0.1]
    table = fitted(shoot(draw(points, 150, 2.5, SHAPE) + 5))
    np.testing.assert_allclose(values(table) / [0.2, 0.2, 1], (14, 14, 90), rtol=5e-3)


def test_intervals_cover_what_they_say(points_of, draw, shoot, turned):
    """90 % intervals over scatter that is the same for neighbours, as that of scan lines is."""
    from scipy.ndimage import gaussian_filter

    true = turned([[14.0, 0], [0, 17.0]], 5)
    points, _ = points_of(true, shape=SHAPE)
    # the image is drawn once: the periods' start comes from it, the fit from the places
    micrograph = shoot(draw(points, 200, 2.4, SHAPE) + 10)
    covered = []
    for seed in range(40):
        rng = np.random.default_rng([5, seed])
        smooth = gaussian_filter(rng.normal(size=(2, *SHAPE)), (0, 12, 12))
        moved = 0.3 * rng.normal(size=points.shape)
        moved += 0.3 * np.stack([part[tuple(points.astype(int).T)] / part.std() for part in smooth], -1)
        table = column_table(points + moved, frame=0, pixel_size=0.2, values={})
        row = fit_lattice(micrograph, table).data.iloc[0]
        for name, suffix, value in zip(
            ("a", "b", "gamma"), ("angstrom", "angstrom", "degree"), (2.8, 3.4, 90), strict=True
        ):
            covered.append(row[f"{name}_low_{suffix}"] <= value <= row[f"{name}_high_{suffix}"])
    assert 0.8 <= np.mean(covered) <= 0.98


def test_no_lattice_gives_an_empty_row(shoot):
    rng = np.random.default_rng(1)
    micrograph = shoot(np.full((128, 128), 20.0))
    stray = column_table(rng.uniform(0, 127, (60, 2)), frame=3, pixel_size=0.2, values={})
    for columns in (find_columns(micrograph).tables[0], stray):
        table = fit_lattice(micrograph, columns)
        assert len(table) == 1
        assert table.data.drop(columns=["frame", "n_columns"]).isna().all(axis=None)
        assert table.data.n_columns[0] == 0
        assert summarise(table) == ()


def test_px_where_the_pixel_size_is_unknown(points_of, draw, shoot):
    points, _ = points_of([[14.0, 0], [0, 17.0]], shape=SHAPE)
    table = fitted(shoot(draw(points, 200, 2.4, SHAPE) + 10, pixel_size=None))
    assert table.columns == lattice_columns("px")
    np.testing.assert_allclose(values(table, "px"), (14, 17, 90), rtol=2e-3)
    assert [estimate.unit for estimate in summarise(table)] == ["px", "px", "°"]


def test_columns_of_the_table():
    assert [column.name for column in lattice_columns("angstrom")] == [
        *("frame", "a_angstrom", "a_low_angstrom", "a_high_angstrom", "b_angstrom", "b_low_angstrom"),
        *("b_high_angstrom", "gamma_degree", "gamma_low_degree", "gamma_high_degree", "n_columns"),
    ]


def test_summary_of_frames(points_of, draw, shoot):
    import pandas as pd

    points, _ = points_of([[14.0, 0], [0, 17.0]], shape=SHAPE)
    mean = draw(points, 100, 2.4, SHAPE) + 10
    frames = [fitted(shoot(mean, frame=frame)) for frame in range(3)]
    table = LatticeTable(data=pd.concat([f.data for f in frames]), columns=frames[0].columns)
    a, b, gamma = summarise(table)
    assert a.value == pytest.approx(2.8, rel=2e-3)
    assert b.value == pytest.approx(3.4, rel=2e-3)
    assert gamma.value == pytest.approx(90, abs=0.2)
    assert a.low < a.value < a.high
    assert "pixel size" in a.note


@pytest.mark.parametrize("seed", range(20))
def test_reduced_basis_spans_the_same_lattice(seed):
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(2, 2))
    result = reduced(basis)
    change = result @ np.linalg.inv(basis)
    np.testing.assert_allclose(change, np.rint(change), atol=1e-9)
    assert abs(np.linalg.det(change)) == pytest.approx(1)
    a, b, gamma = cell_of(result)
    assert a <= b
    assert 90 <= gamma <= 120 + 1e-9


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is missing")
def test_strontium_titanate_is_nearly_square_with_all_columns():
    """The calibration in the file makes the cell 3 to 4 % larger than the true 3.905 Å: its shape is held."""
    from ncempy.io.ser import serReader

    file = serReader(str(DATA / "SrTiO3_1.ser"))
    size = float(file["pixelSize"][0]) * 1e10
    image = file["data"].astype(np.float32)
    table = fitted(Micrograph(image=image, name="SrTiO3_1.ser", pixel_size=size, modality="HAADF"))
    a, b, gamma = values(table)
    assert a / b == pytest.approx(1, abs=0.02)
    assert gamma == pytest.approx(90, abs=2)
    assert a == pytest.approx(3.905, rel=0.05)
    assert table.data.n_columns[0] == pytest.approx(2 * (image.size * size**2) / (a * b), rel=0.05)


@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is missing")
def test_fcc_110_of_the_counting_series():
    """The published fits of its columns lie on a lattice with the angle of fcc [110], 2 arctan sqrt 2."""
    file = np.load(DATA / "counting_series.npz")
    size = float(file["pixel_size_angstrom"][0])
    micrograph = Micrograph(image=file["frames"][0].astype(np.float32), name="series", pixel_size=size)
    a, b, gamma = values(fitted(micrograph))
    assert gamma == pytest.approx(2 * np.degrees(np.arctan(np.sqrt(2))), abs=0.3)
    assert a / b == pytest.approx(1, abs=0.01)
