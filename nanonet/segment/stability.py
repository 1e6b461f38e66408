"""Which of several settings to believe: the one whose particles the others find too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from nanonet.instances import match_instances


def most_stable(tried: Sequence[Int[np.ndarray, "y x"]]) -> tuple[int, float]:
    """Return which of several segmentations of a frame agrees best with all others, and how well.

    Where settings are changed and the particles stay the same, those are the image's; particles that come and
    go with the settings are the settings'. The agreement of two is F1 of their particles, matched above an
    IoU of one half; that of one is the mean over all others, 0 to 1. Ties go to the first.

    Parameters
    ----------
    tried
        Labels, 0 for none.

    Raises
    ------
    ValueError
        If there are none.
    """
    if not tried:
        raise ValueError("there are no segmentations to choose among")
    if len(tried) == 1:
        return 0, 1.0
    agreement = np.eye(len(tried))
    for i, one in enumerate(tried):
        for j, other in enumerate(tried[:i]):
            agreement[i, j] = agreement[j, i] = match_instances(one, other).f1
    mean = (agreement.sum(axis=1) - 1.0) / (len(tried) - 1)
    best = int(np.argmax(mean))
    return best, float(mean[best])
