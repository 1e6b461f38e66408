"""``nanonet infer``: compose the config, build the pipeline, run it over the series."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any, cast

from nanonet.cli.folders import announce, output_folder
from nanonet.cli.main import Call


def run(call: Call) -> None:
    """Run a pipeline; the path of the output folder is the last line printed.

    Raises
    ------
    InputError
        For anything that the user can mend.
    """
    from omegaconf import OmegaConf

    from nanonet.configuration import build, compose
    from nanonet.pipeline.extras import EXTRAS
    from nanonet.pipeline.run import Run
    from nanonet.pipeline.run import run as run_pipeline

    config = compose("infer", choose_reader(call.words), call.own)
    series = build(config.read)
    pipeline = build(config.pipeline)
    output = output_folder(config.output, pipeline.name)
    announce(output)
    settings = cast(dict[str, Any], OmegaConf.to_container(config))
    job = Run(
        pipeline=pipeline,
        series=series,
        output=output,
        settings=settings,
        chunk=config.chunk,
        cluster=build(config.cluster),
        extras=tuple(write for name, write in EXTRAS.items() if config.report[name]),
        command=shlex.join(["nanonet", "infer", *call.words]),
    )
    path = run_pipeline(job)
    for line in summary(path):
        print(line, file=sys.stderr)
    print(path)


def choose_reader(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the overrides with ``columns=network`` where a checkpoint was given and no reader was named."""
    keys = {word.partition("=")[0]: word.partition("=")[2] for word in words}
    network = keys.get("pipeline") == "columns" and keys.get("checkpoint") not in (None, "null")
    return (*words, "columns=network") if network and "columns" not in keys else words


def summary(folder: Path) -> list[str]:
    """Return the headline numbers of a finished run as lines for the terminal."""
    import csv

    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return [_line(row) for row in csv.DictReader(file)]


def _line(row: dict[str, str]) -> str:
    interval = f" [{_short(row['low'])}, {_short(row['high'])}]" if row["low"] else ""
    return f"  {row['name']}: {_short(row['value'])}{interval} {row['unit']}".rstrip()


def _short(number: str) -> str:
    return f"{float(number):.4g}" if number else "–"
