"""Particles of simulated populations, cut out by their true masks: grouping judged without segmentation."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from nanonet.cluster.gather import choose
from nanonet.records import LabelMap, Micrograph, ParticleImages


@dataclass(frozen=True, kw_only=True)
class KnownParticles:
    """Whole particles of a population; ``kinds`` (n,) names what each is: its kind, broken or fused."""

    rows: pd.DataFrame
    cuts: ParticleImages
    kinds: np.ndarray


def simulated(experiment: str, seed: int, images: int | None, folder: Path) -> Path:
    """Return the folder of a population; what an earlier run made is kept."""
    words = ["simulate", f"experiment={experiment}", f"seed={seed}", f"output={folder}"]
    if images is not None:
        words.append(f"n_structures={images}")
    subprocess.run([sys.executable, "-m", "nanonet", *words], check=True, stdout=subprocess.DEVNULL)
    return folder


def known_particles(population: Path, images: int | None = None, pixels: int = 96) -> KnownParticles:
    """Return the particles of a population as the pipeline cuts them out, but by their true masks.

    They are kept beside the images: a second call reads them.
    """
    from nanonet.io.read import read_series

    names = sorted(path.stem for path in (population / "truth").glob("*.csv"))[:images]
    kept = population / f"particles_{len(names)}_{pixels}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())  # type: ignore[no-any-return]
    files = [next((population / "images").glob(f"{name}.*")) for name in names]
    series = read_series([str(file) for file in files])
    tables = [_measured(series[i], _labels(population, name)) for i, name in enumerate(names)]
    truth = pd.concat(
        [pd.read_csv(population / "truth" / f"{name}.csv").assign(frame=i) for i, name in enumerate(names)]
    )
    particles = pd.concat(tables, ignore_index=True)
    chosen = choose(particles, series, _maps(population, names), pixels=pixels)
    keys = ["frame", "true_id"]
    kind = truth["kind"].where(truth["state"] == "whole", truth["state"])
    known = truth.assign(true_kind=kind, true_id=truth["particle_id"])[[*keys, "true_kind"]]
    kinds = chosen.rows.merge(known, on=keys, how="left")["true_kind"].to_numpy()
    found = KnownParticles(rows=chosen.rows, cuts=chosen.cuts, kinds=kinds.astype(str))
    kept.write_bytes(pickle.dumps(found))
    return found


def _labels(population: Path, name: str) -> Int[np.ndarray, "y x"]:
    import tifffile

    return np.asarray(tifffile.imread(population / "labels" / f"{name}.tif")).squeeze().astype(np.int32)


def _without_gaps(labels: Int[np.ndarray, "y x"]) -> tuple[Int[np.ndarray, "y x"], np.ndarray]:
    """Return labels renumbered 1, 2, ..., and which each was."""
    true, inverse = np.unique(labels, return_inverse=True)
    if true[0] != 0:
        true, inverse = np.concatenate([[0], true]), inverse + 1
    return inverse.reshape(labels.shape).astype(np.int32), true


def _maps(population: Path, names: list[str]) -> Iterator[Int[np.ndarray, "y x"]]:
    for name in names:
        yield _without_gaps(_labels(population, name))[0]


def _measured(micrograph: Micrograph, labels: Int[np.ndarray, "y x"]) -> pd.DataFrame:
    from nanonet.measure.properties import measure

    found, true = _without_gaps(labels)
    count = len(true) - 1
    map_ = LabelMap(labels=found, separated=np.zeros(count, bool), confidence=np.ones(count))
    data = measure(micrograph, map_).data
    return data.assign(true_id=true[data["particle_id"].to_numpy()])
