"""How often columns change, learned from the movie itself by expectation maximisation (Baum-Welch)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.atomic_columns.time.markov import Counts, Dynamics, count

_RESTLESS = 0.9  # changes per column and frame, at most: frames of mere noise ask for more


@dataclass(frozen=True, kw_only=True)
class RatePrior:
    """What is believed of the rates before a movie is seen: so many changes in so many column-frames.

    As if ``column_frames`` frames of one column had been seen with ``steps`` gains, as many losses and
    ``jumps`` larger changes: a movie of 100 columns outweighs the default after 10 frames. The first depths
    start as if ``sites`` sites of even depths had been seen.
    """

    steps: float = 1.0
    jumps: float = 0.1
    column_frames: float = 1000.0
    sites: float = 1.0

    def dynamics(self, depths: int) -> Dynamics:
        """Return the dynamics that the prior alone gives, all of ``depths`` first depths as likely."""
        step, jump = self.steps / self.column_frames, self.jumps / self.column_frames
        return Dynamics(gain=step, loss=step, jump=jump, initial=np.full(depths, 1.0 / depths))


RATE_PRIOR = RatePrior()


def learn_dynamics(
    likelihood: Float[np.ndarray, "t s depth"],
    *,
    prior: RatePrior = RATE_PRIOR,
    tolerance: float = 0.01,
    max_rounds: int = 50,
) -> Dynamics:
    """Return the most probable rates of change and first depths of a group of columns.

    Parameters
    ----------
    likelihood
        (t, s, D + 1), each row up to a factor.
    prior
        On the rates, so that those of a short movie stay within reason.
    tolerance
        Relative change of the rates in a round at which they have settled.
    max_rounds
        Most rounds of expectation and maximisation.
    """
    dynamics = prior.dynamics(likelihood.shape[2])
    for _ in range(max_rounds):
        before, dynamics = dynamics, _maximised(count(likelihood, dynamics), prior)
        change = [
            abs(np.log(getattr(dynamics, rate) / getattr(before, rate))) for rate in ("gain", "loss", "jump")
        ]
        if max(change) < tolerance:
            break
    return dynamics


def _maximised(counts: Counts, prior: RatePrior) -> Dynamics:
    """Return the rates that make the expected steps most probable.

    A full column cannot gain and an empty one cannot lose, so the three rates are not quite independent;
    treating them so is off by the square of the rates.
    """
    depths = len(counts.first)
    before, after = np.indices((depths, depths))
    seen = counts.steps.sum(1)
    step = after - before
    gains, losses = counts.steps[step == 1].sum(), counts.steps[step == -1].sum()
    jumps = counts.steps[np.abs(step) > 1].sum()
    initial = counts.first + prior.sites / depths
    rates = np.array(
        [
            (gains + prior.steps) / (seen[:-1].sum() + prior.column_frames),
            (losses + prior.steps) / (seen[1:].sum() + prior.column_frames),
            (jumps + prior.jumps) / (seen.sum() + prior.column_frames),
        ]
    )
    gain, loss, jump = (rates * min(1.0, _RESTLESS / rates.sum())).tolist()
    return Dynamics(gain=gain, loss=loss, jump=jump, initial=initial / initial.sum())
