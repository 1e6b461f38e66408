"""Mixed populations with truth, from images to maps: what is found, what is used, what is right.

For each seed a population is simulated (or read from --data, where an earlier run left it), `nanonet infer
pipeline=population` runs on its images in a process of its own, and what it found is compared with the truth:
kinds by the adjusted Rand index, maps by their correlation with the true bodies of their particles,
beside that of a ball, and by the frequency at which their shell correlation with it falls to one half. On the
same particles runs the recipe of Slater et al. (Microsc. Microanal. 26, 1168, 2020): K-means with 3 and 4
groups on all properties, DBSCAN on area, highest intensity and solidity at the reach that finds most groups.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from population_maps import against_truth
from scipy.stats import t

NEAR = 0.6
"""Of a particle's radius: how far from its centre what was found of it may lie."""
KEYS = ["image", "frame", "particle_id"]


def simulated(experiment: str, seed: int, images: int | None, folder: Path) -> Path:
    """Return the folder of a population; what an earlier run made is kept."""
    words = ["simulate", f"experiment={experiment}", f"seed={seed}", f"output={folder}"]
    if images is not None:
        words.append(f"n_structures={images}")
    subprocess.run([sys.executable, "-m", "nanonet", *words], check=True, stdout=subprocess.DEVNULL)
    return folder


def inferred(population: Path, output: Path, words: Sequence[str]) -> float:
    """Run the pipeline, and return the seconds it took."""
    start = time.perf_counter()
    command = ["infer", "pipeline=population", f"input={population / 'images'}", f"output={output}", *words]
    subprocess.run([sys.executable, "-m", "nanonet", *command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def with_truth(output: Path, truth: pd.DataFrame) -> pd.DataFrame:
    """Return the particles that were grouped, each with the row of truth that it is of; -1 for none."""
    particles = pd.read_csv(output / "particles.csv").drop(columns="class_id")
    rows = pd.read_csv(output / "classes.csv").merge(particles, on=KEYS)
    match = np.full(len(rows), -1)
    for image, own in rows.groupby("image"):
        there = truth[truth["image"] == image]
        if there.empty:
            continue
        away = np.hypot(
            own["y_nm"].to_numpy()[:, None] - there["centroid_y_nm"].to_numpy(),
            own["x_nm"].to_numpy()[:, None] - there["centroid_x_nm"].to_numpy(),
        )
        nearest = away.argmin(axis=1)
        radius = np.sqrt(there["area_nm2"].to_numpy() / np.pi)[nearest]
        near = away.min(axis=1) < NEAR * radius
        match[rows.index.get_indexer(own.index)] = np.where(near, there.index[nearest], -1)
    kind = truth["kind"].where(truth["state"] == "whole", truth["state"])
    return rows.assign(truth=match, true_kind=[kind[m] if m >= 0 else "nothing" for m in match])


def grouping(rows: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Return how well kinds are told apart, and how many of the particles that could be used are."""
    from sklearn.metrics import adjusted_rand_score

    grouped = rows[rows["kind_id"].notna()]
    majority = grouped.groupby("kind_id")["true_kind"].agg(lambda kinds: kinds.mode()[0])
    could = truth[(truth["state"] == "whole") & ~truth["touches_border"]]
    used = rows[rows["class_id"].notna() & rows["truth"].isin(could.index)]["truth"].nunique()
    true_kinds = set(could["kind"])
    return {
        "kinds": float(len(majority)),
        "kinds_found": len(set(majority) & true_kinds) / len(true_kinds),
        "rand_index": float(adjusted_rand_score(grouped["true_kind"], grouped["kind_id"])),
        "used": used / len(could),
        "strangers": float((~rows[rows["class_id"].notna()]["true_kind"].isin(true_kinds)).mean()),
    }


def paper(rows: pd.DataFrame, output: Path) -> dict[str, float]:
    """Return what K-means and DBSCAN come to as in the paper, the latter at its best neighbourhood."""
    from sklearn.metrics import adjusted_rand_score

    from nanonet.cluster.methods import DBSCAN, KMeans
    from nanonet.cluster.properties import PROPERTIES, properties
    from nanonet.cluster.search import large_enough

    cuts = cut_out(output)
    kinds = rows.sort_values("stack_index")["true_kind"].to_numpy()
    table = rows.sort_values("stack_index")
    found: dict[str, float] = {}
    every = properties(table, cuts, names=PROPERTIES).values
    for count in (3, 4):
        (setting,) = KMeans(counts=(count,)).settings(every)
        found[f"k_means_{count}_rand_index"] = float(adjusted_rand_score(kinds, setting.group(every)))
    three = properties(table, cuts, names=("area", "intensity_max", "solidity")).values
    best = max(
        (large_enough(s.group(three), 20) for s in DBSCAN().settings(three)),
        key=lambda labels: (labels.max(), float((labels >= 0).mean())),
    )
    inside = best >= 0
    found["dbscan_rand_index"] = (
        float(adjusted_rand_score(kinds[inside], best[inside])) if inside.any() else 0.0
    )
    found["dbscan_used"] = float(inside.mean())
    return found


def cut_out(output: Path) -> Any:
    """Return the particle images that the run left."""
    import mrcfile

    from nanonet.records import ParticleImages

    with mrcfile.open(output / "particles.mrcs") as stack:
        images, pixel = np.array(stack.data, np.float32), float(stack.voxel_size.x)
    noise = np.array([1.4826 * np.median(np.abs(one[one != 0])) for one in images])
    return ParticleImages(
        images=images, particle_ids=np.arange(1, len(images) + 1), pixel_size=pixel, noise=noise
    )


def one_population(
    population: Path, output: Path, words: Sequence[str]
) -> tuple[dict[str, float], pd.DataFrame]:
    """Return what a population came to, and a row for each of its maps."""
    from simulate.population import read_truth

    truth = read_truth(population)
    seconds = inferred(population, output, words)
    rows = with_truth(output, truth)
    maps = against_truth(population, output, rows)
    scores = {
        "minutes": seconds / 60,
        **grouping(rows, truth),
        "worst_map": float(maps["truth_correlation"].min()),
        "worst_map_over_ball": float((maps["truth_correlation"] - maps["ball_correlation"]).min()),
        "worst_fsc_05_nm": float(maps["truth_fsc_05_nm"].max()),
        "particle_correlation": float(maps["correlation"].min()),
        **paper(rows, output),
    }
    return scores, maps


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of each column, its 90 % interval (Student's t over seeds), and the extremes."""
    values = table.drop(columns="seed").select_dtypes("number").astype(float)
    half = t.ppf(0.95, len(values) - 1) * values.sem()
    ends = {"low": values.mean() - half, "high": values.mean() + half}
    return pd.DataFrame({"mean": values.mean(), **ends, "least": values.min(), "most": values.max()})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", default="population_slater")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--data", type=Path, help="folder in which populations are kept, NAME_SEED each")
    parser.add_argument("--images", type=int, help="of each population; without it all")
    parser.add_argument(
        "--quick", action="store_true", help="one population of 12 images, the classical route"
    )
    parser.add_argument("words", nargs="*", help="more words for nanonet infer")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds, chosen.images = [1], 12
        chosen.words = [
            *chosen.words,
            "segment=classical",
            "pipeline.pixels=48",
        ]
    with TemporaryDirectory() as name:
        scores, maps = [], []
        for seed in chosen.seeds:
            where = (chosen.data or Path(name)) / f"{chosen.experiment}_{seed}"
            population = simulated(chosen.experiment, seed, chosen.images, where)
            score, own = one_population(population, Path(name) / f"run_{seed}", chosen.words)
            scores.append({"seed": seed, **score})
            maps.append(own.assign(seed=seed))
            print(pd.Series(scores[-1]).round(3).to_string())
            print(own.round(3).to_string(index=False), flush=True)
    table = pd.DataFrame(scores)
    print(table.round(3).T.to_string(header=False))
    if len(table) > 1:
        print(over_seeds(table).round(3).to_string())
        each = pd.concat(maps).groupby("seed").mean(numeric_only=True).reset_index()
        print(over_seeds(each).round(3).to_string())
    print(json.dumps({key: round(float(table[key].mean()), 3) for key in table.columns if key != "seed"}))


if __name__ == "__main__":
    main()
