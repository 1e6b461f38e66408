"""In situ movies of one particle with the truth of every frame, in a microscope's format."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.provenance import versions
from nanonet.records import InputError
from simulate.detector import count
from simulate.evolve import evolve
from simulate.exit_wave import ExitWaves, WaveRecipe, enclose, exit_waves
from simulate.frame import expected_image, in_frame
from simulate.generate import one_thread, run
from simulate.microscope import Microscope, Setting
from simulate.structures import Particle, ParticleRecipe, make_particle
from simulate.truth import Columns, columns_of

if TYPE_CHECKING:
    from ase import Atoms

TRUTH = "truth.csv"
TRUTH_COLUMNS = ("frame", "column_id", "y_angstrom", "x_angstrom", "depth")
FORMATS = (".dm3", ".dm4")


@dataclass(frozen=True, kw_only=True)
class MovieRecipe:
    """What happens in a movie and how it is filmed.

    Parameters
    ----------
    states
        Distinct states of the particle: each needs its own exit waves.
    frames_per_state
        Frames with noise of their own of each state.
    frame_pixels
        Edge of the square frames.
    frame_time
        s.
    gain_rate, loss_rate
        Cations that a surface column gains and loses [1/s].
    drift
        Motion of the particle through the frame [Å/s], in a random direction.
    shake
        Standard deviation along one axis of its motion from frame to frame [Å].
    focus_drift
        Change of the defocus [Å/s], up or down.
    file
        Name of the movie; its suffix (.dm3, .dm4) says the format.
    """

    states: int = 6
    frames_per_state: int = 4
    frame_pixels: int = 160
    frame_time: float = 0.5
    gain_rate: float = 0.1
    loss_rate: float = 0.1
    drift: float = 0.2
    shake: float = 0.1
    focus_drift: float = 0.2
    file: str = "movie.dm4"

    def __post_init__(self) -> None:
        for name in ("states", "frames_per_state", "frame_pixels"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.frame_time > 0:
            raise InputError(f"frame_time must be positive, got {self.frame_time} s")
        for name in ("gain_rate", "loss_rate"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} must not be negative, got {getattr(self, name)} 1/s")
        if Path(self.file).name != self.file or Path(self.file).suffix not in FORMATS:
            raise InputError(f"file must be a name that ends in {' or '.join(FORMATS)}, got '{self.file}'")

    @property
    def frames(self) -> int:
        """Frames of the movie."""
        return self.states * self.frames_per_state


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that is seen in one frame."""

    state: int
    setting: Setting
    origin: tuple[float, float]


def generate_movie(
    *,
    structures: ParticleRecipe,
    exit_wave: WaveRecipe,
    microscope: Microscope,
    movie: MovieRecipe,
    output: str | Path,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Simulate a movie of one particle; everything follows from ``seed``.

    Parameters
    ----------
    structures
        What the particle is drawn from.
    exit_wave, microscope
        As in `simulate.generate.generate`; one setting is drawn, of which only the focus drifts.
    movie
        What happens in it.
    output
        Folder for the movie, `truth.csv` and `manifest.json`.

    Returns
    -------
    folder
        ``output``.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([seed, 0])
    first = make_particle(structures, rng)
    atoms = _states(first, movie, exit_wave, rng)
    job = partial(_state_waves, atoms, exit_wave, first.sites.crystal.thermal_displacements, seed)
    waves = run(
        job, range(len(atoms)), workers=workers or os.cpu_count() or 1, title="states of the particle"
    )
    side = waves[0].waves.shape[-1] * waves[0].sampling
    scenes = film(movie, microscope.draw(exit_wave.energy, rng), side, rng)
    _write_movie(folder / movie.file, movie, scenes, waves, rng)
    truth = truth_table(scenes, [columns_of(state) for state in atoms], movie.frame_pixels)
    _replace(folder / TRUTH, truth.to_csv(index=False, float_format="%.4f"))
    recipe = {
        "structures": asdict(structures),
        "exit_wave": asdict(exit_wave),
        "microscope": asdict(microscope),
        "movie": asdict(movie),
    }
    about = {"recipe": recipe, "seed": seed, "setting": scenes[0].setting.values(), "versions": versions()}
    _replace(folder / "manifest.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    return folder


def film(movie: MovieRecipe, setting: Setting, side: float, rng: np.random.Generator) -> list[Scene]:
    """Return what is seen in each frame: the particle drifts and shakes, the focus drifts.

    Drift and focus are as drawn in the middle of the movie.

    Parameters
    ----------
    side
        Edge of the box that the particle is in the middle of [Å].
    """
    times = movie.frame_time * (np.arange(movie.frames) - (movie.frames - 1) / 2)
    angle, sign = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    middle = (side - movie.frame_pixels * setting.detector.pixel_size) / 2
    path = middle - movie.drift * np.outer(times, [np.sin(angle), np.cos(angle)])
    path = path + movie.shake * rng.standard_normal(path.shape)
    return [
        Scene(
            state=frame // movie.frames_per_state,
            setting=replace(
                setting,
                optics=replace(
                    setting.optics, defocus=float(setting.optics.defocus) + sign * movie.focus_drift * time
                ),
            ),
            origin=(float(path[frame, 0]), float(path[frame, 1])),
        )
        for frame, time in enumerate(times)
    ]


def truth_table(scenes: Sequence[Scene], columns: Sequence[Columns], frame_pixels: int) -> pd.DataFrame:
    """Return the columns of every frame: one row a column that holds a cation and lies in the frame.

    Parameters
    ----------
    columns
        Of each state, in the frame of its waves.
    """
    tables = []
    for frame, scene in enumerate(scenes):
        shape = (frame_pixels, frame_pixels)
        seen = in_frame(columns[scene.state], scene.origin, shape, scene.setting.detector.pixel_size)
        y, x = seen.positions.T
        values = (np.full(len(seen), frame), seen.ids, y, x, seen.depths)
        tables.append(pd.DataFrame(dict(zip(TRUTH_COLUMNS, values, strict=True))))
    return pd.concat(tables, ignore_index=True)


def _states(
    particle: Particle, movie: MovieRecipe, recipe: WaveRecipe, rng: np.random.Generator
) -> list[Atoms]:
    """Return the atoms of each state, all in one box."""
    elapsed = movie.frames_per_state * movie.frame_time
    history = evolve(
        particle,
        gains=movie.gain_rate * elapsed,
        losses=movie.loss_rate * elapsed,
        states=movie.states,
        rng=rng,
    )
    atoms = [state.atoms() for state in history]
    largest = atoms[0].copy()
    for state in atoms[1:]:
        largest += state
    return [enclose(state, recipe, like=largest) for state in atoms]


def _state_waves(
    atoms: Sequence[Atoms], recipe: WaveRecipe, displacements: Mapping[str, float], seed: int, index: int
) -> ExitWaves:
    with one_thread():
        return exit_waves(atoms[index], recipe, displacements=displacements, seed=(seed, index, 1))


def _frames(
    movie: MovieRecipe, scenes: Sequence[Scene], waves: Sequence[ExitWaves], rng: np.random.Generator
) -> Iterator[Float[np.ndarray, "y x"]]:
    shape = (movie.frame_pixels, movie.frame_pixels)
    for scene in scenes:
        with one_thread():
            yield count(expected_image(waves[scene.state], scene.setting, scene.origin, shape), rng)


def _write_movie(
    path: Path,
    movie: MovieRecipe,
    scenes: Sequence[Scene],
    waves: Sequence[ExitWaves],
    rng: np.random.Generator,
) -> None:
    """Write the movie as 16-bit counts; it appears whole or not at all."""
    from nanonet.io.writers.dm import write_dm

    partial_path = path.with_name(f".partial{path.suffix}")
    write_dm(
        partial_path,
        (np.minimum(frame, 65535).astype(np.uint16) for frame in _frames(movie, scenes, waves, rng)),
        (movie.frames, movie.frame_pixels, movie.frame_pixels),
        np.uint16,
        pixel_size=scenes[0].setting.detector.pixel_size,
        energy=waves[0].energy,
        frame_time=movie.frame_time,
    )
    partial_path.replace(path)


def _replace(path: Path, text: str) -> None:
    partial_path = path.with_suffix(".partial")
    partial_path.write_text(text, encoding="utf-8")
    partial_path.replace(path)
