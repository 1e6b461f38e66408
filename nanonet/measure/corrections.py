"""What sizes can be corrected for: what the border cuts, and what overlap hides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.measure.border import Field, border_weights
from nanonet.measure.columns import LengthUnit
from nanonet.measure.overlap import overlap_weights
from nanonet.records import ImageTable


def corrections(
    whole: pd.DataFrame, images: ImageTable | None, unit: LengthUnit
) -> Iterator[tuple[str, Float[np.ndarray, " n"]]]:
    """Yield what sizes can be corrected for, and the weight of each particle then.

    Parameters
    ----------
    whole
        Single particles that lie whole in their images.
    images
        Their images; without them nothing can be corrected.
    """
    if images is None:
        return
    weight = border_weights(whole, _fields(images, unit), unit)
    yield "corrected for the border", weight
    hidden = _unresolved(images)
    if hidden > 0:
        diameter = whole[f"equivalent_diameter_{unit}"].to_numpy(dtype=float)
        yield "corrected for border and overlap", weight * overlap_weights(diameter, weight, hidden)


def _fields(images: ImageTable, unit: LengthUnit) -> Mapping[str, Field]:
    rows = images.data.drop_duplicates("image")
    lengths = zip(rows[f"height_{unit}"].astype(float), rows[f"width_{unit}"].astype(float), strict=True)
    return dict(zip(rows["image"].astype(str), lengths, strict=True))


def _unresolved(images: ImageTable) -> float:
    """Return the share of the particles' area in all images that could not be told apart; 0 if not known."""
    known = images.data[images.data["unresolved"].notna()]
    frame = known.filter(regex="^(height|width)_").prod(axis=1)
    hidden, seen = (float((known[column] * frame).sum()) for column in ("unresolved", "covered"))
    return hidden / (hidden + seen) if hidden else 0.0
