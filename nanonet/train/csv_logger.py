"""metrics.csv: one row an epoch, the same whether or not the run was stopped on its way."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning.loggers.logger import Logger
from pytorch_lightning.utilities import rank_zero_only


class CsvLogger(Logger):
    """Writes what is logged to ``metrics.csv``, a row an epoch.

    Lightning's own CSVLogger throws away the rows of the run that it goes on with; this one keeps them, and
    replaces the row of an epoch that is done again.

    Parameters
    ----------
    save_dir
        The run's folder.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self.file = Path(save_dir) / "metrics.csv"
        self.rows: dict[int, dict[str, float]] = {}
        if self.file.is_file() and self.file.stat().st_size:
            table = pd.read_csv(self.file).set_index("epoch")
            self.rows = {int(str(epoch)): dict(row.dropna()) for epoch, row in table.iterrows()}

    @property
    def name(self) -> str:
        """Name of this logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Rows of one run are in one file: there are no versions."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add metrics to the row of their epoch."""
        epoch = int(metrics.get("epoch", 0))
        row = self.rows.setdefault(epoch, {})
        row.update({name: float(value) for name, value in metrics.items() if name != "epoch"})
        if step is not None:
            row["step"] = step

    @rank_zero_only
    def save(self) -> None:
        """Write the file; it is never seen half-written."""
        if not self.rows:
            return
        table = pd.DataFrame.from_dict(self.rows, orient="index").sort_index()
        columns = ["step", *sorted(name for name in table.columns if name != "step")]
        table = table.reindex(columns=columns).astype({"step": "Int64"})
        unfinished = self.file.with_suffix(".unfinished")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(unfinished, index_label="epoch")
        unfinished.replace(self.file)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the file a last time."""
        self.save()
