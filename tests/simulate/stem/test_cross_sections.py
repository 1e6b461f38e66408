"""Free atoms against a fine grid, the shipped library, and what is asked of it in vain."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms

from nanonet.records import InputError
from simulate.crystals import crystal
from simulate.specimen import COLUMN, COUNTED
from simulate.stem.atom import ring_cross_sections
from simulate.stem.calibrate import Calibration, calibrate
from simulate.stem.channelling import channelled
from simulate.stem.cross_sections import (
    MISTILTS,
    RINGS,
    TILTS,
    annulus_rings,
    cone_shares,
    library,
    nearest_entry,
    read_entries,
    write_entries,
)
from simulate.stem.planes import crystal_planes
from simulate.tem.optics import wavelength


def column(element: str, count: int, spacing: float, *, tilt: float = 0.0) -> Atoms:
    """A column of atoms along z, leaning by ``tilt`` degrees."""
    z = np.arange(count) * spacing
    positions = np.stack([z * np.tan(np.radians(tilt)), 0 * z, z], axis=1)
    atoms = Atoms(f"{element}{count}", positions=positions, cell=[10, 10, count * spacing + 4])
    atoms.set_array(COLUMN, np.zeros(count, dtype=int))
    atoms.set_array(COUNTED, np.ones(count, dtype=bool))
    return atoms


def column_sum(atoms: Atoms, inner: float = 80.0, outer: float = 160.0) -> float:
    made = channelled(atoms, library(200e3), energy=200e3, inner=inner, outer=outer)
    return float((made.scattered @ cone_shares(23.0)).sum())


def test_a_free_atom_scatters_as_a_phase_object_on_a_fine_grid() -> None:
    from abtem.core.energy import energy2sigma
    from abtem.parametrizations import validate_parametrization

    side, step = 8.0, 0.0125
    k = np.fft.fftfreq(round(side / step), step)
    square = k[:, None] ** 2 + k**2
    factor = validate_parametrization("lobato").projected_scattering_factor("Au")(square) / step**2
    scattered = np.exp(1j * energy2sigma(200e3) * np.fft.ifft2(factor).real) - 1
    power = np.abs(np.fft.fft2(scattered) * step**2) ** 2 / side**2
    angle = 1e3 * wavelength(200e3) * np.sqrt(square)
    expected = [power[(angle >= low) & (angle < high)].sum() for low, high in ((80, 120), (120, 160))]
    np.testing.assert_allclose(ring_cross_sections("Au", 200e3, (80, 120, 160)), expected, rtol=0.02)


def test_cross_sections_of_rings_add_up() -> None:
    parts = ring_cross_sections("Pt", 300e3, (60, 90, 160))
    assert parts.sum() == pytest.approx(ring_cross_sections("Pt", 300e3, (60, 160))[0], rel=1e-4)


def test_heavy_atoms_scatter_more_by_nearly_the_square_of_their_charge() -> None:
    gold, carbon = (ring_cross_sections(s, 200e3, (80, 160))[0] for s in ("Au", "C"))
    assert 1.5 < np.log(gold / carbon) / np.log(79 / 6) < 2.0


def test_angles_that_do_not_rise_are_refused() -> None:
    with pytest.raises(InputError, match="must rise"):
        ring_cross_sections("Au", 200e3, (80, 60))


def test_the_library_holds_gold_platinum_and_ceria_along_110() -> None:
    found = {(entry.material, entry.zone_axis) for entry in library(200e3)}
    assert {("Au", (1, 1, 0)), ("Pt", (1, 1, 0)), ("CeO2", (1, 1, 0))} <= found


@pytest.mark.parametrize("entry", read_entries().values(), ids=lambda entry: entry.name)
def test_entries_are_physical(entry) -> None:
    assert entry.scattered.shape[:2] == (len(MISTILTS), len(TILTS) - 1)
    assert (np.diff(entry.scattered[..., 2:].sum(-1), axis=2) > 0).all()  # each atom adds something
    first = entry.enhancement()[:, 0, 0]  # of nearly parallel illumination the first atom does not channel
    np.testing.assert_allclose(first.mean(axis=0), 1.0, atol=0.12)
    cone = cone_shares(23.0)
    total = np.einsum("t,mtdr->mdr", cone, entry.scattered)[0, :, 2:].sum(-1)
    error = np.sqrt(np.einsum("t,tdr->dr", cone**2, entry.error[0] ** 2))[:, 2:].sum(-1)
    assert (error / total).max() < 0.02


def test_on_the_zone_axis_a_column_scatters_more_than_its_atoms() -> None:
    free = 8 * ring_cross_sections("Au", 200e3, (80, 160))[0]
    aligned, leaning = (column_sum(column("Au", 8, 2.884, tilt=t)) for t in (0.0, 3.0))
    assert aligned > 1.3 * free
    assert aligned > 1.1 * leaning > 1.05 * free


def test_a_column_grows_with_every_atom() -> None:
    sums = [column_sum(column("Pt", count, 2.775)) for count in range(1, 45)]
    assert (np.diff(sums) > 0).all()


def test_a_wider_annulus_collects_more() -> None:
    atoms = column("Au", 4, 2.884)
    assert column_sum(atoms, 50, 200) > column_sum(atoms, 60, 160) > column_sum(atoms, 70, 150)


def test_atoms_that_are_not_counted_scatter_as_free_ones() -> None:
    atoms = Atoms("C5", positions=np.random.default_rng(0).uniform(0, 8, (5, 3)), cell=[8, 8, 8])
    atoms.set_array(COUNTED, np.zeros(5, dtype=bool))
    expected = 5 * ring_cross_sections("C", 200e3, (80, 160))[0]
    assert column_sum(atoms) == pytest.approx(expected, rel=1e-4)


def test_elements_the_library_lacks_take_the_next_heaviest_like_column() -> None:
    entry, on_axis = nearest_entry(library(200e3), "Ir", 2.715)
    assert on_axis
    assert entry.counted == "Pt"
    assert not nearest_entry(library(200e3), "Au", 11.0)[1]


def test_the_rings_of_an_annulus_cover_it() -> None:
    parts = annulus_rings(50.0, 210.0)
    assert parts[0][0] == 50.0
    assert parts[-1][1] == 210.0
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert max(ring for _, _, ring in parts) == len(RINGS) - 2


@pytest.mark.parametrize("angle", [8.0, 23.0, 30.0, 38.0])
def test_the_shares_of_a_cone_add_up(angle: float) -> None:
    assert cone_shares(angle).sum() == pytest.approx(1.0)
    assert (cone_shares(angle) >= 0).all()


def test_a_cone_beyond_the_library_is_refused() -> None:
    with pytest.raises(InputError, match="semiangle_cutoff"):
        cone_shares(50.0)


def test_an_energy_the_library_lacks_is_refused_with_the_command_that_adds_it() -> None:
    with pytest.raises(InputError, match=r"simulate\.stem\.calibrate"):
        library(80e3)


def test_a_crystal_repeats_as_planes() -> None:
    planes = crystal_planes(crystal("Au"), (1, 1, 0), 13.0)
    a = crystal("Au").lattice_constant
    assert planes.per_atom == 2
    assert planes.area == pytest.approx(a * a / np.sqrt(2) / 2)
    np.testing.assert_allclose(planes.gaps, a / np.sqrt(8))
    density = len(planes.atoms) / planes.atoms.get_volume()
    assert density == pytest.approx(4 / a**3)


def test_only_cubic_crystals_are_calibrated() -> None:
    with pytest.raises(InputError, match="cubic"):
        crystal_planes(crystal("TiO2"), (0, 0, 1), 10.0)


def test_calibration_follows_from_its_seed_and_survives_the_file(tmp_path) -> None:
    quick = Calibration(frozen_phonons=2, width=7.0, thickness=6.0, outer=100.0)
    one, two = (calibrate(crystal("Ni"), (1, 0, 0), 200e3, quick) for _ in range(2))
    np.testing.assert_array_equal(one.scattered, two.scattered)
    write_entries(tmp_path / "library.npz", {one.name: one})
    read = read_entries(tmp_path / "library.npz")["Ni_100_200kV"]
    np.testing.assert_allclose(read.scattered, one.scattered, rtol=2e-3, atol=1e-7)
    assert (read.zone_axis, read.spacing, read.others) == ((1, 0, 0), one.spacing, {})
