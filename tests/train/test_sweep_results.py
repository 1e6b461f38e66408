"""The table and the picture of a sweep, from runs as they are left on disk."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from nanonet.train.sweep import flat, tabulate, told_apart
from nanonet.train.sweep_plot import plot_sweep, short, sweep_figure

UNET = "nanonet.models.unet.UNet"


def leave_run(folder: Path, config: dict, losses: list[float], exact: list[float]) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows = {"epoch": range(len(losses)), "step": 9, "val/loss": losses, "val/exact": exact}
    pd.DataFrame(rows).to_csv(folder / "metrics.csv", index=False)


@pytest.fixture
def sweep(tmp_path):
    """Two widths, two losses, two seeds, which make 0.1, 0.01 and 0.001 of difference."""
    number = 0
    for width in (16, 64):
        for loss in ("nanonet.losses.a.A", "nanonet.losses.b.B"):
            for seed in (0, 1):
                config = {
                    "model": {"_target_": UNET, "width": width},
                    "loss": {"_target_": loss},
                    "seed": seed,
                }
                value = 0.5 + 0.1 * (width == 64) + 0.01 * loss.endswith("B") + 0.001 * seed
                leave_run(tmp_path / str(number), config, [0.9, 0.4, 0.6], [0.1, value, 0.99])
                number += 1
    return tmp_path


KEYS = ["model.width", "loss", "seed"]


def test_the_table_has_the_best_epoch_of_every_run(sweep):
    table = tabulate(sweep, KEYS)
    assert table["run"].tolist() == [str(number) for number in range(8)]
    assert table["epoch"].eq(1).all()
    assert table["val/exact"].max() == pytest.approx(0.611)
    assert table["model.width"].tolist() == [16] * 4 + [64] * 4
    pd.testing.assert_frame_equal(pd.read_csv(sweep / "sweep.csv", dtype={"run": str}), table)


def test_variants_that_name_one_class_are_told_apart():
    nodes = [
        {"_target_": UNET, "stride": 1, "inner": {"momentum": 0.1}},
        {"_target_": UNET, "stride": 2, "inner": {"momentum": 0.1}},
        {"_target_": UNET, "stride": 2, "inner": {"momentum": 0.3}, "width": 64},
        {"_target_": "nanonet.models.mixed_scale.MixedScaleDense"},
    ]
    assert told_apart(nodes) == [
        f"{UNET}(inner.momentum=0.1, stride=1)",
        f"{UNET}(inner.momentum=0.1, stride=2)",
        f"{UNET}(inner.momentum=0.3, stride=2, width=64)",
        "nanonet.models.mixed_scale.MixedScaleDense",
    ]


def test_nodes_that_are_the_same_are_named_by_their_class_alone():
    assert told_apart([{"_target_": UNET, "width": 8}] * 2) == [UNET, UNET]


def test_values_stay_and_lists_become_text():
    assert told_apart([0.5, None, "a", True, [1, 2]]) == [0.5, None, "a", True, "[1, 2]"]
    assert flat({"a": {"b": {"c": 1}}, "d": 2}) == {"a.b.c": 1, "d": 2}


@pytest.mark.parametrize("key", ["+model.width", "++model.width", "model.width"])
def test_keys_are_taken_as_they_were_typed(sweep, key):
    assert tabulate(sweep, [key])[key].tolist() == [16] * 4 + [64] * 4


def test_there_is_a_panel_for_each_key_but_the_seed(sweep):
    figure = sweep_figure(tabulate(sweep, KEYS), KEYS)
    assert [panel.get_xlabel() for panel in figure.axes] == ["model.width", "loss"]
    assert figure.axes[0].get_ylabel() == "val/exact"


def points(panel):
    """All single points of a panel (x, y)."""
    drawn = [line.get_xydata() for line in panel.lines if line.get_marker() == "o"]
    return np.concatenate(drawn)


def means(panel):
    """The joined means of each line of a panel, by its label."""
    return {line.get_label(): line.get_xydata() for line in panel.lines if line.get_marker() != "o"}


def test_every_run_is_a_point_where_it_belongs(sweep):
    table = tabulate(sweep, KEYS)
    first, second = sweep_figure(table, KEYS).axes
    assert sorted(map(tuple, points(first))) == sorted(
        zip(table["model.width"], table["val/exact"], strict=True)
    )
    by_loss = sorted(
        zip((table["loss"] == "nanonet.losses.b.B").astype(float), table["val/exact"], strict=True)
    )
    assert sorted(map(tuple, points(second))) == by_loss
    assert [label.get_text() for label in second.get_xticklabels()] == ["A", "B"]


def test_lines_join_means_over_seeds_of_runs_that_differ_in_nothing_else(sweep):
    lines = means(sweep_figure(tabulate(sweep, KEYS), KEYS).axes[0])
    assert sorted(lines) == ["A", "B"]
    np.testing.assert_allclose(lines["A"], [[16, 0.5005], [64, 0.6005]])
    np.testing.assert_allclose(lines["B"], [[16, 0.5105], [64, 0.6105]])


def test_bars_go_from_the_lowest_to_the_highest_seed(sweep):
    panel = sweep_figure(tabulate(sweep, KEYS), KEYS).axes[0]
    spans = [np.ptp(path.vertices[:, 1]) for bars in panel.collections for path in bars.get_paths()]
    assert spans == pytest.approx([0.001] * 4)


def test_a_sweep_of_seeds_alone_has_a_panel(sweep):
    table = tabulate(sweep, ["seed"])
    (panel,) = sweep_figure(table, ["seed"]).axes
    assert panel.get_xlabel() == "seed"
    assert len(points(panel)) == 8


def test_values_over_decades_are_on_a_logarithmic_axis():
    table = pd.DataFrame({"rate": [1e-4, 1e-3, 1e-2], "near": [1.0, 2.0, 3.0], "val/exact": [0.1, 0.2, 0.3]})
    first, second = sweep_figure(table, ["rate", "near"]).axes
    assert (first.get_xscale(), second.get_xscale()) == ("log", "linear")


def test_a_run_without_result_is_left_out():
    table = pd.DataFrame({"width": [4, 8, 16], "val/loss": [0.3, np.nan, 0.2]})
    (panel,) = sweep_figure(table, ["width"]).axes
    assert panel.get_ylabel() == "val/loss"
    np.testing.assert_allclose(points(panel), [[4, 0.3], [16, 0.2]])


def test_the_picture_is_beside_the_table(sweep):
    file = plot_sweep(sweep, tabulate(sweep, KEYS), KEYS)
    assert file == sweep / "sweep.png"
    assert file.read_bytes().startswith(b"\x89PNG")
    assert not list(sweep.glob(".*"))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.0010000001, "0.001"),
        (16, "16"),
        (f"{UNET}(width=0.5)", "UNet(width=0.5)"),
        ("0.5", "0.5"),
        ("[0.1, 0.2]", "[0.1, 0.2]"),
        (None, "None"),
    ],
)
def test_labels_are_short(value, label):
    assert short(value) == label
