"""A progress bar with the time left, on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@contextmanager
def progress_bar(unit: str, *, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Show a bar; the function that it yields moves it on. What was ``done`` before counts for no speed."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("time left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(unit, total=total, completed=done)
        yield lambda count: progress.advance(task, count)
