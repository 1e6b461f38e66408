"""How well kinds are told apart in mixed populations, by what describes particles and how they are grouped.

Populations are simulated with truth (or read from --data, where an earlier run left them); particles are cut
out by their true masks, described by properties, by the learned embedding or by both, and grouped as the
pipeline does, no map being made. Beside each: what discriminant analysis, taught by the truth of four fifths
of the particles, says of the other fifth (`taught`): the most that Gaussian kinds could come to.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from population_particles import KnownParticles, known_particles, simulated

EXPERIMENTS = ("population_slater", "population_hard")
FEATURES = ("properties", "embedding", "both")
STRANGE = ("broken", "fused")


def described(particles: KnownParticles, features: str) -> np.ndarray:
    """Return the features (n, f) of particles by a variant of the config group."""
    from nanonet.configuration import build, compose

    config = compose("infer", ["pipeline=population", f"features={features}", "input=none"])
    return np.asarray(build(config["features"])(particles.rows, particles.cuts).values)


def grouped(values: np.ndarray, classes: str) -> tuple[np.ndarray, str]:
    """Return kinds as the pipeline finds them (n,), -1 for outliers, and why."""
    from nanonet.cluster.assign import assign
    from nanonet.cluster.search import search
    from nanonet.configuration import build, compose

    config = compose("infer", ["pipeline=population", f"classes={classes}", "input=none"])
    choice = search(values, [build(config["classes"])], np.random.default_rng([0, 1]))
    return assign(values, choice.best.labels).labels, choice.reason


def scores(labels: np.ndarray, kinds: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Return how well groups are kinds."""
    from sklearn.metrics import adjusted_rand_score

    inside, whole = labels >= 0, ~np.isin(kinds, STRANGE)
    table = pd.crosstab(labels[inside], kinds[inside])
    true = set(kinds[whole])
    return {
        "kinds": float(len(table)),
        "kinds_found": len(set(table.idxmax(axis=1)) & true) / len(true),
        "rand_index": float(adjusted_rand_score(kinds[inside], labels[inside])),
        "rand_index_whole": float(adjusted_rand_score(kinds[inside & whole], labels[inside & whole])),
        "used": float((inside & whole).sum() / whole.sum()),
        "strangers": float((inside & ~whole).sum() / max(inside.sum(), 1)),
        "taught": taught(values, kinds),
    }


def taught(values: np.ndarray, kinds: np.ndarray) -> float:
    """Return the Rand index of quadratic discriminant analysis, cross-validated; strangers are kinds."""
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.metrics import adjusted_rand_score
    from sklearn.model_selection import cross_val_predict

    model = QuadraticDiscriminantAnalysis(reg_param=1e-3)
    return float(adjusted_rand_score(kinds, cross_val_predict(model, values, kinds, cv=5)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", nargs="+", default=EXPERIMENTS)
    parser.add_argument("--features", nargs="+", default=FEATURES)
    parser.add_argument("--classes", nargs="+", default=["mixture"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--data", type=Path, help="folder in which populations are kept, NAME_SEED each")
    parser.add_argument("--images", type=int, help="of each population; without it all")
    parser.add_argument("--quick", action="store_true", help="one seed of 16 images")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seeds, chosen.images = [1], 16
    rows = []
    with TemporaryDirectory() as name:
        for experiment in chosen.experiments:
            for seed in chosen.seeds:
                folder = (chosen.data or Path(name)) / f"{experiment}_{seed}"
                particles = known_particles(simulated(experiment, seed, chosen.images, folder), chosen.images)
                for features in chosen.features:
                    values = described(particles, features)
                    for classes in chosen.classes:
                        labels, reason = grouped(values, classes)
                        about = {"experiment": experiment, "features": features, "classes": classes}
                        found = scores(labels, particles.kinds, values)
                        rows.append({**about, "seed": seed, **found})
                        print(*about.values(), seed, reason, sep="; ", flush=True)
    table = pd.DataFrame(rows)
    print(table.round(3).to_string(index=False))
    mean = (
        table.drop(columns="seed").groupby(["experiment", "features", "classes"]).agg(["mean", "min", "max"])
    )
    print(mean.round(3).to_string())
    means = table.drop(columns="seed").groupby(["experiment", "features", "classes"]).mean()
    print(
        json.dumps(
            {" ".join(map(str, key)): round(float(row["rand_index"]), 3) for key, row in means.iterrows()}
        )
    )


if __name__ == "__main__":
    main()
