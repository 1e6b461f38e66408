"""The progress of long simulations, on stderr: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

LOG_INTERVAL = 60.0
"""Seconds between the lines in a log."""


@contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[], None]]:
    """Show how many are done, how many an hour, and the time left; yield what to call for each.

    Parameters
    ----------
    done
        How many of the total a run that was stopped had done: they do not count in the rate.
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if done:
        note(f"{title}: going on after {done:,} of {total:,}")
    with (_bar if console.is_terminal else _log)(console, title, total, done) as show:
        start, count = time.monotonic(), 0

        def advance() -> None:
            nonlocal count
            count += 1
            show(count, 3600 * count / max(time.monotonic() - start, 1e-6))

        yield advance


@contextmanager
def _bar(console: Console, title: str, total: int, done: int) -> Iterator[Callable[[int, float], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} an hour"),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, completed=done, rate=0.0)
        yield lambda count, rate: bar.update(task, completed=done + count, rate=rate)


@contextmanager
def _log(console: Console, title: str, total: int, done: int) -> Iterator[Callable[[int, float], None]]:
    last = time.monotonic()

    def show(count: int, rate: float) -> None:
        nonlocal last
        finished = done + count
        if finished < total and time.monotonic() - last < LOG_INTERVAL:
            return
        last = time.monotonic()
        left = f", {duration(3600 * (total - finished) / rate)} left" if finished < total else ""
        console.print(f"{title}: {finished:,} of {total:,}, {rate:,.0f} an hour{left}", soft_wrap=True)

    yield show


def note(text: str) -> None:
    """Say something on stderr, where the progress is."""
    from rich.console import Console

    Console(stderr=True, highlight=False).print(text, soft_wrap=True, markup=False)


def duration(seconds: float) -> str:
    """Return a time as hours, minutes and seconds: 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
