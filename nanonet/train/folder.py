"""A training run's folder: it belongs to one config, and a stopped run goes on in it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanonet.provenance import collect, to_json
from nanonet.records import InputError
from nanonet.train.weights_file import WEIGHTS, find_weights


class RunFolder:
    """Names what lies in a run's folder.

    ``config.yaml``, ``provenance.json``, ``metrics.csv``, ``checkpoint/`` once training has ended, and while
    it has not ``resume/`` with Lightning's state after the last and after the best epoch.

    Parameters
    ----------
    path
        The folder; it is made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / "checkpoint"
        self.resume = path / "resume"

    @property
    def finished(self) -> bool:
        """Whether training has ended here: a checkpoint is whole or absent."""
        return (self.checkpoint / WEIGHTS).is_file()

    @property
    def last(self) -> Path | None:
        """Lightning's state after the last whole epoch, None before the first."""
        file = self.resume / "last.ckpt"
        return file if file.is_file() else None

    def claim(self, config: Mapping[str, Any]) -> None:
        """Write the config, or check that the run that is here has the same one.

        A run that ended before its first epoch leaves the folder free for another.

        Raises
        ------
        InputError
            If another run is here, naming the first key that differs, or files that are not a run's.
        """
        import yaml

        file = self.path / "config.yaml"
        told = {key: value for key, value in config.items() if key != "output"}
        begun = self.finished or self.last is not None
        if file.is_file():
            odd = first_difference(yaml.safe_load(file.read_text(encoding="utf-8")), told)
            if odd is None:
                return
            if begun:
                raise InputError(f"{self.path} holds a run with another {odd}: give another output=FOLDER")
        elif not begun and self.path.is_dir() and any(self.path.iterdir()):
            raise InputError(f"{self.path} holds files that are not a run's: give another output=FOLDER")
        self.path.mkdir(parents=True, exist_ok=True)
        provenance = collect(config=told, inputs=_inputs(config), seed=told.get("seed"), command="train")
        (self.path / "provenance.json").write_text(to_json(provenance), encoding="utf-8")
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
        unfinished.replace(file)

    def tidy(self) -> None:
        """Remove what only a stopped run needs."""
        shutil.rmtree(self.resume, ignore_errors=True)


def first_difference(found: Any, wanted: Any, where: str = "config") -> str | None:
    """Return where two configs first differ, with both values, or None where they are the same."""
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in dict.fromkeys([*wanted, *found]):
            name = str(key) if where == "config" else f"{where}.{key}"
            odd = first_difference(found.get(key), wanted.get(key), name)
            if odd:
                return odd
        return None
    return None if found == wanted else f"{where} ({found!r}, now {wanted!r})"


def _inputs(config: Mapping[str, Any]) -> list[Path]:
    """Return what was trained on, the manifest of the shards for them all, and the weights it began with."""
    shards, pretrained = config.get("shards"), config.get("pretrained")
    found = sorted(Path(str(shards)).glob("manifest*")) if shards else []
    return [*found, find_weights(pretrained)] if pretrained else found
