"""Movies of columns with known depths, and what a network that errs in known ways would say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from nanonet.atomic_columns.table import column_columns, column_table
from nanonet.atomic_columns.time.table import DepthTable, depth_columns, depth_table
from nanonet.records import ColumnTable

DEEPEST = 10
CELL = (5.41, 3.83)  # CeO2 along [110], centred [Å]


def lattice(radius: float) -> np.ndarray:
    """Return the columns (n, 2) [Å] of a round particle of CeO2 seen along [110]."""
    n = np.arange(-15, 16)
    corner = np.stack(np.meshgrid(n, n, indexing="ij"), -1).reshape(-1, 2) * CELL
    points = np.concatenate([corner, corner + np.array(CELL) / 2])
    return points[np.hypot(*points.T) <= radius]


def history(sites, frames, rng, *, rim=0.01, inside=0.0005, jump=0.0):
    """Return true depths (t, s) of a lens-shaped particle, with chances of a change a frame."""
    r = np.hypot(*sites.T)
    depth = np.clip(np.rint(9 * np.sqrt(1 - (r / (r.max() + 2)) ** 2)), 1, 9).astype(int)
    rate = np.where(r > r.max() - 5.5, rim, inside)
    found = np.empty((frames, len(sites)), dtype=int)
    for frame in range(frames):
        if frame:
            step = np.where(rng.random(len(sites)) < 0.5, 1, -1)
            depth = np.clip(depth + step * (rng.random(len(sites)) < rate), 0, DEEPEST)
            far = rng.random(len(sites)) < jump
            depth = np.where(far, rng.integers(0, DEEPEST + 1, len(sites)), depth)
        found[frame] = depth
    return found


def signal(depth):
    return np.where(depth == 0, -0.6, depth)


def spread(depth, noise):
    return noise * (0.7 + 0.06 * np.asarray(depth, float))


def readings(depth, rng, *, noise=0.6, lasting=0.0):
    """Return the posteriors (t, s, D + 1) of a network that is calibrated frame by frame.

    It sees each column's depth with a Gaussian error and knows how wide it is. A share ``lasting`` of the
    variance of the error is the same in all frames of a site.
    """
    error = np.sqrt(1 - lasting) * rng.normal(size=depth.shape) + np.sqrt(lasting) * rng.normal(
        size=depth.shape[1]
    )
    seen = signal(depth) + spread(depth, noise) * error
    every = np.arange(DEEPEST + 1)
    width = spread(every, noise)
    chance = np.exp(-0.5 * ((seen[..., None] - signal(every)) / width) ** 2) / width
    return (chance / chance.sum(-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Movie:
    """A movie with its truth: sites (s, 2), depth (t, s), chance (t, s, D + 1), likelihood likewise."""

    sites: np.ndarray
    depth: np.ndarray
    chance: np.ndarray

    @property
    def likelihood(self) -> np.ndarray:
        return 0.99 * self.chance * self.chance.shape[2] + np.float32(0.01)


def movie(frames=200, *, radius=20.0, seed=0, noise=0.6, lasting=0.0, still=False, **rates) -> Movie:
    rng = np.random.default_rng([seed])
    sites = lattice(radius)
    depth = history(sites, frames, rng, **rates)
    depth = np.tile(depth[:1], (frames, 1)) if still else depth
    return Movie(sites=sites, depth=depth, chance=readings(depth, rng, noise=noise, lasting=lasting))


def tables_of(
    shown: Movie, *, drift=0.1, jitter=0.1, strays=0.0, seed=0, origin=40.0, first=0
) -> tuple[ColumnTable, DepthTable, np.ndarray]:
    """Return the linked columns and the candidates of a movie, and the drift (t, 2) [Å] of its frames."""
    rng = np.random.default_rng([seed, 1])
    frames, n_sites = shown.depth.shape
    moved = np.cumsum(drift * rng.normal(size=(frames, 2)), axis=0)
    moved -= moved[0]
    columns, candidates, stray_track = [], [], n_sites
    for frame in range(frames):
        chance = shown.chance[frame]
        site = np.flatnonzero(chance[:, 0] < 0.98)
        place = shown.sites[site] + origin + moved[frame] + jitter * rng.normal(size=(len(site), 2))
        extra = rng.poisson(strays)
        place = np.concatenate([place, rng.uniform(0, 2 * origin, (extra, 2))])
        chance = np.concatenate([chance[site], np.full((extra, DEEPEST + 1), 0.7 / DEEPEST)])
        chance[len(site) :, 0] = 0.3
        presence = 1 - chance[:, 0].astype(float)
        reported = presence >= 0.5
        number = np.where(reported, np.cumsum(reported), 0)
        track = np.concatenate([site, stray_track + np.arange(extra)]) + 1
        stray_track += extra
        columns.append(
            column_table(
                place[reported], frame=frame + first, pixel_size=1.0, values={"track_id": track[reported]}
            ).data
        )
        candidates.append(
            depth_table(
                place,
                presence=presence,
                posterior=chance[:, 1:].astype(float) / np.maximum(presence, 1e-9)[:, None],
                column_id=number,
                frame=frame + first,
                pixel_size=1.0,
            ).data
        )
    return (
        ColumnTable(data=pd.concat(columns, ignore_index=True), columns=column_columns("angstrom")),
        DepthTable(data=pd.concat(candidates, ignore_index=True), columns=depth_columns(DEEPEST, "angstrom")),
        moved,
    )


def near_changes(depth, reach=3):
    """Return where (t, s) a column changes within so many frames."""
    changed = np.zeros(depth.shape, dtype=bool)
    changed[1:] = depth[1:] != depth[:-1]
    padded = np.pad(changed, ((reach, reach), (0, 0)))
    return np.any([padded[k : k + len(depth)] for k in range(1, 2 * reach + 1)], axis=0)


def true_events(depth):
    """Return site, frame, before and after of each change."""
    frame, site = np.nonzero(depth[1:] != depth[:-1])
    return site, frame + 1, depth[frame, site], depth[frame + 1, site]


def matched(events, depth, slack=10):
    """Return which events are true and which of the true events were found: one for one, surest first."""
    site, frame, before, after = true_events(depth)
    left = np.abs(after - before)
    right, found = np.zeros(len(events), dtype=bool), np.zeros(len(site), dtype=bool)
    for i in np.argsort(events.doubt, kind="stable"):
        way = np.sign(events.after[i] - events.before[i])
        fits = (site == events.site[i]) & (np.sign(after - before) == way) & (left > 0)
        fits &= (frame >= events.frame_low[i] - slack) & (frame <= events.frame_high[i] + slack)
        atoms = abs(events.after[i] - events.before[i])
        for j in sorted(np.flatnonzero(fits), key=lambda j: abs(frame[j] - events.frame[i])):
            taken = min(atoms, left[j])
            left[j] -= taken
            atoms -= taken
            right[i] = found[j] = True
            if not atoms:
                break
    return right, found


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Return what draws movies and judges results."""
    return SimpleNamespace(
        movie=movie,
        tables=tables_of,
        lattice=lattice,
        near_changes=near_changes,
        true_events=true_events,
        matched=matched,
    )


@pytest.fixture(scope="session")
def covered() -> Callable[..., np.ndarray]:
    """Return a function that says where the 90 % interval of a posterior holds the true depth."""
    from nanonet.atomic_columns.readout import narrowest_interval

    def inside(posterior, depth):
        low, high = narrowest_interval(posterior.reshape(-1, posterior.shape[2]))
        return (low.reshape(depth.shape) - 1 <= depth) & (depth <= high.reshape(depth.shape) - 1)

    return inside
