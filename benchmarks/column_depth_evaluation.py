"""Let every reader read every movie under every condition, and count what it got right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import pandas as pd
from column_depth_choice import Choice, readers
from column_depth_exposures import KnownMovie, expose
from column_depth_scores import Tally, costs, estimates, tally_movie

from nanonet.records import Estimate

Load = Callable[[int, str], KnownMovie]
"""Returns the movie of a particle, in a variant; "" for the movie itself."""
Tallies = dict[tuple[str, str], list[Tally]]
"""Of reader and condition: one tally a particle."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One movie, recorded once.

    Parameters
    ----------
    condition
        Under which its counts are added up with those of other cases.
    dose
        In units of the movie's own.
    stretch
        What the true pixel size is multiplied by before readers are told it.
    """

    condition: str
    particle: int
    seed: int
    dose: float
    variant: str = ""
    stretch: float = 1.0


def evaluate(load: Load, cases: Sequence[Case], choice: Choice, workers: int, title: str) -> Tallies:
    """Return the tallies of all readers, with a progress bar."""
    from simulate.clusters.cluster import run
    from simulate.clusters.local import Local

    job = partial(_read, load, tuple(cases), choice)
    done = run(job, range(len(cases)), cluster=Local(workers=workers), title=title)
    by_particle: dict[tuple[str, str], dict[int, Tally]] = {}
    for case, tallies in zip(cases, done, strict=True):
        for reader, tally in tallies.items():
            of = by_particle.setdefault((reader, case.condition), {})
            of[case.particle] = of[case.particle] + tally if case.particle in of else tally
    return {key: [of[particle] for particle in sorted(of)] for key, of in by_particle.items()}


def _read(load: Load, cases: tuple[Case, ...], choice: Choice, index: int) -> dict[str, Tally]:
    """Return what each reader got right in a case."""
    from simulate.clusters.local import one_thread

    case = cases[index]
    movie = load(case.particle, case.variant)
    told = case.stretch * movie.setting.pixel_size
    exposure = expose(movie, case.dose, case.seed, pixel_size=told)
    found = {}
    with one_thread():
        for name, read in _readers(choice).items():
            table = read(exposure)
            table[["y", "x"]] /= case.stretch
            found[name] = tally_movie(table, movie.positions, movie.depths)
    return found


_readers = lru_cache(maxsize=1)(readers)


def scores(tallies: Tallies, section: str) -> pd.DataFrame:
    """Return section, reader, condition, metric, value, low, high of all that was counted."""
    rows = [
        _row(section, reader, condition, estimate)
        for (reader, condition), of in tallies.items()
        for estimate in estimates(of).values()
    ]
    return pd.DataFrame(rows)


def losses(tallies: Tallies, section: str, plain: str) -> pd.DataFrame:
    """Return by how much each share is lower than under the condition ``plain``, particle by particle."""
    rows = [
        _row(section, reader, condition, estimate)
        for (reader, condition), of in tallies.items()
        if condition != plain
        for estimate in costs(tallies[reader, plain], of).values()
    ]
    return pd.DataFrame(rows)


def _row(section: str, reader: str, condition: str, estimate: Estimate) -> dict[str, object]:
    return {
        "section": section,
        "reader": reader,
        "condition": condition,
        "metric": estimate.name,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
    }
