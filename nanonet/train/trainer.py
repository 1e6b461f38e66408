"""The Trainer, with the arithmetic that is fast on this machine."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_lightning import Trainer


def make_trainer(
    max_epochs: int = 100, accelerator: str = "auto", precision: str | None = None, **options: Any
) -> Trainer:
    """Return a Lightning Trainer.

    Parameters
    ----------
    max_epochs
        Epochs of the whole run, those before a stop included.
    accelerator
        "auto", "cpu", "gpu", …
    precision
        As Lightning names it; None takes bfloat16 where the processor computes in it, which on a CPU is
        twice as fast as float32, and float32 elsewhere.
    options
        Any other keyword of `pytorch_lightning.Trainer`.
    """
    return Trainer(
        max_epochs=max_epochs,
        accelerator=accelerator,
        precision=precision or best_precision(accelerator),  # type: ignore[arg-type]
        **options,
    )


def best_precision(accelerator: str) -> str:
    """Return "bf16-mixed" where the processor multiplies bfloat16 matrices, else "32-true"."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    able = torch.cpu.get_capabilities()
    on_cpu = accelerator in ("auto", "cpu") and any(able.get(name) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if on_cpu else "32-true"
