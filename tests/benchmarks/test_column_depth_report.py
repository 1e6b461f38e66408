"""Headline figures and the plot, from scores."""

from pathlib import Path

import pandas as pd
import pytest
from column_depth_report import headline, plot, print_absent, print_table


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


def test_the_headline_is_full_of_the_network_and_brief_of_others() -> None:
    found = headline(rows({**EXACT, ("ceo2", "likelihood", "100", "recall"): 0.9}))
    assert found["ceo2_exact_100_likelihood"] == 0.65
    assert "ceo2_recall_100_likelihood" not in found


def test_promises_are_reported_where_they_are_kept_least() -> None:
    told = {
        ("ceo2", "network", dose, metric): value
        for dose, (ece, coverage) in {"100": (0.05, 0.8), "400": (0.01, 0.97)}.items()
        for metric, value in (("ece", ece), ("coverage", coverage))
    }
    seven = {("ceo2", "seven_frames", "100", metric): 0.9 for metric in ("ece", "coverage")}
    found = headline(rows({**EXACT, **told, **seven}))
    assert found["ceo2_least_ahead_of_likelihood"] == pytest.approx(0.05)
    assert found["ceo2_most_errors_of_classical"] == pytest.approx(0.5)
    assert found["ceo2_least_ahead_of_likelihood_seven_frames"] == pytest.approx(0.2)
    assert found["ceo2_most_ece"] == 0.05
    assert (found["ceo2_least_coverage"], found["ceo2_most_coverage"]) == (0.8, 0.97)


def test_what_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_absent({"likelihood": "no --library"})
    assert capsys.readouterr().out == "not there: likelihood (no --library)\n"


def test_tables_and_plot_take_what_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_table(rows(EXACT), "title")
    printed = capsys.readouterr().out
    assert "seven_frames" in printed
    assert "–" in printed
    plot(rows(EXACT), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    plot(rows({("haadf", "network", "5", "bias"): 0.0}), tmp_path / "none.png")
