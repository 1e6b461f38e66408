"""Which readers take part, and how each is made from the configs of ``nanonet infer``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from column_depth_informed import informed_stage
from column_depth_readers import (
    Follow,
    Look,
    Reader,
    Stage,
    alone,
    followed,
    in_a_row,
    informed,
    summed,
    told_counts,
    unfollowed,
)

APART = 5
"""Between frames that slow readers read, which need no others: five seeds take turns, and read each once."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which readers take part.

    Parameters
    ----------
    names
        Of `READERS`.
    checkpoint
        Of the network, as ``nanonet infer`` takes it; None for none.
    movie_checkpoint
        Of a network that reads frames in a row; None for ``checkpoint``, if that does.
    library
        Folder of shards that the informed reader looks depths up in, or one that holds such a folder for
        each crystal, named ceo2_110 or au_100; None for none.
    """

    names: tuple[str, ...]
    checkpoint: str | None = None
    movie_checkpoint: str | None = None
    library: str | None = None


class NotThereError(Exception):
    """A reader that cannot take part, and why."""


def readers(choice: Choice) -> dict[str, Reader]:
    """Return the chosen readers that can be had, by name."""
    return {name: made for name in choice.names if isinstance(made := _made(choice, name), Reader)}


def absent(choice: Choice) -> dict[str, str]:
    """Return why each of the chosen readers that cannot be had is not there."""
    return {name: made for name in choice.names if isinstance(made := _made(choice, name), str)}


def _made(choice: Choice, name: str) -> Reader | str:
    try:
        return READERS[name](choice)
    except NotThereError as reason:
        return str(reason)


def _classical(variant: str) -> Callable[[Choice], Reader]:
    def make(_: Choice) -> Reader:
        look = alone(cast("Stage", _build(_config(variant).columns)))
        return Reader(read=unfollowed(look), identity=_identity(_config(variant).columns), frames_apart=APART)

    return make


def _network(way: Callable[[Stage], Look]) -> Callable[[Choice], Reader]:
    def make(choice: Choice) -> Reader:
        look, identity = network_look(_checkpoint(choice, way), way)
        apart = APART if way is summed else 1
        return Reader(read=unfollowed(look), identity=identity, frames_apart=apart)

    return make


def _followed_network(way: Callable[[Stage], Look]) -> Callable[[Choice], Reader]:
    def make(choice: Choice) -> Reader:
        look, identity = network_look(_checkpoint(choice, way), way)
        follow = _config("network", "follow=markov").follow
        return Reader(
            read=followed(look, cast("Follow", _build(follow))),
            identity=_identity(follow, identity, package="nanonet.atomic_columns.time"),
        )

    return make


def _checkpoint(choice: Choice, way: Callable[[Stage], Look]) -> str:
    from nanonet.train.checkpoint import load_network

    if way is not in_a_row:
        if choice.checkpoint is None:
            raise NotThereError("no --checkpoint")
        if way is told_counts and not load_network(choice.checkpoint).takes_counts_per_atom:
            raise NotThereError(f"{choice.checkpoint} cannot be told the counts an atom")
        return choice.checkpoint
    checkpoint = choice.movie_checkpoint or choice.checkpoint
    if checkpoint is None:
        raise NotThereError("no --movie-checkpoint, nor --checkpoint")
    if load_network(checkpoint).frames < 2:
        raise NotThereError(f"{checkpoint} reads single frames")
    return checkpoint


@lru_cache
def network_look(checkpoint: str, way: Callable[[Stage], Look]) -> tuple[Look, str]:
    """Return a look that keeps what it saw last, for all readers that begin with it; and its identity."""
    from nanonet.provenance import hash_file
    from nanonet.train.weights_file import find_weights

    node = _config("network", f"checkpoint={checkpoint}").columns
    weights = hash_file(find_weights(checkpoint))
    look: Look = lru_cache(maxsize=1)(way(cast("Stage", _build(node))))
    node.network.checkpoint = ""  # wherever it lies
    return look, _identity(node, weights, way.__name__)


def _likelihood(choice: Choice) -> Reader:
    from nanonet.provenance import hash_file

    if choice.library is None:
        raise NotThereError("no --library")
    library = Path(choice.library)
    manifests = sorted([*library.glob("manifest.json"), *library.glob("*/manifest.json")])
    if not manifests:
        raise NotThereError(f"{library} holds no shards")
    node = _config("likelihood", "columns.library.shards=shards", "columns.library.setting=told").columns
    look = informed(informed_stage(node, library))
    identity = _identity(node, *map(hash_file, manifests), _code("simulate"))
    return Reader(read=unfollowed(look), identity=identity, frames_apart=APART)


def _config(variant: str, *words: str) -> Any:
    """Return the config of ``nanonet infer`` with a variant of the group ``columns``."""
    from nanonet.configuration import compose, options

    if variant not in options("infer")["columns"]:
        raise NotThereError(f"there is no columns={variant}")
    return compose("infer", ["pipeline=columns", "input=unused", f"columns={variant}", *words])


def _build(node: Any) -> Any:
    from nanonet.configuration import build

    return build(node)


def _identity(node: Any, *others: str, package: str = "nanonet.atomic_columns") -> str:
    """Return a digest of a config, of the code of a package, and of whatever else readings depend on."""
    from omegaconf import OmegaConf

    told = json.dumps([OmegaConf.to_container(node), _code(package), *others], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


@lru_cache
def _code(package: str) -> str:
    """Return a digest of the modules of a package; those of ``nanonet`` packages below it are not its own."""
    import importlib

    folder = Path(next(iter(importlib.import_module(package).__path__)))
    files = folder.glob("*.py") if package.startswith("nanonet") else folder.rglob("*.py")
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


READERS: Mapping[str, Callable[[Choice], Reader]] = {
    "classical": _classical("classical"),
    "gaussian_mixture": _classical("gaussian_mixture"),
    "likelihood": _likelihood,
    "network": _network(alone),
    "network_told": _network(told_counts),
    "summed_frames": _network(summed),
    "seven_frames": _network(in_a_row),
    "markov": _followed_network(alone),
    "seven_frames_markov": _followed_network(in_a_row),
}
"""How each reader is made: peak finding without depths; peaks with a Gaussian mixture; the likelihood of a
reader that is told places and optics; the network frame by frame; the same, told in HAADF how many counts an
atom adds; the network on the sum of seven frames; a network that reads seven frames in a row; and a hidden
Markov model over what the network read, frame by frame or, as in the pipeline, from frames in a row."""
MOVIE_READERS = ("summed_frames", "seven_frames", "markov", "seven_frames_markov")
