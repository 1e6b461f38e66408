"""Let every reader read every movie under every condition, and count what it got right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import pandas as pd
from column_depth_choice import Choice, readers
from column_depth_exposures import KnownMovie, expose
from column_depth_readings import Case, reading
from column_depth_scores import Tally, costs, estimates, tally_movie

from nanonet.records import Estimate

Load = Callable[[int, str], KnownMovie]
"""Returns the movie of a particle, in a variant; "" for the movie itself."""
Tallies = dict[tuple[str, str], list[Tally]]
"""Of reader and condition: one tally a particle."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Who reads what.

    Parameters
    ----------
    choice
        Of readers.
    load
        Returns movies.
    readings
        Folder that what was read is kept in.
    workers
        Processes.
    """

    choice: Choice
    load: Load
    readings: Path
    workers: int = 1


def evaluate(contest: Contest, cases: Sequence[Case], title: str) -> Tallies:
    """Return the tallies of all readers, with a progress bar."""
    from nanonet.workers.cluster import run
    from nanonet.workers.local import Local

    job = partial(_read, contest, tuple(cases))
    done = run(job, range(len(cases)), cluster=Local(workers=contest.workers), title=title)
    by_particle: dict[tuple[str, str], dict[int, Tally]] = {}
    for case, tallies in zip(cases, done, strict=True):
        for reader, tally in tallies.items():
            of = by_particle.setdefault((reader, case.condition), {})
            of[case.particle] = of[case.particle] + tally if case.particle in of else tally
    return {key: [of[particle] for particle in sorted(of)] for key, of in by_particle.items()}


def _read(contest: Contest, cases: tuple[Case, ...], index: int) -> dict[str, Tally]:
    """Return what each reader got right in a case."""
    from nanonet.workers.local import one_thread

    case = cases[index]
    movie = _loaded(contest.load, case.particle, case.variant)
    told = case.stretch * movie.setting.pixel_size
    # One exposure for all readers, so that those that begin alike look at it once.
    exposure = lru_cache(maxsize=1)(partial(expose, movie, case.dose, case.seed, pixel_size=told))
    found = {}
    with one_thread():
        for name, reader in _readers(contest.choice).items():
            table = reading(contest.readings, name, reader, case, movie, exposure)
            table[["y", "x"]] /= case.stretch
            frames = reader.frames(len(movie.depths), case.seed)
            found[name] = tally_movie(table, movie.positions, movie.depths, frames)
    return found


_readers = lru_cache(maxsize=1)(readers)


@lru_cache(maxsize=1)
def _loaded(load: Load, particle: int, variant: str) -> KnownMovie:
    """Return a movie; cases of one movie come in a row."""
    return load(particle, variant)


def scores(tallies: Tallies, section: str) -> pd.DataFrame:
    """Return section, reader, condition, metric, value, low, high of all that was counted."""
    rows = [
        _row(section, reader, condition, estimate)
        for (reader, condition), of in tallies.items()
        for estimate in estimates(of).values()
    ]
    return pd.DataFrame(rows)


def losses(tallies: Tallies, section: str, plain: str) -> pd.DataFrame:
    """Return right depths and coverage by condition, and by how much fewer are right than under ``plain``.

    The losses are particle by particle, and so more certain than the shares.
    """
    rows = []
    for (reader, condition), of in tallies.items():
        found = estimates(of)
        rows += [
            _row(section, reader, condition, found[name]) for name in ("exact", "within_one", "coverage")
        ]
        if condition != plain:
            lost = costs(tallies[reader, plain], of)
            rows += [_row(section, reader, condition, estimate) for estimate in lost.values()]
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
