"""Particle images as the search sees them: their Fourier transforms about where each particle lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, Int
from torch import Tensor

from nanonet.records import InputError, ParticleImages

FEWEST = 4
"""Particles of which a map can be made: two for each half."""
_AT_ONCE = 64
_ROUNDS = 5
_REACH = 2.5
"""Radii of gyration within which a centre is looked for: beyond are noise and what is left of neighbours."""


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """Transforms of centred particle images at half of the frequencies of their plane: the rest is conjugate.

    Parameters
    ----------
    values
        (n, p), in the unit of the images times pixels.
    frequencies
        (p, 2), (x, y) in cycles a side of the image, half a cycle apart: so close that a map can be averaged
        from them.
    shell
        (p,) frequencies rounded to whole cycles.
    side
        Of the images [pixel].
    radius
        Of the circle around the centre that the particles lie in [pixel].
    """

    values: Complex[Tensor, "n p"]
    frequencies: Float[Tensor, "p 2"]
    shell: Int[Tensor, " p"]
    side: int
    radius: float

    def __len__(self) -> int:
        return len(self.values)

    @property
    def highest(self) -> int:
        """Highest shell."""
        return int(self.shell.max())

    def up_to(self, highest: int) -> Spectra:
        """Return the frequencies up to a shell."""
        if highest >= self.highest:
            return self
        return self.at(self.shell <= highest)

    def whole(self) -> Spectra:
        """Return whole frequencies alone: they tell all of the images."""
        return self.at((self.frequencies == self.frequencies.round()).all(1))

    def at(self, kept: Bool[Tensor, " p"]) -> Spectra:
        """Return some of the frequencies."""
        return replace(
            self, values=self.values[:, kept], frequencies=self.frequencies[kept], shell=self.shell[kept]
        )

    def take(self, which: Int[np.ndarray, " m"]) -> Spectra:
        """Return some of the particles."""
        return replace(self, values=self.values[torch.as_tensor(which)])


def _half_plane(highest: int) -> tuple[Int[Tensor, "p 2"], Int[Tensor, " p"]]:
    """Return one of each pair of opposite frequencies (x, y) in half cycles, and their shells."""
    ticks = torch.arange(-2 * highest, 2 * highest + 1)
    y, x = torch.meshgrid(ticks, ticks[2 * highest :], indexing="ij")
    shell = ((x**2 + y**2).sqrt() / 2).round().long()
    kept = (x**2 + y**2 <= 4 * highest**2) & ((x > 0) | (y >= 0))
    return torch.stack([x[kept], y[kept]], dim=1), shell[kept]


def check(particles: ParticleImages, fewest: int = FEWEST) -> None:
    """Raise `InputError` where images cannot be reconstructed from, or are fewer than ``fewest``."""
    if particles.images.ndim != 3 or particles.images.shape[1] != particles.images.shape[2]:
        raise InputError(f"particle images must be (n, y, x) and square, got {particles.images.shape}")
    if len(particles) < fewest:
        raise InputError(f"there must be at least {fewest} particles, got {len(particles)}")
    sums = particles.images.sum((1, 2))
    if not np.isfinite(sums).all():
        raise InputError("particle images have values that are no numbers; leave those particles out")
    if (sums <= 0).any():
        dark = particles.particle_ids[sums <= 0][:5].tolist()
        raise InputError(
            f"particles must be brighter than the background (HAADF); "
            f"{int((sums <= 0).sum())} are not: {dark}"
        )


def centres(particles: ParticleImages) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Return centres of mass (y, x) from pixel n // 2, and radii of gyration, in pixels.

    The projection of a particle's centre of mass is its image's, whatever the orientation, where signals are
    proportional to mass thickness. Pixels near it are counted, and the circle is drawn again around what is
    found.
    """
    images = np.asarray(particles.images, dtype=np.float64)
    n = images.shape[1]
    ticks = np.arange(n) - n // 2
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    centre = np.zeros((len(images), 2))
    reach = np.full(len(images), n / 2.0)
    spread = reach
    for _ in range(_ROUNDS):
        square = (y - centre[:, 0, None, None]) ** 2 + (x - centre[:, 1, None, None]) ** 2
        weight = np.maximum(np.where(square <= reach[:, None, None] ** 2, images, 0.0), 0.0)
        # Half a noise level of positive noise remains of the background.
        weight = np.maximum(weight - 2.0 * particles.noise[:, None, None], 0.0)
        total = np.maximum(weight.sum((1, 2)), 1e-12)
        centre = np.stack([(weight * y).sum((1, 2)), (weight * x).sum((1, 2))], axis=1) / total[:, None]
        spread = np.sqrt((weight * square).sum((1, 2)) / total)
        reach = np.clip(_REACH * spread, 3.0, n / 2.0)
    return centre, spread


def spectra(particles: ParticleImages, centre: Float[np.ndarray, "n 2"], radius: float) -> Spectra:
    """Return the transforms of particle images about the given centres, as bright as a mean sum of 1.

    Parameters
    ----------
    centre
        (y, x) from pixel n // 2 [pixel].
    radius
        Of the circle beyond which nothing is seen [pixel]; it ends softly.
    """
    found = transforms(np.asarray(particles.images, dtype=np.float32), centre, radius)
    whole = found.values[:, (found.frequencies == 0).all(1)].real.mean()
    return replace(found, values=found.values / whole)


def transforms(
    images: Float[np.ndarray, "n s s"],
    centre: Float[np.ndarray, "n 2"],
    radius: float,
    highest: int | None = None,
) -> Spectra:
    """Return the same in the unit of the images: the value of frequency 0 is an image's sum.

    Parameters
    ----------
    highest
        Shell up to which they are wanted; None is all.
    """
    pictures = torch.as_tensor(np.asarray(images, dtype=np.float32))
    n = pictures.shape[1]
    ticks = torch.arange(n) - n // 2
    at = torch.as_tensor(centre, dtype=torch.float32)
    halves, shell = _half_plane((n - 1) // 2 if highest is None else min(highest, (n - 1) // 2))
    column, row = halves.unbind(1)
    padding = (n - n // 2, n // 2)  # pixel n // 2 comes to pixel n, the middle
    parts = []
    for some, place in zip(torch.split(pictures, _AT_ONCE), torch.split(at, _AT_ONCE), strict=True):
        distance = (
            (ticks[:, None] - place[:, 0, None, None]) ** 2 + (ticks - place[:, 1, None, None]) ** 2
        ).sqrt()
        soft = ((radius + 2.0 - distance) / 4.0).clamp(0, 1)
        padded = torch.nn.functional.pad(some * soft, (*padding, *padding))
        parts.append(torch.fft.rfft2(torch.fft.ifftshift(padded, dim=(1, 2)))[:, row % (2 * n), column])
    frequencies = halves / 2
    turn = 2 * np.pi / n * (at[:, :1] * frequencies[:, 1] + at[:, 1:] * frequencies[:, 0])
    return Spectra(
        values=torch.cat(parts) * torch.polar(torch.ones_like(turn), turn),
        frequencies=frequencies,
        shell=shell,
        side=n,
        radius=radius,
    )
