import numpy as np
import pytest
from crystal_pieces import piece

from simulate.defects import CoreShellStrain, StaticDisorder, StrainField
from simulate.defects.elasticity import poisson_ratio
from simulate.defects.smooth import smooth_field
from simulate.defects.strain import _inclusion
from simulate.defects.surroundings import below_surface


def rng(seed=0):
    return np.random.default_rng(seed)


def fitted_gradient(particle):
    at = particle.occupied
    places = np.column_stack([particle.sites.positions[at], np.ones(at.sum())])
    return np.linalg.lstsq(places, particle.displacements[at], rcond=None)[0][:3].T


def test_the_fitted_strain_is_what_was_put_in():
    for seed in range(3):
        defect = StrainField(dilation=(-0.03, 0.03), distortion=(0.0, 0.01), rms=(0.0, 0.0))
        strained = defect.apply(piece("Au", None), rng(seed))
        note = strained.about["defects"][-1]
        np.testing.assert_allclose(fitted_gradient(strained), note["strain"], atol=1e-12)
        assert np.trace(note["strain"]) / 3 == pytest.approx(np.mean(np.diag(note["strain"])))
        assert -0.03 <= np.trace(note["strain"]) / 3 <= 0.03
        np.testing.assert_allclose(strained.displacements[strained.occupied].mean(axis=0), 0, atol=1e-12)


def test_a_dilation_changes_all_distances_alike():
    whole = piece("CeO2", radius=10.0)
    defect = StrainField(dilation=(0.02, 0.02), distortion=(0.0, 0.0), rms=(0.0, 0.0))
    larger = defect.apply(whole, rng())
    before, after = whole.atoms().get_all_distances(), larger.atoms().get_all_distances()
    np.testing.assert_allclose(after, 1.02 * before, atol=1e-9)


def test_the_strain_that_varies_has_its_rms_and_length():
    whole = piece("Pt", None, radius=20.0)
    defect = StrainField(dilation=(0, 0), distortion=(0, 0), rms=(0.01, 0.01), length=(8.0, 8.0))
    strained = defect.apply(whole, rng(1))
    # Strain of each atom from its twelve neighbours.
    from scipy.spatial import cKDTree

    at = whole.occupied & (below_surface(whole) > 2)
    positions = whole.sites.positions
    strains = []
    for near in cKDTree(positions).query(positions[at], k=13)[1]:
        vectors = positions[near[1:]] - positions[near[0]]
        moved = strained.displacements[near[1:]] - strained.displacements[near[0]]
        gradient = np.linalg.lstsq(vectors, moved, rcond=None)[0].T
        strains.append((gradient + gradient.T) / 2)
    assert np.sqrt(np.mean(np.square(strains))) == pytest.approx(0.01, rel=0.15)


def test_a_smooth_field_has_unit_variance_its_correlation_and_its_gradient():
    points = rng(0).uniform(-200, 200, (4000, 3))
    field = smooth_field(10.0, 2, rng(1))
    values = field.at(points)
    np.testing.assert_allclose(values.var(axis=0), 1, atol=0.35)
    several = [smooth_field(10.0, 1, rng(s)) for s in range(300)]
    here, there = (np.array([f.at(np.array([[x, 0.0, 0.0]]))[0, 0] for f in several]) for x in (0.0, 10.0))
    assert np.corrcoef(here, there)[0, 1] == pytest.approx(np.exp(-0.5), abs=0.1)
    step = 1e-5 * np.eye(3)
    numeric = np.stack([(field.at(points[:5] + d) - field.at(points[:5] - d)) / 2e-5 for d in step], axis=-1)
    np.testing.assert_allclose(field.gradient(points[:5]), numeric, atol=1e-8)


def test_a_misfitting_core_is_strained_evenly_and_the_surface_is_free():
    poisson, core, radius, step = 0.3, 0.5, 20.0, 1e-4

    def u(r):
        return _inclusion(np.array([[r, 0.0, 0.0]]), core, radius, poisson)[0, 0]

    def slope(r):
        return (u(r + step) - u(r - step)) / (2 * step)

    def traction(r, free=0.0):
        return (1 - poisson) * slope(r) + 2 * poisson * u(r) / r - (1 + poisson) * free

    assert traction(radius) == pytest.approx(0, abs=1e-6)
    boundary = core * radius
    assert u(boundary - 1e-6) == pytest.approx(u(boundary + 1e-6), abs=1e-5)
    # Radial stress is continuous across the boundary; inside, the misfit strains nothing.
    inside, outside = traction(boundary - 0.01, free=1.0), traction(boundary + 0.01)
    assert inside == pytest.approx(outside, abs=2e-3)
    assert u(2.0) / 2.0 == pytest.approx(u(9.0) / 9.0)


def test_a_core_that_fills_the_particle_is_not_strained():
    points = rng().normal(size=(50, 3))
    np.testing.assert_allclose(_inclusion(points, 1.0, 10.0, 0.35), points)
    assert poisson_ratio("Au") > poisson_ratio("Ni")
    assert poisson_ratio("unheard of") == pytest.approx(1 / 3)


def test_core_and_shell_are_strained_against_each_other():
    whole = piece("Pt", None, radius=18.0)
    defect = CoreShellStrain(core=(0.5, 0.5), misfit=(0.04, 0.04))
    strained = defect.apply(whole, rng())
    r = np.linalg.norm(whole.sites.positions - whole.sites.positions[whole.occupied].mean(axis=0), axis=1)
    out = (strained.displacements * whole.sites.positions).sum(axis=1)
    assert (out[whole.occupied & (r > 2)] > 0).all()
    note = strained.about["defects"][-1]
    ratio = np.linalg.norm(strained.displacements, axis=1) / np.maximum(r, 1e-9)
    assert ratio[r < 0.4 * note["radius"]].max() < 0.04
    assert ratio[whole.occupied & (r > 0.9 * note["radius"])].max() < ratio[r < 5].min()


def test_static_disorder_has_its_size_and_is_larger_at_the_surface():
    whole = piece("Au", radius=18.0)
    defect = StaticDisorder(displacement=(0.05, 0.05), surface=(2.0, 2.0), decay=2.0)
    disordered = defect.apply(whole, rng())
    depth = below_surface(whole)
    inside, surface = whole.occupied & (depth > 6), whole.occupied & (depth < 0.1)
    assert disordered.displacements[inside].std() == pytest.approx(0.05, rel=0.1)
    assert disordered.displacements[surface].std() == pytest.approx(0.10, rel=0.1)


def test_disorder_too_large_for_the_crystal_is_held_back():
    from simulate.defects.surroundings import crowded

    wild = StaticDisorder(displacement=(0.5, 0.5)).apply(piece("CeO2", radius=10.0), rng())
    assert len(crowded(wild)) == 0
    assert wild.displacements[wild.occupied].std() > 0.1
