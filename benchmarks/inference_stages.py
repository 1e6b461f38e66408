"""Where the time of `pipeline=columns` goes: seconds of the processor in each stage, less those within it."""

from __future__ import annotations

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

STAGES = {
    "read": ("nanonet.io.read:LazyFrames.__getitem__", "nanonet.pipeline.analysis:check_frame"),
    "align": ("nanonet.atomic_columns.network:aligned", "nanonet.atomic_columns.network:resampled"),
    "network": ("nanonet.train.predictor:Predictor.__call__",),
    "softmax": ("nanonet.atomic_columns.network:_softmax",),
    "read-out": ("nanonet.atomic_columns.network:read_columns",),
    "calibration": ("nanonet.atomic_columns.network:_believed",),
    "dose, range": (
        "nanonet.atomic_columns.network:noise_equivalent_dose",
        "nanonet.atomic_columns.network:range_warnings",
        "nanonet.atomic_columns.network:familiarity_warning",
    ),
    "maps": ("nanonet.atomic_columns.network:_maps",),
    "tables": ("nanonet.atomic_columns.network:read_depth",),
    "lattice": ("nanonet.atomic_columns.lattice:fit_lattice",),
    "save": ("nanonet.io.chunks:ChunkStore.write",),
    "join": ("nanonet.io.chunks:ChunkStore.read", "nanonet.pipeline.outputs:_join"),
    "link": ("nanonet.atomic_columns.link:link_columns",),
    "follow": ("nanonet.atomic_columns.time.follow:follow",),
    "write tables": ("nanonet.pipeline.outputs:write_csv",),
    "write maps": ("nanonet.pipeline.outputs:_write_maps",),
    "report": ("nanonet.pipeline.outputs:_content", "nanonet.pipeline.outputs:write_report"),
}
"""Functions of each stage; what else runs while one of them does is its own."""
A_FRAME = ("read", "align", "network", "softmax", "read-out", "calibration", "dose, range", "maps", "tables")
"""Stages of `read_depth`, which frames go through side by side."""


def seconds_of_stages(words: Sequence[str]) -> dict[str, float]:
    """Run ``nanonet`` in this process, which has one worker; return the seconds of each stage."""
    from nanonet.cli.main import main

    with _watched() as spent:
        start = time.thread_time()
        status = main(list(words))
        if status:
            raise SystemExit(status)
        rest = time.thread_time() - start - sum(spent.values())
    return {**{stage: spent[stage] for stage in STAGES}, "rest": rest}


@contextmanager
def _watched() -> Iterator[dict[str, float]]:
    """Replace the functions of the stages by ones that add up their time; put them back in the end."""
    spent: dict[str, float] = defaultdict(float)
    within = [0.0]  # of the stages that run now, the seconds of stages that they called
    places = [(stage, *_place(name)) for stage, names in STAGES.items() for name in names]
    replaced = []
    for stage, owner, name in places:
        if (function := getattr(owner, name, None)) is not None:
            replaced.append((owner, name, function))
            setattr(owner, name, _timed(function, stage, spent, within))
    try:
        yield spent
    finally:
        for owner, name, function in replaced:
            setattr(owner, name, function)


def _place(path: str) -> tuple[Any, str]:
    module, _, names = path.partition(":")
    *owners, name = names.split(".")
    return functools.reduce(getattr, owners, import_module(module)), name


def _timed(
    function: Callable[..., Any], stage: str, spent: dict[str, float], within: list[float]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        within.append(0.0)
        start = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            whole = time.thread_time() - start
            spent[stage] += whole - within.pop()
            within[-1] += whole

    return timed
