"""The states of a movie: their atoms in one box, and what is expensive of their images, as shards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from nanonet.workers.cluster import Cluster, run
from nanonet.workers.local import one_thread
from simulate.imaging import Imaging
from simulate.movies.track import Track, read_track
from simulate.shards.arrays import read_arrays, write_arrays
from simulate.shards.box import bounds, enclose
from simulate.shards.recipe import as_node
from simulate.shards.store import Shard, find_shards, write_shard
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Environment, Specimen

if TYPE_CHECKING:
    from ase import Atoms

TRACK = "track.zarr.zip"
SURROUNDINGS = "surroundings.zarr.zip"
SAMPLED = 64
"""Moments at most whose atoms the surroundings make room for."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What the states of a movie are put into.

    Parameters
    ----------
    side
        Edge of the box across the beam [Å].
    particle, whole
        (2, 3) lowest and highest (x, y, z) of the particles at all moments, and with their surroundings [Å].
    displacements
        Root mean square thermal displacement of each element [Å].
    about
        Plain facts on the particles.
    """

    side: float
    particle: Float[np.ndarray, "2 3"]
    whole: Float[np.ndarray, "2 3"]
    displacements: Mapping[str, float]
    about: Mapping[str, Any]


def set_stage(
    folder: Path,
    track: Track,
    facts: Specimen,
    imaging: Imaging,
    environment: Environment | None,
    rng: np.random.Generator,
) -> Stage:
    """Find the box that holds the particles at all moments, and surround them.

    Parameters
    ----------
    facts
        Thermal displacements and plain facts; its atoms are not looked at.
    """
    particle = reach(track)
    side = imaging.side(float((particle[1] - particle[0])[:2].max()))
    around = None
    if environment is not None:
        facts, around = surroundings_of(track, facts, environment, side, rng)
        kept = {name: np.asarray(array) for name, array in around.arrays.items()}
        write_arrays(folder / SURROUNDINGS, kept, {})
    whole = particle
    if around is not None and len(around):
        edges = bounds(around)
        whole = np.stack([np.minimum(particle[0], edges[0]), np.maximum(particle[1], edges[1])])
    return Stage(
        side=side,
        particle=particle,
        whole=whole,
        displacements=facts.thermal_displacements,
        about=facts.about,
    )


def reach(track: Track) -> Float[np.ndarray, "2 3"]:
    """Return the lowest and highest (x, y, z) of the particles at all moments [Å]."""
    distinct = np.unique(track.distinct(), return_index=True)[1]
    edges = [bounds(atoms) for atoms in (track.atoms(int(m)) for m in distinct) if len(atoms)]
    if len(edges) < len(distinct):
        raise InputError("the particle vanishes within the movie: lower the rates, or the number of states")
    return np.stack([np.min(edges, axis=(0, 1)), np.max(edges, axis=(0, 1))])


def surroundings_of(
    track: Track, facts: Specimen, environment: Environment, side: float, rng: np.random.Generator
) -> tuple[Specimen, Atoms]:
    """Return what surrounds the particles wherever they get, the same atoms in every state."""
    moments = np.unique(np.linspace(0, len(track) - 1, SAMPLED).round().astype(int))
    everywhere = track.atoms(int(moments[0]))
    for moment in moments[1:]:
        everywhere += track.atoms(int(moment))
    surrounded = environment.surround(replace(facts, atoms=everywhere), side, rng)
    atoms = surrounded.atoms
    return surrounded, atoms[atoms.arrays[INSTANCE] == 0]


def make_states(folder: Path, stage: Stage, imaging: Imaging, seed: int, cluster: Cluster) -> None:
    """Make the shards of all states that are not there yet; state i depends on ``seed`` and i only."""
    count = int(distinct_states(folder / TRACK)[-1]) + 1
    done = set(find_shards(folder))
    missing = [state for state in range(count) if state not in done]
    job = partial(_make_state, folder, stage, imaging, seed)
    run(job, missing, cluster=cluster, title="states of the particle")


def _make_state(folder: Path, stage: Stage, imaging: Imaging, seed: int, state: int) -> None:
    """Make the shard of a state from [seed, state]."""
    with one_thread():
        moment = int(np.argmax(distinct_states(folder / TRACK) == state))
        track = _track(folder / TRACK, _changed(folder / TRACK))
        atoms = track.atoms(moment)
        if (folder / SURROUNDINGS).exists():
            atoms += _read_atoms(folder / SURROUNDINGS)
        boxed = enclose(atoms, stage.side, stage.particle, stage.whole)
        stored = imaging.calculate(boxed, stage.displacements, (seed, state, 1))
        about = {
            **stage.about,
            **track.zone_facts(moment),
            "thermal_displacements": stage.displacements,
            "time": float(track.times[moment]),
        }
        shard = Shard(structure=state, side=stage.side, stored=stored, atoms=boxed, about=as_node(about))
        write_shard(folder, shard)


def distinct_states(path: Path) -> Int[np.ndarray, " s"]:
    """Return the state of each moment of the track in a file."""
    return _distinct(path, _changed(path))


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


@lru_cache(maxsize=1)
def _track(path: Path, changed: int) -> Track:
    """Return the track of a file, kept from state to state of a process."""
    return read_track(path)


@lru_cache(maxsize=1)
def _distinct(path: Path, changed: int) -> Int[np.ndarray, " s"]:
    return _track(path, changed).distinct()


def _read_atoms(path: Path) -> Atoms:
    from ase import Atoms

    arrays, _ = read_arrays(path)
    atoms = Atoms(numbers=arrays["numbers"], positions=arrays["positions"])
    for name in (COLUMN, COUNTED, INSTANCE, DISPLACEMENT):
        atoms.set_array(name, arrays[name])
    return atoms
