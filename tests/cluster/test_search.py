"""Groups that are there are found without being told how many, and what is unlike all of them is named."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from nanonet.cluster.assign import assign
from nanonet.cluster.methods import DBSCAN, HDBSCAN, OPTICS, KMeans, Mixture
from nanonet.cluster.search import search
from nanonet.cluster.window import within
from nanonet.records import InputError

METHODS = [KMeans(), Mixture(), DBSCAN(), OPTICS(), HDBSCAN()]


def blobs(sizes: list[int], apart: float = 7.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return unlike clouds in four dimensions, and which each point is of."""
    rng = np.random.default_rng(seed)
    places = apart * np.eye(4)[: len(sizes)] * rng.uniform(0.9, 1.1, (len(sizes), 1))
    kind = np.repeat(np.arange(len(sizes)), sizes)
    stretch = rng.uniform(0.5, 1.2, (len(sizes), 4))
    return places[kind] + rng.normal(size=(len(kind), 4)) * stretch[kind], kind


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_every_method_finds_three_kinds(method) -> None:
    values, kind = blobs([120, 80, 50])
    found = search(values, [method], np.random.default_rng(0))
    assert found.best.groups == 3, found.reason
    labels = assign(values, found.best.labels).labels
    assert adjusted_rand_score(kind, labels) > 0.95
    assert np.mean(labels >= 0) > 0.97
    assert found.reason.startswith(found.best.setting.name)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_one_kind_is_not_cut(method) -> None:
    values, _ = blobs([200], seed=3)
    assert search(values, [method], np.random.default_rng(0)).best.groups == 1


def test_groups_too_small_for_a_map_do_not_count() -> None:
    values, _ = blobs([100, 100, 8])
    found = search(values, [HDBSCAN()], np.random.default_rng(0))
    assert found.best.groups == 2
    with pytest.raises(InputError, match="record more"):
        search(values[:10], [HDBSCAN()], np.random.default_rng(0))


@pytest.mark.parametrize("sizes", [[60, 15, 15, 15], [18, 18], [90, 12]])
@pytest.mark.parametrize("method", [Mixture(), HDBSCAN()], ids=lambda method: type(method).__name__)
def test_kinds_of_too_few_for_a_map_are_kinds_and_no_part_of_others(method, sizes: list[int]) -> None:
    values, kind = blobs(sizes, apart=25.0)
    found = search(values, [method], np.random.default_rng(0))
    assert adjusted_rand_score(kind, found.best.labels) > 0.95, found.reason
    groups, said = within(found.best.labels, np.ones(len(values)))
    assert (groups >= 0).sum() == sum(size for size in sizes if size >= 20)
    assert len(said) == sum(size < 20 for size in sizes)


def test_particles_of_a_small_kind_that_were_not_used_to_find_it_fit_it() -> None:
    """The middle and spread of 25 in 12 features are far from the kind's: χ² would leave out 4 of 10."""
    fits = []
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=(325, 12))
        fits.append((assign(values, np.repeat([0, -1], [25, 300])).labels >= 0).mean())
    assert np.mean(fits) > 0.97


def test_a_wide_kind_about_a_narrow_one_is_a_kind_if_most_are_of_it() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1], [300, 100])
    values = rng.standard_normal((400, 2)) * np.where(kinds == 0, 3.0, 0.3)[:, None]
    found = assign(values, kinds)
    assert not found.mixed.any()
    assert (found.labels == kinds).mean() > 0.9


def test_what_is_unlike_all_groups_is_an_outlier_and_what_lies_between_two_is_unsure() -> None:
    values, kind = blobs([100, 100])
    middle = (values[kind == 0].mean(axis=0) + values[kind == 1].mean(axis=0)) / 2
    values = np.concatenate([values, [middle + np.array([0, 0, 30, 0]), middle]])
    found = assign(values, np.append(kind, [-1, -1]))
    assert found.labels[-2] == -1
    assert found.probability[-2] < 1e-4
    assert np.median(found.probability[:200]) > 0.99
    assert np.mean(found.labels[:200] == kind) > 0.98


def test_a_group_that_the_others_lie_within_is_no_kind() -> None:
    rng = np.random.default_rng(3)
    middles = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    kinds = np.repeat([0, 1, 2, 3], [60, 60, 60, 40])
    values = np.concatenate([np.repeat(middles, 60, axis=0), np.full((40, 2), 1.5)])
    values += np.where(kinds < 3, 0.2, 3.0)[:, None] * rng.standard_normal(values.shape)
    found = assign(values, kinds)
    assert found.labels.max() == 2
    assert (found.labels[kinds < 3] == kinds[kinds < 3]).mean() > 0.97
    assert found.mixed[kinds == 3].mean() > 0.8
    assert not found.mixed[kinds < 3].any()
    # Two kinds apart, one wider than the other, are two kinds.
    apart = assign(values * np.where(kinds == 1, 1.0, 3.0)[:, None], np.where(kinds < 2, kinds, -1))
    assert apart.labels.max() == 1


def test_large_groups_are_split_by_mass_and_small_ones_left_out() -> None:
    labels = np.repeat([0, 1, 2, -1], [450, 60, 5, 7])
    mass = np.random.default_rng(0).lognormal(size=len(labels))
    found, said = within(labels, mass)
    assert np.bincount(found[found >= 0]).tolist() == [150, 150, 150, 60]
    assert (found[510:] == -1).all()
    for lighter in (0, 1):
        assert mass[found == lighter].max() <= mass[found == lighter + 1].min()
    assert len(said) == 2
    assert "too few" in said[1]
