"""Weights & Biases, offline unless asked otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytorch_lightning.loggers import WandbLogger


def wandb_logger(
    save_dir: str | Path, project: str = "nanonet", offline: bool = True, **options: Any
) -> WandbLogger:
    """Return Lightning's logger for Weights & Biases, quiet, with its files in the run's folder.

    Parameters
    ----------
    save_dir
        The run's folder; the files are in its ``wandb``.
    project
        Under which runs are gathered.
    offline
        Keep everything here: no key and no network are needed. ``wandb sync`` uploads it later.
    options
        Any other keyword of `pytorch_lightning.loggers.WandbLogger`.
    """
    import wandb
    from pytorch_lightning.loggers import WandbLogger

    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    return WandbLogger(
        save_dir=save_dir,
        project=project,
        offline=offline,
        name=Path(save_dir).name,
        settings=settings,
        **options,
    )
