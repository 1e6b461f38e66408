"""What the electrons of an HAADF frame can tell of a column's depth: the bound for the test images of metals.

Every electron that a column scatters is counted and known to be its own, no column overlaps another, an atom
adds as many as it does in the mean, whatever its depth, and this number is known exactly. The number of
electrons is then a Poisson deviate, and nobody reads more of the depths right than who takes the likeliest:
of all from 1 to 16 ("even"), or of those of the particle, when it is known how many columns it has of each
depth ("known"). Only who infers a depth from the neighbours, by the shape of the particle, can do better.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from column_depth_haadf import CASES, HAADFPlan, boxed
from jaxtyping import Float, Int
from scipy.stats import poisson

COUNTS = (5.0, 15.0, 50.0, 150.0)
"""Mean detected electrons an atom."""
DEEPEST = 16


def right(
    share: Float[np.ndarray, " depth"], prior: Float[np.ndarray, " depth"], counts: float
) -> tuple[float, float]:
    """Return the shares of columns that the likeliest depth gets right, and right within one atom.

    Parameters
    ----------
    share
        (D,) of the columns that have depth 1..D.
    prior
        (D,) probability of each depth that the reader believes in beforehand.
    counts
        Electrons an atom.
    """
    depth = np.arange(1, len(share) + 1)
    electrons = np.arange(int(poisson.ppf(1 - 1e-9, counts * len(share))) + 1)
    chance = poisson.pmf(electrons, counts * depth[:, None])
    read = depth[(prior[:, None] * chance).argmax(axis=0)]
    off = np.abs(read - depth[:, None])
    exact, within_one = (float((share[:, None] * chance * (off <= most)).sum()) for most in (0, 1))
    return exact, within_one


def depths(particle: int) -> Int[np.ndarray, " n"]:
    """Return the depths of the columns of a particle of the test set."""
    from simulate.truth import columns_of

    return np.asarray(columns_of(boxed(HAADFPlan(), particle)[0]).counted().depths)


def main() -> None:
    """Print the bounds for each test particle and all of them."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    even = np.full(DEEPEST, 1 / DEEPEST)
    print(f"{'particle':16} {'columns':>8} {'counts':>7}{'even':>8}{'±1':>8}{'known':>8}{'±1':>8}")
    means: dict[float, list[tuple[float, ...]]] = {counts: [] for counts in COUNTS}
    for particle, (material, axis) in enumerate(CASES):
        found = depths(particle)
        share = np.bincount(found, minlength=DEEPEST + 1)[1:] / len(found)
        for counts in COUNTS:
            bounds = (*right(share, even, counts), *right(share, share, counts))
            means[counts].append(bounds)
            numbers = "".join(f"{bound:8.3f}" for bound in bounds)
            print(f"{material} {list(axis)!s:12}  {len(found):8d} {counts:7g}{numbers}")
    headline = {}
    for counts, bounds in means.items():
        mean = np.mean(bounds, axis=0)
        for name, value in zip(("even", "even_one", "known", "known_one"), mean, strict=True):
            headline[f"{name}_{counts:g}"] = round(float(value), 3)
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
