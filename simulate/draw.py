"""Training images from shards: optics, dose, detector and frame drawn afresh each time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanonet.configuration import build
from nanonet.records import ColumnSample, InputError
from simulate.allocator import keep_freed_memory
from simulate.imaging import Imaging, Microscope
from simulate.shards.manifest import read_manifest
from simulate.shards.store import Shard, find_shards, read_shard
from simulate.specimen import INSTANCE
from simulate.tem.support import CarbonSupport, on_support
from simulate.truth import Columns, columns_of
from simulate.view import View, moved

if TYPE_CHECKING:
    import torch

    from simulate.imaging import Arrays, Setting
    from simulate.tem.support import Support

CACHE_BYTES = 512 * 2**20
"""Stored arrays that a sampler keeps in memory."""


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A shard in memory, with the columns that are labelled, in the frame of its box."""

    shard: Shard
    columns: Columns


class ColumnSampler:
    """Draws images of crystals on a zone axis from a folder of shards; of an episode, any of its states.

    Parameters
    ----------
    shards
        The folder that `simulate.shards.generate.generate` returned.
    microscope
        What settings are drawn from; None for the one in the shards' manifest.
    crop_pixels
        Edge of the square images.
    support
        Films that some images have behind the particle; of HRTEM only. None for none.

    Raises
    ------
    InputError
        If the folder holds no shards, or a support is asked for where there are no waves.
    """

    def __init__(
        self,
        shards: str | Path,
        microscope: Microscope | None = None,
        crop_pixels: int = 128,
        support: CarbonSupport | None = None,
    ) -> None:
        keep_freed_memory()
        self.folder = Path(shards)
        manifest = read_manifest(self.folder)
        self.imaging: Imaging = build(manifest["recipe"]["imaging"])
        self.microscope: Microscope = microscope or build(manifest["recipe"]["microscope"])
        self.states: int = manifest.get("states", 1)
        self.structures = _whole(find_shards(self.folder), self.states)
        if not self.structures:
            raise InputError(f"{self.folder} holds no finished shards: run the simulation again")
        if crop_pixels < 1:
            raise InputError(f"crop_pixels must be at least 1, got {crop_pixels}")
        if support is not None and self.imaging.modality != "HRTEM":
            raise InputError(
                f"a support is drawn behind waves of HRTEM; {self.folder} holds {self.imaging.modality}: "
                "simulate it with environment=amorphous_carbon"
            )
        self.crop_pixels, self.support = crop_pixels, support
        self._cache: OrderedDict[int, _Read] = OrderedDict()

    def __len__(self) -> int:
        return len(self.structures)

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        """Draw an image of a structure.

        The particle is turned by a multiple of 90°, perhaps mirrored, shifted by any fraction of a pixel, and
        seen through a microscope and a detector whose settings are drawn. Labels go through the same
        transformation as the image.

        Parameters
        ----------
        structure
            One of ``structures``.
        rng
            Decides everything that is drawn.
        """
        read = self._read(structure, int(rng.integers(self.states)) if self.states > 1 else 0)
        shard = read.shard
        setting, view = self.scene(shard, rng)
        support = self.drawn_support(rng)
        expected = self.seen(shard, setting, [view], support)[0]
        seen = read.columns.seen(view)
        return ColumnSample(
            image=setting.record(expected, rng),
            pixel_size=setting.pixel_size,
            positions=seen.positions,
            depths=seen.depths,
            structure=structure,
            settings=self.told(setting, support),
            counts_per_atom=self._counts_per_atom(expected, seen),
        )

    def _counts_per_atom(self, expected: torch.Tensor, seen: Columns) -> float | None:
        """Return what an atom adds to the image where intensities add up: what is cut off at the border, and
        what reaches in from beyond it, are about the same.
        """  # noqa: D205 - one sentence
        if self.imaging.modality not in ("HAADF", "ADF") or not len(seen.depths):
            return None
        return float(expected.sum()) / float(seen.depths.sum())

    def scene(self, shard: Shard, rng: np.random.Generator) -> tuple[Setting, View]:
        """Draw how a structure is seen: the settings of the microscope, and where the image lies."""
        setting = self.microscope.draw(self.imaging.energy, rng)
        frame = (self.crop_pixels, self.crop_pixels)
        return setting, setting.view(shard.side, frame, rng, shard.about.get("window"))

    def drawn_support(self, rng: np.random.Generator) -> Support | None:
        """Draw the film behind the particle; None for none."""
        return None if self.support is None else self.support.draw(rng)

    def told(self, setting: Setting, support: Support | None) -> dict[str, float]:
        """Return how an image was recorded; where there may be films, that of none is 0 Å thick."""
        film = {} if self.support is None else {"support_thickness": support.thickness if support else 0.0}
        return {**setting.values(), **film}

    def seen(
        self,
        shard: Shard,
        setting: Setting,
        views: Sequence[View],
        support: Support | None,
        beside: Sequence[View] = (),
    ) -> list[torch.Tensor]:
        """Return the expected signal of views of a structure, a film behind it if there is one.

        ``beside`` are views of other states of the structure that have the same film: its grain follows from
        the box, which then holds them too.
        """
        stored: Arrays = shard.stored
        if support is None:
            return self.imaging.expected_series(stored, shard.side, setting, views)
        stored, side = on_support(
            stored,
            shard.side,
            support,
            energy=self.imaging.energy,
            depth=_half_depth(shard),
            least_side=max(_reach(view, shard.side) for view in (*views, *beside)),
        )
        return self.imaging.expected_series(
            stored, side, setting, [moved(view, ((side - shard.side) / 2,) * 2) for view in views]
        )

    def read(self, structure: int, state: int = 0) -> Shard:
        """Return the shard of a structure in a state, from memory where it was read not long ago."""
        return self._read(structure, state).shard

    def _read(self, structure: int, state: int = 0) -> _Read:
        number = structure * self.states + state
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number]
        shard = read_shard(self.folder, number)
        found = self._cache[number] = _Read(shard=shard, columns=columns_of(shard.atoms).counted())
        while len(self._cache) > 1 and sum(_bytes(read.shard) for read in self._cache.values()) > CACHE_BYTES:
            self._cache.popitem(last=False)
        return found


def _half_depth(shard: Shard) -> float:
    """Return how far the particle's last atom lies behind its middle, which is in focus [Å]."""
    heights = shard.atoms.positions[shard.atoms.arrays[INSTANCE] > 0, 2]
    return float(np.ptp(heights)) / 2 if len(heights) else 0.0


def _reach(view: View, side: float) -> float:
    """Return the edge [Å] of the box around the same middle that holds a whole view, and 2 Å more."""
    rows, columns = (np.array([-1.0, n]) * view.pixel_size for n in view.shape)
    corners = view.to_box(np.array([(y, x) for y in rows for x in columns]))
    return 2 * float(np.abs(corners - side / 2).max()) + 4.0


def _whole(shards: Sequence[int], states: int) -> list[int]:
    """Return the structures of which all states are there."""
    count = Counter(number // states for number in shards)
    return sorted(structure for structure, there in count.items() if there == states)


def _bytes(shard: Shard) -> int:
    arrays = (*shard.stored.values(), *shard.atoms.arrays.values())
    return sum(array.nbytes for array in arrays)
