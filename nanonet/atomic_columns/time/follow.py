"""The stage: from the columns of all frames to what happened to each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.atomic_columns.readout import narrowest_interval
from nanonet.atomic_columns.time.events import Events, find_events
from nanonet.atomic_columns.time.false_alarms import BLOCK, FalseAlarms, false_alarms
from nanonet.atomic_columns.time.groups import Groups, learn_groups, smooth_groups
from nanonet.atomic_columns.time.layers import layer_table
from nanonet.atomic_columns.time.markov import KINDS, Smoothed
from nanonet.atomic_columns.time.migration import find_migration
from nanonet.atomic_columns.time.observations import Observations, observe
from nanonet.atomic_columns.time.persistence import pool_looks
from nanonet.atomic_columns.time.surface import Surface, find_surface
from nanonet.atomic_columns.time.table import (
    DepthTable,
    EventTable,
    MigrationTable,
    SiteTable,
    event_columns,
    migration_columns,
    site_columns,
)
from nanonet.records import ColumnTable, InputError, Table

_RIM = 2  # layers
_FEW = 10  # sites: too few to learn rates of their own from
_EDGE = 1.5  # of the spacing: a site nearer than this to the border of the frame shows no surface
_UP, _DOWN = [KINDS.index("gained"), KINDS.index("born")], [KINDS.index("lost"), KINDS.index("gone")]


def follow(
    columns: ColumnTable,
    probabilities: DepthTable,
    *,
    prior: Sequence[float] | None = None,
    evidence: float = 1.0,
    looks: float = 1.0,
    false_alarms_rate: float = 0.05,
    block: int = BLOCK,
    field: tuple[float, float] | None = None,
) -> tuple[Table, ...]:
    """."""
    raise NotImplementedError
