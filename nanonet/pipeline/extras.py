"""What a run writes only where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nanonet.io.writers.tables import write_workbook
from nanonet.pipeline.conclusion import Conclusion
from nanonet.pipeline.outputs import Extra, Finished
from nanonet.pipeline.pictures import write_pictures


def write_xlsx(output: Path, _: Finished, conclusion: Conclusion) -> None:
    """Write all tables as one workbook.

    Raises
    ------
    InputError
        If the disk refuses.
    """
    write_workbook(output / "results.xlsx", conclusion.tables)


EXTRAS: Mapping[str, Extra] = {"xlsx": write_xlsx, "png": write_pictures}
"""By their names under `report` in the config."""
