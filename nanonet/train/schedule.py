"""Learning rate over a training run."""

from __future__ import annotations

import math
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def one_cycle(optimizer: Optimizer, *, steps: int, warm_up: float = 0.15, start: float = 0.04) -> LambdaLR:
    """Return the schedule that rises to the optimizer's rate and falls to zero, each by half a cosine.

    After Smith and Topin, 2017 (arXiv 1708.07120); stepped once for each optimizer step.

    Parameters
    ----------
    optimizer
        Its learning rate is the highest that is reached.
    steps
        Optimizer steps of the whole run.
    warm_up
        Share of them in which the rate rises.
    start
        First rate, as a share of the highest.
    """
    return LambdaLR(optimizer, partial(one_cycle_factor, steps=steps, warm_up=warm_up, start=start))


def one_cycle_factor(step: int, *, steps: int, warm_up: float, start: float) -> float:
    """Return the rate at a step, as a share of the highest."""
    rise = max(1, round(warm_up * steps))
    if step < rise:
        return start + (1 - start) * _half_cosine(step / rise)
    return 1 - _half_cosine(min(1.0, (step - rise) / max(1, steps - rise)))


def _half_cosine(progress: float) -> float:
    """Rise from 0 to 1 as progress does, flat at both ends."""
    return (1 - math.cos(math.pi * progress)) / 2
