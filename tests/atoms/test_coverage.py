"""Missing cones: seen, allowed for in positions' errors, and no loss of atoms."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from nanonet.atoms.coverage import EVERYWHERE, cell_of, coverage_of
from nanonet.atoms.crystal import crystal_of
from nanonet.atoms.detect import detect
from nanonet.atoms.noise import coverage

PT = crystal_of("Pt")


def without_cone(density: np.ndarray, degrees: float) -> np.ndarray:
    z, y, x = np.meshgrid(*[np.fft.fftfreq(n) for n in density.shape], indexing="ij")
    kept = np.abs(z) <= np.cos(np.radians(degrees)) * np.sqrt(x**2 + y**2 + z**2)
    return np.fft.ifftn(np.fft.fftn(density) * kept).real.astype(np.float32)


@pytest.mark.parametrize("degrees", [20.0, 30.0, 45.0])
def test_a_cone_is_seen_where_it_is(particle, degrees: float) -> None:
    volume = particle.map(25.0)
    found = coverage(without_cone(volume.density, degrees), volume.voxel_size)
    cosine = np.cos(np.radians(degrees))
    assert found.share == pytest.approx(cosine, abs=0.03)
    # 3 ∫ cos²θ over |cos θ| < c is c³: analytic.
    assert np.diag(found.tensor) == pytest.approx(
        [(3 * cosine - cosine**3) / 2, (3 * cosine - cosine**3) / 2, cosine**3], abs=0.04
    )


def test_a_whole_map_lacks_no_direction(particle) -> None:
    for noise in (1.0, 25.0):
        assert coverage(particle.map(noise).density, 0.36) is EVERYWHERE
    assert EVERYWHERE.share == pytest.approx(1.0)
    assert EVERYWHERE.stretch == pytest.approx(np.eye(3))


def test_opposite_directions_are_one_cell() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 500))
    assert (cell_of(*vectors) == cell_of(*-vectors)).all()
    assert coverage_of(np.ones(500), cell_of(*vectors)) is EVERYWHERE


def test_atoms_are_found_despite_a_cone_and_their_errors_know_it(particle) -> None:
    volume = particle.map(25.0)
    found = detect(replace(volume, density=without_cone(volume.density, 30.0)), PT)
    off, nearest = cKDTree(particle.atoms.positions).query(found.fit.atoms.positions)
    assert len(np.unique(nearest)) == len(off) == len(particle.atoms)
    away = found.fit.atoms.positions - particle.atoms.positions[nearest]
    expected = np.sqrt((found.fit.position_errors**2).mean(axis=0))
    assert expected[2] > 1.15 * expected[0]
    assert np.sqrt((away**2).mean(axis=0)) == pytest.approx(expected, rel=0.2)
    assert found.fit.atoms.u_iso.mean() == pytest.approx(0.2, abs=0.015)
