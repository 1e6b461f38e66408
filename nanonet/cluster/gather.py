"""Particles of all images, cut out at one pixel size that suits them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int

from nanonet.cluster.cut import Cut, cut_out
from nanonet.records import InputError, ParticleImages, Series

ROOM = 1.35
"""Side of a cut over the longest particle: shifts and blur need the rest."""
_LARGEST = 0.98
"""Quantile of the longest diameters that the cuts hold; of what is longer, the ends are cut off."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Particles to group: ``rows`` of the table, in the order of ``cuts``; both of n particles.

    Parameters
    ----------
    left_out
        How many were not taken, by the reason.
    """

    rows: pd.DataFrame
    cuts: ParticleImages
    left_out: dict[str, int]


def choose(
    particles: pd.DataFrame, series: Series, labels: Iterable[Int[np.ndarray, "y x"]], *, pixels: int = 96
) -> Chosen:
    """Return the particles that are whole, cut out; an image is in memory at a time.

    Parameters
    ----------
    particles
        Rows of particles.csv of all frames.
    labels
        Label map of each frame.
    pixels
        Side of a cut at most: larger ones are averaged down to it.

    Raises
    ------
    InputError
        If no particle is whole, or the images have no pixel size, or differ in it.
    """
    border, clump = particles["touches_border"], particles["confidence"] == 0
    whole = particles[~border & ~clump]
    pixel = series.pixel_size
    if pixel is None:
        raise InputError("a population needs the pixel size of its images: give read.pixel_size=2 (Å)")
    if whole.empty:
        raise InputError("no particle is whole and by itself: nothing to group")
    longest = float(whole["feret_max_nm"].quantile(_LARGEST)) * 10 / pixel
    side = 2 * int(np.ceil(ROOM * longest / 2))
    factor = max(1.0, side / pixels)
    cuts: list[Cut] = []
    for index, map_ in enumerate(labels):
        rows = whole[whole["frame"] == index]
        if len(rows):
            own = cut_out(series[index], np.asarray(map_, np.int32), rows["particle_id"].tolist(), side)
            cuts += [_smaller(cut, factor) for cut in own]
    bright = np.array([cut.image.sum() > 0 for cut in cuts])
    if not bright.any():
        raise InputError("no particle is brighter than what is around it: populations are for HAADF images")
    some = [cut for cut, keep in zip(cuts, bright, strict=True) if keep]
    # Numbered through all images: in the table they begin anew in each.
    return Chosen(
        rows=whole[bright].reset_index(drop=True),
        cuts=ParticleImages(
            images=np.stack([cut.image for cut in some]),
            particle_ids=np.arange(1, len(some) + 1),
            pixel_size=pixel * side / some[0].image.shape[0],
            noise=np.array([cut.noise for cut in some]),
        ),
        left_out={
            "touch the border": int(border.sum()),
            "are no single particles": int((clump & ~border).sum()),
            "are not brighter than what is around them": int((~bright).sum()),
        },
    )


def _smaller(cut: Cut, factor: float) -> Cut:
    """Return a cut with the same field and fewer pixels, by its lower frequencies; pixel n // 2 stays."""
    side = cut.image.shape[0]
    new = 2 * round(side / factor / 2)
    if new >= side:
        return cut
    first = side // 2 - new // 2
    wave = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(cut.image)))[first : first + new, first : first + new]
    image: Float32[np.ndarray, "v u"] = (
        np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(wave))).real.astype(np.float32) * (new / side) ** 2
    )
    return Cut(image=image, noise=cut.noise * new / side)
