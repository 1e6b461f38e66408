"""What a sweep found: one row a run, with what was varied and how well it did at its best epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from nanonet.io.atomic import atomic_path


def tabulate(output: Path, keys: Sequence[str]) -> pd.DataFrame:
    """Write sweep.csv and return it: the folder, the swept keys and the metrics at the least val/loss.

    Parameters
    ----------
    output
        The sweep's folder; each run in a folder of its own below it.
    keys
        Dotted names of what was varied, e.g. "model.width".
    """
    runs = sorted((path.parent for path in output.glob("*/metrics.csv")), key=lambda run: int(run.name))
    table = pd.DataFrame([_row(run, keys) for run in runs])
    with atomic_path(output / "sweep.csv") as temporary:
        table.to_csv(temporary, index=False)
    return table


def _row(run: Path, keys: Sequence[str]) -> dict[str, Any]:
    import yaml

    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    metrics = pd.read_csv(run / "metrics.csv").drop(columns="step").nsmallest(1, "val/loss")
    varied = {key: _lookup(config, key) for key in keys}
    return {
        "run": run.name,
        **varied,
        **{str(k): v for row in metrics.to_dict("records") for k, v in row.items()},
    }


def _lookup(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of a dotted key; of a group, which variant was taken shows in its ``_target_``."""
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found.get("_target_", "") if isinstance(found, Mapping) else found
