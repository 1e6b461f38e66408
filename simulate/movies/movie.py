"""In situ movies of particles with the truth of every frame, in a microscope's format."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from nanonet.io.atomic import atomic_path
from nanonet.io.lock import alone
from nanonet.io.writers.movie import MovieFacts, write_movie
from nanonet.provenance import versions
from nanonet.records import InputError
from nanonet.workers.cluster import Cluster, run
from nanonet.workers.local import Local, one_thread
from simulate.imaging import Imaging, Microscope
from simulate.movies.film import Film, MovieRecipe, States, plan_film
from simulate.movies.states import TRACK, Stage, distinct_states, make_states, set_stage
from simulate.movies.tables import write_atoms, write_events, write_tables
from simulate.movies.track import Track, make_track, write_track
from simulate.shards.manifest import MANIFEST, begin
from simulate.shards.recipe import as_node
from simulate.specimen import Environment, Specimen, SpecimenRecipe
from simulate.structures.mixture import Mixture
from simulate.structures.particle import Particle
from simulate.structures.recipe import ParticleRecipe, make_particle

STATES = "states"
FRAMES = ".frames"
BATCH = 64
"""Frames that a process draws at a time."""


def generate_movie(
    *,
    structures: SpecimenRecipe,
    imaging: Imaging,
    microscope: Microscope,
    movie: MovieRecipe,
    output: str | Path,
    environment: Environment | None = None,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Simulate a movie; everything follows from ``seed``, with any number of workers.

    States and frames that are there already are kept, so that a run that was stopped goes on.

    Parameters
    ----------
    structures
        What the particles are drawn from: a `ParticleRecipe`, or a `Mixture` of them.
    imaging, environment, cluster
        As in `simulate.shards.generate.generate`.
    microscope
        One setting is drawn from it, of which the movie lets focus and dose drift.
    movie
        What happens in it and how it is filmed.
    output
        Folder for the movie, its truth (truth.csv, other_columns.csv, poses.csv, events.csv, atoms.extxyz),
        `manifest.json`, and the states as shards that a network can be trained on (states/).

    Returns
    -------
    folder
        ``output``.

    Raises
    ------
    InputError
        If the folder holds another movie, or the recipes make none.
    """
    folder = Path(output).resolve()
    parts = {
        "structures": structures,
        "environment": environment,
        "imaging": imaging,
        "microscope": microscope,
        "movie": movie,
    }
    manifest = {"recipe": as_node(parts), "seed": seed, "versions": versions()}
    with _begun(folder, manifest):
        track, stage = _prepare(folder, structures, imaging, movie, environment, manifest)
        cluster = cluster or Local()
        make_states(folder / STATES, stage, imaging, seed, cluster)
        setting = microscope.draw(imaging.energy, np.random.default_rng([seed, 0, 6]))
        film = plan_film(movie, setting, stage.side, seed)
        if not (folder / movie.file).exists():
            draw_movie(folder, film, imaging, cluster)
        states = States(folder / STATES)
        write_tables(folder, film, track, states)
        write_events(folder, track, movie.frames_per_state)
        write_atoms(folder, states, track)
        _write_manifest(folder, {**manifest, "setting": setting.values(), "side": stage.side})
    shutil.rmtree(folder / FRAMES, ignore_errors=True)
    return Path(output)


def _prepare(
    folder: Path,
    structures: SpecimenRecipe,
    imaging: Imaging,
    movie: MovieRecipe,
    environment: Environment | None,
    manifest: Mapping[str, Any],
) -> tuple[Track, Stage]:
    """Draw the particles, let them live, and make the folder of their states ready."""
    seed = int(manifest["seed"])
    rngs = (np.random.default_rng([seed, index]) for index in range(movie.motion.particles))
    particles = [_draw_particle(structures, rng) for rng in rngs]
    history = np.random.default_rng([seed, 0, 3])
    track = make_track(particles, movie.processes, movie.motion, movie.moments, history)
    count = int(track.distinct()[-1]) + 1
    begin(folder / STATES, {**manifest, "n_structures": count})
    write_track(folder / STATES / TRACK, track)
    surroundings = np.random.default_rng([seed, 0, 2])
    facts = _facts(particles)
    return track, set_stage(folder / STATES, track, facts, imaging, environment, surroundings)


def _draw_particle(recipe: SpecimenRecipe, rng: np.random.Generator) -> Particle:
    """Draw a particle on its lattice, the only kind of specimen whose atoms have places to go to.

    Raises
    ------
    InputError
        If the recipe is of another kind.
    """
    while isinstance(recipe, Mixture):
        recipe = recipe.choose(rng)
    if not isinstance(recipe, ParticleRecipe):
        kind = type(recipe).__name__
        raise InputError(f"movies are made of a ParticleRecipe, got a {kind}: choose other structures")
    return make_particle(recipe, rng)


def _facts(particles: Sequence[Particle]) -> Specimen:
    """Return what is known of the particles: of the first, and the thermal displacements of all."""
    specimens = [particle.specimen() for particle in particles]
    sigma = {k: v for specimen in reversed(specimens) for k, v in specimen.thermal_displacements.items()}
    return replace(specimens[0], thermal_displacements=sigma)


def draw_movie(folder: Path, film: Film, imaging: Imaging, cluster: Cluster) -> None:
    """Draw the frames, batch by batch in any number of processes, and write the movie from them."""
    batches = range(-(-len(film) // BATCH))
    missing = [batch for batch in batches if not _batch_path(folder, batch).exists()]
    job = partial(_draw_batch, folder, film, imaging)
    run(job, missing, cluster=cluster, title=f"batches of {min(BATCH, len(film))} frames")
    first = next(_frames(folder, batches, np.dtype("float32")))
    counted = bool((first >= 0).all() and not (first % 1).any())
    kind = np.dtype("uint16" if counted else "float32")
    middle = film[len(film) // 2].setting
    facts = MovieFacts(
        shape=(len(film), *first.shape),
        dtype=kind.name,
        pixel_size=middle.pixel_size,
        frame_time=film.movie.frame_time,
        energy=imaging.energy,
        dose=film.setting.dose,
        modality=imaging.modality,
    )
    write_movie(folder / film.movie.file, _frames(folder, batches, kind), facts)


def _frames(folder: Path, batches: range, kind: np.dtype) -> Iterator[Float[np.ndarray, "y x"]]:
    """Yield the frames that were drawn, as the movie holds them."""
    for batch in batches:
        for frame in np.load(_batch_path(folder, batch), mmap_mode="r"):
            # A pixel that counts more than the file can say is full, as in a camera.
            yield (np.minimum(frame, 65535) if kind.kind == "u" else frame).astype(kind)


def _batch_path(folder: Path, batch: int) -> Path:
    return folder / FRAMES / f"{batch:06d}.npy"


def _draw_batch(folder: Path, film: Film, imaging: Imaging, batch: int) -> None:
    """Draw some frames, each from [seed, frame]."""
    from nanonet.io.writers.stacks import write_npy

    states, distinct = States(folder / STATES), distinct_states(folder / STATES / TRACK)
    with one_thread():
        frames = (
            film.draw(states[int(distinct[scene.moment])], scene, imaging)
            for scene in (film[frame] for frame in range(batch * BATCH, min((batch + 1) * BATCH, len(film))))
        )
        write_npy(_batch_path(folder, batch), frames)


@contextmanager
def _begun(folder: Path, manifest: Mapping[str, Any]) -> Iterator[None]:
    """Hold a folder for one movie: a new one, or one that was begun with the same recipe and seed."""
    frames = folder / FRAMES
    try:
        frames.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written to ({error.strerror}): choose another output"
        ) from error
    with alone(frames):
        path = folder / MANIFEST
        if path.exists():
            old, new = (json.loads(text) for text in (path.read_text(encoding="utf-8"), json.dumps(manifest)))
            for key in ("recipe", "seed"):
                if old.get(key) != new[key]:
                    raise InputError(f"{folder} holds a movie of another {key}: choose another output")
        elif any(other.name != FRAMES for other in folder.iterdir()):
            raise InputError(f"{folder} is not empty and holds no movie: choose another output")
        else:
            _write_manifest(folder, manifest)
        yield


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    with atomic_path(folder / MANIFEST) as hidden:
        text = json.dumps(
            {"format": "nanonet-movie", "format_version": 2, **manifest}, indent=2, ensure_ascii=False
        )
        hidden.write_text(text + "\n", encoding="utf-8")
