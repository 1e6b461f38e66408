"""What a frame tells of one atom if optics, tilt and all other columns are to be found in the same frame.

`single_atoms.py` bounds who is told all of that. Here the pixels tell everything at once: each cerium
column's depth, each an unknown of its own, the optics within the ranges that training draws them from, the
particle's tilt, and the dose. The Cramér-Rao bound of a column's depth, all else unknown, takes the place of
the test between two images: d' is one atom over its standard error. The differences of the columns' images
are those of one atom at the end; a depth is taken to go with its difference in between. Places are told:
their errors move an image to a side, which no depth does.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import single_atoms
from ase import Atoms
from column_depth_movies import microscope_setting
from jaxtyping import Float
from single_atoms import DOSES, boxed, right

from nanonet.configuration import build, compose
from simulate.imaging import Setting
from simulate.movies.settings import value_of, with_value
from simulate.ranges import limits

PARTICLES = (0, 3, 5, 8)
"""Of the test set: two thin ones, two deep ones."""
OPTICS = (
    "defocus",
    "Cs",
    "C5",
    "astigmatism",
    "coma",
    "focal_spread",
    "angular_spread",
    "vibration",
    "mtf_nyquist",
)
"""What nobody is told; training draws each from a range."""
TILT = 1.5
"""Largest tilt in training, along either axis [degrees]."""
STEP = 0.02
"""Of an unknown for its derivative, in widths of its range."""
KNOWLEDGE = ("all told", "optics not told", "nothing told")


@dataclass(frozen=True, kw_only=True)
class Unknowns:
    """How an image changes with everything that a reader has to find in it.

    Parameters
    ----------
    image
        (p,) electrons a pixel at 1 e/Å².
    depths
        (n,) cerium atoms of each column.
    columns
        (n, p) change of the image by one atom.
    optics
        (m, p) change of the image by a standard deviation of each other unknown.
    precision
        (m,) of those unknowns beforehand, in the same unit: 1, and 0 where nothing is known.
    """

    image: Float[np.ndarray, " p"]
    depths: Float[np.ndarray, " n"]
    columns: Float[np.ndarray, "n p"]
    optics: Float[np.ndarray, "m p"]
    precision: Float[np.ndarray, " m"]

    def powers(self, dose: float) -> Float[np.ndarray, "3 n"]:
        """Return d'^2 of each column at a dose, for each of `KNOWLEDGE`."""
        rows = np.concatenate([self.columns, self.optics])
        known = np.concatenate([np.zeros(len(self.columns)), self.precision])
        fisher = dose * (rows / self.image) @ rows.T + np.diag(known)
        n = len(self.columns)
        own = np.diag(fisher)[:n]
        lens = fisher[n:, n:]
        mixed = fisher[:n, n:]
        shared = own - np.einsum("ij,ij->i", mixed, np.linalg.solve(lens, mixed.T).T)
        return np.stack([own, shared, 1.0 / np.diag(np.linalg.inv(fisher))[:n]])


def unknowns(index: int, least_depth: int = 1) -> Unknowns:
    """Return how the image of a particle of the test set changes, under its own optics."""
    atoms, displacements = boxed(index)
    setting = microscope_setting(index)
    expected = partial(single_atoms.expected, diffuse=1)
    image = expected(atoms, displacements, setting)
    depths, columns = [], []
    for depth, number in ends(atoms):
        if depth < least_depth:
            continue
        # The atom comes last, so that all others are displaced alike with it and without it.
        order = [*(i for i in range(len(atoms)) if i != number), number]
        whole = expected(atoms[order], displacements, setting)
        columns.append((whole - expected(atoms[order[:-1]], displacements, setting)).ravel())
        depths.append(depth)
    other = [
        (expected(turned, displacements, moved) - image).ravel() / step
        for turned, moved, step in settings(atoms, setting)
    ]
    return Unknowns(
        image=image.ravel(),
        depths=np.array(depths, float),
        columns=np.stack(columns),
        optics=np.stack([*other, image.ravel()]),
        precision=np.array([1.0] * len(other) + [0.0]),
    )


def ends(atoms: Atoms) -> Iterator[tuple[int, int]]:
    """Yield the depth of every cerium column and the number of its last atom."""
    from simulate.specimen import COLUMN

    column, symbols = atoms.arrays[COLUMN], np.array(atoms.get_chemical_symbols())
    for one in np.unique(column[symbols == "Ce"]):
        members = np.flatnonzero((column == one) & (symbols == "Ce"))
        yield len(members), int(members[np.argmax(atoms.positions[members, 2])])


def settings(atoms: Atoms, setting: Setting) -> Iterator[tuple[Atoms, Setting, float]]:
    """Yield specimen and setting with one unknown moved a little, and by how many standard deviations."""
    recipe = compose("simulate", ["experiment=column_depth_ceo2_110_hrtem", "output=unused"]).microscope
    microscope = build(recipe)
    for name in OPTICS:
        width = float(np.ptp(limits(getattr(microscope, name))))
        value = float(value_of(setting, name)) + STEP * width
        yield atoms, with_value(setting, name, value), STEP * np.sqrt(12)
    for axis in ("x", "y"):
        turned = atoms.copy()
        turned.rotate(STEP * 2 * TILT, axis, center=atoms.positions.mean(0))
        yield turned, setting, STEP * np.sqrt(12)


def table(found: list[Unknowns]) -> dict[str, float]:
    """Print the bounds by depth and what is told, and return the headline figures."""
    rows = [
        {"depth": depth, "told": told, "dose": dose, "right": share}
        for one in found
        for dose in DOSES
        for told, power in zip(KNOWLEDGE, one.powers(dose), strict=True)
        for depth, share in zip(one.depths, right(power, 1.0), strict=True)
    ]
    every = pd.DataFrame(rows)
    print("\nshare of columns read right, at most, of n - 1, n and n + 1 equally likely; e/Å² a frame")
    print(every.pivot_table(index=["told", "depth"], columns="dose", values="right").round(3).to_string())
    whole = every.groupby(["told", "dose"])["right"].mean()
    return {f"{told.replace(' ', '_')}_{dose:g}": round(share, 3) for (told, dose), share in whole.items()}


def main() -> None:
    """Print what can be told of each column."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--particles", type=int, nargs="+", default=list(PARTICLES), help="of the test set")
    parser.add_argument("--quick", action="store_true", help="one particle, its deepest columns only")
    words = parser.parse_args()
    found = []
    for index in words.particles[:1] if words.quick else words.particles:
        found.append(unknowns(index, 6 if words.quick else 1))
        print(f"particle {index}: {len(found[-1].depths)} columns", file=sys.stderr, flush=True)
    print(json.dumps(table(found)))


if __name__ == "__main__":
    main()
