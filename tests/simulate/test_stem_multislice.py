"""The multislice reference: its signs, its focus, its thickness series."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from nanonet.records import InputError
from simulate.stem.multislice import haadf_multislice, scan_grid
from simulate.stem.potential import Scattering, box_sides, phonon_potential
from simulate.stem.probe import Annulus, Probe
from simulate.stem.selftest import check_prism, check_probe_norm, gold

ANNULI = (Annulus(inner=50.0, outer=100.0), Annulus(inner=60.0, outer=100.0))
SCATTERING = Scattering(frozen_phonons=1, sampling=0.08, slice_thickness=2.0)


@pytest.mark.parametrize("check", [check_probe_norm, check_prism])
def test_selftests_pass(check: object) -> None:
    checks = check()  # type: ignore[operator]
    assert checks
    assert [c.name for c in checks if not c.passed] == []


@pytest.mark.parametrize("height", [6.0, 60.0, 114.0])
def test_positive_defocus_focuses_deeper_and_zero_in_the_middle(height: float) -> None:
    """An atom at a height of a tall box is brightest where the crossover lies at it."""
    atom = Atoms("Au", positions=[(5.0, 5.0, height)], cell=(10.0, 10.0, 120.0), pbc=True)
    defoci = np.arange(-90.0, 91.0, 10.0)
    signal = [
        haadf_multislice(
            atom,
            Probe(defocus=float(defocus), semiangle_cutoff=30.0),
            ANNULI[:1],
            SCATTERING,
            displacements={"Au": 0.0},
            seed=(0,),
            positions=np.array([5.0, 5.0]),
        ).item()
        for defocus in defoci
    ]
    best = np.polynomial.Polynomial.fit(defoci, signal, 12)
    fine = np.linspace(-80, 80, 1601)
    assert fine[best(fine).argmax()] == pytest.approx(height - 60.0, abs=4.0)


def test_positions_are_y_x_and_shapes_follow_them() -> None:
    atom = Atoms("Au", positions=[(7.0, 3.0, 3.0)], cell=(10.0, 9.0, 6.0), pbc=True)
    grid = scan_grid(box_sides(atom), (18, 20))
    image = haadf_multislice(
        atom, Probe(), ANNULI, SCATTERING, displacements={"Au": 0.0}, seed=(0,), positions=grid
    )
    assert image.shape == (2, 1, 18, 20)
    assert np.unravel_index(image[0, 0].argmax(), (18, 20)) == (6, 14)
    assert (image[1] < image[0]).all()


def test_thickness_series_is_that_of_thinner_boxes() -> None:
    """The wave behind a part of the box does not know of what follows."""
    atoms = gold()
    where = {"displacements": {"Au": 0.0}, "seed": (0,), "positions": np.array([[4.0, 5.0], [4.5, 2.0]])}
    series = haadf_multislice(atoms, Probe(), ANNULI, SCATTERING, depths=(6.0, 12.0), **where)
    thin = atoms[atoms.positions[:, 2] < 6.0]
    thin.set_cell([10.0, 9.0, 6.0])
    # Focus lies in the middle of each box: 3 Å higher in the thin one.
    alone = haadf_multislice(thin, Probe(defocus=3.0), ANNULI, SCATTERING, **where)
    np.testing.assert_allclose(series[:, 0], alone[:, 0], rtol=2e-4)
    assert (series[:, 1] > series[:, 0]).all()


def test_configurations_follow_from_their_seed_and_add_up() -> None:
    where = {"displacements": {"Au": 0.1}, "positions": np.array([[4.0, 5.0]])}
    two = Scattering(frozen_phonons=2, sampling=0.08, slice_thickness=2.0)
    both = haadf_multislice(gold(), Probe(), ANNULI, two, seed=(7,), **where)
    first, second = (
        np.asarray(phonon_potential(gold(), SCATTERING, {"Au": 0.1}, (7, index), energy=200e3).array)
        for index in (0, 1)
    )
    assert np.abs(first - second).max() > 1.0
    np.testing.assert_array_equal(both, haadf_multislice(gold(), Probe(), ANNULI, two, seed=(7,), **where))
    one = haadf_multislice(gold(), Probe(), ANNULI, SCATTERING, seed=(7,), **where)
    assert not np.allclose(one, both, rtol=1e-6)
    assert both.mean() == pytest.approx(one.mean(), rel=0.5)


def test_what_cannot_be_used_is_said() -> None:
    where = {"displacements": {"Au": 0.1}, "seed": (0,), "positions": np.zeros((1, 2))}
    with pytest.raises(InputError, match="sampling must be at most"):
        haadf_multislice(gold(), Probe(), [Annulus(inner=80.0, outer=200.0)], SCATTERING, **where)
    with pytest.raises(InputError, match="energy must lie within"):
        Probe(energy=30e3)
    with pytest.raises(InputError, match="semiangle_cutoff must lie within"):
        Probe(semiangle_cutoff=0.0)
    with pytest.raises(InputError, match="frozen_phonons must be at least 1"):
        Scattering(frozen_phonons=0)
    skewed = gold()
    skewed.set_cell([[10, 1, 0], [0, 9, 0], [0, 0, 12]])
    with pytest.raises(InputError, match="rectangular box"):
        haadf_multislice(skewed, Probe(), ANNULI, SCATTERING, **where)


def test_an_atom_scatters_to_high_angles_as_on_a_fine_grid():
    """Within 3 % by rings; with exp(iσV) taken on the grid itself, gold scatters 15 to 36 % too much."""
    import abtem
    from abtem.core.energy import energy2sigma
    from ase import Atoms

    from simulate.stem.potential import phonon_potential
    from simulate.tem.optics import wavelength
    from simulate.tem.projection import StructureFactorIntegrals

    side = 9.0
    atom = Atoms("Au", positions=[(4.51, 4.47, 1.0)], cell=(side, side, 2.0), pbc=True)
    sigma = energy2sigma(200e3)

    def rings(potential: np.ndarray) -> np.ndarray:
        count = potential.shape[-1]
        power = np.abs(np.fft.fft2(np.exp(1j * sigma * potential)) / count**2) ** 2
        k = np.fft.fftfreq(count, side / count)
        angle = 1e3 * wavelength(200e3) * np.hypot(k[:, None], k)
        return np.array([power[(angle >= low) & (angle < low + 20)].sum() for low in (80, 100, 140)])

    coarse = phonon_potential(
        atom,
        Scattering(frozen_phonons=1, sampling=0.045, slice_thickness=2.0),
        {"Au": 1e-9},
        (0,),
        energy=200e3,
    )
    count = 720
    fine = StructureFactorIntegrals().integrate_on_grid(atom, 0, 2, (count, count), (side / count,) * 2)
    with abtem.config.set({"precision": "float32"}):
        np.testing.assert_allclose(rings(np.asarray(coarse.array)[0]), rings(fine), rtol=0.03)
    naive = StructureFactorIntegrals().integrate_on_grid(atom, 0, 2, (200, 200), (side / 200,) * 2)
    assert (rings(naive) > 1.1 * rings(fine)).all()
