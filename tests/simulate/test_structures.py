import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanonet.records import InputError
from simulate.crystals import crystal, repeat_along
from simulate.evolve import evolve
from simulate.sites import make_sites
from simulate.structures import ParticleRecipe, change_end, make_particle
from simulate.truth import COLUMN, columns_of, group_columns

RECIPE = ParticleRecipe(diameter=(14.0, 18.0), depth=(2, 5))


@pytest.mark.parametrize("zone_axis", [(1, 1, 0), (1, 0, 0), (1, 1, 1), (2, 1, 1)])
def test_columns_are_the_lines_of_the_lattice(zone_axis):
    """Exact integer arithmetic: atoms are of one column just if their difference is along [uvw]."""
    atoms = crystal("Au").unit_cell().repeat((4, 4, 4))
    doubled = np.rint(2 * atoms.positions / crystal("Au").lattice_constant).astype(int)
    lines = np.unique(np.cross(doubled, zone_axis), axis=0, return_inverse=True)[1].ravel()
    from simulate.crystals import onto_beam

    ids = group_columns(atoms.positions @ onto_beam(zone_axis, 0.3).T)
    pairs = set(zip(ids.tolist(), lines.tolist(), strict=True))
    assert len(pairs) == len(set(ids.tolist())) == len(set(lines.tolist()))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_depths_count_the_cations_and_positions_are_their_mean(seed):
    particle = make_particle(RECIPE, np.random.default_rng(seed))
    atoms = particle.atoms()
    columns = columns_of(atoms)
    cations = atoms.positions[atoms.numbers == 58]
    assert columns.depths.sum() == len(cations) == particle.occupied.sum()
    assert columns.depths.min() >= 1
    assert columns.depths.max() <= RECIPE.depth[1]
    # With a mistilt of 0.5° a column of 20 Å leans by 0.2 Å: its atoms stay next to its position, and no
    # other column comes near.
    flat = cations[:, 1::-1]
    distances = np.linalg.norm(flat[:, None] - columns.positions, axis=-1)
    nearest = distances.argmin(axis=1)
    assert distances.min(axis=1).max() < 0.3
    np.testing.assert_array_equal(np.bincount(nearest, minlength=len(columns)), columns.depths)
    means = np.array([flat[nearest == column].mean(axis=0) for column in range(len(columns))])
    np.testing.assert_allclose(means, columns.positions, atol=1e-9)


def test_depth_is_not_a_function_of_place_alone_and_varies():
    depths = np.concatenate(
        [
            columns_of(make_particle(ParticleRecipe(), np.random.default_rng([1, i])).atoms()).depths
            for i in range(12)
        ]
    )
    assert set(range(1, 8)) <= set(depths.tolist())
    assert np.bincount(depths).max() < 0.4 * len(depths)


def test_ceria_is_nearly_stoichiometric_and_oxygen_is_in_no_column():
    atoms = make_particle(ParticleRecipe(), np.random.default_rng(0)).atoms()
    oxygen = atoms.numbers == 8
    assert 1.6 < oxygen.sum() / (~oxygen).sum() < 2.1
    assert (atoms.arrays[COLUMN][oxygen] == -1).all()
    distances = np.linalg.norm(atoms.positions[oxygen][:, None] - atoms.positions[~oxygen], axis=-1)
    np.testing.assert_allclose(distances.min(axis=1), np.sqrt(3) / 4 * 5.4113, atol=1e-9)


def test_oxygen_vacancies_empty_that_fraction_of_sites():
    sites = make_sites(crystal("CeO2"), (1, 1, 0), radius=15.0, rng=np.random.default_rng(0))
    from simulate.sites import kept_anions

    everything = np.ones(len(sites.cations), dtype=bool)
    whole, half = (kept_anions(sites, everything, fraction).sum() for fraction in (0.0, 0.5))
    assert half / whole == pytest.approx(0.5, abs=0.05)


def test_mistilt_turns_the_zone_axis_off_the_beam_by_at_most_what_is_asked_for():
    tilts = [np.hypot(*make_particle(RECIPE, np.random.default_rng(i)).mistilt) for i in range(20)]
    assert 0.2 < np.degrees(max(tilts)) <= 0.5
    particle = make_particle(RECIPE, np.random.default_rng(1))
    upright = particle.sites.cations[particle.occupied]
    tilted = particle.atoms().positions[: len(upright)]
    rotation = np.linalg.lstsq(upright, tilted, rcond=None)[0].T
    assert np.arccos(rotation[2, 2]) == pytest.approx(np.hypot(*particle.mistilt), rel=1e-4)


def test_metals_on_other_axes_have_full_columns():
    recipe = ParticleRecipe(
        materials=["Pt"],
        zone_axes=[[1, 0, 0]],
        diameter=(16, 16),
        depth=(3, 3),
        steps=0,
        partly_filled=0,
        adatoms=0,
        cation_vacancies=0,
    )
    atoms = make_particle(recipe, np.random.default_rng(0)).atoms()
    columns = columns_of(atoms)
    assert set(atoms.numbers) == {78}
    assert columns.depths.max() == 3
    repeat = repeat_along(crystal("Pt"), (1, 0, 0))
    for column in columns.ids:
        heights = np.sort(atoms.positions[atoms.arrays[COLUMN] == column, 2])
        np.testing.assert_allclose(np.diff(heights), repeat, rtol=1e-3)


def test_a_particle_follows_from_its_generator_only():
    first, second, other = (make_particle(RECIPE, np.random.default_rng(seed)).atoms() for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.positions, second.positions)
    assert len(first) != len(other)


def test_an_end_gains_and_loses_one_cation():
    particle = make_particle(RECIPE, np.random.default_rng(2))
    occupied = particle.occupied.copy()
    column = int(particle.sites.columns[occupied][0])
    before = occupied[particle.sites.bounds(column)].sum()
    top = particle.sites.cations[particle.sites.bounds(column)][
        occupied[particle.sites.bounds(column)], 2
    ].max()
    assert change_end(particle.sites, occupied, column, gain=True, at_exit=True)
    after = particle.sites.cations[particle.sites.bounds(column)][occupied[particle.sites.bounds(column)], 2]
    assert len(after) == before + 1
    assert after.max() > top
    assert change_end(particle.sites, occupied, column, gain=False, at_exit=True)
    np.testing.assert_array_equal(occupied, particle.occupied)
    assert not change_end(particle.sites, occupied, column, gain=True, at_exit=True, deepest=int(before))


def test_the_surface_evolves_by_its_rates_and_the_inside_stays():
    particle = make_particle(RECIPE, np.random.default_rng(4))
    still = evolve(particle, gains=0.0, losses=0.0, states=4, rng=np.random.default_rng(0))
    assert len(still) == 4
    assert all((state.occupied == particle.occupied).all() for state in still)
    growing = evolve(particle, gains=0.5, losses=0.0, states=4, rng=np.random.default_rng(0))
    sizes = [state.occupied.sum() for state in growing]
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]
    shrinking = evolve(particle, gains=0.0, losses=0.5, states=4, rng=np.random.default_rng(0))
    assert shrinking[-1].occupied.sum() < particle.occupied.sum()
    changed = np.unique(particle.sites.columns[shrinking[1].occupied != particle.occupied])
    # Where it changed in the first step, some neighbouring column was empty: it was at the rim.
    ids, counts = np.unique(particle.sites.columns[particle.occupied], return_counts=True)
    assert len(changed) < len(ids)
    assert (
        counts.max()
        == np.unique(growing[-1].sites.columns[growing[-1].occupied], return_counts=True)[1].max()
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("materials", ["Unobtainium"], "no crystal"),
        ("diameter", (30.0, 20.0), "diameter"),
        ("depth", (0, 4), "depth"),
        ("zone_axes", [[0, 0, 0]], "zone_axes"),
    ],
)
def test_bad_recipes_are_refused_in_one_line(key, value, message):
    with pytest.raises(InputError, match=message) as caught:
        ParticleRecipe(**{key: value})
    assert "\n" not in str(caught.value)
