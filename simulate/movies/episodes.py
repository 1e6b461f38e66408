"""Episodes: short lives of many particles, state after state, for networks that read frames together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nanonet.provenance import versions
from nanonet.records import InputError
from nanonet.workers.cluster import Cluster
from nanonet.workers.local import Local
from simulate.imaging import Imaging, Microscope
from simulate.movies.motion import Still
from simulate.movies.process import Process
from simulate.movies.processes.exchange import ColumnExchange
from simulate.movies.states import reach, surroundings_of
from simulate.movies.track import make_track
from simulate.shards.box import bounds, enclose
from simulate.shards.generate import fill, window_of
from simulate.shards.recipe import as_node
from simulate.shards.store import Shard, shard_path, write_shard
from simulate.specimen import Environment, SpecimenRecipe
from simulate.structures.recipe import make_particle


@dataclass(frozen=True, kw_only=True)
class Life:
    """What happens to a particle from state to state.

    Parameters
    ----------
    states
        Of each particle.
    interval
        From one to the next [s].
    processes
        What changes it meanwhile.
    """

    states: int = 3
    interval: float = 1.0
    processes: Sequence[Process] = (ColumnExchange(),)

    def __post_init__(self) -> None:
        if self.states < 1:
            raise InputError(f"states must be at least 1, got {self.states}")
        if not 0 < self.interval < np.inf:
            raise InputError(f"interval must be positive, got {self.interval} s")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What every particle of a folder is made with."""

    structures: SpecimenRecipe
    environment: Environment | None
    imaging: Imaging
    life: Life
    folder: Path
    seed: int


def generate_episodes(
    *,
    structures: SpecimenRecipe,
    imaging: Imaging,
    microscope: Microscope,
    output: str | Path,
    life: Life | None = None,
    environment: Environment | None = None,
    n_structures: int = 100,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Simulate particles that change into a folder of shards: state j of particle i is shard i · states + j.

    Particle i and its life depend on ``seed`` and i only, wherever they are made.

    Parameters
    ----------
    structures
        What the particles are drawn from: a `ParticleRecipe`, or a `Mixture` of them.
    life
        How many states each particle has, and what happens between them.
    n_structures
        Number of particles.
    imaging, microscope, output, environment, seed, cluster
        As in `simulate.shards.generate.generate`.

    Returns
    -------
    folder
        ``output``.

    Raises
    ------
    InputError
        If the folder holds other shards or another run is at work in it, or particles failed.
    """
    folder, life = Path(output).resolve(), life or Life()
    parts = {
        "structures": structures,
        "environment": environment,
        "imaging": imaging,
        "microscope": microscope,
        "life": life,
    }
    manifest = {
        "recipe": as_node(parts),
        "seed": seed,
        "n_structures": n_structures,
        "states": life.states,
        "versions": versions(),
    }
    plan = Plan(
        structures=structures, environment=environment, imaging=imaging, life=life, folder=folder, seed=seed
    )
    fill(folder, manifest, partial(make_episode, plan), n_structures, cluster or Local(), each=life.states)
    return Path(output)


def make_episode(plan: Plan, index: int) -> None:
    """Write the shards of all states of a particle that are not there yet."""
    seed, count = plan.seed, plan.life.states
    particle = make_particle(plan.structures, np.random.default_rng([seed, index]))
    facts = particle.specimen()
    times = plan.life.interval * np.arange(count)
    history = np.random.default_rng([seed, index, 3])
    track = make_track([particle], plan.life.processes, Still(), times, history)
    ends = reach(track)
    side, whole = plan.imaging.side(float((ends[1] - ends[0])[:2].max())), ends
    around = None
    if plan.environment is not None:
        rng = np.random.default_rng([seed, index, 2])
        facts, around = surroundings_of(track, facts, plan.environment, side, rng)
        if len(around):
            edges = bounds(around)
            whole = np.stack([np.minimum(ends[0], edges[0]), np.maximum(ends[1], edges[1])])
    for state in range(count):
        number = index * count + state
        if shard_path(plan.folder, number).exists():
            continue
        atoms = track.atoms(state) if around is None else track.atoms(state) + around
        boxed = enclose(atoms, side, ends, whole)
        sigma = facts.thermal_displacements
        about = {
            **facts.about,
            **window_of(facts, side, ends, filled=around is not None),
            "thermal_displacements": sigma,
            "time": float(times[state]),
        }
        stored = plan.imaging.calculate(boxed, sigma, (seed, number, 1))
        write_shard(
            plan.folder,
            Shard(structure=number, side=side, stored=stored, atoms=boxed, about=as_node(about)),
        )
