"""The benchmark of tracks: scores of known mistakes, movies that keep volume, and the ways side by side."""

from dataclasses import replace

import numpy as np
import pytest
import tracking
from tracking_authors import Disturbance, disturbed, read_authors
from tracking_mistakes import Mistakes, segmented
from tracking_movies import film
from tracking_scores import Union, estimates, link_counts, match_unions, owners_of_tracks, rate_counts, unions

A, B, C = frozenset([0]), frozenset([1]), frozenset([2])


def scores(track: list[int], owners: list[frozenset[int]], frame: list[int]) -> dict[str, float]:
    found = estimates([link_counts(np.array(frame), np.array(track), owners)])
    return {name: each.value for name, each in found.items()}


def test_perfect_tracks_score_1_and_a_swap_costs_both() -> None:
    frame, owners = [0, 0, 1, 1, 2, 2], [A, B, A, B, A, B]
    assert list(scores([1, 2, 1, 2, 1, 2], owners, frame).values())[:4] == [1, 1, 1, 1]
    swapped = scores([1, 2, 1, 2, 2, 1], owners, frame)
    assert swapped["links found"] == swapped["links right"] == 0.5
    assert swapped["purity"] == swapped["completeness"] == pytest.approx(4 / 6)
    broken = scores([1, 2, 1, 2, 3, 2], owners, frame)
    assert (broken["links right"], broken["links found"]) == (1.0, 0.75)


def test_only_those_that_stay_one_are_unions() -> None:
    both = A | B
    assert unions([[A, B, C], [both, C], [A, B, C], [both, C], [both, C]]) == [Union(frame=3, one=A, other=B)]
    true = [Union(frame=3, one=A, other=B)]
    assert match_unions(true, [Union(frame=5, one=B, other=A), Union(frame=3, one=A, other=C)]) == [(0, 0)]
    assert match_unions(true, [Union(frame=9, one=A, other=B)]) == []


def test_rates_are_held_against_the_particle_of_a_track_that_is_of_one_alone() -> None:
    owner = owners_of_tracks(np.array([1, 1, 2, 2]), [A, A, B, A | B])
    assert owner == {1: 0}
    sizes = {0: {frame: 5 + 0.2 * frame for frame in range(10)}}
    counts = rate_counts([(1, 0, 9, 0.3, 0.25, 0.35), (2, 0, 9, 0.0, 0.0, 0.0)], owner, sizes)
    assert counts == pytest.approx({"off": 0.1, "covered": 0, "rated": 1})


def test_drawn_particles_keep_their_volume_where_they_coalesce() -> None:
    life = replace(tracking.LIVES["crowded"], count=60, frames=30, drift=0.0, fusion=1.0)
    frames = film(life, 3)
    whole = {spot.owners: spot for frame in frames for spot in frame if not spot.border}
    alone = {next(iter(o)): spot.diameter**3 for o, spot in whole.items() if len(o) == 1}
    fused = [spot for o, spot in whole.items() if len(o) == 2 and len(spot.lobes) == 1 and o <= alone.keys()]
    assert len(fused) > 2
    for spot in fused:
        assert spot.diameter**3 == pytest.approx(sum(alone[owner] for owner in spot.owners), rel=0.01)


def test_without_mistakes_tracks_are_whole() -> None:
    life = replace(tracking.LIVES["support"], count=25, frames=15)
    frames = film(life, 4)
    none = Mistakes(missed=0, added=0, jitter=0, noise=0, joined=0, cut=0)
    found = segmented(frames, life.side, none, 0)
    assert len(found) == sum(map(len, frames))
    # A sliver that the edge of the frame leaves of a particle changes too much to be followed.
    found = [each for each in found if not each.border]
    track = tracking.nanonet(found, "nm", tracking.Film(frames=15, field=(life.side, life.side))).track
    counts = link_counts(np.array([each.frame for each in found]), track, [each.owners for each in found])
    assert counts["right"] == counts["needed"] == counts["made"]


def test_each_way_is_scored_on_the_same_movies(capsys) -> None:
    life = replace(tracking.LIVES["liquid"], count=30, frames=12)
    headline = tracking.show("small", list(tracking.drawn(life, 2)))
    assert len(capsys.readouterr().out.splitlines()) == len(tracking.METHODS)
    assert headline["small, nanonet, links right"] > 0.98
    assert headline["small, nanonet, completeness"] > headline["small, laptrack, completeness"] - 0.01


@pytest.mark.real_data
def test_the_authors_tracks_are_found_again(real_data) -> None:
    frames = read_authors(real_data)
    assert len(frames) == 180
    assert len(unions([[spot.owners for spot in frame] for frame in frames])) > 30
    rng = np.random.default_rng([1])
    fewer = disturbed(frames, Disturbance(dropped=0.5), rng)
    assert len(fewer) == pytest.approx(0.5 * sum(map(len, frames)), rel=0.05)
    tallies = list(tracking.authors(frames, Disturbance(), 1))
    found = {name: estimates([tally]) for name, tally in tallies[0].items()}
    assert found["nanonet"]["links right"].value > 0.99
    assert found["nanonet"]["completeness"].value > 0.9
