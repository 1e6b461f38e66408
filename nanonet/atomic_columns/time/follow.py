"""The stage: from the columns of all frames to what happened to each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from nanonet.atomic_columns.time.events import Events, find_events
from nanonet.atomic_columns.time.false_alarms import count_false_alarms
from nanonet.atomic_columns.time.groups import learn_groups, smooth_groups
from nanonet.atomic_columns.time.layers import layer_table
from nanonet.atomic_columns.time.markov import KINDS, Smoothed
from nanonet.atomic_columns.time.migration import find_migration
from nanonet.atomic_columns.time.observations import Observations, observe
from nanonet.atomic_columns.time.persistence import POSSIBLE, pool_between
from nanonet.atomic_columns.time.rows import event_table, migration_table, site_table
from nanonet.atomic_columns.time.steps import mean_reading, settled
from nanonet.atomic_columns.time.surface import Surface, find_surface
from nanonet.atomic_columns.time.table import DepthTable
from nanonet.records import ColumnTable, InputError, Table

_RIM = 2  # layers that change more often than those within
_FEW = 10  # sites: too few to learn rates of their own from
_EDGE = 1.5  # of the spacing: a site nearer than this to the border of the frame shows no surface
_UP = [KINDS.index(kind) for kind in ("gained", "born")]
_DOWN = [KINDS.index(kind) for kind in ("lost", "gone")]


def follow(
    columns: ColumnTable,
    probabilities: DepthTable,
    *,
    prior: Sequence[float] | None = None,
    evidence: float = 0.5,
    looks: float = 1.5,
    false_alarms: float = 0.05,
    field: tuple[float, float] | None = None,
) -> tuple[Table, ...]:
    """Put the frames of a movie together: the depth of each column over time, events, layers, migration.

    A hidden Markov model tells when each column changed (`markov`), with rates that are learned from the
    movie, apart for the rim and the inside; changes move the reading by whole atoms (`steps`). How deep a
    column is follows from the frames between changes, whose errors are mostly the same ones
    (`persistence`). An event is believed where columns that do not change would show fewer than
    ``false_alarms`` as certain ones (`false_alarms`).

    Parameters
    ----------
    columns
        The columns of all frames, linked.
    probabilities
        The candidates of all frames with the probability of each depth.
    prior
        Chance of each depth 0..D that the network was trained with, which its probabilities are divided by;
        None divides by nothing.
    evidence
        Exponent of what a frame says, where changes are sought. More finds more changes, and more that are
        none. On simulated ceria read by a network of seven frames, false alarms stay near what is asked at
        0.5, not at 1; `calibration.fit_weight` finds it for depths, from movies with truth.
    looks
        Independent looks at the depth of a column that all its frames amount to at most, from 1; on the same
        movies 1.6 to 2.3 were most likely, and 1.5 errs on the side of wide intervals.
    false_alarms
        Events per 100 columns and 100 frames that columns which do not change may show.
    field
        Height and width of the frames [Å or px]; None where no column is ever outside of the frame.

    Returns
    -------
    tuple of Table
        `SiteTable`, `EventTable`, `LayerTable` and `MigrationTable`.

    Raises
    ------
    InputError
        If a number is out of its range, the columns were not linked, or none is seen often enough.
    """
    _require(evidence=evidence, looks=looks, false_alarms=false_alarms)
    rng = np.random.default_rng([0])
    observed = observe(
        columns,
        probabilities,
        evidence=evidence,
        prior=None if prior is None else np.asarray(prior, dtype=float),
        field=field,
    )
    surface = _surface(observed, _frame_by_frame(observed), field)
    likelihood = observed.likelihood ** np.float32(evidence)
    groups = learn_groups(likelihood, _rim_or_inside(surface))
    smoothed = smooth_groups(likelihood, groups)
    reading = mean_reading(observed.likelihood, observed.prior)
    found = settled(find_events(smoothed.posterior), reading)
    alarms = count_false_alarms(likelihood, reading, groups, found, rng, rate=false_alarms)
    events = found.taken(np.flatnonzero(found.doubt <= alarms.most_doubt(false_alarms)))
    possible = settled(find_events(smoothed.posterior, least=POSSIBLE), reading)
    posterior = pool_between(
        possible, observed.likelihood, prior=observed.prior, inside=observed.inside, looks=looks
    )
    surface = _surface(observed, _mean(1.0 - posterior[..., 0], observed), field)
    gains, losses = (smoothed.changes[..., kinds].sum(2) for kinds in (_UP, _DOWN))
    migration = find_migration(gains, losses, surface.neighbours)
    return (
        site_table(observed, posterior),
        event_table(observed, events, alarms.rate(events.doubt)),
        layer_table(surface, _measured(observed, posterior, smoothed, events), rng, unit=observed.unit),
        migration_table(observed, migration, surface),
    )


def unfollowed(
    columns: ColumnTable, probabilities: DepthTable, *, field: tuple[float, float] | None = None
) -> tuple[Table, ...]:
    """Return no tables: the frames are left as they were read, one by one."""
    return ()


def _require(*, evidence: float, looks: float, false_alarms: float) -> None:
    for name, value in (("evidence", evidence), ("false_alarms", false_alarms)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"follow.{name} must be positive, got {value}")
    if not looks >= 1:
        raise InputError(f"follow.looks must be at least 1, got {looks}")


def _mean(values: Float[np.ndarray, "t s"], observed: Observations) -> Float[np.ndarray, " s"]:
    """Return the mean over the frames that show each site."""
    frames = np.maximum(observed.inside.sum(0), 1)
    return np.asarray(np.where(observed.inside, values, 0.0).sum(0) / frames)


def _frame_by_frame(observed: Observations) -> Float[np.ndarray, " s"]:
    """Return the mean occupancy of each site as the single frames have it."""
    chance = observed.likelihood * observed.prior.astype(np.float32)
    return _mean(1.0 - chance[..., 0] / chance.sum(2), observed)


def _surface(
    observed: Observations, occupancy: Float[np.ndarray, " s"], field: tuple[float, float] | None
) -> Surface:
    cut = None
    if field is not None:
        place, margin = observed.positions, _EDGE * observed.spacing
        cut = ((place < margin) | (place > np.asarray(field) - margin)).any(2).mean(0) > 0.5
    return find_surface(observed.sites, occupancy, spacing=observed.spacing, cut=cut)


def _rim_or_inside(surface: Surface) -> Int[np.ndarray, " s"]:
    """Return 0 for sites at the rim and 1 inside; 0 for all where either are few."""
    inside = (surface.layer > _RIM).astype(int)
    return inside if min(inside.sum(), (1 - inside).sum()) >= _FEW else np.zeros_like(inside)


def _measured(
    observed: Observations,
    posterior: Float[np.ndarray, "t s depth"],
    smoothed: Smoothed,
    events: Events,
) -> Float[np.ndarray, "s 5"]:
    """Return for each site the means that `layers.MEASURED` names."""
    sites = posterior.shape[1]
    depth = posterior @ np.arange(posterior.shape[2], dtype=np.float32)
    believed = np.bincount(events.site, minlength=sites) / np.maximum(observed.inside.sum(0), 1)
    return np.stack(
        [
            _mean(1.0 - posterior[..., 0], observed),
            _mean(depth, observed),
            _mean(smoothed.changes[..., _UP].sum(2), observed),
            _mean(smoothed.changes[..., _DOWN].sum(2), observed),
            believed,
        ],
        axis=1,
    )
