"""Column depth by networks, classical methods and an informed likelihood, on particles unlike the training.

CeO2 [110] in HRTEM: movies of ten particles of shapes that training lacks, which fill, empty and vanish
column by column. Every one of 24 phonon configurations is a multislice of its own (slices of 1 Å, 0.075 Å
grid); partial coherence is a direct sum over 32 foci and illumination angles each. Then what single changes
cost, and fcc particles in HAADF. Intervals are 90 %, over particles.

The first run calculates the test set: about 30 minutes of one core for CeO2 and 30 for HAADF, 0.8 GB that are
kept in the --log folder; a run that was stopped goes on. Reading takes some minutes for each reader.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import column_depth_haadf as haadf
import column_depth_movies as movies
import pandas as pd
from column_depth_choice import MOVIE_READERS, READERS, Choice
from column_depth_evaluation import Case, evaluate, losses, scores
from column_depth_exposures import KnownMovie
from column_depth_report import headline, plot, print_table
from column_depth_waves import Fineness

DOSES = (20.0, 50.0, 100.0, 200.0, 400.0, 1000.0, 2000.0, 5000.0)
"""e/Å² a frame."""
COUNTS = (5.0, 50.0)
"""Mean detected electrons an atom."""
ROBUST_DOSE = 400.0
WRONG_SCALE = 0.1
SECTIONS = ("ceo2", "robustness", "haadf")
QUICK = movies.Plan(
    particles=1,
    states=2,
    frame_pixels=112,
    scale=0.7,
    fineness=Fineness(configurations=6, nodes=8, sampling=0.1),
)


def ceo2(
    folder: Path, plan: movies.Plan, doses: Sequence[float], seeds: int, choice: Choice, workers: int
) -> pd.DataFrame:
    """Read the movies at each dose; print and return the scores."""
    cases = [
        Case(condition=f"{dose:g}", particle=particle, seed=seed, dose=dose)
        for dose in doses
        for particle in range(plan.particles)
        for seed in range(seeds)
    ]
    load = partial(movies.read_movie, folder)
    found = scores(evaluate(load, cases, choice, workers, "movies of CeO2"), "ceo2")
    print_table(found, f"CeO2 [110], {plan.particles} particles, {seeds} seeds; e/Å² a frame")
    return found


def robustness(folder: Path, plan: movies.Plan, seeds: int, choice: Choice, workers: int) -> pd.DataFrame:
    """Read the state in the middle of each movie with one thing changed; print and return the scores."""
    stretched = {"pixel_plus": 1 + WRONG_SCALE, "pixel_minus": 1 - WRONG_SCALE}
    conditions = [(name, name, 1.0) for name in movies.VARIANTS]
    conditions += [(name, "plain", stretch) for name, stretch in stretched.items()]
    cases = [
        Case(
            condition=name,
            particle=particle,
            seed=seed,
            dose=ROBUST_DOSE,
            variant=variant,
            stretch=stretch,
        )
        for name, variant, stretch in conditions
        for particle in range(plan.particles)
        for seed in range(seeds)
    ]
    load = partial(movies.read_movie, folder)
    tallies = evaluate(load, cases, choice, workers, "changed images")
    found = losses(tallies, "robustness", "plain")
    title = (
        f"what one change costs at {ROBUST_DOSE:g} e/Å²: defocus ±{movies.DEFOCUS_ERROR / 10:g} nm, mistilt "
        f"{movies.TILT:g}°, {movies.SUPPORT / 10:g} nm of carbon, told pixel size ±{100 * WRONG_SCALE:g} %"
    )
    print_table(found, title)
    return found


def fcc(folder: Path, plan: haadf.HAADFPlan, seeds: int, choice: Choice, workers: int) -> pd.DataFrame:
    """Read the HAADF images at each count; print and return the scores."""
    cases = [
        Case(condition=f"{count:g}", particle=particle, seed=seed, dose=count)
        for count in COUNTS
        for particle in range(plan.particles)
        for seed in range(seeds)
    ]
    load = partial(_read_images, folder, plan)
    found = scores(evaluate(load, cases, choice, workers, "HAADF images"), "haadf")
    title = f"Au and Pt [110] and [100] in HAADF, {plan.particles} particles; detected electrons an atom"
    print_table(found[~found["metric"].isin(("exact_steady", "exact_changing", "vacant_filled"))], title)
    return found


def _read_images(folder: Path, plan: haadf.HAADFPlan, particle: int, _: str) -> KnownMovie:
    return haadf.read_images(folder, plan, particle)


def run(words: argparse.Namespace) -> dict[str, float]:
    """Prepare the test sets, read them, print and write the results; return the headline figures."""
    ceria, metals = movies.Plan(particles=words.particles), haadf.HAADFPlan(particles=words.haadf_particles)
    folder, sections, doses, seeds = words.log, words.sections, words.doses, words.seeds
    if words.quick:
        ceria, seeds, folder, doses = QUICK, 2, folder / "quick", (100.0, 400.0)
        sections = [name for name in sections if name != "haadf"]
    choice = Choice(
        names=tuple(words.readers), checkpoint=words.checkpoint, movie_checkpoint=words.movie_checkpoint
    )
    found = []
    if {"ceo2", "robustness"} & set(sections):
        movies.prepare(folder / "hrtem", ceria, words.workers)
    if "ceo2" in sections:
        found.append(ceo2(folder / "hrtem", ceria, doses, seeds, choice, words.workers))
    if "robustness" in sections:
        found.append(robustness(folder / "hrtem", ceria, seeds, choice, words.workers))
    if "haadf" in sections:
        haadf.prepare(folder / "haadf", metals, words.workers)
        # The images of a particle are views from all sides, no movie.
        still = tuple(name for name in choice.names if name not in MOVIE_READERS)
        scanned = Choice(names=still, checkpoint=words.haadf_checkpoint)
        found.append(fcc(folder / "haadf", metals, seeds, scanned, words.workers))
    table = pd.concat(found, ignore_index=True)
    table.to_csv(folder / "scores.csv", index=False)
    plot(table, folder / "exact_against_dose.png")
    return headline(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small particle, two states, two doses, no HAADF"
    )
    parser.add_argument("--checkpoint", help="of the network for CeO2: a folder, a file or zoo:NAME")
    parser.add_argument("--movie-checkpoint", help="of a network of seven frames, if that is another one")
    parser.add_argument("--haadf-checkpoint", help="of the network for HAADF")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--doses", nargs="+", type=float, default=DOSES, help="e/Å² a frame")
    parser.add_argument("--seeds", type=int, default=5, help="noise realisations of each movie")
    parser.add_argument("--particles", type=int, default=10, help="of CeO2, about 3 minutes of one core each")
    parser.add_argument("--haadf-particles", type=int, default=4, help="about 7 minutes of one core each")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument(
        "--log",
        type=Path,
        default=Path("outputs") / "column_depth_benchmark",
        help="folder for waves, images, scores and the figure",
    )
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
