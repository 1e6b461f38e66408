"""What a mixture of evenly spaced means is allowed to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError, Modality

_DRAWN_ON = 3.0  # atoms within which channelling sets in
_CHANNELLING = 0.5  # by how much more an atom of a deep column of a heavy fcc metal scatters than one alone
_SATURATION = 4.0  # atoms of cerium whose phase contrast is all that a column can show
_ATOMS = 20  # that the usual response is given for


@dataclass(frozen=True, kw_only=True)
class MixtureModel:
    """What a mixture is allowed to be.

    Parameters
    ----------
    offset
        "zero" where no atoms give no strength (scattering cross-sections), or "free" within half a step.
    widths
        Standard deviation of the strengths of columns of k atoms, beyond their errors: "shared" by all k, or
        "poisson", growing with the square root of k.
    bend
        By how much the steps may differ from one to the next: standard deviation, in steps. 0 keeps the means
        evenly spaced.
    step
        Strength of a column of one atom, where it is known; None to fit it.
    response
        Strengths of columns of 1, 2, ... atoms over that of one atom, where a simulation tells them (the
        hybrid method of De wael et al., Phys. Rev. Lett. 119 (2017) 246101): the means bend around these.
        Beyond the last they go on with its step, so that [1, 2] is even. None for 1, 2, ...; `counting` puts
        `usual_response` there.

    Raises
    ------
    InputError
        If the bend is negative, the step is not positive, or the response does not start with 1 and rise.
    """

    offset: Literal["zero", "free"] = "zero"
    widths: Literal["shared", "poisson"] = "shared"
    bend: float = 0.0
    step: float | None = None
    response: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bend) and self.bend >= 0):
            raise InputError(f"the bend of a mixture must not be negative, got {self.bend}")
        if self.step is not None and not (np.isfinite(self.step) and self.step > 0):
            raise InputError(f"the step of an atom must be positive, got {self.step}; leave it out to fit it")
        if self.response is not None and not (
            len(self.response) > 1 and self.response[0] == 1 and np.all(np.diff(self.response) > 0)
        ):
            raise InputError(
                f"the response of 1, 2, ... atoms must start with 1 and rise, got {list(self.response)}"
            )

    @property
    def fitted(self) -> int:
        """Parameters that are fitted beside the weights, those of the bend not counted."""
        return 1 + (self.step is None) + (self.offset == "free")

    def places(self, most: int) -> Float[np.ndarray, " k"]:
        """Return the means of columns of 1..most atoms that are expected, in steps."""
        if self.response is None:
            return np.arange(1.0, most + 1)
        known = np.asarray(self.response, dtype=float)
        beyond = known[-1] + (known[-1] - known[-2]) * np.arange(1, max(most - len(known), 0) + 1)
        return np.concatenate([known, beyond])[:most]

    def relative_variance(self, most: int) -> Float[np.ndarray, " k"]:
        """Return the variance of the components of 1..most atoms over that of the first."""
        return np.arange(1.0, most + 1) if self.widths == "poisson" else np.ones(most)

    def prior_precision(self, most: int) -> Float[np.ndarray, "k k"]:
        """Return the inverse covariance of the means [steps] around those expected: steps walk at random."""
        walk = np.tril(np.ones((most, most)))
        inverse = np.linalg.inv(walk @ walk) / self.bend
        return np.asarray(inverse.T @ inverse)


def usual_response(modality: Modality | None) -> tuple[float, ...]:
    """Return the strengths of columns of 1, 2, ... atoms over that of one atom, as a modality has them.

    In HAADF and ADF channelling draws the beam onto a column, so that d atoms of a heavy fcc metal scatter as
    d (1 + (1 - exp(-(d - 1) / 3)) / 2). In HRTEM phase contrast saturates, as tanh(d / 4) for cerium along
    [110] of ceria at 300 kV. In all others every atom counts alike.
    """
    atoms = np.arange(1.0, _ATOMS + 1)
    if modality in ("HAADF", "ADF"):
        return tuple((atoms * (1 + _CHANNELLING * (1 - np.exp(-(atoms - 1) / _DRAWN_ON)))).tolist())
    if modality == "HRTEM":
        return tuple((np.tanh(atoms / _SATURATION) / np.tanh(1 / _SATURATION)).tolist())
    return tuple(atoms.tolist())
