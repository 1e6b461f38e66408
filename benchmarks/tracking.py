"""How well particles are followed through movies: links, tracks, coalescences, growth rates.

Movies of spheres with truth are drawn (`tracking_movies`): on a support with drift, ripening, in a liquid,
and crowded. A segmentation that misses, makes up, joins, cuts and misplaces particles (`tracking_mistakes`)
gives the detections, in no order. The tracks that the authors of a liquid-cell movie made (../shared/data,
if it is there) are taken apart in the same way, with particles left out, added and moved. Everything is
found without a setting. Beside it laptrack with its defaults, without and with merges. Intervals are 90 %,
a bootstrap over movies (of the authors' movie over disturbances, which are of one movie).

links found, right: of the links between detections of one particle, those that were made; of the links that
were made, those that are right. purity: share of detections in tracks of the particle that most of the
track is of. completeness: share of a particle's own detections in the track that holds most of them.
events: of particles that become one for good, those found within 5 frames as those two; of those found, the
true ones, and what their confidence says of that. rate: mean error of growth rates [nm a frame] of tracks
of one particle, and share of their 90 % intervals that hold the true one.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tracking_authors import Disturbance, disturbed, read_authors
from tracking_methods import Method, laptrack, nanonet
from tracking_mistakes import Found, Mistakes, segmented
from tracking_movies import Life, film
from tracking_scores import (
    SHARES,
    Union,
    estimates,
    link_counts,
    owners_of_tracks,
    rate_counts,
    union_counts,
    unions,
)

from nanonet.measure.columns import LengthUnit
from nanonet.measure.film import Film
from nanonet.records import Estimate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SEED = 20_000
LIVES = {
    "support": Life(wander=0.2, drift=1.0, growth=0.05, growth_spread=0.03),
    "ripening": Life(ripening=3.0, wander=0.1, spread=0.3, count=80),
    "liquid": Life(wander=1.2, growth=0.03, growth_spread=0.03, nucleation=0.3),
    "crowded": Life(count=160, wander=0.6, drift=1.0, sticking=0.3),
}
AUTHORS = {
    "authors, shuffled": Disturbance(),
    "authors, moved": Disturbance(jitter=0.5, noise=0.05),
    "authors, 10 % dropped": Disturbance(dropped=0.1, added=0.05, jitter=0.5, noise=0.05),
    "authors, 30 % dropped": Disturbance(dropped=0.3, added=0.05, jitter=0.5, noise=0.05),
}
METHODS: Mapping[str, Method] = {
    "nanonet": nanonet,
    "laptrack": laptrack,
    "laptrack, merges": partial(laptrack, merges=True),
}

Tally = Mapping[str, float]


def drawn(life: Life, number: int) -> Iterator[dict[str, Tally]]:
    """Yield what each method gets right of each of a number of movies."""
    for index in range(number):
        frames = film(life, SEED + index)
        found = segmented(frames, life.side, Mistakes(), SEED + index)
        sizes: dict[int, dict[int, float]] = defaultdict(dict)
        for spot in (spot for frame in frames for spot in frame if len(spot.owners) == 1):
            sizes[next(iter(spot.owners))][spot.frame] = spot.diameter
        true = unions([[spot.owners for spot in frame] for frame in frames])
        shape = Film(frames=life.frames, field=(life.side, life.side))
        yield {name: tally(method, found, "nm", shape, true, sizes) for name, method in METHODS.items()}


def authors(frames: Sequence[Sequence[Found]], by: Disturbance, number: int) -> Iterator[dict[str, Tally]]:
    """Yield what each method gets right of the authors' movie, disturbed a number of times."""
    true = unions([[spot.owners for spot in frame] for frame in frames])
    for index in range(number):
        found = disturbed(frames, by, np.random.default_rng([SEED, index]))
        shape = Film(frames=len(frames))
        yield {name: tally(method, found, "px", shape, true, {}) for name, method in METHODS.items()}


def tally(
    method: Method,
    found: Sequence[Found],
    unit: LengthUnit,
    shape: Film,
    true: Sequence[Union],
    sizes: Mapping[int, Mapping[int, float]],
) -> Tally:
    """Return what the figures of a movie are made of."""
    start = time.thread_time()
    followed = method(found, unit, shape)
    seconds = time.thread_time() - start
    frame, owners = np.array([each.frame for each in found]), [each.owners for each in found]
    counts = link_counts(frame, followed.track, owners)
    if followed.unions is not None:
        counts |= union_counts(true, followed.unions)
    counts |= rate_counts(followed.rates, owners_of_tracks(followed.track, owners), sizes)
    return counts | {"seconds": seconds, "detections": len(found)}


def show(case: str, tallies: Sequence[dict[str, Tally]]) -> dict[str, float]:
    """Print a row a method; return the headline figures."""
    headline: dict[str, float] = {}
    for name in METHODS:
        own = [each[name] for each in tallies]
        found = estimates(own)
        spent = sum(each["seconds"] for each in own) / sum(each["detections"] for each in own)
        texts = "".join(f"{_text(found[share]):>22}" for share in SHARES)
        print(f"{case:22}{name:18}{texts}{1e3 * spent:8.2f}", flush=True)
        headline |= {
            f"{case}, {name}, {share}": round(each.value, 4)
            for share, each in found.items()
            if np.isfinite(each.value)
        }
    return headline


def _text(estimate: Estimate) -> str:
    if not np.isfinite(estimate.value):
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} {estimate.low:.4f}–{estimate.high:.4f}".replace("0.", ".")


def main() -> None:
    """Follow the particles of drawn movies and of the authors' one; print and return the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="2 movies of each kind instead of 8")
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds growth_tracks")
    words = parser.parse_args()
    number = 2 if words.quick else 8
    print(f"{'movies':22}{'method':18}" + "".join(f"{share:>22}" for share in SHARES) + "  ms/row")
    headline: dict[str, float] = {"movies": float(number)}
    for case, life in LIVES.items():
        headline |= show(case, list(drawn(life, number)))
    if (words.data / "growth_tracks").is_dir():
        frames = read_authors(words.data)
        for case, by in AUTHORS.items():
            # Without chance in it, shuffling gives the same detections every time.
            times = 1 if by == Disturbance() else (number + 2) // 3
            headline |= show(case, list(authors(frames, by, times)))
    else:
        print(f"no growth_tracks in {words.data.name}: the authors' movie is left out")
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
