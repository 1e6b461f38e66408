"""What is done with each frame, in this process or in a worker's."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from nanonet.configuration import build
from nanonet.configuration.targets import TRUST_VARIABLE
from nanonet.io.check import check_frame
from nanonet.io.chunks import PackedFrame, pack
from nanonet.pipeline.conclusion import Pipeline
from nanonet.records import InputError, Series


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Reads a frame and lets a pipeline look at it; pickled, it becomes an `Errand`.

    Parameters
    ----------
    settings
        The resolved config, of whose nodes ``read`` and ``pipeline`` the two are built.
    """

    pipeline: Pipeline
    series: Series
    settings: Mapping[str, Any]

    def __call__(self, index: int) -> PackedFrame:
        """Analyse one frame, with the warnings that the frame itself gives rise to, and pack what was found.

        Raises
        ------
        InputError
            If the frame cannot be read, or the pipeline cannot be used on it.
        """
        micrograph = self.series[index]
        warning = check_frame(micrograph.image, micrograph.name, index)
        found = self.pipeline.frame(micrograph)
        return pack(found if warning is None else replace(found, warnings=(warning, *found.warnings)))

    def __reduce__(self) -> tuple[Callable[[], Errand], tuple[()]]:
        return partial(Errand, **asdict(self.errand)), ()

    @cached_property
    def errand(self) -> Errand:
        """The same for a worker process."""
        return Errand(
            nodes=json.dumps({name: self.settings[name] for name in ("read", "pipeline")}),
            images=identity(self.series),
            folder=str(Path.cwd()),
            trusted=os.environ.get(TRUST_VARIABLE, ""),
            run=uuid4().hex,
        )


@dataclass(frozen=True, kw_only=True)
class Errand:
    """An analysis on its way to a worker: neither networks nor open files travel, but how they are made.

    Parameters
    ----------
    nodes
        Config nodes ``read`` and ``pipeline`` (JSON).
    images
        `identity` of the series.
    folder
        Where the command runs: relative paths begin there.
    trusted
        Packages that targets may be of besides ours.
    run
        Tells runs of one config apart, between which files may have changed.
    """

    nodes: str
    images: str
    folder: str
    trusted: str
    run: str

    def __call__(self, index: int) -> PackedFrame:
        """Analyse one frame; the first time in a process series and pipeline are built.

        Raises
        ------
        InputError
            As `prepared` and `Analysis` do.
        """
        with chdir(self.folder if Path(self.folder).is_dir() else Path.cwd()):
            return prepared(self)(index)


@lru_cache(maxsize=2)  # two, so that two runs may share the workers of a dask cluster
def prepared(errand: Errand) -> Analysis:
    """Return the analysis that an errand stands for.

    Raises
    ------
    InputError
        If it cannot be built here, or this process sees other images than the one that asks.
    """
    os.environ[TRUST_VARIABLE] = errand.trusted
    nodes = json.loads(errand.nodes)
    try:
        analysis = Analysis(pipeline=build(nodes["pipeline"]), series=build(nodes["read"]), settings=nodes)
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, InputError):
            cause = cause.__cause__  # Hydra wraps what its targets raise
        if cause is None:
            raise
        raise InputError(f"on a worker: {cause}; {_SHARED}") from error
    if identity(analysis.series) != errand.images:
        raise InputError(f"a worker sees other images of {analysis.series.name} than this process; {_SHARED}")
    return analysis


_SHARED = "images and networks must lie on a disk that all workers share, under the same path"


def identity(series: Series) -> str:
    """Return a hash that two series share just when they hold the same files, of the same shape and scale."""
    known = [(stack.name, list(stack.shape), stack.pixel_size) for stack in series.stacks]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()
