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
    configs = [_config(run) for run in runs]
    varied = {key: told_apart([_lookup(config, key) for config in configs]) for key in keys}
    table = pd.DataFrame({"run": [run.name for run in runs], **varied})
    table = pd.concat([table, pd.DataFrame([_metrics(run) for run in runs])], axis=1)
    with atomic_path(output / "sweep.csv") as temporary:
        table.to_csv(temporary, index=False)
    return table


def _config(run: Path) -> Any:
    import yaml

    return yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))


def _metrics(run: Path) -> dict[str, Any]:
    best = pd.read_csv(run / "metrics.csv").drop(columns="step").nsmallest(1, "val/loss")
    return {str(name): value for row in best.to_dict("records") for name, value in row.items()}


def _lookup(config: Mapping[str, Any], key: str) -> Any:
    """Return the value or the node of a key as it was typed: ``model.width``, ``+model.width``, ``loss``."""
    found: Any = config
    for part in key.lstrip("+").replace("/", ".").split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def told_apart(values: Sequence[Any]) -> list[Any]:
    """Return values as a table shows them: lists as text, a node by its ``_target_``.

    Two variants of a group may name the same class: each then has behind its name the keys in which those
    of the class differ, ``nanonet.models.unet.UNet(stride=2, width=64)``.
    """
    nodes = [flat(value) if isinstance(value, Mapping) else None for value in values]
    known = [node for node in nodes if node is not None]
    plain = [str(value) if isinstance(value, list) else value for value in values]
    return [
        value if node is None else _described(node, known) for value, node in zip(plain, nodes, strict=True)
    ]


def _described(node: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> str:
    alike = [other for other in nodes if other.get("_target_") == node.get("_target_")]
    names = sorted({name for other in alike for name in other})
    odd = [name for name in names if any(other.get(name) != node.get(name) for other in alike)]
    inner = ", ".join(f"{name}={node[name]}" for name in odd if name in node)
    return str(node.get("_target_", "")) + (f"({inner})" if odd else "")


def flat(node: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return a node of nodes as one mapping of dotted names."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        name = f"{before}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return found
