"""Which readers take part, and how each is made from the configs of ``nanonet infer``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from column_depth_readers import Follow, Reader, Stage, alone, followed, in_a_row, summed


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which readers take part.

    Parameters
    ----------
    names
        Of `READERS`; those that lack a network or a config are left out.
    checkpoint
        Of the network, as ``nanonet infer`` takes it; None for none.
    movie_checkpoint
        Of a network that reads frames in a row; None for ``checkpoint``, if that does.
    """

    names: tuple[str, ...]
    checkpoint: str | None = None
    movie_checkpoint: str | None = None


def readers(choice: Choice) -> dict[str, Reader]:
    """Return the chosen readers that can be had, by name."""
    made = ((name, READERS[name](choice)) for name in choice.names)
    return {name: reader for name, reader in made if reader is not None}


def stage(variant: str, *words: str) -> Stage | None:
    """Return a variant of the config group ``columns`` as ``nanonet infer`` builds it, None for none."""
    from nanonet.configuration import build, compose, options

    if variant not in options("infer")["columns"]:
        return None
    config = compose("infer", ["pipeline=columns", "input=unused", f"columns={variant}", *words])
    return cast("Stage", build(config.columns))


def _markov(stage: Stage, *, in_a_row: bool) -> Reader:
    from nanonet.configuration import build, compose

    config = compose("infer", ["pipeline=columns", "input=unused", "follow=markov"])
    return followed(stage, cast("Follow", build(config.follow)), in_a_row=in_a_row)


def _classical(variant: str) -> Callable[[Choice], Reader | None]:
    def make(_: Choice) -> Reader | None:
        built = stage(variant)
        return None if built is None else alone(built)

    return make


def _network(way: Callable[[Stage], Reader]) -> Callable[[Choice], Reader | None]:
    def make(choice: Choice) -> Reader | None:
        built = stage("network", f"checkpoint={choice.checkpoint}") if choice.checkpoint else None
        return None if built is None else way(built)

    return make


def _movie_network(way: Callable[[Stage], Reader]) -> Callable[[Choice], Reader | None]:
    def make(choice: Choice) -> Reader | None:
        from nanonet.train.checkpoint import load_network

        checkpoint = choice.movie_checkpoint or choice.checkpoint
        if checkpoint is None or load_network(checkpoint).frames < 2:
            return None
        return _network(way)(replace(choice, checkpoint=checkpoint))

    return make


READERS: Mapping[str, Callable[[Choice], Reader | None]] = {
    "classical": _classical("classical"),
    "gaussian_mixture": _classical("gaussian_mixture"),
    "network": _network(alone),
    "summed_frames": _network(summed),
    "seven_frames": _movie_network(in_a_row),
    "markov": _network(partial(_markov, in_a_row=False)),
    "seven_frames_markov": _movie_network(partial(_markov, in_a_row=True)),
}
"""How each reader is made: peak finding without depths, peaks with a Gaussian mixture, the network frame by
frame, the network on the sum of seven frames, a network that reads seven frames in a row, and a hidden Markov
model over what the network read, frame by frame or, as in the pipeline, from frames in a row."""
MOVIE_READERS = ("summed_frames", "seven_frames", "markov", "seven_frames_markov")
