"""A movie of one particle that tumbles becomes its 3D map, and the map its atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from nanonet.atoms.compare import compare, model_of
from nanonet.atoms.detected import Detected
from nanonet.atoms.off_lattice import OffLattice, displacements, off_lattice
from nanonet.io.writers.volumes import write_mrc
from nanonet.pipeline.atoms import Atoms
from nanonet.pipeline.atoms_compared import (
    comparison_estimates,
    comparison_figures,
    comparison_tables,
    noise_alone,
)
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.pipeline.progress import progress_bar
from nanonet.pipeline.tumbling_said import (
    pose_table,
    shell_table,
    tumbling_estimates,
    tumbling_figures,
    tumbling_warnings,
)
from nanonet.records import FrameResult, InputError, Micrograph, Series, Volume
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.cut import cut
from nanonet.tumbling.parts import half_volumes, part_volumes
from nanonet.tumbling.place import places
from nanonet.tumbling.scaffold import scaffolds
from nanonet.tumbling.solved import Solved
from nanonet.tumbling.track import track_of

Solve = Callable[..., Solved]


@dataclass(frozen=True, kw_only=True)
class Tumbling:
    """read -> place of each frame -> (all: follow -> cut -> poses and map of each half -> atoms) -> report.

    Parameters
    ----------
    solve
        Finds the map of the boxes; a `nanonet.tumbling.solve.Solver`.
    atoms
        What is made of the map.
    parts
        Parts of equal length in time, of each of which a map and a model of its own are made besides, in the
        poses that all frames together gave; 1 makes none.

    Raises
    ------
    InputError
        If there is less than one part, or the crystal is none that poses can be started from.
    """

    name: ClassVar[str] = "tumbling"
    solve: Solve
    atoms: Atoms
    parts: int = 1

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise InputError(f"parts must be 1 or more, got {self.parts}")
        scaffolds(self.atoms.crystal, self.atoms.crystal.lattice_constant)

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the spots that stand out of one frame."""
        return FrameResult(frame=micrograph.frame, tables=(places(micrograph),))

    def conclude(self, found: Found) -> Conclusion:
        """Follow the particle, find its map, and the atoms of the map."""
        pixel_size = _pixel_size(found.series)
        track = track_of(found.tables["places"].data)
        found.workspace.mkdir(parents=True, exist_ok=True)
        boxes, said = cut(found.series, track, pixel_size, found.workspace / "boxes.npy")
        with progress_bar("poses", total=self.solve.steps) as advance:  # type: ignore[attr-defined]
            solved = self.solve(boxes, self.atoms.crystal, found.workspace, advance)
        detected = self.atoms.detected(solved.volume)
        agreement = self._halves_agree(boxes, solved)
        model = self.atoms.concluded(detected, solved.volume)
        in_time = self._in_time(boxes, solved)
        poses, frame_time = pose_table(boxes, solved), found.series.stacks[0].frame_time
        return Conclusion(
            tables=(poses, shell_table(solved), *model.tables, *in_time.tables),
            estimates=(
                *tumbling_estimates(solved, agreement, poses, frame_time),
                *model.estimates,
                *in_time.estimates,
            ),
            figures=(*tumbling_figures(boxes, solved, poses, frame_time), *model.figures, *in_time.figures),
            warnings=(*tumbling_warnings(solved, agreement), *said, *model.warnings, *in_time.warnings),
            writers=(partial(_write_map, solved.volume, "map"), *model.writers, *in_time.writers),
        )

    def _halves_agree(self, boxes: Boxes, solved: Solved) -> OffLattice:
        """Return how the atoms of both half maps, sought in each by itself, lie beside the lattice."""
        sets = []
        for half in half_volumes(boxes, solved):
            try:
                sets.append(displacements(self.atoms.detected(half)))
            except InputError:  # of a half too poor for any atom
                sets.append((np.zeros((0, 3)), np.zeros((0, 3))))
        rng = np.random.default_rng(0)
        return off_lattice(sets[0], sets[1], self.atoms.crystal.bond_length, rng)

    def _write_part(self, volume: Volume, detected: Detected, name: str, folder: Path) -> None:
        _write_map(volume, name, folder)
        (folder / name).mkdir(exist_ok=True)
        self.atoms.write_model(detected, folder / name)

    def _in_time(self, boxes: Boxes, solved: Solved) -> Conclusion:
        """Return what the maps of the parts of the movie add: each compared with the last."""
        if self.parts == 1:
            return Conclusion(tables=())
        volumes = part_volumes(boxes, solved, self.parts)
        found = [self.atoms.detected(volume) for volume in volumes]
        models = [model_of(one, f"part_{number}") for number, one in enumerate(found, start=1)]
        last, earlier = models[-1], models[:-1]
        comparisons = [compare(last, one, self.atoms.crystal) for one in earlier]
        noise = noise_alone(found[-1], self.atoms.detect, self.atoms.crystal, self.atoms.noise_draws)
        tables = comparison_tables(last, earlier, comparisons, noise)
        return Conclusion(
            tables=tables,
            estimates=comparison_estimates(*tables),
            figures=comparison_figures(tables[1]),
            writers=tuple(
                partial(self._write_part, volume, one, f"part_{number}")
                for number, (volume, one) in enumerate(zip(volumes, found, strict=True), start=1)
            ),
        )


def _pixel_size(series: Series) -> float:
    if not series.is_movie:
        raise InputError(
            f"{series.name} is no movie: pipeline=tumbling needs the frames of one particle in time"
        )
    if series.pixel_size is None:
        raise InputError(f"{series.name}: a map needs a pixel size: give read.pixel_size=0.3 (Å)")
    return series.pixel_size


def _write_map(volume: Volume, name: str, folder: Path) -> None:
    write_mrc(folder / "volumes" / f"{name}.mrc", volume)
