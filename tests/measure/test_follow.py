"""tracks.csv and particle_events.csv: what they say, in which unit, of movies of any kind."""

import numpy as np
import pandas as pd
import pytest
from particle_rows import Row, bystanders, table

from nanonet.measure.film import Film
from nanonet.measure.follow import follow
from nanonet.measure.link import link
from nanonet.measure.track_statistics import summarise_tracks
from nanonet.records import InputError

TRACKS = [
    "image",
    "track_id",
    "first_frame",
    "last_frame",
    "first_time_s",
    "last_time_s",
    "frames_seen",
    "frames_joined",
    "begin_diameter_nm",
    "end_diameter_nm",
    "growth_rate_nm_per_s",
    "growth_rate_low_nm_per_s",
    "growth_rate_high_nm_per_s",
    "began",
    "ended",
]


def test_tables_keep_their_columns_with_and_without_particles() -> None:
    timed, frames = Film(frames=6, frame_time=0.5), Film(frames=6)
    tracks, _ = follow(link(table(bystanders(6))), timed)
    assert list(tracks.data) == TRACKS
    assert [column.name for column in tracks.columns] == TRACKS
    for film, unit in ((timed, "nm"), (frames, "px")):
        some = follow(link(table(bystanders(6), unit=unit)), film)
        none = follow(link(table([], unit=unit)), film)
        for one, other in zip(some, none, strict=True):
            assert list(one.data) == list(other.data)
            assert (one.data.dtypes == other.data.dtypes).all()
            assert one.columns == other.columns
        assert all(unit in column.name for column in some[0].columns if column.unit.startswith(unit))
    other = "nm" if unit == "px" else "px"
    assert not any(f"_{other}" in column.name for each in some for column in each.columns)


def test_rates_are_per_second_where_the_time_is_known_else_per_frame() -> None:
    linked = link(table(bystanders(20, growth=0.1)))
    by_frame, _ = follow(linked, Film(frames=20))
    by_second, _ = follow(linked, Film(frames=20, frame_time=0.5))
    rates = by_frame.data["growth_rate_nm_per_frame"]
    assert rates.median() == pytest.approx(0.1, abs=0.01)
    assert by_second.data["growth_rate_nm_per_s"].to_numpy() == pytest.approx(2 * rates.to_numpy())
    assert by_frame.data["first_time_s"].isna().all()
    assert by_second.data["last_time_s"].tolist() == [9.5] * 12
    low, high = (by_frame.data[f"growth_rate_{end}_nm_per_frame"] for end in ("low", "high"))
    assert ((low <= 0.1) & (high >= 0.1)).mean() >= 0.7
    assert by_frame.data["begin_diameter_nm"].median() == pytest.approx(10.1, abs=0.1)
    assert by_frame.data["end_diameter_nm"].median() == pytest.approx(11.8, abs=0.1)


def test_pixels_are_lengths_like_any_other() -> None:
    rows = [(t, 5 * y, 5 * x, 25 * area) for t, y, x, area in bystanders(12, growth=0.1)]
    nm, _ = follow(link(table(bystanders(12, growth=0.1))), Film(frames=12))
    px, _ = follow(link(table(rows, unit="px")), Film(frames=12))
    for name in ("begin_diameter", "growth_rate_low"):
        end = "_per_frame" if "rate" in name else ""
        assert px.data[f"{name}_px{end}"].to_numpy() == pytest.approx(
            5 * nm.data[f"{name}_nm{end}"].to_numpy()
        )


def test_a_drift_of_all_changes_neither_tracks_nor_events() -> None:
    rows = [*bystanders(16), *_merging(16)]
    shift = np.cumsum(np.random.default_rng(0).normal(0, 3, (16, 2)), axis=0)
    moved: list[Row] = [(t, y + shift[t, 0], x + shift[t, 1], area) for t, y, x, area in rows]
    film = Film(frames=16)
    (tracks, events), (again, same) = (follow(link(table(each)), film) for each in (rows, moved))
    pd.testing.assert_frame_equal(tracks.data, again.data)
    assert len(events) == 1
    numbers = ["frame", "track_before_1", "track_before_2", "area_ratio"]
    pd.testing.assert_frame_equal(events.data[numbers], same.data[numbers])
    moved_by = same.data[["y_nm", "x_nm"]] - events.data[["y_nm", "x_nm"]]
    assert moved_by.to_numpy()[0] == pytest.approx(shift[8] - shift[0], abs=4.0)


def _merging(frames: int) -> list[Row]:
    rows: list[Row] = []
    for t in range(frames):
        rows += [(t, 40.0, 44.0, 160.0)] if t >= 8 else [(t, 40.0, 40.0, 120.0), (t, 40.0, 51.0, 60.0)]
    return rows


def test_how_tracks_begin_and_end() -> None:
    film = Film(frames=20, field=(300.0, 160.0))
    rows = bystanders(20)
    rows += [(t, 60.0, 80.0, 80.0) for t in range(6, 14)]
    leaving: list[Row] = [(t, 80.0, 130.0 + 2.5 * t, 80.0) for t in range(12)]
    border = [False] * len(rows) + [x + 5 > 160 for _, _, x, _ in leaving]
    tracks, _ = follow(link(table([*rows, *leaving], border=border)), film)
    fates = tracks.data.groupby(["began", "ended"]).size().to_dict()
    assert fates == {
        ("start of movie", "end of movie"): 12,
        ("appeared", "vanished"): 1,
        ("start of movie", "border"): 1,
    }


def test_sizes_at_the_border_are_not_used() -> None:
    rows = [(t, 10.0, 10.0, 80.0 if t < 10 else 20.0) for t in range(20)]
    tracks, _ = follow(
        link(table(rows, border=[t >= 10 for t in range(20)]), max_distance=5.0), Film(frames=20)
    )
    track = tracks.data.iloc[0]
    assert track["frames_seen"] == 20
    assert track["growth_rate_nm_per_frame"] == 0.0
    assert track["end_diameter_nm"] == pytest.approx(np.sqrt(320 / np.pi))


def test_one_particle_one_frame_and_an_empty_frame() -> None:
    alone, _ = follow(link(table([(0, 10.0, 10.0, 80.0)])), Film(frames=1))
    assert alone.data[["began", "ended"]].iloc[0].tolist() == ["start of movie", "end of movie"]
    assert np.isnan(alone.data["growth_rate_nm_per_frame"].iloc[0])
    gap, events = follow(link(table([(t, 10.0, 10.0, 80.0) for t in (0, 1, 3, 4, 5)])), Film(frames=6))
    assert gap.data[["frames_seen", "last_frame"]].to_numpy().tolist() == [[5, 5]]
    assert events.data.empty


def test_what_cannot_be_followed_is_named() -> None:
    particles = table(bystanders(3))
    linked = link(particles)
    with pytest.raises(InputError, match="track_id is empty"):
        follow(particles, Film(frames=3))
    with pytest.raises(InputError, match="max_gap must be 0 and lasting 1"):
        follow(linked, Film(frames=3), lasting=0)
    both = linked.with_data(pd.concat([linked.data, linked.data.assign(image="b")]))
    with pytest.raises(InputError, match="one movie is followed at a time, got 2"):
        follow(both, Film(frames=3))
    with pytest.raises(InputError, match="at least 1 frame, got 0"):
        Film(frames=0)


def test_particles_may_be_there_for_a_part_of_the_movie_only() -> None:
    rows = [row for row in bystanders(16) if 4 <= row[0] < 11]
    tracks, _ = follow(link(table(rows)), Film(frames=16, field=(400.0, 400.0)))
    assert len(tracks.data) == 12
    # Those at x = 0 touch the edge of the field.
    at_edge = tracks.data["began"] == "border"
    assert at_edge.sum() == 3
    assert (tracks.data.loc[~at_edge, "began"] == "appeared").all()
    assert (tracks.data.loc[~at_edge, "ended"] == "vanished").all()


def test_of_many_doubtful_events_the_number_lies_in_its_interval() -> None:
    _, events = follow(link(table([*bystanders(16), *_merging(16)])), Film(frames=16, frame_time=1.0))
    many = events.with_data(pd.concat([events.data.assign(confidence=0.75)] * 20))
    tracks, _ = follow(link(table(bystanders(6))), Film(frames=6))
    number = summarise_tracks(tracks, many)[0]
    assert (number.low, number.value, number.high) == (12.0, 15.0, 18.0)
    assert "of 20 listed" in number.note


def test_headlines_are_the_number_of_events_and_the_median_rate() -> None:
    tracks, events = follow(
        link(table([*bystanders(16, growth=0.1), *_merging(16)])), Film(frames=16, frame_time=1.0)
    )
    number, rate = summarise_tracks(tracks, events)
    assert (number.name, number.value) == ("coalescences", 1.0)
    assert number.low <= 1.0 <= number.high
    assert (rate.name, rate.unit) == ("median growth rate", "nm/s")
    assert rate.low <= rate.value <= rate.high
    assert rate.value == pytest.approx(tracks.data["growth_rate_nm_per_s"].median())
    empty = follow(link(table([])), Film(frames=3))
    assert [estimate.value for estimate in summarise_tracks(*empty)] == [0.0]
