"""The truth of a movie as tables: columns, poses and events."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from nanonet.io.atomic import atomic_path
from simulate.movies.film import Film, Scene, States
from simulate.movies.settings import has_value, value_of
from simulate.movies.track import Track
from simulate.specimen import COLUMN, INSTANCE
from simulate.truth import Columns, columns_of

if TYPE_CHECKING:
    from ase import Atoms

TRUTH = "truth.csv"
OTHERS = "other_columns.csv"
POSES = "poses.csv"
EVENTS = "events.csv"
ATOMS = "atoms.extxyz"
TRUTH_COLUMNS = ("frame", "column_id", "y_angstrom", "x_angstrom", "depth")


def write_tables(folder: Path, film: Film, track: Track, states: States) -> None:
    """Write what is true of each frame: truth.csv, other_columns.csv, poses.csv.

    The first has one row a column that holds counted atoms and lies in the frame, the second those of the
    other columns (of anions, which have no depth), the third one row a frame and particle.
    """
    distinct, elements = track.distinct(), elements_of(track)
    with ExitStack() as stack:
        truth, others, poses = (
            stack.enter_context(atomic_path(folder / name)) for name in (TRUTH, OTHERS, POSES)
        )
        last, columns, owners = -1, None, {}
        for frame in range(len(film)):
            scene = film[frame]
            state = int(distinct[scene.moment])
            if state != last or columns is None:
                atoms = states[state].atoms
                last, columns, owners = state, columns_of(atoms), _owners(atoms)
            seen = columns.seen(scene.view)
            for path, chosen in ((truth, seen.depths > 0), (others, seen.depths == 0)):
                _append(path, column_rows(frame, seen.take(chosen), owners, elements), first=frame == 0)
            _append(poses, pose_rows(scene, state, track, states[state].atoms), first=frame == 0)


def column_rows(frame: int, seen: Columns, owners: dict[int, int], elements: tuple[str, ...]) -> pd.DataFrame:
    """Return one row a column, in the frame's own coordinates."""
    y, x = seen.positions.T
    rows = pd.DataFrame(
        dict(zip(TRUTH_COLUMNS, (np.full(len(seen), frame), seen.ids, y, x, seen.depths), strict=True))
    )
    rows["particle"] = [owners[int(column)] for column in seen.ids]
    for element in elements:
        there = element in seen.elements
        rows[f"atoms_{element}"] = seen.counts[:, seen.elements.index(element)] if there else 0
    rows["occupancy"] = seen.occupancy
    rows["displacement_y_angstrom"], rows["displacement_x_angstrom"] = seen.displacements.T
    return rows


def pose_rows(scene: Scene, state: int, track: Track, atoms: Atoms) -> pd.DataFrame:
    """Return one row a particle: when and how the frame was taken, where the particle is, how it lies.

    Its centre is the middle of its atoms' bounds; the rotation r_ij acts on column vectors (x, y, z) of the
    crystal's own frame.
    """
    rotations = track.orientation(scene.moment)
    rows = []
    for particle, rotation in enumerate(rotations, start=1):
        own = atoms.positions[atoms.arrays[INSTANCE] == particle]
        middle = (own.min(axis=0) + own.max(axis=0)) / 2 if len(own) else np.full(3, np.nan)
        y, x = scene.view.to_image(middle[None, 1::-1])[0]
        row = {
            "frame": scene.frame,
            "particle": particle,
            "state": state,
            "time_s": scene.time,
            "origin_y_angstrom": scene.view.origin[0],
            "origin_x_angstrom": scene.view.origin[1],
            "centre_y_angstrom": y,
            "centre_x_angstrom": x,
            "defocus_angstrom": _known(scene, "defocus"),
            "dose": scene.setting.dose,
            **_zone(track, rotation),
        }
        names = [f"r{i}{j}" for i in (1, 2, 3) for j in (1, 2, 3)]
        rows.append(row | dict(zip(names, rotation.ravel(), strict=True)))
    return pd.DataFrame(rows)


def _known(scene: Scene, name: str) -> float | None:
    return float(value_of(scene.setting, name)) if has_value(scene.setting, name) else None


def _zone(track: Track, rotation: np.ndarray) -> dict[str, object]:
    """Return which zone axis is nearest to the beam, for particles that turn."""
    if not len(track.zones):
        return {"zone_axis": None, "off_axis_degrees": None}
    axis, angle = track.zones.nearest(rotation)
    return {"zone_axis": " ".join(map(str, track.zones.axes[axis])), "off_axis_degrees": angle}


def event_rows(track: Track, frames_per_moment: int) -> pd.DataFrame:
    """Return one row an event; its frame is the first that shows it, no column or site is empty."""
    from ase.data import chemical_symbols

    events = track.events
    moments = np.searchsorted(track.times, events.times, side="left")
    return pd.DataFrame(
        {
            "time_s": events.times,
            "frame": moments * frames_per_moment,
            "kind": events.kinds,
            "element": [chemical_symbols[number] for number in events.numbers],
            "from_column": _or_empty(_columns_of_events(track, moments, events.sources)),
            "to_column": _or_empty(_columns_of_events(track, moments, events.targets)),
            "from_site": _or_empty(events.sources),
            "to_site": _or_empty(events.targets),
        }
    )


def _columns_of_events(track: Track, moments: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """Return the column of the site of each event at the moment that first shows it, -1 for none."""
    columns = np.full(len(sites), -1, dtype=np.int64)
    for moment in np.unique(moments):
        these = moments == moment
        columns[these] = np.append(track.columns_at(int(moment)), -1)[sites[these]]
    return columns


def _or_empty(values: np.ndarray) -> pd.Series[int]:
    """Return whole numbers, missing where they are negative."""
    return pd.Series(values, dtype="Int64").where(pd.Series(values >= 0))


def write_events(folder: Path, track: Track, frames_per_moment: int) -> None:
    """Write events.csv."""
    with atomic_path(folder / EVENTS) as path:
        _append(path, event_rows(track, frames_per_moment), first=True)


def write_atoms(folder: Path, states: States, track: Track) -> None:
    """Write the atoms of every state, in their box, as atoms.extxyz."""
    from ase.io import write

    with atomic_path(folder / ATOMS) as path:
        for state in range(int(track.distinct()[-1]) + 1):
            atoms = states[state].atoms
            atoms.info = {"state": state}
            write(path, atoms, format="extxyz", append=state > 0)


def elements_of(track: Track) -> tuple[str, ...]:
    """Return the elements that the particles may hold."""
    from ase.data import chemical_symbols

    return tuple(chemical_symbols[number] for number in np.unique(track.numbers))


def _owners(atoms: Atoms) -> dict[int, int]:
    """Return the particle of each column."""
    columns, first = np.unique(atoms.arrays[COLUMN], return_index=True)
    owners = atoms.arrays[INSTANCE][first]
    return dict(zip(columns.tolist(), owners.tolist(), strict=True))


def _append(path: Path, rows: pd.DataFrame, *, first: bool) -> None:
    rows.to_csv(path, mode="a", header=first, index=False, float_format="%.5f")
