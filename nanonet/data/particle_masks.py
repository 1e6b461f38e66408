"""Training data for particle masks: cut-outs of images at many scales, with what is to be learnt of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from torch.utils.data import Dataset

from nanonet.data.appearance import Appearance
from nanonet.data.mask_targets import mask_targets
from nanonet.records import InputError, MaskSample

_UNKNOWN = -1
_ABOUT_ONE = 0.7


@runtime_checkable
class MaskSampler(Protocol):
    """Draws images of particles with the truth of every pixel."""

    @property
    def structures(self) -> Sequence[int]:
        """Numbers of what it can draw."""

    def draw(self, structure: int, rng: np.random.Generator) -> MaskSample:
        """Draw an image."""


class ParticleMaskItem(NamedTuple):
    """One cut-out with what is to be learnt of it; a batch of it has a batch axis first.

    Parameters
    ----------
    image
        (1, y, x) float32.
    inside, height
        (y, x) float32, see `nanonet.data.mask_targets.MaskTargets`.
    weight
        (y, x) float32, in the loss; 0 where the truth is not known.
    """

    image: Tensor
    inside: Tensor
    height: Tensor
    weight: Tensor


class ParticleMaskDataset(Dataset[ParticleMaskItem]):
    """Cut-outs drawn on the fly; index epoch · epoch_size + i is item i of an epoch.

    An item depends on the seed and its index alone. The scale is drawn so that the particles of an image are
    of all sizes in pixels: a network learns what particles look like, not how large they are.

    Parameters
    ----------
    sampler
        Draws the images.
    structures
        Those of this split; each is drawn equally often.
    epoch_size
        Items in an epoch.
    seed
        Another seed draws other images.
    crop_pixels
        Edge of the square cut-outs.
    diameter
        [smallest, largest] median diameter of an image's particles in a cut-out [px], drawn uniformly in its
        logarithm.
    filled
        Share of a cut-out's edge that the shorter side of an image fills at least.
    enlarged
        Largest factor that an image is enlarged by.
    appearance
        What images are turned into; None leaves them.
    """

    def __init__(
        self,
        sampler: MaskSampler,
        structures: Sequence[int],
        epoch_size: int,
        seed: int = 0,
        crop_pixels: int = 256,
        diameter: Sequence[float] = (14.0, 110.0),
        filled: float = 0.7,
        enlarged: float = 2.0,
        appearance: Appearance | None = None,
    ) -> None:
        if epoch_size < 1 or not structures:
            raise InputError(
                f"a dataset needs structures and items: got {len(structures)} structures, "
                f"epoch_size {epoch_size}"
            )
        if not 0 < diameter[0] <= diameter[1]:
            raise InputError(f"diameter must be [smallest, largest], positive, got {list(diameter)}")
        if not (filled > 0 and enlarged > 0):
            raise InputError(f"filled and enlarged must be positive, got {filled} and {enlarged}")
        if crop_pixels < 1:
            raise InputError(f"crop_pixels must be at least 1, got {crop_pixels}")
        self.sampler = sampler
        self.structures = tuple(structures)
        self.epoch_size = epoch_size
        self.seed = seed
        self.crop_pixels = crop_pixels
        self.diameter = diameter
        self.filled = filled
        self.enlarged = enlarged
        self.appearance = appearance

    @property
    def classes(self) -> int:
        """Number of maps to learn: inside, height."""
        return 2

    def __len__(self) -> int:
        return self.epoch_size

    def structure(self, index: int) -> int:
        """Return which structure the cut-out of an index is of."""
        return self.structures[index % len(self.structures)]

    def sample(self, index: int) -> MaskSample:
        """Draw the cut-out of an index, with its instances."""
        epoch, item = divmod(index, self.epoch_size)
        rng = np.random.default_rng([self.seed, epoch, item])
        sample = self.sampler.draw(self.structure(index), rng)
        scale = self._scale(sample.instances, rng)
        image, instances = cut_out(sample.image, sample.instances, scale, self.crop_pixels, rng)
        if self.appearance is not None:
            image = self.appearance.change(image, rng)
        return MaskSample(
            image=image,
            instances=instances,
            structure=sample.structure,
            pixel_size=None if sample.pixel_size is None else sample.pixel_size / scale,
            settings=sample.settings,
        )

    def _scale(self, instances: Int[np.ndarray, "y x"], rng: np.random.Generator) -> float:
        """Draw what an image is enlarged by."""
        low, high = self.diameter
        wanted = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        least = self.filled * self.crop_pixels / min(instances.shape)
        return float(max(least, min(self.enlarged, wanted / median_diameter(instances, wanted))))

    def __getitem__(self, index: int) -> ParticleMaskItem:
        sample = self.sample(index)
        targets = mask_targets(sample.instances)
        return ParticleMaskItem(
            torch.from_numpy(np.ascontiguousarray(sample.image, np.float32))[None],
            torch.from_numpy(targets.inside),
            torch.from_numpy(targets.height),
            torch.from_numpy(targets.weight),
        )


def median_diameter(instances: Int[np.ndarray, "y x"], otherwise: float) -> float:
    """Return the median equivalent diameter [px] of the particles, or a number where there are none."""
    areas = np.bincount(np.maximum(instances, 0).ravel())[1:]
    areas = areas[areas > 0]
    return float(np.sqrt(4 * np.median(areas) / np.pi)) if len(areas) else otherwise


def cut_out(
    image: Float[np.ndarray, "y x"],
    instances: Int[np.ndarray, "y x"],
    scale: float,
    edge: int,
    rng: np.random.Generator,
) -> tuple[Float32[np.ndarray, "e e"], Int[np.ndarray, "e e"]]:
    """Return a square of an image that is enlarged, turned and perhaps mirrored, and its instances.

    The square lies about a particle, as a rule, and where it holds as much of the image as it can. What lies
    beyond the image mirrors it, and nothing is known of it. Where the image becomes smaller it is smoothed
    first, so that nothing is aliased.

    Parameters
    ----------
    scale
        Factor by which the image is enlarged.
    edge
        Of the square [px].
    """
    from scipy.ndimage import affine_transform, gaussian_filter

    step = 1 / scale
    values = image.astype(np.float32)
    if step > 1:
        values = gaussian_filter(values, 0.5 * np.sqrt(step**2 - 1), mode="nearest")
    quarters = int(rng.integers(4)) * np.pi / 2
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else quarters
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn = turn @ np.diag([1.0, -1.0])
    matrix = step * turn
    half = step * (edge - 1) / 2
    middle = [
        np.clip(wanted, min(half, (n - 1) / 2), max(n - 1 - half, (n - 1) / 2))
        for wanted, n in zip(_about(instances, rng), image.shape, strict=True)
    ]
    offset = np.array(middle) - matrix @ np.full(2, (edge - 1) / 2)
    shape = (edge, edge)
    sampled = affine_transform(values, matrix, offset, output_shape=shape, order=1, mode="mirror")
    labels = affine_transform(
        instances.astype(np.int32),
        matrix,
        offset,
        output_shape=shape,
        order=0,
        mode="constant",
        cval=_UNKNOWN,
    )
    return np.asarray(sampled, np.float32), np.asarray(labels)


def _about(instances: Int[np.ndarray, "y x"], rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    """Draw where a cut-out is to lie: about a particle, or anywhere."""
    if rng.random() < _ABOUT_ONE:
        numbers = np.unique(instances[instances > 0])
        if len(numbers):
            inside = np.argwhere(instances == rng.choice(numbers))
            return np.asarray(inside[int(rng.integers(len(inside)))], dtype=float)
    return np.asarray(rng.random(2) * (np.array(instances.shape) - 1))
