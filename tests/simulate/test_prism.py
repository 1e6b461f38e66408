"""PRISM and its reduction: against abTEM's, against plain sums, and the imaging built on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from ase import Atoms

from nanonet.records import InputError
from simulate.stem.correlation import beam_correlation
from simulate.stem.haadf import IMAGES, PrismHAADF
from simulate.stem.matrix import ScatteringMatrix
from simulate.stem.multislice import scan_grid
from simulate.stem.potential import Scattering, phonon_potential
from simulate.stem.prism import column_library_images, haadf_prism, scattering_matrices
from simulate.stem.probe import Annulus, Probe, beam_lattice, probe_intensity, scan_points
from simulate.stem.reduction import reduce_grid, reduce_positions
from simulate.stem.selftest import abtem_reduction, check_configurations, check_reduction, check_vacuum, gold
from simulate.view import View

ANNULI = (Annulus(inner=50.0, outer=100.0), Annulus(inner=0.0, outer=30.0))
SCATTERING = Scattering(frozen_phonons=1, sampling=0.08, slice_thickness=3.0)
SETTINGS = (
    Probe(),
    Probe(defocus=40.0, Cs=1e5),
    Probe(astigmatism=25.0, astigmatism_angle=0.3, coma=600.0, coma_angle=0.8, semiangle_cutoff=18.0),
)


@pytest.fixture(scope="module", params=[1, 2, 3])
def matrix(request: pytest.FixtureRequest) -> ScatteringMatrix:
    potential = phonon_potential(gold(), SCATTERING, {"Au": 0.088}, (3,), energy=200e3)
    (found,) = scattering_matrices(potential, SETTINGS, ANNULI, interpolation=request.param)
    return found


def test_a_grid_is_what_its_positions_are(matrix: ScatteringMatrix) -> None:
    points = (12, 18)
    grid = reduce_grid(matrix, SETTINGS, ANNULI, points).numpy()
    positions = scan_grid(matrix.sides, points)[::3, ::5]
    single = reduce_positions(matrix, SETTINGS, ANNULI, positions.reshape(-1, 2)).numpy()
    single = single.reshape(*grid.shape[:2], *positions.shape[:2])
    scale = grid.mean(axis=(2, 3), keepdims=True)
    # A window that begins half-way between two samples may be either of them.
    np.testing.assert_allclose(grid[..., ::3, ::5] / scale, single / scale, atol=2e-4)


def test_reduction_equals_a_plain_sum_over_beams(matrix: ScatteringMatrix) -> None:
    """Independent of all tricks: superpose, cut a window, transform, sum, for one probe."""
    position = np.array([3.217, 6.481])
    found = reduce_positions(matrix, SETTINGS[2:], ANNULI, position[None])[0, :, 0].numpy()
    k = matrix.lattice / np.array(matrix.window_sides)
    values = matrix.amplitudes(SETTINGS[2:])[0].numpy() * np.exp(-2j * np.pi * k @ position)
    wave = np.tensordot(values, matrix.waves.numpy(), 1)
    sampling = np.array(matrix.sides) / wave.shape
    corner = np.rint(position / sampling - np.array(matrix.window) // 2).astype(int)
    rows, columns = (
        (c + np.arange(w)) % n for c, w, n in zip(corner, matrix.window, wave.shape, strict=True)
    )
    pattern = np.abs(np.fft.fft2(wave[np.ix_(rows, columns)], norm="forward")) ** 2
    expected = [pattern[mask].sum() for mask in matrix.masks(ANNULI).numpy()]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("probe", SETTINGS, ids=["focus", "defocus", "astigmatism"])
def test_reduction_equals_abtems(matrix: ScatteringMatrix, probe: Probe) -> None:
    positions = np.random.default_rng(0).uniform(0, 9, (20, 2))
    found = reduce_positions(matrix, [probe], ANNULI, positions)[0].numpy()
    reference = abtem_reduction(matrix, probe, ANNULI, positions)
    np.testing.assert_allclose(
        found / reference.mean(1)[:, None], reference / reference.mean(1)[:, None], atol=1e-4
    )


def test_more_probes_than_beams_take_the_other_way(matrix: ScatteringMatrix) -> None:
    position = np.array([[2.3, 4.1]])
    many = [replace(SETTINGS[1], defocus=float(d)) for d in np.linspace(-50, 50, len(matrix.lattice) + 5)]
    together = reduce_positions(matrix, many, ANNULI, position)
    alone = torch.cat([reduce_positions(matrix, [probe], ANNULI, position) for probe in many[::40]])
    torch.testing.assert_close(together[::40], alone, rtol=1e-4, atol=1e-7)


def test_a_shift_of_the_atoms_shifts_the_image() -> None:
    """By a whole period of the windows, with which all is the same."""
    images = []
    for shift in (0.0, 5.0):
        atoms = gold()
        atoms.positions[:, 0] += shift
        images.append(_prism(atoms, interpolation=2)[0, 0, 0])
    np.testing.assert_allclose(
        np.roll(images[0], images[0].shape[1] // 2, axis=1), images[1], rtol=2e-3, atol=1e-6
    )


def test_frame_is_y_x() -> None:
    atoms = Atoms("Au", positions=[(7.0, 3.0, 3.0)], cell=(10.0, 9.0, 6.0), pbc=True)
    image = _prism(atoms)[0, 0, 0]
    y, x = np.unravel_index(image.argmax(), image.shape)
    assert y * 9.0 / image.shape[0] == pytest.approx(3.0, abs=0.2)
    assert x * 10.0 / image.shape[1] == pytest.approx(7.0, abs=0.2)


def test_interpolation_changes_little_and_configurations_follow_from_their_seed() -> None:
    exact, coarse = _prism(gold())[0, 0, 0], _prism(gold(), interpolation=2)[0, 0, 0]
    assert coarse.mean() == pytest.approx(exact.mean(), rel=0.1)
    np.testing.assert_array_equal(exact, _prism(gold())[0, 0, 0])
    assert np.abs(exact - _prism(gold(), seed=(4,))[0, 0, 0]).max() > 1e-3 * exact.mean()


def test_signal_grows_with_thickness_and_inner_angle_costs_signal() -> None:
    found = column_library_images(
        gold(),
        [Probe()],
        [Annulus(inner=40.0, outer=100.0), Annulus(inner=60.0, outer=100.0)],
        SCATTERING,
        displacements={"Au": 0.088},
        seed=(0,),
        depths=(4.0, 8.0, 12.0),
    )
    wide, narrow = found.images[0].mean(axis=(2, 3))
    assert (np.diff(wide) > 0).all()
    assert (narrow < wide).all()
    assert found.images.shape[-2:] == scan_points(200e3, 23.0, (9.0, 10.0))


def test_probe_lattice_and_focal_spread() -> None:
    lattice = beam_lattice(200e3, 23.0, (20.0, 20.0))
    area = np.pi * (23e-3 / 0.025079 * 20) ** 2
    assert len(lattice) == pytest.approx(area, rel=0.1)
    assert (np.diff(lattice[:, 0]) >= 0).all()
    sharp, spread = (
        probe_intensity(Probe(focal_spread=s), (200, 200), (20.0, 20.0)).numpy() for s in (0.0, 40.0)
    )
    assert sharp.sum() == pytest.approx(1, abs=1e-4)
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert spread[0, 0] < 0.9 * sharp[0, 0]
    fine = sum(
        w * probe_intensity(Probe(defocus=float(d)), (200, 200), (20.0, 20.0)).numpy()
        for d, w in zip(*_normal(40.0), strict=True)
    )
    assert np.abs(fine - spread).max() < 2e-3 * sharp.max()


def _normal(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.linspace(-4, 4, 41)
    weights = np.exp(-(offsets**2) / 2)
    return sigma * offsets, weights / weights.sum()


@pytest.mark.parametrize("check", [check_vacuum, check_reduction, check_configurations])
def test_selftests_pass(check: object) -> None:
    checks = check()  # type: ignore[operator]
    assert checks
    assert [c.name for c in checks if not c.passed] == []


@dataclass(frozen=True, kw_only=True)
class _Setting:
    probe: Probe
    pixel_size: float = 0.3
    dose: float = 1e4


@pytest.fixture(scope="module")
def imaging() -> tuple[PrismHAADF, dict[str, np.ndarray]]:
    recipe = PrismHAADF(
        inner=50.0, outer=100.0, sampling=0.06, slice_thickness=3.0, frozen_phonons=1, interpolation=2
    )
    atoms = gold()
    atoms.set_cell([10.0, 10.0, 12.0])
    return recipe, recipe.calculate(atoms, {"Au": 0.088}, (5, 0, 1))


def test_expected_counts_are_dose_times_area_times_signal(
    imaging: tuple[PrismHAADF, dict[str, np.ndarray]],
) -> None:
    recipe, stored = imaging
    assert stored[IMAGES].shape[0] == len(recipe.defoci)
    assert stored[IMAGES].dtype == np.float32
    n = stored[IMAGES].shape[-1]
    view = View(origin=(0.0, 0.0), pixel_size=10.0 / n, shape=(n, n))
    setting = _Setting(probe=Probe(defocus=25.0), pixel_size=10.0 / n)
    image = recipe.expected(stored, 10.0, setting, view).numpy()
    assert image.sum() == pytest.approx(1e4 * (10.0 / n) ** 2 * stored[IMAGES][3].sum(), rel=1e-2)


def test_defocus_between_the_stored_ones(imaging: tuple[PrismHAADF, dict[str, np.ndarray]]) -> None:
    recipe, stored = imaging
    atoms = gold()
    atoms.set_cell([10.0, 10.0, 12.0])
    between = replace(recipe, defoci=(12.0,)).calculate(atoms, {"Au": 0.088}, (5, 0, 1))[IMAGES][0]
    guess = np.tensordot(recipe._defocus_weights(Probe(defocus=12.0)), stored[IMAGES], 1)
    assert np.abs(guess - between).max() < 0.01 * between.max()


def test_source_size_blurs_and_keeps_the_sum(imaging: tuple[PrismHAADF, dict[str, np.ndarray]]) -> None:
    recipe, stored = imaging
    view = View(origin=(0.1, 0.2), pixel_size=0.25, shape=(40, 40))
    sharp, blurred = (
        recipe.expected(stored, 10.0, _Setting(probe=Probe(source_size=s), pixel_size=0.25), view).numpy()
        for s in (0.0, 0.5)
    )
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=0.01)
    assert blurred.std() < 0.8 * sharp.std()


@pytest.mark.parametrize(
    ("probe", "words"),
    [
        (Probe(defocus=80.0), "defocus must lie within"),
        (Probe(energy=300e3), "energy must be 200000"),
        (Probe(coma=30.0), "coma must be 0.0"),
    ],
)
def test_a_probe_that_was_not_calculated_is_refused(
    imaging: tuple[PrismHAADF, dict[str, np.ndarray]], probe: Probe, words: str
) -> None:
    recipe, stored = imaging
    with pytest.raises(InputError, match=words):
        recipe.expected(
            stored, 10.0, _Setting(probe=probe), View(origin=(0, 0), pixel_size=0.3, shape=(8, 8))
        )


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(InputError, match=r"sampling must be at most 0\.0443 Å"):
        PrismHAADF(sampling=0.08)
    with pytest.raises(InputError, match="interpolation must lie within 1 and 8"):
        PrismHAADF(interpolation=9)
    with pytest.raises(InputError, match="defoci must be increasing"):
        PrismHAADF(defoci=(10.0, -10.0))
    with pytest.raises(InputError, match="0 <= inner < outer"):
        Annulus(inner=80.0, outer=60.0)
    with pytest.raises(InputError, match="depths must increase"):
        column_library_images(
            gold(), [Probe()], ANNULI, SCATTERING, displacements={"Au": 0.1}, seed=(0,), depths=(9.0, 4.0)
        )
    big = gold()
    big.set_cell([80.0, 80.0, 12.0])
    with pytest.raises(InputError, match="GB"):
        haadf_prism(
            big, [Probe()], ANNULI, replace(SCATTERING, sampling=0.08), displacements={"Au": 0.1}, seed=(0,)
        )


def test_a_matrix_refuses_what_it_does_not_hold(matrix: ScatteringMatrix) -> None:
    with pytest.raises(InputError, match="holds angles up to"):
        reduce_grid(matrix, SETTINGS, [Annulus(inner=50.0, outer=300.0)], (12, 12))
    with pytest.raises(InputError, match="focal_series"):
        reduce_grid(matrix, [Probe(focal_spread=10.0)], ANNULI, (12, 12))
    if matrix.interpolation > 1:
        with pytest.raises(InputError, match="multiples of interpolation"):
            reduce_grid(matrix, SETTINGS, ANNULI, (13, 13))
        with pytest.raises(InputError, match="interpolation is 1"):
            beam_correlation(matrix, ANNULI)


def _prism(atoms: Atoms, *, interpolation: int = 1, seed: tuple[int, ...] = (0,)) -> np.ndarray:
    return haadf_prism(
        atoms,
        [Probe()],
        ANNULI[:1],
        SCATTERING,
        displacements={"Au": 0.02},
        seed=seed,
        interpolation=interpolation,
    ).images
