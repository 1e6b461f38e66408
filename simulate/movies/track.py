"""A particle's whole life: its sites, what happened, how it lay; and the atoms of any moment from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.movies.evolve import Events, Recorder, advance, filled_at, settle
from simulate.movies.lattice import World, make_lattice
from simulate.movies.motion import Motion, Poses
from simulate.movies.process import Process
from simulate.movies.zones import Zones, no_zones, zones_of
from simulate.shards.arrays import read_arrays, write_arrays
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE
from simulate.structures.particle import Particle

if TYPE_CHECKING:
    from ase import Atoms


@dataclass(frozen=True, kw_only=True)
class Track:
    """What happened to particles, at moments when they are looked at.

    Parameters
    ----------
    positions, displacements
        (n, 3) of all sites in the frame of their particle [Å]; the former contain the latter.
    numbers, columns, counted, instances, occupied
        (n,) of the sites at first; see `simulate.movies.lattice.Lattice`.
    times
        (s,) of the moments [s].
    poses
        At those times.
    events
        Up to the last of the times.
    frames
        (particle, 3, 3) rotation from the crystal's own frame to that of the particle.
    zones
        Columns along other axes, for particles that turn.
    """

    positions: Float[np.ndarray, "n 3"]
    displacements: Float[np.ndarray, "n 3"]
    numbers: Int[np.ndarray, " n"]
    columns: Int[np.ndarray, " n"]
    counted: Bool[np.ndarray, " n"]
    instances: Int[np.ndarray, " n"]
    occupied: Bool[np.ndarray, " n"]
    times: Float[np.ndarray, " s"]
    poses: Poses
    events: Events
    frames: Float[np.ndarray, "p 3 3"]
    zones: Zones

    def __len__(self) -> int:
        return len(self.times)

    def happened(self, moment: int) -> int:
        """Return how many events are over by a moment."""
        return int(np.searchsorted(self.events.times, self.times[moment], side="right"))

    def orientation(self, moment: int) -> Float[np.ndarray, "p 3 3"]:
        """Return the rotations from the crystals' own frames to that of the beam."""
        return np.asarray(self.poses.rotations[moment] @ self.frames)

    def atoms(self, moment: int) -> Atoms:
        """Return the atoms of a moment in the frame of the beam, with the arrays of `simulate.specimen`."""
        from ase import Atoms

        occupied, numbers = filled_at(self.occupied, self.numbers, self.events, self.happened(moment))
        at = np.flatnonzero(occupied)
        owner = self.instances[at]
        rotation = self.poses.rotations[moment][owner]
        shift = self.poses.shifts[moment][owner]
        atoms = Atoms(numbers=numbers[at], positions=_turned(rotation, self.positions[at]) + shift)
        atoms.set_array(COLUMN, self.columns_at(moment)[at])
        atoms.set_array(COUNTED, self.counted[at])
        atoms.set_array(INSTANCE, owner + 1)
        atoms.set_array(DISPLACEMENT, _turned(rotation, self.displacements[at]))
        return atoms

    def columns_at(self, moment: int) -> Int[np.ndarray, " n"]:
        """Return the column of every site; -1 where no zone axis is near the beam."""
        if not len(self.zones):
            return self.columns
        return self.zones.columns_along(self.orientation(moment), self.instances)

    def zone_facts(self, moment: int) -> dict[str, object]:
        """Return how the first particle lies at a moment: its rotation and, if it turns, its zone axis."""
        rotation = self.orientation(moment)[0]
        facts: dict[str, object] = {"rotation": rotation.tolist()}
        if len(self.zones):
            axis, angle = self.zones.nearest(rotation)
            near = angle <= float(self.zones.near[0])
            facts |= {"zone_axis": self.zones.axes[axis].tolist() if near else None}
        return facts

    def distinct(self) -> Int[np.ndarray, " s"]:
        """Return which state each moment has: 0, 1, ..., the same one as long as no atom moves."""
        done = np.searchsorted(self.events.times, self.times, side="right")
        turned = np.diff(self.poses.rotations, axis=0).any(axis=(1, 2, 3))
        shifted = np.diff(self.poses.shifts, axis=0).any(axis=(1, 2))
        changed = (np.diff(done) > 0) | turned | shifted
        return np.concatenate([[0], np.cumsum(changed)])


def make_track(
    particles: Sequence[Particle],
    processes: Sequence[Process],
    motion: Motion,
    times: Float[np.ndarray, " s"],
    rng: np.random.Generator,
) -> Track:
    """Let particles move and change.

    Anions follow the counted atoms at the moments when the particles are looked at.

    Parameters
    ----------
    times
        When they are looked at [s], the first of them 0.
    """
    poses = motion.poses(particles, times, rng)
    lattice = make_lattice(particles)
    occupied = np.concatenate([particle.occupied for particle in particles])
    positions, displacements = _in_place(particles)
    world, record = World(lattice, occupied), Recorder()
    where: np.ndarray | None = None
    for moment in range(len(times)):
        before = world.occupied.copy()
        if moment:
            advance(world, processes, (times[moment - 1], times[moment]), rng, record)
        if moment == poses.contact:
            shifts = poses.shifts[moment][lattice.instances]
            where = _turned(poses.rotations[moment][lattice.instances], positions) + shifts
            world = World(make_lattice(particles, where), world.occupied, world.numbers)
        if moment:
            settle(world, particles, before, float(times[moment]), record, where)
    return Track(
        positions=positions,
        displacements=displacements,
        numbers=lattice.numbers,
        columns=lattice.columns,
        counted=lattice.counted,
        instances=lattice.instances,
        occupied=occupied,
        times=np.asarray(times, dtype=float),
        poses=poses,
        events=record.events(),
        frames=np.stack([particle.mistilt @ particle.sites.rotation for particle in particles]),
        zones=zones_of(particles, motion) if motion.zone_axes else no_zones(len(lattice)),
    )


def _in_place(
    particles: Sequence[Particle],
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Return positions and displacements of all sites, in the frame of their particle."""
    moved = [(p.sites.positions + p.displacements) @ p.mistilt.T for p in particles]
    return np.concatenate(moved), np.concatenate([p.displacements @ p.mistilt.T for p in particles])


def _turned(rotations: Float[np.ndarray, "n 3 3"], vectors: Float[np.ndarray, "n 3"]) -> np.ndarray:
    return np.asarray(np.einsum("nij,nj->ni", rotations, vectors))


def write_track(path: Path, track: Track) -> None:
    """Write a track; it appears whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    attributes = {"contact": track.poses.contact}
    for name, value in asdict(track).items():
        if isinstance(value, dict):
            inner = {f"{name}/{key}": array for key, array in value.items() if key != "contact"}
            arrays |= inner
        else:
            arrays[name] = value
    kinds, arrays["events/kinds"] = np.unique(arrays["events/kinds"], return_inverse=True)
    write_arrays(path, arrays, {**attributes, "kinds": kinds.tolist()})


def read_track(path: Path) -> Track:
    """Read a track."""
    arrays, attributes = read_arrays(path)
    arrays["events/kinds"] = np.array(attributes["kinds"], dtype="U12")[arrays["events/kinds"]]
    parts = {
        part: {key.split("/")[1]: value for key, value in arrays.items() if key.startswith(f"{part}/")}
        for part in ("poses", "events", "zones")
    }
    own = {field.name: arrays[field.name] for field in fields(Track) if field.name in arrays}
    return Track(
        **own,
        poses=Poses(**parts["poses"], contact=attributes["contact"]),
        events=Events(**parts["events"]),
        zones=Zones(**parts["zones"]),
    )
