"""Headline figures and the plot, from scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from column_depth_choice import Choice
from column_depth_evaluation import Case, evaluate, losses, scores
from column_depth_exposures import KnownMovie
from column_depth_report import headline, plot, print_table

from simulate.camera.detector import Detector
from simulate.tem.microscope import Setting
from simulate.tem.optics import Optics


def lattice_movie(particle: int, variant: str) -> KnownMovie:
    """Return two frames of dark columns on a square lattice; fainter ones where something was changed."""
    places = np.stack(np.meshgrid(np.arange(4.0, 30.0, 3.0), np.arange(4.0, 30.0, 3.0), indexing="ij"), -1)
    places = places.reshape(-1, 2) + 0.07 * particle
    grid = 0.25 * np.indices((136, 136))
    square = sum((grid[axis][..., None] - places[:, axis]) ** 2 for axis in (0, 1))
    dip = (0.05 if variant else 0.4) * np.exp(-square / (2 * 0.6**2)).sum(axis=-1)
    frame = (0.0625 * (1 - dip)).astype(np.float32)
    return KnownMovie(
        name="lattice",
        modality="HRTEM",
        energy=300e3,
        expected=np.stack([frame, frame]),
        positions=np.stack([places, places]),
        depths=np.ones((2, len(places)), dtype=int),
        setting=Setting(optics=Optics(energy=300e3), detector=Detector(pixel_size=0.25, dose=1.0)),
    )


def test_readers_are_scored_case_by_case() -> None:
    cases = [
        Case(condition=name, particle=particle, seed=0, dose=300.0, variant=variant, stretch=stretch)
        for name, variant, stretch in (("plain", "", 1.0), ("faint", "faint", 1.0), ("scaled", "", 1.1))
        for particle in (0, 1)
    ]
    tallies = evaluate(lattice_movie, cases, Choice(names=("classical", "network")), 1, "lattices")
    assert set(tallies) == {("classical", name) for name in ("plain", "faint", "scaled")}  # no checkpoint
    assert all(len(of) == 2 for of in tallies.values())
    table = scores(tallies, "ceo2").set_index(["condition", "metric"])["value"]
    assert table["plain", "recall"] > 0.9
    assert table["plain", "precision"] > 0.99
    assert table["faint", "recall"] < 0.7
    # Told a wrong pixel size, it finds them still: places are scaled back before they are compared.
    assert table["scaled", "recall"] > 0.9
    assert set(losses(tallies, "robustness", "plain")["metric"]) == {"exact_lost", "within_one_lost"}


def rows(values: dict[tuple[str, str, str, str], float]) -> pd.DataFrame:
    names = ("section", "reader", "condition", "metric")
    return pd.DataFrame(
        [
            {**dict(zip(names, key, strict=True)), "value": value, "low": None, "high": None}
            for key, value in values.items()
        ]
    )


EXACT = {
    ("ceo2", "network", "100", "exact"): 0.7,
    ("ceo2", "network", "400", "exact"): 0.9,
    ("ceo2", "seven_frames", "100", "exact"): 0.85,
    ("ceo2", "likelihood", "100", "exact"): 0.65,
    ("ceo2", "likelihood", "400", "exact"): 0.8,
    ("ceo2", "gaussian_mixture", "100", "exact"): 0.4,
    ("ceo2", "gaussian_mixture", "400", "exact"): 0.5,
    ("ceo2", "classical", "400", "exact"): float("nan"),
    ("haadf", "network", "5", "bias"): -0.1,
}


def test_the_headline_names_section_metric_condition_and_reader() -> None:
    found = headline(rows(EXACT))
    assert found["ceo2_exact_400"] == 0.9
    assert found["ceo2_exact_100_seven_frames"] == 0.85
    assert found["haadf_bias_5"] == -0.1
    assert not any("classical" in name and name.startswith("ceo2_exact") for name in found)


def test_the_headline_compares_at_the_worst_dose() -> None:
    found = headline(rows(EXACT))
    assert found["ceo2_least_ahead_of_likelihood"] == pytest.approx(0.05)
    assert found["ceo2_most_errors_of_classical"] == pytest.approx(0.5)


def test_tables_and_plot_take_what_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(rows(EXACT), "title")
    printed = capsys.readouterr().out
    assert "seven_frames" in printed
    assert "–" in printed
    plot(rows(EXACT), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    plot(rows({("haadf", "network", "5", "bias"): 0.0}), tmp_path / "none.png")
