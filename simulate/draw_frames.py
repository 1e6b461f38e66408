"""Training frames of movies from episodes: a few frames in a row of one particle, which may change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int

from nanonet.records import ColumnSample, InputError
from simulate.draw import ColumnSampler
from simulate.imaging import Microscope
from simulate.ranges import Range, drawn, require_range
from simulate.tem.support import CarbonSupport
from simulate.view import moved


class FrameSampler(ColumnSampler):
    """Draws frames in a row from shards of episodes; the truth is that of the frame in the middle.

    Parameters
    ----------
    shards
        The folder that `simulate.movies.episodes.generate_episodes` returned.
    frames
        In a row, odd; each with noise of its own.
    changes
        Expected number of changes from one state to the next within the frames.
    shake
        Standard deviation along one axis of what an alignment of the frames leaves [Å].
    alone
        How often a frame stands alone, as an image does that is of no movie: it is its own neighbour.
    at_end
        How often the middle frame is near an end of the movie, beyond which frames are mirrored.
    microscope, crop_pixels, support
        As in `ColumnSampler`; the dose is that of one frame, the film that of all frames.

    Raises
    ------
    InputError
        If the number of frames is even, or the folder holds no episodes.
    """

    def __init__(
        self,
        shards: str | Path,
        microscope: Microscope | None = None,
        crop_pixels: int = 128,
        frames: int = 7,
        changes: float = 1.0,
        shake: Range = (0.0, 0.3),
        alone: float = 0.3,
        at_end: float = 0.1,
        support: CarbonSupport | None = None,
    ) -> None:
        super().__init__(shards, microscope, crop_pixels, support)
        if frames < 1 or frames % 2 == 0:
            raise InputError(f"frames must be odd, one in the middle: got {frames}")
        if self.states < 2:
            raise InputError(f"{self.folder} holds particles in one state each: simulate with make=episodes")
        if not changes >= 0:
            raise InputError(f"changes must not be negative, got {changes}")
        require_range("shake", shake, "Å", low=0.0)
        if min(alone, at_end) < 0 or alone + at_end > 1:
            raise InputError(f"alone and at_end are shares of all: got {alone} and {at_end}")
        self.frames, self.changes, self.shake = frames, changes, shake
        self.alone, self.at_end = alone, at_end

    def draw(self, structure: int, rng: np.random.Generator) -> ColumnSample:
        """Draw frames of a structure: an image (frame, y, x), all seen as `ColumnSampler.draw` sees one."""
        path = state_path(self.states, self.frames, self.changes, rng)
        filmed = self._filmed(rng)
        middle = self._read(structure, int(path[self.frames // 2]))
        setting, view = self.scene(middle.shard, rng)
        support = self.drawn_support(rng)
        steps = drawn(self.shake, rng) * rng.standard_normal((self.frames, 2))
        steps[self.frames // 2] = 0.0
        views = [moved(view, step) for step in steps]
        image = np.empty((self.frames, *view.shape), dtype=np.float32)
        for state in np.unique(path[filmed]):
            shard, at = (
                self.read(structure, int(state)),
                np.intersect1d(filmed, np.flatnonzero(path == state)),
            )
            expected = self.seen(shard, setting, [views[frame] for frame in at], support, views)
            for frame, signal in zip(at, expected, strict=True):
                image[frame] = setting.record(signal, rng)
        seen = middle.columns.seen(view)
        return ColumnSample(
            image=image[filmed],
            pixel_size=setting.pixel_size,
            positions=seen.positions,
            depths=seen.depths,
            structure=structure,
            settings=self.told(setting, support),
        )

    def _filmed(self, rng: np.random.Generator) -> Int[np.ndarray, " t"]:
        """Return which frame is seen at each place: its own, or one that stands for it."""
        chance, middle = rng.uniform(), self.frames // 2
        own = np.arange(self.frames)
        if chance < self.alone:
            return np.full(self.frames, middle)
        if chance < self.alone + self.at_end and middle:
            last = int(rng.integers(middle, self.frames - 1))  # of the movie
            mirrored = np.where(own > last, np.maximum(2 * last - own, 0), own)
            return mirrored if rng.uniform() < 0.5 else self.frames - 1 - mirrored[::-1]
        return own


def state_path(states: int, frames: int, changes: float, rng: np.random.Generator) -> Int[np.ndarray, " t"]:
    """Return the state of each frame: a walk to neighbouring states, as likely backwards as forwards.

    Parameters
    ----------
    changes
        Expected number of steps within the frames.
    """
    steps = rng.uniform(size=frames - 1) < changes / max(frames - 1, 1)
    way = rng.choice([-1, 1], size=frames - 1)
    path = np.full(frames, int(rng.integers(states)))
    for frame in np.flatnonzero(steps) + 1:
        there = path[frame - 1] + way[frame - 1]
        path[frame:] = there if 0 <= there < states else path[frame - 1] - way[frame - 1]
    return path
