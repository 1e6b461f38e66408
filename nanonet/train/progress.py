"""What a person sees of a training run: one bar with the time left and the last scores, on stderr."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

SHOWN = ("train/loss", "val/loss", "val/exact", "val/within_one", "val/dice", "val/iou")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's notices (which devices there are, which products) off the screen, not its warnings."""
    log = logging.getLogger("pytorch_lightning")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for notice in (
                "number of training batches",
                "does not have many workers",
                "LeafSpec",
                "not empty",
            ):
                warnings.filterwarnings("ignore", f".*{notice}")
            yield
    finally:
        log.setLevel(level)


class TrainingProgress(Callback):
    """A bar over the whole run; where stderr is no terminal, a line an epoch instead."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.started = 0.0
        self.steps_before = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin; steps of an earlier, stopped run count as done but not for the speed."""
        self.started = time.monotonic()
        self.steps_before = trainer.global_step
        if self.console.is_terminal:
            columns = (TextColumn("train"), BarColumn(), TextColumn("{task.description}"))
            self.bar = Progress(*columns, console=self.console, transient=True)
            self.bar.add_task("", total=float(trainer.estimated_stepping_batches))
            self.bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar on."""
        if self.bar is not None:
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            text = f"{epoch}, time left {clock(self._seconds_left(trainer))}"
            self.bar.update(self.bar.task_ids[0], completed=trainer.global_step, description=text)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the epoch's scores."""
        metrics = trainer.callback_metrics
        scores = "  ".join(f"{name} {float(metrics[name]):.3f}" for name in SHOWN if name in metrics)
        left = clock(self._seconds_left(trainer))
        self.console.print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {scores}  time left {left}",
            highlight=False,
            soft_wrap=True,
        )

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the bar away, also after a stop."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _seconds_left(self, trainer: Trainer) -> float:
        done = trainer.global_step - self.steps_before
        left = float(trainer.estimated_stepping_batches) - trainer.global_step
        return float(left * (time.monotonic() - self.started) / max(done, 1))


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss, or m:ss below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
