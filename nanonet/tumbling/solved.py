"""What is found of a tumbling particle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.reconstruct.phase_randomisation import MaskedAgreement
from nanonet.records import Volume
from nanonet.tumbling.half import Beliefs
from nanonet.tumbling.powder import Powder
from nanonet.tumbling.radial import RadialDensity
from nanonet.tumbling.scaffold import Scaffold


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of the particle before any orientation is.

    Parameters
    ----------
    radial
        Its density by distance from the centre.
    lines
        Its powder pattern; the lattice constant is that of the crystal times its stretch.
    lattice_constant
        Of the particle [Å].
    scaffold
        Sites of the crystal about the centre that fits best.
    gains
        Mean log likelihood a frame [nat] with each kind of centre that was tried, by name.
    """

    radial: RadialDensity
    lines: Powder
    lattice_constant: float
    scaffold: Scaffold
    gains: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Solved:
    """A map and how it was found.

    Parameters
    ----------
    volume
        Of all believed frames, with its half maps, along the crystal's axes and of either hand; voxels are
        pixels, and the sum over one axis is a frame's.
    beliefs
        Of all frames.
    odds
        (n,) by which each tells its pose from those that the crystal's symmetry brings it to [nat].
    alike
        Of these, how many cannot be told apart: 1 where all can.
    believed
        (n,) those the map is made of.
    halves
        (n,) 0 or 1.
    circle
        Radius of the circle beyond which nothing of a picture was looked at [pixel].
    agreement
        Of the half maps.
    likeness
        Correlation of how full the sites are in one half and in the other, less what all rotations leave
        alike: 0 where the halves found two particles.
    control_gain
        Mean log likelihood a frame of the lattice that no data have been put into [nat].
    """

    volume: Volume
    known: Known
    beliefs: Beliefs
    odds: Float[np.ndarray, " n"]
    alike: int
    believed: Bool[np.ndarray, " n"]
    halves: Int[np.ndarray, " n"]
    circle: float
    agreement: MaskedAgreement
    likeness: float
    control_gain: float
