"""How particles are filmed: where the stage is, how the focus drifts, what the dose is, frame by frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nanonet.io.writers.movie import require_movie_name
from nanonet.records import InputError
from simulate.imaging import Imaging, Setting
from simulate.movies.motion import Motion, Still
from simulate.movies.process import Process
from simulate.movies.processes.exchange import ColumnExchange
from simulate.movies.settings import has_value, value_of, with_value
from simulate.shards.store import Shard, read_shard
from simulate.view import View

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Scanning(Protocol):
    """A setting whose images are scanned, while the specimen may drift."""

    def sheared(self, axes: Float[np.ndarray, "2 2"], shape: tuple[int, int]) -> Float[np.ndarray, "2 2"]:
        """Return the axes that a scan has on the specimen."""


@dataclass(frozen=True, kw_only=True)
class MovieRecipe:
    """What happens in a movie and how it is filmed.

    Parameters
    ----------
    states
        Moments at which the atoms are looked at; images are calculated anew only where they have moved.
    frames_per_state
        Frames from one moment to the next, each with noise of its own.
    frame_time
        s.
    processes
        What changes the particles.
    motion
        How they move as rigid bodies, and how many there are.
    frame_pixels
        Edge of the square frames.
    drift
        Motion of the specimen [Å/s], in a random direction; it blurs the frames of a camera and shears those
        of a scan.
    shake
        Standard deviation along one axis of the motion from frame to frame [Å].
    focus_drift
        Change of the defocus [Å/s], up or down.
    dose_ratio
        Dose of the last frame over that of the first; that in the middle of the movie is as drawn.
    file
        Name of the movie; its suffix (.mrc, .tif, .hspy, .emd, .dm3, .dm4) says the format.
    """

    states: int = 6
    frames_per_state: int = 4
    frame_time: float = 0.5
    processes: Sequence[Process] = (ColumnExchange(),)
    motion: Motion = field(default_factory=Still)
    frame_pixels: int = 160
    drift: float = 0.2
    shake: float = 0.1
    focus_drift: float = 0.2
    dose_ratio: float = 1.0
    file: str = "movie.dm4"

    def __post_init__(self) -> None:
        for name in ("states", "frames_per_state", "frame_pixels"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.frame_time < np.inf:
            raise InputError(f"frame_time must be positive, got {self.frame_time} s")
        if not 0 < self.dose_ratio < np.inf:
            raise InputError(f"dose_ratio must be positive, got {self.dose_ratio}")
        if not self.shake >= 0:
            raise InputError(f"shake must not be negative, got {self.shake} Å")
        require_movie_name(self.file)

    @property
    def frames(self) -> int:
        """Frames of the movie."""
        return self.states * self.frames_per_state

    @property
    def moments(self) -> Float[np.ndarray, " s"]:
        """When the atoms are looked at [s]."""
        return self.frame_time * self.frames_per_state * np.arange(self.states)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is seen in one frame.

    Parameters
    ----------
    frame
        Its index.
    time
        When it begins [s].
    moment
        Which moment's atoms it shows.
    """

    frame: int
    time: float
    moment: int
    setting: Setting
    view: View


@dataclass(frozen=True, kw_only=True)
class Film:
    """The scenes of a movie, each made when asked for: ``film[frame]``.

    Parameters
    ----------
    setting
        In the middle of the movie.
    side
        Edge of the box that the particles are in the middle of [Å].
    drift
        (y, x) [Å/s] of the specimen in the frames.
    focus_drift
        Å/s.
    seed
        Frame i shakes and is counted from [seed, i].
    """

    movie: MovieRecipe
    setting: Setting
    side: float
    drift: tuple[float, float]
    focus_drift: float
    seed: int

    def __len__(self) -> int:
        return self.movie.frames

    def __getitem__(self, frame: int) -> Scene:
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} of {len(self)}")
        since = self.movie.frame_time * (frame - (len(self) - 1) / 2)  # the middle of the movie
        shape = (self.movie.frame_pixels, self.movie.frame_pixels)
        pixel, setting = self.setting.pixel_size, self._at(since)
        shake = self.movie.shake * self.rng(frame, 4).standard_normal(2)
        # Where the middle of the frame lies: a specimen that moves on leaves it behind.
        middle = self.side / 2 - since * np.array(self.drift) - shake
        axes = _axes(setting, shape, self.movie.frame_time)
        first = middle - pixel * axes @ (np.array(shape) - 1) / 2
        return Scene(
            frame=frame,
            time=self.movie.frame_time * frame,
            moment=frame // self.movie.frames_per_state,
            setting=setting,
            view=View(origin=(float(first[0]), float(first[1])), pixel_size=pixel, shape=shape, axes=axes),
        )

    def rng(self, frame: int, purpose: int) -> np.random.Generator:
        """Return the source of what is random in a frame."""
        return np.random.default_rng([self.seed, frame, purpose])

    def _at(self, since: float) -> Setting:
        """Return the setting so many seconds from the middle of the movie."""
        setting = self.setting
        if self.focus_drift:
            focus = float(value_of(setting, "defocus")) + self.focus_drift * since
            setting = with_value(setting, "defocus", focus)
        if self.movie.dose_ratio != 1:
            length = self.movie.frame_time * max(len(self) - 1, 1)
            ratio = self.movie.dose_ratio ** (since / length)
            setting = with_value(setting, "dose", float(self.setting.dose * ratio))
            if has_value(setting, "rate"):  # of electrons that coincide in a counting camera
                setting = with_value(setting, "rate", float(value_of(setting, "rate") * ratio))
        way = (self.drift[0] * self.movie.frame_time, self.drift[1] * self.movie.frame_time)
        setting = with_value(setting, "motion", way if any(way) else None)
        return with_value(setting, "drift", self.drift)

    def draw(self, shard: Shard, scene: Scene, imaging: Imaging) -> Float[np.ndarray, "y x"]:
        """Return a frame as the detector records it."""
        import torch

        with torch.inference_mode():
            expected = self.expected(shard, scene, imaging)
        return scene.setting.record(expected, self.rng(scene.frame, 5))

    def expected(self, shard: Shard, scene: Scene, imaging: Imaging) -> torch.Tensor:
        """Return the expected signal of a frame."""
        return imaging.expected(shard.stored, shard.side, scene.setting, scene.view)


def _axes(setting: Setting, shape: tuple[int, int], frame_time: float) -> Float[np.ndarray, "2 2"]:
    """Return the axes of a frame: those of the box, sheared where a beam scans a specimen that drifts.

    Raises
    ------
    InputError
        If a scan takes longer than a frame.
    """
    if not isinstance(setting, Scanning):
        return np.eye(2)
    scan = shape[0] * float(value_of(setting, "noise").line_time(shape[1]))
    if scan > frame_time:
        raise InputError(f"a scan of {shape} pixels takes {scan:.3g} s: give movie.frame_time that or more")
    return setting.sheared(np.eye(2), shape)


def plan_film(movie: MovieRecipe, setting: Setting, side: float, seed: int) -> Film:
    """Return how a movie is filmed with a setting: drift and focus go where chance says.

    Raises
    ------
    InputError
        If the setting has no focus or dose that could change as the movie asks for.
    """
    for name, key, changes in (
        ("defocus", "focus_drift", movie.focus_drift != 0),
        ("dose", "dose_ratio", movie.dose_ratio != 1),
    ):
        if changes and not has_value(setting, name):
            neutral = 0 if key == "focus_drift" else 1
            raise InputError(f"the microscope has no {name} that could change: give movie.{key}={neutral}")
    rng = np.random.default_rng([seed, 0, 7])
    angle, sign = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    return Film(
        movie=movie,
        setting=setting,
        side=side,
        drift=(float(movie.drift * np.sin(angle)), float(movie.drift * np.cos(angle))),
        focus_drift=float(sign * movie.focus_drift),
        seed=seed,
    )


class States:
    """The shards of a movie's states, of which the last few are kept in memory."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self._folder, self._keep = folder, keep
        self._held: OrderedDict[int, Shard] = OrderedDict()

    def __getitem__(self, state: int) -> Shard:
        if state not in self._held:
            self._held[state] = read_shard(self._folder, state)
            while len(self._held) > self._keep:
                self._held.popitem(last=False)
        return self._held[state]
