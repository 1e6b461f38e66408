"""Headline numbers and what their intervals cover."""

import numpy as np
import pandas as pd
import pytest
from particle_sizes import frames, planted, sample

from nanonet.measure.border import border_weights
from nanonet.measure.images import describe
from nanonet.measure.properties import measure
from nanonet.measure.statistics import summarise
from nanonet.records import Estimate, LabelMap, Micrograph, ParticleTable


def named(table: ParticleTable) -> dict[str, Estimate]:
    return {estimate.name: estimate for estimate in summarise(table)}


def test_values_are_those_of_numpy() -> None:
    diameters = np.random.default_rng(0).normal(12, 2, 101)
    found = named(sample(diameters, circularity=np.full(101, 0.9)))
    assert found["particles"].value == 101
    assert found["mean equivalent diameter"].value == pytest.approx(diameters.mean())
    assert found["median equivalent diameter"].value == pytest.approx(np.median(diameters))
    assert found["standard deviation of the equivalent diameter"].value == pytest.approx(
        diameters.std(ddof=1)
    )
    assert found["mean circularity"].value == pytest.approx(0.9)
    assert found["mean equivalent diameter"].unit == "nm"
    assert found["particles"].low is None


@pytest.mark.parametrize("number", [2, 5, 6])
def test_median_of_few(number: int) -> None:
    diameters = np.array([3.0, 1.0, 8.0, 2.0, 9.0, 4.0])[:number]
    assert named(sample(diameters))["median equivalent diameter"].value == np.median(diameters)


def test_particles_at_the_border_count_but_have_no_size() -> None:
    found = named(sample(np.array([10.0, 10.0, 99.0]), touches_border=[False, False, True]))
    assert found["particles"].value == 3
    assert "1 touch the border" in found["particles"].note
    assert found["mean equivalent diameter"].value == 10.0
    assert "of 2 particles" in found["mean equivalent diameter"].note


def test_the_same_table_gives_the_same_intervals() -> None:
    table = sample(np.random.default_rng(1).normal(10, 1, 40))
    assert summarise(table) == summarise(table)


def test_intervals_cover_what_they_say() -> None:
    covered = []
    for seed in range(60):
        mean = named(sample(np.random.default_rng([7, seed]).normal(10, 2, 40)))["mean equivalent diameter"]
        covered.append(mean.low <= 10 <= mean.high)
    assert 0.8 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("number", [2, 3, 5])
def test_intervals_cover_what_they_say_of_few_images(number: int) -> None:
    """Percentiles of a plain bootstrap of 2 images cover a third."""
    covered = []
    for seed in range(60):
        rng = np.random.default_rng([number, seed])
        diameters = np.repeat(rng.normal(10, 1, number), 20) + rng.normal(0, 2, 20 * number)
        found = named(sample(diameters, [f"{i // 20}.tif" for i in range(20 * number)]))
        mean = found["mean equivalent diameter"]
        covered.append(mean.low <= 10 <= mean.high)
    assert 0.78 <= np.mean(covered) <= 0.98


def test_particles_seen_again_and_again_are_not_taken_for_others() -> None:
    again = np.tile(np.linspace(6, 12, 8), 40)
    frame = np.repeat(np.arange(40), 8)
    unlinked = named(sample(again, frame=frame))["mean equivalent diameter"]
    assert (unlinked.low, unlinked.high) == (None, None)
    assert "not linked" in unlinked.note
    movies = named(sample(np.tile(again, 2), ["a"] * 320 + ["b"] * 320, frame=np.tile(frame, 2)))
    assert "2 images" in movies["mean equivalent diameter"].note


def test_images_are_resampled_whole() -> None:
    """Particles of an image are alike: 8 images of 50 tell little more than 8 particles."""
    generator = np.random.default_rng(2)
    diameters = np.repeat(generator.normal(10, 2, 8), 50) + generator.normal(0, 0.1, 400)
    apart = named(sample(diameters, [f"{i // 50}.tif" for i in range(400)]))["mean equivalent diameter"]
    pooled = named(sample(diameters))["mean equivalent diameter"]
    assert apart.high - apart.low > 4 * (pooled.high - pooled.low)
    assert "8 images" in apart.note
    assert "400 particles" in pooled.note


def test_tracks_of_a_movie_are_resampled_whole() -> None:
    diameters = np.tile([8.0, 10.0, 12.0, 14.0], 100)
    tracks = pd.array(np.tile([1, 2, 3, 4], 100), dtype="Int64")
    found = named(sample(diameters, frame=np.repeat(np.arange(100), 4), track_id=tracks))
    assert found["tracks"].value == 4
    assert "4 tracks" in found["mean equivalent diameter"].note
    assert found["mean equivalent diameter"].high - found["mean equivalent diameter"].low > 1


def test_few_particles_give_no_interval() -> None:
    found = named(sample(np.array([3.0, 6.0, 9.0])))["mean equivalent diameter"]
    assert (found.value, found.low, found.high) == (6.0, None, None)
    assert "3 particles are too few for an interval" in found.note


def test_none_and_one() -> None:
    nothing = named(sample(np.array([])))
    assert list(nothing) == ["particles"]
    assert nothing["particles"].value == 0
    one = named(sample(np.array([5.0])))["mean equivalent diameter"]
    assert (one.value, one.low, one.high) == (5.0, None, None)
    assert np.isnan(named(sample(np.array([5.0])))["standard deviation of the equivalent diameter"].value)


def test_sizes_are_corrected_for_large_particles_that_the_border_cuts() -> None:
    table = planted(100.0, np.random.default_rng(2))
    images = frames([f"{image}.tif" for image in range(60)], 100.0)
    found = {estimate.name: estimate for estimate in summarise(table, images)}
    true = (40 + 2 * 5) / 3
    raw = found["mean equivalent diameter"]
    corrected = found["mean equivalent diameter, corrected for the border"]
    assert raw.high is not None
    assert raw.high < true - 2
    assert corrected.low is not None
    assert corrected.high is not None
    assert corrected.low < true < corrected.high
    assert corrected.high - corrected.low < 3.5


def test_small_particles_need_no_correction_and_none_is_made_where_frames_are_not_known() -> None:
    diameters = np.random.default_rng(3).normal(10, 1, 50)
    table = sample(diameters, perimeter_nm=np.pi * diameters, convexity=1.0)
    found = {e.name: e for e in summarise(table, frames(["a.tif"], 1e5))}
    for name in ("mean", "median"):
        corrected = found[f"{name} equivalent diameter, corrected for the border"]
        assert corrected.value == pytest.approx(found[f"{name} equivalent diameter"].value, rel=0.01)
    assert not any("corrected" in estimate.name for estimate in summarise(table))


def test_what_could_not_be_told_apart_makes_large_particles_count_more() -> None:
    diameters = np.repeat([5.0, 20.0], 50)
    table = sample(diameters, perimeter_nm=np.pi * diameters, convexity=1.0)
    name = "mean equivalent diameter, corrected for border and overlap"
    assert name not in {e.name for e in summarise(table, frames(["a.tif"], 1e5))}
    assert name not in {e.name for e in summarise(table, frames(["a.tif"], 1e5, unresolved=np.nan))}
    some, more = (
        next(e for e in summarise(table, frames(["a.tif"], 1e5, unresolved=share)) if e.name == name)
        for share in (0.02, 0.05)
    )
    assert 12.5 < some.value < more.value < 20


def test_what_is_no_single_particle_is_in_no_size() -> None:
    found = named(sample(np.array([10.0, 10.0, 50.0]), confidence=[np.nan, 0.8, 0.0]))
    assert found["mean equivalent diameter"].value == 10.0
    assert found["particles"].value == 3


def test_an_image_is_described_by_what_is_in_it() -> None:
    labels = np.zeros((40, 50), dtype=np.int32)
    labels[5:15, 5:15], labels[30:, 30:45] = 1, 2
    found = LabelMap(
        labels=labels, separated=np.zeros(2, bool), confidence=np.array([0.9, 0.0]), unresolved=0.075
    )
    micrograph = Micrograph(image=np.ones((40, 50), np.float32), name="a.tif", pixel_size=2.0)
    row = describe(micrograph, found, measure(micrograph, found)).data.iloc[0]
    assert (row["particles"], row["touching_border"]) == (2, 1)
    assert (row["height_nm"], row["width_nm"]) == (8.0, 10.0)
    assert row["covered"] == pytest.approx(0.05)
    assert row["unresolved"] == 0.075


def test_the_weight_of_a_long_particle_is_the_mean_over_its_directions() -> None:
    turns = np.linspace(0, np.pi, 721)[:-1]
    exact = np.mean((100 - 30 * np.abs(np.cos(turns))) * (100 - 30 * np.abs(np.sin(turns))) / 100**2)
    rod = sample(np.array([1.0]), perimeter_nm=60.0, convexity=1.0)
    weight = border_weights(rod.data, {"a.tif": (100.0, 100.0)}, "nm")
    assert weight == pytest.approx([1 / exact], rel=0.02)
    giant = sample(np.array([1.0]), perimeter_nm=400.0, convexity=1.0)
    assert border_weights(giant.data, {"a.tif": (100.0, 100.0)}, "nm") == pytest.approx([100.0])
