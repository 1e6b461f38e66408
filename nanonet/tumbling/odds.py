"""Which of the equivalent poses a frame is in: how surely it tells, and whether it can.

The crystal's lattice looks the same in all poses that its symmetry brings to each other; only the particle's
shape and its holes tell them apart. A frame in the wrong one of them puts atoms onto wrong sites of the
lattice, so that displacements from it are averaged away. So the frames that a map is made of should tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from nanonet.tumbling.half import Beliefs, Half, total
from nanonet.tumbling.rounds import (
    Rounds,
    believed_sums,
    equivalents,
    on_own_lattice,
    site_occupancies,
)
from nanonet.tumbling.scaffold import SiteMaps

_ALIKE = 6.0
"""Mean loss of likelihood of a frame below which an operation is one that frames cannot tell [nat]."""
_SURE = 50.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the frames of one half tell of the sites, and of the equivalent poses.

    Parameters
    ----------
    occupancies
        (s,) how full each site is.
    odds
        (n,) logarithm of each pose's probability over that of all equivalent ones, of those that frames tell
        apart on average; 50 where there are none [nat].
    alike
        Operations, the identity among them, that leave frames as likely: the particle's own symmetry, or what
        the frames are too noisy to tell from it.
    """

    occupancies: Float[np.ndarray, " s"]
    odds: Float[np.ndarray, " n"]
    alike: int


def told(half: Half, maps: SiteMaps, beliefs: Beliefs, settings: Rounds) -> Told:
    """Return what the frames of one half tell, by the map of those that are believed."""
    whole = torch.as_tensor(maps.scaffold.operations, dtype=torch.float32)
    sums = believed_sums(half, beliefs, settings.margin)
    maps = on_own_lattice(half, maps, total(sums))
    losses = np.empty((len(half), len(whole)))
    for batch, which in enumerate(half.parts):
        grid = half.grid(maps.density(site_occupancies(half, maps, total(sums, batch))))
        spectra = half.spectra(which).whole()
        found = equivalents(half.yardstick, grid, spectra, beliefs.subset(which).candidates(), whole)
        losses[which] = (found.gains[:, :1] - found.gains).numpy()
    apart = losses[beliefs.margins > settings.margin].mean(0) > _ALIKE
    odds = -np.logaddexp.reduce(-losses[:, apart], axis=1) if apart.any() else np.full(len(half), _SURE)
    return Told(
        occupancies=site_occupancies(half, maps, total(sums)),
        odds=np.minimum(odds, _SURE),
        alike=int((~apart).sum()),
    )
