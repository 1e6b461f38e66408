"""The atoms of a map, as any detection gives them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from nanonet.atoms.fit import Fit
from nanonet.atoms.lattice import LatticeFit
from nanonet.atoms.scene import Scene


@dataclass(frozen=True, kw_only=True)
class Binarised:
    """How a map was cut into atoms by a threshold.

    Parameters
    ----------
    thresholds, correlations
        (t,) rising thresholds that were tried, and how well the map simulated from each agrees.
    labels
        (z, y, x) number of the atom that each voxel was counted to, 0 outside.
    """

    thresholds: Float[np.ndarray, " t"]
    correlations: Float[np.ndarray, " t"]
    labels: Int[np.ndarray, "z y x"]


@dataclass(frozen=True, kw_only=True)
class Detected:
    """The atoms of a map.

    Parameters
    ----------
    fit
        Atoms and their covariances.
    probability
        (n,) that there is an atom.
    scores
        (n,) matched filter, in deviations of the noise.
    grains
        Their lattices, the largest first; none where the atoms have none.
    scene
        The map they were found in, with its noise.
    denoised
        What the atoms were sought in.
    hidden, hidden_probability
        (h, 3) sites of the lattice that were left empty [Å], and the chance of each that noise hides an atom.
    binarised
        How the map was cut by a threshold; None where it was not.
    """

    fit: Fit
    probability: Float[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    grains: tuple[LatticeFit, ...]
    scene: Scene
    denoised: Float[np.ndarray, "z y x"]
    hidden: Float[np.ndarray, "h 3"] = field(default_factory=lambda: np.zeros((0, 3)))
    hidden_probability: Float[np.ndarray, " h"] = field(default_factory=lambda: np.zeros(0))
    binarised: Binarised | None = None

    @property
    def lattice(self) -> LatticeFit | None:
        """That of the largest grain; None where there is none."""
        return self.grains[0] if self.grains else None
