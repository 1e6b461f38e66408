"""The results of a contest of networks: what each took, how it reads, and how it differs from the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MEASURES = ("n_true", "n_found", "n_matched", "n_exact", "n_within_one")
"""What is counted in the images of a particle, in this order."""
Results = Mapping[str, Sequence[Mapping[str, Any]]]
"""Of each candidate, what `measure` found with each seed."""


def shares(
    found: Sequence[Mapping[str, Any]], dose: str, part: str, whole: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return numerators and denominators of a share by particle, those of the seeds added."""
    counts = sum(np.array(list(each["counts"][dose].values())) for each in found)
    return counts[:, MEASURES.index(part)], counts[:, MEASURES.index(whole)]


def resampled(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return a share as it is, and then of particles drawn anew, the same ones for every candidate."""
    chosen = np.random.default_rng(0).integers(len(whole), size=(2000, len(whole)))
    parts = np.append(part.sum(), part[chosen].sum(1))
    wholes = np.append(whole.sum(), whole[chosen].sum(1))
    if len(whole) < 2:
        wholes[1:] = 0  # one particle tells nothing of others
    return np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)


def bracket(values: np.ndarray, sign: str = "") -> str:
    """Return the first of resampled values with the 90 % interval of the rest."""
    if not np.isfinite(values[0]):
        return "–"  # of nothing that was found
    if not np.isfinite(values[1:]).any():
        return f"{values[0]:{sign}.3f}"
    low, high = np.nanquantile(values[1:], [0.05, 0.95])
    return f"{values[0]:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def print_table(title: str, rows: Mapping[str, list[str]], head: list[str]) -> None:
    print(f"\n{title}\n{'':<22}" + "".join(f"{text:>26}" for text in head))
    for name, cells in rows.items():
        print(f"{name:<22}" + "".join(f"{cell:>26}" for cell in cells))


def report(results: Results, doses: list[str]) -> dict[str, float]:
    """Print the tables; return the headline figures."""
    rows = {name: effort(found) for name, found in results.items()}
    print_table("effort", rows, ["weights", "images seen", "ms an image", "s a megapixel"])
    drawn: dict[str, dict[str, np.ndarray]] = {}
    for title, part, whole in (
        ("exact", "n_exact", "n_true"),
        ("within one atom", "n_within_one", "n_true"),
        ("recall", "n_matched", "n_true"),
        ("precision", "n_matched", "n_found"),
    ):
        drawn[title] = {
            f"{name} {dose}": resampled(*shares(found, dose, part, whole))
            for name, found in results.items()
            for dose in doses
        }
        of_title = {n: [bracket(drawn[title][f"{n} {d}"]) for d in doses] for n in results}
        print_table(f"{title}, by dose [e/Å²]", of_title, doses)
    first, *others = results
    gains = {
        name: [bracket(drawn["exact"][f"{name} {d}"] - drawn["exact"][f"{first} {d}"], "+") for d in doses]
        for name in others
    }
    print_table(f"exact, more than {first}", gains, doses)
    seeds = {name: [spread_of_seeds(found, dose) for dose in doses] for name, found in results.items()}
    print_table("exact, lowest and highest of the seeds", seeds, doses)
    return {
        f"{title.split()[0]}_{key.replace(' ', '_')}": round(float(values[0]), 4)
        for title in ("exact", "within one atom")
        for key, values in drawn[title].items()
    }


def effort(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the size and the time of a candidate, means over the seeds."""
    images = np.mean([each["images"] for each in found])
    each_ms = 1e3 * np.mean([each["cpu_seconds"] / each["images"] for each in found])
    reading = np.mean([each["s_per_mpx"] for each in found])
    return [f"{found[0]['parameters']:,}", f"{images:,.0f}", f"{each_ms:.1f}", f"{reading:.2f}"]


def spread_of_seeds(found: Sequence[Mapping[str, Any]], dose: str) -> str:
    """Return the lowest and highest share of exact depths of the seeds."""
    exact = [
        part.sum() / whole.sum()
        for part, whole in (shares([one], dose, "n_exact", "n_true") for one in found)
    ]
    return f"{min(exact):.3f} to {max(exact):.3f}"
