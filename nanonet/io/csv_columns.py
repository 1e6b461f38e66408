"""Read the columns of a CSV table that a stage needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nanonet.records import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_csv_columns(path: str, names: Sequence[str], key: str) -> pd.DataFrame:
    """Return a CSV table that has at least some columns.

    Parameters
    ----------
    path
        Of the file.
    names
        Columns that it must have.
    key
        What the user gave the path as, for the message.

    Raises
    ------
    InputError
        If it cannot be read or lacks a column.
    """
    import pandas as pd

    try:
        table = pd.read_csv(Path(path).expanduser())
    except (OSError, ValueError) as error:
        raise InputError(f"{key}={path} cannot be read as a CSV table: {error}") from error
    missing = [name for name in names if name not in table]
    if missing:
        raise InputError(f"{key}={path} lacks {', '.join(missing)}; it needs {', '.join(names)}")
    return table
