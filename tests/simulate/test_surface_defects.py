import numpy as np
import pytest
from crystal_pieces import piece

from simulate.defects import (
    Adatoms,
    AnionVacancies,
    CationVacancies,
    RaggedEnds,
    Roughness,
    Steps,
    SurfaceRelaxation,
)
from simulate.defects.surroundings import below_surface, exposed, outward
from simulate.structures.changes import coordination


def rng(seed=0):
    return np.random.default_rng(seed)


def heights_by_column(particle):
    sites = particle.sites
    filled = particle.occupied & sites.counted
    return {
        int(column): sites.positions[filled & (sites.columns == column), 2]
        for column in np.unique(sites.columns[filled])
    }


def test_steps_take_whole_layers_off_one_side():
    whole = piece("Au", radius=14.0)
    stepped = Steps(count=(1, 1), layers=(2, 2)).apply(whole, rng(1))
    gone = whole.occupied & ~stepped.occupied
    assert gone.sum() > 10
    heights = whole.sites.positions[:, 2]
    levels = np.unique(np.round(heights[whole.occupied], 2))
    assert len(np.unique(np.round(heights[gone], 2))) == 2
    outermost = levels[:2] if heights[gone].mean() < 0 else levels[-2:]
    np.testing.assert_allclose(np.unique(np.round(heights[gone], 2)), outermost)
    # Of these layers there is something left: on the other side of the line.
    top = whole.occupied & np.isin(np.round(heights, 2), outermost)
    assert 0 < gone.sum() <= top.sum()


def test_ragged_ends_shorten_that_share_of_columns_from_their_ends():
    whole = piece("Pt", radius=16.0)
    ragged = RaggedEnds(chance=0.3).apply(whole, rng())
    before, after = heights_by_column(whole), heights_by_column(ragged)
    shorter = [column for column in before if len(after.get(column, [])) < len(before[column])]
    assert len(shorter) / len(before) == pytest.approx(0.3, abs=0.1)
    repeat = 3.9242 / np.sqrt(2)
    for heights in after.values():
        np.testing.assert_allclose(np.diff(np.sort(heights)), repeat, rtol=1e-6)  # no gaps
    lost = sum(map(len, before.values())) - sum(map(len, after.values()))
    assert lost / len(shorter) == pytest.approx(2.0, abs=0.8)  # geometric with 1/2


def test_adatoms_sit_in_hollows_and_no_column_grows_too_deep():
    whole = piece("Au", radius=12.0)
    sites = whole.sites
    number = coordination(sites, whole.occupied)
    with_some = Adatoms(chance=0.2).apply(whole, rng())
    new = with_some.occupied & ~whole.occupied
    assert new.sum() == with_some.about["defects"][-1]["added"] > 5
    assert number[new].min() >= 3
    assert not (whole.occupied & ~with_some.occupied).any()
    deepest = max(map(len, heights_by_column(whole).values()))
    assert max(map(len, heights_by_column(with_some).values())) <= deepest
    more = Adatoms(chance=1.0, deepest=deepest + 1).apply(whole, rng())
    assert max(map(len, heights_by_column(more).values())) == deepest + 1


def test_roughness_takes_the_least_bound_atoms_and_fills_the_best_bound_sites():
    whole = piece("Au", radius=14.0)
    number = coordination(whole.sites, whole.occupied)
    rough = Roughness(removed=(0.1, 0.1), added=(0, 0), patchiness=(0, 0), stiffness=(2.0, 2.0)).apply(
        whole, rng()
    )
    gone = whole.occupied & ~rough.occupied
    surface = exposed(whole)
    assert gone.sum() == pytest.approx(0.1 * len(surface), rel=0.1)
    assert number[gone].mean() < number[surface].mean() - 0.5
    grown = Roughness(removed=(0, 0), added=(0.1, 0.1), patchiness=(0, 0), deepest=99).apply(whole, rng())
    new = grown.occupied & ~whole.occupied
    assert new.sum() == round(0.1 * len(surface))
    # Each adatom makes a better place beside it: islands, not single atoms.
    assert coordination(whole.sites, grown.occupied)[new].mean() > 4.5


def test_patches_of_roughness_are_larger_than_without_correlation():
    whole = piece("Au", None, radius=16.0)

    def spread(patchiness, seed):
        defect = Roughness(
            removed=(0.15, 0.15),
            added=(0, 0),
            correlation=(12, 12),
            patchiness=(patchiness,) * 2,
            stiffness=(0.3, 0.3),
        )
        gone = whole.occupied & ~defect.apply(whole, rng(seed)).occupied
        places = whole.sites.positions[gone]
        return np.linalg.norm(places[:, None] - places, axis=-1).mean()

    assert np.mean([spread(3.0, s) for s in range(4)]) < 0.9 * np.mean([spread(0.0, s) for s in range(4)])


def test_no_roughness_is_no_change():
    whole = piece("CeO2", radius=10.0)
    same = Roughness(removed=(0, 0), added=(0, 0)).apply(whole, rng())
    np.testing.assert_array_equal(same.occupied, whole.occupied)


def test_vacancies_are_as_many_as_asked_for():
    whole = piece("CeO2", radius=18.0)
    counted = whole.sites.counted
    less = CationVacancies(fraction=(0.1, 0.1)).apply(whole, rng())
    gone = (whole.occupied & ~less.occupied & counted).sum() / (whole.occupied & counted).sum()
    assert gone == pytest.approx(0.1, abs=0.03)
    reduced = AnionVacancies(fraction=(0.2, 0.2)).apply(whole, rng())
    gone = (whole.occupied & ~reduced.occupied)[~counted].sum() / (whole.occupied & ~counted).sum()
    assert gone == pytest.approx(0.2, abs=0.03)
    np.testing.assert_array_equal(reduced.occupied[counted], whole.occupied[counted])
    fractions = [
        AnionVacancies(fraction=0.1).apply(whole, rng(s)).about["defects"][0]["fraction"] for s in range(9)
    ]
    assert min(fractions) < 0.03
    assert 0.06 < max(fractions) <= 0.1


def test_anion_vacancies_lie_near_the_surface():
    whole = piece("CeO2", radius=20.0)
    anions = whole.occupied & ~whole.sites.counted
    reduced = AnionVacancies(fraction=(0.1, 0.1), surface=6.0, decay=3.0).apply(whole, rng())
    gone = anions & ~reduced.occupied
    depth = below_surface(whole)
    shallow, deep = anions & (depth < 2.5), anions & (depth > 8)
    ratio = gone[shallow].mean() / gone[deep].mean()
    expected = (1 + 5 * np.exp(-depth[shallow] / 3)).mean() / (1 + 5 * np.exp(-depth[deep] / 3)).mean()
    assert ratio == pytest.approx(expected, rel=0.35)
    assert ratio > 2


def test_around_an_anion_vacancy_cations_move_away_and_anions_in():
    whole = piece("CeO2", radius=12.0)
    reduced = AnionVacancies(fraction=(0.01, 0.01), surface=0.0, relaxation=(0.1, 0.1)).apply(whole, rng(2))
    gone = np.flatnonzero(whole.occupied & ~reduced.occupied)
    away = whole.sites.positions - whole.sites.positions[gone[0]]
    distance = np.linalg.norm(away, axis=1)
    along = (reduced.displacements * away).sum(axis=1) / np.maximum(distance, 1e-9)
    cations = reduced.occupied & whole.sites.counted & (distance < 2.5)
    anions = reduced.occupied & ~whole.sites.counted & (distance < 2.8)
    assert cations.sum() == 4
    assert anions.sum() == 6
    np.testing.assert_allclose(along[cations], 0.1, atol=1e-6)
    np.testing.assert_allclose(along[anions], -0.1, atol=1e-6)


def test_gold_contracts_by_its_coordination_and_the_inside_stays():
    whole = piece("Au", radius=16.0)
    relaxed = SurfaceRelaxation(metal=(-0.05, -0.05), decay=(2.0, 2.0)).apply(whole, rng())
    number = coordination(whole.sites, whole.occupied)
    out = (relaxed.displacements * outward(whole)).sum(axis=1)
    assert out[whole.occupied & (number == 9)].mean() == pytest.approx(-0.05, abs=0.005)
    assert out[whole.occupied & (number == 8)].mean() == pytest.approx(-0.05 * (4 / 3) ** 3, abs=0.01)
    assert out[whole.occupied & (number == 7)].mean() == pytest.approx(-0.05 * (5 / 3) ** 3, abs=0.03)
    deep = whole.occupied & (below_surface(whole) > 9)
    assert np.abs(relaxed.displacements[deep]).max() < 0.01


def test_ceria_expands():
    whole = piece("CeO2", radius=14.0)
    relaxed = SurfaceRelaxation(oxide=(0.05, 0.05)).apply(whole, rng())
    surface = exposed(whole)
    assert ((relaxed.displacements * outward(whole))[surface].sum(axis=1) > 0.03).all()


def test_outward_is_out():
    whole = piece("Pt", radius=14.0)
    surface = exposed(whole)
    radial = whole.sites.positions[surface]
    radial = radial / np.linalg.norm(radial, axis=1, keepdims=True)
    assert ((outward(whole)[surface] * radial).sum(axis=1) > 0.7).all()
    np.testing.assert_allclose(np.linalg.norm(outward(whole)[surface], axis=1), 1)
