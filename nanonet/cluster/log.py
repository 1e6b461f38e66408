"""What the search for groups tried, as a table."""

from __future__ import annotations

import pandas as pd

from nanonet.cluster.search import Choice
from nanonet.records import Column, Table

_COLUMNS = (
    Column(name="setting", unit="", meaning="method and setting"),
    Column(name="groups", unit="", meaning="number of groups that are large enough for a map"),
    Column(name="used", unit="0 to 1", meaning="share of the particles in these groups"),
    Column(
        name="stability",
        unit="",
        meaning="mean adjusted Rand index of these groups and those of parts of the particles",
    ),
    Column(name="chosen", unit="", meaning="whether this one was taken"),
)


class GroupingTable(Table):
    """grouping.csv: the settings of the search, and what each came to."""

    stem = "grouping"


def grouping_table(choice: Choice) -> GroupingTable:
    """Return a row for each setting that was tried."""
    rows = [
        (one.setting.name, one.groups, one.used, one.stability, one is choice.best) for one in choice.tried
    ]
    return GroupingTable(
        data=pd.DataFrame(rows, columns=[column.name for column in _COLUMNS]), columns=_COLUMNS
    )
