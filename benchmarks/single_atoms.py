"""What the electrons of a frame can tell of one atom: ceria along [110] in HRTEM, an atom more or less.

Two images that differ in one atom of one column are told apart by the best test there is, that of Neyman and
Pearson, with an error of Q(d'/2) where d'^2 is the sum over the pixels of (difference)^2 / (electrons): it
goes with the dose. Who has to choose among depths n - 1, n and n + 1 by the image alone, each as likely as
the others beforehand, is then right in at most 1 - 2 Q(d'/2) of the columns, even if told optics, places and
every other column. A reader that expects a depth, from the particle's shape or from other frames, can be
right more often: the table bounds what the electrons say, not what is believed before. Of events in a movie
it says what dose they need.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from column_depth_movies import microscope_setting
from column_depth_particles import SEED, draw
from jaxtyping import Float
from scipy.stats import norm

if TYPE_CHECKING:
    from ase import Atoms

    from simulate.imaging import Setting
    from simulate.tem.hrtem import HRTEM

DOSES = (100.0, 400.0, 2000.0, 20000.0)
"""e/Å² a frame."""
CERTAIN = 4.0
"""d' at which 95 of 100 are told right."""
PARTICLES = (0, 3, 5, 8)
"""Of the test set: two thin ones, two deep ones."""
DIFFUSE = 4
"""Phonon configurations of the diffuse part."""


@dataclass(frozen=True, kw_only=True)
class Missing:
    """One atom that is taken away, and how well that can be seen.

    Parameters
    ----------
    element
        "Ce" from the end of its column, "O" from its middle.
    depth
        Atoms of that element in the column before.
    power
        d'^2 for each e/Å² of dose.
    """

    element: str
    depth: int
    power: float


def imaging(diffuse: int = DIFFUSE) -> HRTEM:
    """Return how images are calculated: as in training, with more of the diffuse part."""
    from simulate.tem.exit_wave import Multislice
    from simulate.tem.hrtem import HRTEM

    return HRTEM(multislice=Multislice(slice_thickness=2.0), diffuse_waves=diffuse)


def boxed(index: int) -> tuple[Atoms, dict[str, float]]:
    """Return a particle of the test set in its box, and its thermal displacements [Å]."""
    from simulate.shards.box import bounds, enclose

    particle, track = draw(index, states=1)
    atoms = track.atoms(0)
    ends = bounds(atoms)
    side = imaging().side(float((ends[1] - ends[0])[:2].max()))
    return enclose(atoms, side, ends), dict(particle.specimen().thermal_displacements)


def candidates(atoms: Atoms, each: int, rng: np.random.Generator) -> Iterator[tuple[str, int, int]]:
    """Yield element, depth of the column and number of an atom to take away, ``each`` of every depth."""
    from simulate.specimen import COLUMN

    column, symbols = atoms.arrays[COLUMN], np.array(atoms.get_chemical_symbols())
    for element in ("Ce", "O"):
        members = [np.flatnonzero((column == one) & (symbols == element)) for one in np.unique(column)]
        pure = [at for at in members if len(at) and set(symbols[column == column[at[0]]]) == {element}]
        for depth in sorted({len(at) for at in pure}):
            of_depth = [at for at in pure if len(at) == depth]
            for pick in rng.permutation(len(of_depth))[:each]:
                along = of_depth[pick][np.argsort(atoms.positions[of_depth[pick], 2])]
                yield element, depth, int(along[-1] if element == "Ce" else along[depth // 2])


def expected(
    atoms: Atoms, displacements: dict[str, float], setting: Setting, diffuse: int = DIFFUSE
) -> Float[np.ndarray, "y x"]:
    """Return the electrons a pixel at 1 e/Å² of the whole box."""
    from simulate.view import View

    how, side = imaging(diffuse), float(atoms.cell[0, 0])
    points = int(side / setting.pixel_size)
    view = View(origin=(0.0, 0.0), pixel_size=setting.pixel_size, shape=(points, points))
    stored = how.calculate(atoms, displacements, (SEED, 77))
    return np.asarray(how.expected(stored, side, setting, view).numpy(), dtype=float)


def missing_atoms(index: int, each: int) -> Iterator[Missing]:
    """Yield what is seen of atoms that are taken from a particle of the test set, under its own optics."""
    atoms, displacements = boxed(index)
    setting = microscope_setting(index)
    for element, depth, number in candidates(atoms, each, np.random.default_rng([SEED, index, 78])):
        # The atom comes last, so that all others are displaced alike with it and without it.
        order = [*(i for i in range(len(atoms)) if i != number), number]
        whole = expected(atoms[order], displacements, setting)
        less = expected(atoms[order[:-1]], displacements, setting)
        yield Missing(element=element, depth=depth, power=float(((whole - less) ** 2 / whole).sum()))


def right(power: Float[np.ndarray, " n"], dose: float) -> Float[np.ndarray, " n"]:
    """Return the largest share that the image alone gets right, of n - 1, n and n + 1 equally likely."""
    return np.asarray(1 - 2 * norm.sf(0.5 * np.sqrt(dose * power)))


def table(found: list[Missing]) -> dict[str, float]:
    """Print the bounds by element and depth, and return the headline figures."""
    print(f"\n{'atom':4} {'of':>3} {'columns':>8} {'dose for 95 %':>14}", end="")
    print("".join(f"{f'at {dose:g}':>10}" for dose in DOSES))
    for element in ("Ce", "O"):
        for depth in sorted({one.depth for one in found if one.element == element}):
            power = np.array([one.power for one in found if (one.element, one.depth) == (element, depth)])
            needed = float(np.median(CERTAIN**2 / power))
            bounds = "".join(f"{right(power, dose).mean():10.3f}" for dose in DOSES)
            print(f"{element:4} {depth:3d} {len(power):8d} {needed:14.0f}{bounds}")
    headline = {}
    for element in ("Ce", "O"):
        power = np.array([one.power for one in found if one.element == element])
        headline[f"{element}_dose_for_95_percent"] = round(float(np.median(CERTAIN**2 / power)))
        for dose in DOSES[:3]:
            headline[f"{element}_right_at_{dose:g}"] = round(float(right(power, dose).mean()), 3)
    return headline


def main() -> None:
    """Take atoms away one by one and print what can be told of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=2, help="columns of every depth of a particle")
    parser.add_argument("--quick", action="store_true", help="one particle, one column of each depth")
    words = parser.parse_args()
    particles, each = ((0,), 1) if words.quick else (PARTICLES, words.each)
    found = [one for index in particles for one in missing_atoms(index, each)]
    print(json.dumps(table(found)))


if __name__ == "__main__":
    main()
