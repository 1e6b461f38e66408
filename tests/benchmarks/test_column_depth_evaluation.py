"""Who reads what: every case once, kept until reader or movie are others, scored where it was read."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from column_depth_choice import Choice
from column_depth_evaluation import Contest, evaluate, losses, scores
from column_depth_exposures import Exposure, KnownMovie, expose
from column_depth_readers import Reader
from column_depth_readings import Case, reading

from simulate.camera.detector import Detector
from simulate.tem.microscope import Setting
from simulate.tem.optics import Optics


def lattice_movie(particle: int, variant: str, frames: int = 2) -> KnownMovie:
    """Return frames of dark columns on a square lattice; fainter ones where something was changed."""
    places = np.stack(np.meshgrid(np.arange(4.0, 30.0, 3.0), np.arange(4.0, 30.0, 3.0), indexing="ij"), -1)
    places = places.reshape(-1, 2) + 0.07 * particle
    grid = 0.25 * np.indices((136, 136))
    square = sum((grid[axis][..., None] - places[:, axis]) ** 2 for axis in (0, 1))
    dip = (0.05 if variant else 0.4) * np.exp(-square / (2 * 0.6**2)).sum(axis=-1)
    frame = (0.0625 * (1 - dip)).astype(np.float32)
    return KnownMovie(
        name="lattice",
        crystal="ceo2_110",
        modality="HRTEM",
        energy=300e3,
        expected=np.stack([frame] * frames),
        positions=np.stack([places] * frames),
        depths=np.ones((frames, len(places)), dtype=int),
        setting=Setting(optics=Optics(energy=300e3), detector=Detector(pixel_size=0.25, dose=1.0)),
    )


def test_readers_are_scored_case_by_case(tmp_path: Path) -> None:
    cases = [
        Case(condition=name, particle=particle, seed=0, dose=300.0, variant=variant, stretch=stretch)
        for name, variant, stretch in (("plain", "", 1.0), ("faint", "faint", 1.0), ("scaled", "", 1.1))
        for particle in (0, 1)
    ]
    contest = Contest(choice=Choice(names=("classical", "network")), load=lattice_movie, readings=tmp_path)
    tallies = evaluate(contest, cases, "lattices")
    assert set(tallies) == {("classical", name) for name in ("plain", "faint", "scaled")}  # no checkpoint
    assert all(len(of) == 2 for of in tallies.values())
    table = scores(tallies, "ceo2").set_index(["condition", "metric"])["value"]
    assert table["plain", "recall"] > 0.9
    assert table["plain", "precision"] > 0.99
    assert table["faint", "recall"] < 0.7
    # Told a wrong pixel size, it finds them still: places are scaled back before they are compared.
    assert table["scaled", "recall"] > 0.9
    lost = losses(tallies, "robustness", "plain")
    with_loss = lost[lost["metric"].isin(("exact_lost", "within_one_lost"))]
    assert set(with_loss["condition"]) == {"faint", "scaled"}
    assert set(lost["condition"]) == {"plain", "faint", "scaled"}
    again = scores(evaluate(contest, cases, "lattices"), "ceo2").set_index(["condition", "metric"])["value"]
    pd.testing.assert_series_equal(again, table)
    assert len(list(tmp_path.rglob("*.npz"))) == len(cases)


class Truthful:
    """Reads what is true of every frame that it is given, and remembers which these were."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __call__(self, exposure: Exposure) -> pd.DataFrame:
        rows = []
        for frame in exposure.to_read():
            self.read.append(frame.frame)
            for place, depth in zip(
                exposure.movie.positions[frame.frame], exposure.movie.depths[frame.frame], strict=True
            ):
                rows.append((frame.frame, *place, depth, depth, depth, 1.0))
        names = ["frame", "y", "x", "depth", "depth_low", "depth_high", "confidence"]
        return pd.DataFrame(rows, columns=names)


@pytest.fixture
def case() -> Case:
    return Case(condition="400", particle=0, seed=0, dose=400.0)


def test_a_movie_is_read_again_only_where_something_is_another(tmp_path: Path, case: Case) -> None:
    truthful, movie = Truthful(), lattice_movie(0, "")
    reader = Reader(read=truthful, identity="a" * 64)

    def frames_read(reader: Reader, case: Case, movie: KnownMovie) -> int:
        before = len(truthful.read)
        reading(tmp_path, "truthful", reader, case, movie, lambda: expose(movie, case.dose, case.seed))
        return len(truthful.read) - before

    assert frames_read(reader, case, movie) == 2
    assert frames_read(reader, case, movie) == 0
    assert frames_read(replace(reader, identity="b" * 64), case, movie) == 2
    assert frames_read(reader, replace(case, seed=1), movie) == 2
    assert frames_read(reader, replace(case, stretch=1.1), movie) == 2
    assert frames_read(reader, case, replace(movie, expected=1.01 * movie.expected)) == 2


def test_what_is_kept_is_what_was_read(tmp_path: Path, case: Case) -> None:
    movie = lattice_movie(0, "")
    reader, exposure = Reader(read=Truthful(), identity="a" * 64), expose(movie, 400.0, 0)
    found = [reading(tmp_path, "truthful", reader, case, movie, lambda: exposure) for _ in range(2)]
    pd.testing.assert_frame_equal(found[0], found[1])
    wanted = Truthful()(exposure)
    np.testing.assert_array_equal(found[0]["frame"], wanted["frame"])
    np.testing.assert_allclose(found[0], wanted, rtol=1e-6)


def test_slow_readers_read_each_frame_with_one_of_five_seeds(tmp_path: Path, case: Case) -> None:
    truthful, movie = Truthful(), lattice_movie(0, "", frames=20)
    reader = Reader(read=truthful, identity="a" * 64, frames_apart=5)
    for seed in range(5):
        one = replace(case, seed=seed)
        reading(tmp_path, "truthful", reader, one, movie, partial(expose, movie, 400.0, seed))
    assert sorted(truthful.read) == list(range(20))
    # Four frames a state: each of them is read as often as any other, so that no moment counts more.
    assert [reader.frames(4, seed) for seed in range(5)] == [range(seed % 4, 4, 5) for seed in range(5)]
    assert all(len(reader.frames(4, seed)) == 1 for seed in range(5))
