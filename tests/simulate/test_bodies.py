"""Bodies from broad families, and populations of them."""

import numpy as np
import pytest

from nanonet.records import InputError
from simulate.bodies import SIZE, Bodies
from simulate.draw_bodies import BodySampler, PopulationRanges, share
from simulate.structures.families import FAMILIES


@pytest.fixture(scope="module")
def bodies():
    return Bodies(number=8, views=3, misfits=2)


def mass(thickness, view: int) -> float:
    return float(thickness.maps[view].astype(float).sum() * thickness.spacing[view] ** 2)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_family_gives_bodies_that_hold_something(family):
    rng = np.random.default_rng(0)
    found = Bodies(number=1, families=[family], views=2, misfits=2, seed=int(rng.integers(9)))[0]
    assert all(0.02 * SIZE**3 < mass(found, view) < 8 * SIZE**3 for view in range(2))


def test_the_mass_of_a_kind_hardly_depends_on_the_side():
    """Particles of a kind differ a little; from the side a body would else be seen to be heavier."""
    faceted = Bodies(number=4, families=["faceted"], views=6, misfits=1)
    for kind in range(4):
        masses = [mass(faceted[kind], view) for view in range(6)]
        assert np.std(masses) / np.mean(masses) < 0.25


def test_a_broken_one_is_lighter_and_a_fused_one_heavier(bodies):
    for kind in range(4):
        whole = np.mean([mass(bodies[kind], view) for view in range(3)])
        assert mass(bodies[kind], 3) < whole < mass(bodies[kind], 4)
        assert bodies[kind].whole.tolist() == [True] * 3 + [False] * 2


def test_another_seed_is_another_body(bodies):
    again = Bodies(number=8, views=3, misfits=2)
    other = Bodies(number=8, views=3, misfits=2, seed=1)
    np.testing.assert_array_equal(bodies[2].maps, again[2].maps)
    assert not np.array_equal(bodies[2].maps, other[2].maps)


def test_the_total_signal_is_that_of_the_thickness(bodies):
    """Without curvature: the particle's electrons are its volume times what an Å scatters times the dose."""
    ranges = PopulationRanges(
        diameter=100, sizes=1, scattering=1e-7, matter=0, dose=1e9, blur=2, film=0, level=0
    )
    sampler = BodySampler(bodies, ranges, shown=3, strange=1)
    sample = sampler.draw([0, 1], np.random.default_rng(0))
    pixel = sample.particles.pixel_size
    electrons = sample.particles.images.sum(axis=(1, 2)) / 1e9 / 1e-7
    for kind in (0, 1):
        known = [mass(bodies[kind], view) for view in range(3)]
        assert electrons[sample.kinds == kind].min() > 0.6 * min(known)
        assert electrons[sample.kinds == kind].max() < 1.6 * max(known)
    assert 0.5 < pixel < 20


@pytest.mark.parametrize("symbol", ["Ni", "Pd", "Au"])
def test_the_law_of_thickness_is_that_of_plural_scattering(symbol):
    from simulate.crystals import crystal
    from simulate.population.haadf import added_share

    thickness = np.array([1.0, 50.0, 100.0, 200.0, 300.0])
    found = added_share(crystal(symbol), thickness, 10.0, 2e5, (23.0, 80.0, 160.0))
    np.testing.assert_allclose(share(thickness, found[0]), found, rtol=0.03)


def test_a_family_that_is_not_known_is_refused():
    with pytest.raises(InputError, match="families"):
        Bodies(families=["cats"])
