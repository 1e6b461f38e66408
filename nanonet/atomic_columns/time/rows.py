"""From arrays to the tables of a movie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.atomic_columns.readout import narrowest_interval
from nanonet.atomic_columns.time.events import Events
from nanonet.atomic_columns.time.migration import Migration
from nanonet.atomic_columns.time.observations import Observations
from nanonet.atomic_columns.time.surface import Surface
from nanonet.atomic_columns.time.table import (
    EventTable,
    MigrationTable,
    SiteTable,
    event_columns,
    migration_columns,
    site_columns,
)

_INTEGERS = ("frame", "track_id", "depth", "depth_low", "depth_high", "layer")
_AT_ONCE = 500  # frames


def site_table(observations: Observations, posterior: Float[np.ndarray, "t s depth"]) -> SiteTable:
    """Return the depth of each site in each frame that shows it.

    Parameters
    ----------
    observations
        Where the sites are.
    posterior
        (t, s, D + 1) from all frames.
    """
    frames = range(0, len(posterior), _AT_ONCE)
    parts = [_sites_of(observations, posterior, slice(first, first + _AT_ONCE)) for first in frames]
    return SiteTable(data=pd.concat(parts, ignore_index=True), columns=site_columns(observations.unit))


def _sites_of(
    observations: Observations, posterior: Float[np.ndarray, "t s depth"], frames: slice
) -> pd.DataFrame:
    inside = observations.inside[frames]
    chance = posterior[frames][inside]
    place = (observations.sites[None] - observations.shift[frames, None])[inside]
    frame, site = np.nonzero(inside)
    low, high = narrowest_interval(chance)  # of depths from 1 on, here they are from 0
    return _frame_of(
        {
            "frame": observations.frame[frames][frame],
            "track_id": observations.track[site],
            f"y_{observations.unit}": place[:, 0],
            f"x_{observations.unit}": place[:, 1],
            "depth": chance.argmax(1),
            "depth_mean": chance @ np.arange(chance.shape[1], dtype=np.float32),
            "depth_low": low - 1,
            "depth_high": high - 1,
            "confidence": chance.max(1),
            "occupancy": 1.0 - chance[:, 0],
        }
    )


def event_table(
    observations: Observations, events: Events, false_alarms: Float[np.ndarray, " e"]
) -> EventTable:
    """Return the events in the order of their frames.

    Parameters
    ----------
    observations
        Where the sites are.
    events
        With indices into its frames and sites.
    false_alarms
        (e,) rate of false alarms at least as certain.
    """
    place = observations.sites[events.site] - observations.shift[events.frame]
    data = _frame_of(
        {
            "track_id": observations.track[events.site],
            "frame": observations.frame[events.frame],
            "frame_low": observations.frame[events.frame_low],
            "frame_high": observations.frame[events.frame_high],
            "kind": np.array(events.kind, dtype=object),
            "depth_before": events.before,
            "depth_after": events.after,
            "probability": events.probability,
            "false_alarms": false_alarms,
            f"y_{observations.unit}": place[:, 0],
            f"x_{observations.unit}": place[:, 1],
        }
    )
    data = data.sort_values(["frame", "track_id"], kind="stable", ignore_index=True)
    return EventTable(data=data, columns=event_columns(observations.unit))


def migration_table(observations: Observations, migration: Migration, surface: Surface) -> MigrationTable:
    """Return what each site gained, lost and exchanged with its neighbours."""
    (sent, sent_error), (received, received_error) = migration.at_sites(0), migration.at_sites(1)
    place = observations.sites - observations.shift[0]
    data = _frame_of(
        {
            "track_id": observations.track,
            f"y_{observations.unit}": place[:, 0],
            f"x_{observations.unit}": place[:, 1],
            "layer": surface.layer,
            "gains": migration.gains,
            "losses": migration.losses,
            "sent": sent,
            "sent_error": sent_error,
            "received": received,
            "received_error": received_error,
        }
    )
    return MigrationTable(data=data, columns=migration_columns(observations.unit))


def _frame_of(values: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return columns as the other tables hold them: integers that might be empty are pandas' Int64."""
    frame = pd.DataFrame(values)
    integers = [
        name
        for name in frame
        if name in _INTEGERS or str(name).startswith(("frame_", "depth_before", "depth_after"))
    ]
    return frame.astype(dict.fromkeys(integers, "Int64"))
