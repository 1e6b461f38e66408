"""Which way to separate overlapping particles is best when: on drawn masks of known overlap.

Discs, ellipses and polygons of several sizes overlap, two or three to six together, by a known share of the
width of the smaller one along the line of their centres; the outline of their union is off by 0.7 px (then
single particles have convexities of 0.96 to 0.99, as in outlines that people drew on micrographs). Every way
to separate them is given the mask. The truth is the whole particles, with what others hide. Particles are
matched one to one above an IoU of one half. Intervals are 90 %, a bootstrap over images, paired over methods.
"heights, told" is told how deep inside its uppermost particle each pixel lies: the best that a network can do
which predicts that. ``--checkpoint`` adds networks, which see an image instead of the mask.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from overlap_scenes import Scene, scene
from rich.progress import track
from scipy.optimize import linear_sum_assignment

from nanonet.data.mask_targets import mask_targets
from nanonet.records import Micrograph
from nanonet.segment import heights, pieces, uecs, watershed
from nanonet.segment.separation import Foreground

DEGREES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
DIAMETERS = (12, 24, 48, 96)
"""Of the largest particles [px]; the others have half of that or more."""
GROUPS = 6
"""Pairs, or clusters, in an image."""
NOISE = 0.7
SMALLEST = 4.0
"""Diameter [px] of the smallest particle that the masks are said to tell."""
DRAWS = 1000
SEED = 0
KINDS = {"pairs": (2, 2), "clusters": (3, 6)}
"""Fewest and most particles of a group."""

Method = Callable[[Scene, np.random.Generator], Int[np.ndarray, "y x"]]


def methods(checkpoints: Mapping[str, str]) -> dict[str, Method]:
    """Return the methods by name."""

    def by(separate: Callable[[Foreground], Any]) -> Method:
        return lambda given, _: separate(foreground(given)).labels

    found = {
        "none": by(pieces.unseparated),
        "watershed": by(watershed.separate),
        "uecs": by(uecs.separate),
        "uecs, keep": by(partial(uecs.separate, keep=True)),
        "heights, told": by(heights.separate),
    }
    for name, checkpoint in checkpoints.items():
        found[name] = network(checkpoint)
    return found


def foreground(given: Scene) -> Foreground:
    """Return the mask of a scene, with the heights that a perfect network would predict."""
    return Foreground(mask=given.mask, smallest=SMALLEST, height=mask_targets(given.visible).height)


def network(checkpoint: str) -> Method:
    """Return the segmentation by a network, which sees a bright-field image."""
    from nanonet.segment.network import segment
    from nanonet.train.checkpoint import load_network

    trained = load_network(checkpoint, task="particle_mask")

    def method(given: Scene, rng: np.random.Generator) -> Int[np.ndarray, "y x"]:
        return segment(Micrograph(image=given.image(rng), name="drawn"), network=trained).labels

    return method


def score(labels: Int[np.ndarray, "y x"], given: Scene) -> dict[str, float]:
    """Return the sums of one image that all figures are made of."""
    number = int(labels.max(initial=0))
    found = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    true = np.array([mask.sum() for _, mask in given.whole])
    common = np.array(
        [np.bincount(labels[box][mask], minlength=number + 1)[1:] for box, mask in given.whole]
    ).reshape(len(true), number)
    iou = common / (true[:, None] + found - common)
    rows, columns = linear_sum_assignment(-np.where(iou > 0.5, iou, 0.0))
    good = iou[rows, columns] > 0.5
    rows, columns = rows[good], columns[good]
    off = np.sqrt(found[columns] / true[rows]) - 1.0
    return {
        "found": number,
        "true": len(true),
        "matched": len(rows),
        "iou": iou[rows, columns].sum(),
        "off": off.sum(),
        "off_size": np.abs(off).sum(),
        "found_diameters": np.sqrt(found).sum(),
        "true_diameters": np.sqrt(true).sum(),
    }


FIGURES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "count": lambda s: s["found"] / s["true"] - 1,
    "f1": lambda s: 2 * s["matched"] / (s["found"] + s["true"]),
    "iou": lambda s: s["iou"] / s["matched"],
    "diameter": lambda s: s["off"] / s["matched"],
    "|diameter|": lambda s: s["off_size"] / s["matched"],
    "mean size": lambda s: (s["found_diameters"] / s["found"]) / (s["true_diameters"] / s["true"]) - 1,
}
"""From sums over images: error of the count, F1, IoU of matched particles, mean error of their diameter and
mean size of that error, and error of the mean diameter of all that was found."""


def measure(images: int, chosen: Mapping[str, Method]) -> pd.DataFrame:
    """Return the sums of every image and method, a row each."""
    cases = [(k, d, o, i) for k in KINDS for d in DIAMETERS for o in DEGREES for i in range(images)]
    rows = []
    for kind, diameter, overlap, index in track(cases, "images", transient=True):
        seed = [SEED, list(KINDS).index(kind), diameter, round(100 * overlap), index]
        rng = np.random.default_rng(seed)
        low, high = KINDS[kind]
        sizes = partial(_sizes, diameter, low, high, rng)
        given = scene(sizes, groups=GROUPS, overlap=overlap, noise=NOISE, rng=rng)
        for name, method in chosen.items():
            start = time.thread_time()
            labels = method(given, np.random.default_rng([*seed, 1]))
            case = {"kind": kind, "diameter": diameter, "overlap": overlap, "image": index}
            rows.append(
                {**case, "method": name, **score(labels, given), "seconds": time.thread_time() - start}
            )
    return pd.DataFrame(rows)


def _sizes(diameter: float, low: int, high: int, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
    return diameter * rng.uniform(0.5, 1.0, int(rng.integers(low, high + 1)))


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Return each figure of each method with the ends of its interval, one row a method and figure.

    All methods saw the same images, and each draw takes the same ones for all.
    """
    names = list(dict.fromkeys(table["method"]))
    sums = {name: _sums(table[table["method"] == name]) for name in names}
    times = _times(len(next(iter(sums.values()))))
    rows = []
    for name in names:
        whole = sums[name].sum()
        drawn = {column: times @ sums[name][column].to_numpy() for column in sums[name]}
        for figure, compute in FIGURES.items():
            with np.errstate(invalid="ignore", divide="ignore"):
                low, high = np.nanpercentile(compute(drawn), [5, 95])
                rows.append(
                    {"method": name, "figure": figure, "value": compute(whole), "low": low, "high": high}
                )
    return pd.DataFrame(rows)


def best(table: pd.DataFrame, candidates: Sequence[str]) -> tuple[str, list[str]]:
    """Return the method of the highest F1, and which others may be as good: their difference's interval."""
    sums = {name: _sums(table[table["method"] == name]) for name in candidates}
    times = _times(len(next(iter(sums.values()))))
    f1 = {name: FIGURES["f1"](each.sum()) for name, each in sums.items()}
    drawn = {
        name: FIGURES["f1"]({column: times @ each[column].to_numpy() for column in each})
        for name, each in sums.items()
    }
    winner = max(f1, key=lambda name: f1[name])
    even = [name for name in f1 if name != winner and np.percentile(drawn[winner] - drawn[name], 5) <= 0]
    return winner, even


def _sums(table: pd.DataFrame) -> pd.DataFrame:
    case = ["kind", "diameter", "overlap", "image"]
    return table.sort_values(case).drop(columns=[*case, "method", "seconds"]).reset_index(drop=True)


def _times(images: int) -> Float[np.ndarray, "draws images"]:
    """Return how often each image is in each draw."""
    drawn = np.random.default_rng(SEED).integers(images, size=(DRAWS, images))
    return np.stack([np.bincount(row, minlength=images) for row in drawn]).astype(float)


def print_tables(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Print the figures against overlap for pairs and clusters, and which method is best when."""
    for kind in KINDS:
        print(f"\n{kind}: value [90 % interval], over {' '.join(map(str, DIAMETERS))} px")
        for overlap in DEGREES:
            some = with_intervals(table[(table["kind"] == kind) & (table["overlap"] == overlap)])
            for name in names:
                own = some[some["method"] == name].set_index("figure")
                cells = "  ".join(
                    f"{figure} {row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
                    for figure, row in own.iterrows()
                )
                print(f"overlap {overlap:.1f}  {name:14} {cells}")
    candidates = [name for name in names if name != "heights, told"]
    print(
        "\nbest F1; with others whose difference from it may be 0. Overlap: " + "  ".join(map(str, DEGREES))
    )
    for kind in KINDS:
        for diameter in DIAMETERS:
            own = table[(table["kind"] == kind) & (table["diameter"] == diameter)]
            cells = (best(own[own["overlap"] == overlap], candidates) for overlap in DEGREES)
            print(f"{kind:9} {diameter:3d} px  " + " | ".join(" = ".join([w, *even]) for w, even in cells))


def draw(table: pd.DataFrame, names: Sequence[str], path: Path) -> None:
    """Draw the figures against overlap, with their intervals as bands."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {
        "count": "error of the count",
        "f1": "F1 (IoU > 0.5, whole particles)",
        "iou": "IoU of matched particles",
        "mean size": "error of the mean diameter",
    }
    figure = Figure(figsize=(4 * len(shown), 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(KINDS), len(shown), sharex=True)
    for row, kind in zip(axes, KINDS, strict=True):
        own = table[table["kind"] == kind]
        found = {o: with_intervals(own[own["overlap"] == o]).set_index(["method", "figure"]) for o in DEGREES}
        for ax, (key, label) in zip(row, shown.items(), strict=True):
            for name in names:
                values, low, high = (
                    [found[o].loc[(name, key), end] for o in DEGREES] for end in ("value", "low", "high")
                )
                (line,) = ax.plot(DEGREES, values, marker="o", markersize=3, label=name)
                ax.fill_between(DEGREES, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
            ax.set(title=f"{kind}: {label}")
            ax.grid(alpha=0.3)
    for ax in axes[-1]:
        ax.set_xlabel("overlap / width of the smaller one")
    axes[0, 0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def speed(repeats: int = 5) -> dict[str, float]:
    """Return the least seconds of the processor for some 500 particles on 1024 x 1024 pixels."""
    rng = np.random.default_rng(SEED)
    sizes = partial(_sizes, 24.0, 1, 2, rng)
    whole = scene(sizes, groups=680, overlap=0.15, noise=NOISE, rng=rng)
    mask = whole.mask[:1024, :1024]
    count = len(np.unique(whole.visible[:1024, :1024])) - 1
    print(f"\n{count} particles on {mask.shape[0]} x {mask.shape[1]} pixels, {mask.mean():.0%} covered")
    found = {}
    for name, separate in (("watershed", watershed.separate), ("uecs", uecs.separate)):
        seconds = []
        for _ in range(repeats):
            start = time.thread_time()
            separate(Foreground(mask=mask, smallest=SMALLEST))
            seconds.append(time.thread_time() - start)
        found[name] = min(seconds)
        print(f"{name:12} {found[name]:.2f} s")
    return found


def main() -> None:
    """Separate drawn masks by each method; print and return the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="3 images of each kind instead of 12")
    parser.add_argument("--output", type=Path, default=Path("outputs") / "overlap", help="folder of the plot")
    parser.add_argument(
        "--checkpoint", nargs="*", default=[], metavar="[NAME=]CHECKPOINT", help="networks to compare"
    )
    words = parser.parse_args()
    checkpoints = dict(word.split("=", 1) if "=" in word else (word, word) for word in words.checkpoint)
    chosen = methods(checkpoints)
    table = measure(3 if words.quick else 12, chosen)
    print_tables(table, list(chosen))
    draw(table, list(chosen), words.output / "overlap.png")
    table.to_csv(words.output / "overlap.csv", index=False)
    seconds = speed()
    headline: dict[str, float] = {"images": float(len(table) // len(chosen))}
    for low, high in ((0.0, 0.2), (0.3, 0.6)):
        some = with_intervals(table[table["overlap"].between(low - 0.01, high + 0.01)])
        for row in some.itertuples():
            if row.figure in ("count", "f1", "mean size"):
                headline[f"{row.method}_{low}_{high}_{row.figure}"] = round(float(row.value), 3)
    print(json.dumps(headline | {f"{name}_seconds": round(s, 2) for name, s in seconds.items()}))


if __name__ == "__main__":
    main()
