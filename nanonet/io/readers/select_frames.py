"""A choice of frames of a series, written as a slice."""

from __future__ import annotations

import dataclasses
import re

from nanonet.records import InputError, Series, Stack

_EXAMPLES = "write it as read.frames=10:200:2 or read.frames=5"


def select_frames(series: Series, text: str) -> Series:
    """Return the series of some frames only.

    Parameters
    ----------
    text
        "start:stop:step" of the whole series from 0, stop excluded, each part optional; negative numbers
        count from the end; "5" is one frame.

    Raises
    ------
    InputError
        If it is no such slice, selects nothing, or reaches beyond the last frame.
    """
    chosen = _chosen(text, len(series), series.name)
    stacks, first = [], 0
    for stack in series.stacks:
        local = _within(chosen, first, len(stack))
        first += len(stack)
        if len(local):
            stacks.append(_part(stack, local, chosen.step, text))
    return Series(name=series.name, stacks=tuple(stacks))


def _chosen(text: str, total: int, name: str) -> range:
    if not re.fullmatch(r"\s*-?\d{0,15}\s*(:\s*-?\d{0,15}\s*){0,2}", text) or not re.search(r"[\d:]", text):
        raise InputError(f"read.frames={text!r} is no choice of frames: {_EXAMPLES}")
    parts = [int(part) if part.strip() not in ("", "-") else None for part in text.split(":")]
    bounds = [part for part in parts[:2] if part is not None]
    if len(parts) == 1:
        index = int(text)
        parts = [index, index + 1 if index != -1 else None]
        bounds = [index if index < 0 else index + 1]
    if any(abs(bound) > total for bound in bounds):
        raise InputError(f"read.frames={text} reaches beyond the {total} frames of {name}")
    if len(parts) == 3 and parts[2] is not None and parts[2] < 1:
        raise InputError(f"the step of read.frames={text} must be 1 or more: {_EXAMPLES}")
    chosen = range(total)[slice(*parts)]
    if not len(chosen):
        raise InputError(f"read.frames={text} selects none of the {total} frames of {name}")
    return chosen


def _within(chosen: range, first: int, count: int) -> range:
    """Return those of the chosen frames that lie in a stack, counted from its first frame."""
    step = chosen.step
    start = max(chosen.start, first + (chosen.start - first) % step)
    return range(start - first, max(start, min(chosen.stop, first + count)) - first, step)


def _part(stack: Stack, local: range, step: int, text: str) -> Stack:
    if local == range(len(stack)):
        return stack
    frames = dataclasses.replace(stack.frames, indices=local)  # type: ignore[type-var]
    return dataclasses.replace(
        stack,
        frames=frames,
        shape=(len(local), *stack.shape[1:]),
        frame_time=None if stack.frame_time is None else stack.frame_time * step,
        notes=(*stack.notes, f"frames {text} of {len(stack)}" if len(stack) > 1 else f"frames {text}"),
    )
