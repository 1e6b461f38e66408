"""Column depth by networks, classical methods and an informed likelihood, on particles unlike the training.

CeO2 [110] in HRTEM: movies of ten particles of shapes that training lacks, which fill, empty and vanish
column by column. Every one of 24 phonon configurations is a multislice of its own (slices of 1 Å, 0.075 Å
grid); partial coherence is a direct sum over 32 foci and illumination angles each. Then what single changes
cost; gold and platinum [110] the same way; and fcc particles in HAADF. Intervals are 90 %, over particles.

The first run calculates the test set: about 25 minutes of one core for CeO2, 20 for metals in HRTEM and 30
for HAADF, 1.1 GB that are kept in the --log folder; a run that was stopped goes on. Reading ten movies at
eight doses with five seeds takes about 10 minutes of one core for a network frame by frame, 10 for it with
seven frames, and 5 for a classical reader. What was read is kept too: a reader whose weights, configs and
code are as they were does not read again.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import column_depth_haadf as haadf
import column_depth_movies as movies
import pandas as pd
from column_depth_choice import MOVIE_READERS, READERS, Choice, absent
from column_depth_evaluation import Contest, evaluate, losses, scores
from column_depth_exposures import KnownMovie
from column_depth_readings import Case
from column_depth_report import headline, plot, print_absent, print_table
from column_depth_waves import Fineness

DOSES = (20.0, 50.0, 100.0, 200.0, 400.0, 1000.0, 2000.0, 5000.0)
"""e/Å² a frame."""
COUNTS = (5.0, 50.0)
"""Mean detected electrons an atom."""
ROBUST_DOSE = 400.0
WRONG_SCALE = 0.1
SECTIONS = ("ceo2", "robustness", "fcc", "haadf")
METALS = ("Au", "Pt")
QUICK = movies.Plan(
    particles=1,
    states=2,
    frame_pixels=112,
    scale=0.7,
    fineness=Fineness(configurations=6, nodes=8, sampling=0.1),
)
QUICK_DOSES = (100.0, 400.0)
QUICK_HAADF = haadf.HAADFPlan(particles=1, configurations=2, views=1, frame_pixels=96, diameter=8.0)


def at_doses(
    contest: Contest, plan: movies.Plan, doses: Sequence[float], seeds: int, section: str
) -> pd.DataFrame:
    """Read the movies at each dose; print and return the scores."""
    cases = [
        Case(condition=f"{dose:g}", particle=particle, seed=seed, dose=dose)
        for dose in doses
        for particle in range(plan.particles)
        for seed in range(seeds)
    ]
    of = " and ".join(plan.materials)
    found = scores(evaluate(contest, cases, f"movies of {of}"), section)
    print_table(found, f"{of} [110], {plan.particles} particles, {seeds} seeds; e/Å² a frame")
    return found


def robustness(contest: Contest, plan: movies.Plan, seeds: int) -> pd.DataFrame:
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
    found = losses(evaluate(contest, cases, "changed images"), "robustness", "plain")
    title = (
        f"what one change costs at {ROBUST_DOSE:g} e/Å²: defocus ±{movies.DEFOCUS_ERROR / 10:g} nm, mistilt "
        f"{movies.TILT:g}°, {movies.SUPPORT / 10:g} nm of carbon, told pixel size ±{100 * WRONG_SCALE:g} %"
    )
    print_table(found, title)
    return found


def at_counts(contest: Contest, plan: haadf.HAADFPlan, seeds: int) -> pd.DataFrame:
    """Read the HAADF images at each count; print and return the scores."""
    cases = [
        Case(condition=f"{count:g}", particle=particle, seed=seed, dose=count)
        for count in COUNTS
        for particle in range(plan.particles)
        for seed in range(seeds)
    ]
    found = scores(evaluate(contest, cases, "HAADF images"), "haadf")
    title = f"Au and Pt [110] and [100] in HAADF, {plan.particles} particles; detected electrons an atom"
    print_table(found[~found["metric"].isin(("exact_steady", "exact_changing", "vacant_filled"))], title)
    return found


def ceria(words: argparse.Namespace, folder: Path, plan: movies.Plan, seeds: int) -> list[pd.DataFrame]:
    """Prepare the movies of ceria and return the scores of the sections on them."""
    if not {"ceo2", "robustness"} & set(words.sections):
        return []
    choice = Choice(
        names=tuple(words.readers),
        checkpoint=words.checkpoint,
        movie_checkpoint=words.movie_checkpoint,
        library=words.library,
    )
    contest = _prepared(words, folder, plan, choice)
    found = []
    if "ceo2" in words.sections:
        found.append(at_doses(contest, plan, _doses(words), seeds, "ceo2"))
    if "robustness" in words.sections:
        found.append(robustness(contest, plan, seeds))
    return found


def metals(words: argparse.Namespace, folder: Path, plan: movies.Plan, seeds: int) -> list[pd.DataFrame]:
    """Prepare the movies of metals in HRTEM and return the scores on them."""
    if "fcc" not in words.sections:
        return []
    choice = Choice(names=tuple(words.readers), checkpoint=words.fcc_checkpoint)
    contest = _prepared(words, folder, plan, choice)
    return [at_doses(contest, plan, _doses(words), seeds, "fcc")]


def _prepared(words: argparse.Namespace, folder: Path, plan: movies.Plan, choice: Choice) -> Contest:
    """Return who reads the movies of a folder, which are made where they are not there."""
    movies.prepare(folder, plan, words.workers)
    print_absent(absent(choice))
    return Contest(
        choice=choice,
        load=partial(movies.read_movie, folder),
        readings=folder / "readings",
        workers=words.workers,
    )


def _doses(words: argparse.Namespace) -> Sequence[float]:
    return QUICK_DOSES if words.quick else words.doses


def metals_in_haadf(
    words: argparse.Namespace, folder: Path, plan: haadf.HAADFPlan, seeds: int
) -> list[pd.DataFrame]:
    """Prepare the HAADF images and return the scores on them."""
    if "haadf" not in words.sections:
        return []
    haadf.prepare(folder, plan, words.workers)
    contest = Contest(
        choice=Choice(
            # The images of a particle are views from all sides, no movie.
            names=tuple(name for name in words.readers if name not in MOVIE_READERS),
            checkpoint=words.haadf_checkpoint,
            library=words.haadf_library,
        ),
        load=partial(_read_images, folder, plan),
        readings=folder / "readings",
        workers=words.workers,
    )
    print_absent(absent(contest.choice))
    return [at_counts(contest, plan, seeds)]


def _read_images(folder: Path, plan: haadf.HAADFPlan, particle: int, _: str) -> KnownMovie:
    return haadf.read_images(folder, plan, particle)


def run(words: argparse.Namespace) -> dict[str, float]:
    """Prepare the test sets, read them, print and write the results; return the headline figures."""
    folder, seeds = (words.log / "quick", 2) if words.quick else (words.log, words.seeds)
    plan = QUICK if words.quick else movies.Plan(particles=words.particles)
    plates = QUICK_HAADF if words.quick else haadf.HAADFPlan(particles=words.haadf_particles)
    fcc = replace(plan, materials=METALS, variants=())
    found = ceria(words, folder / "hrtem", plan, seeds)
    found += metals(words, folder / "fcc", fcc, seeds)
    found += metals_in_haadf(words, folder / "haadf", plates, seeds)
    table = pd.concat(found, ignore_index=True)
    table.to_csv(folder / "scores.csv", index=False)
    plot(table, folder / "exact_against_dose.png")
    return headline(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="one small particle each, two states, two doses, two seeds"
    )
    parser.add_argument("--checkpoint", help="of the network for CeO2: a folder, a file or zoo:NAME")
    parser.add_argument("--movie-checkpoint", help="of a network of seven frames, if that is another one")
    parser.add_argument("--fcc-checkpoint", help="of the network for gold and platinum in HRTEM")
    parser.add_argument("--haadf-checkpoint", help="of the network for HAADF")
    parser.add_argument(
        "--library", help="shards of CeO2 [110], not of these particles, for the informed reader"
    )
    parser.add_argument(
        "--haadf-library",
        help="folder of shards in HAADF named au_110, pt_110, au_100, pt_100, for that reader",
    )
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--doses", nargs="+", type=float, default=DOSES, help="e/Å² a frame")
    parser.add_argument("--seeds", type=int, default=5, help="noise realisations of each movie")
    parser.add_argument("--particles", type=int, default=10, help="in HRTEM, 2 to 3 minutes of one core each")
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
