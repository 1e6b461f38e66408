"""A mixed population: particles are grouped by likeness, and each class becomes one 3D map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import pandas as pd
from jaxtyping import Int

from nanonet.cluster.assign import assign
from nanonet.cluster.gather import Chosen, choose
from nanonet.cluster.log import grouping_table
from nanonet.cluster.partition import Method, members
from nanonet.cluster.properties import Features
from nanonet.cluster.search import Choice, search
from nanonet.cluster.table import class_table
from nanonet.cluster.window import within
from nanonet.io.record_arrays import load_record, save_record
from nanonet.measure.images import describe
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.pipeline.maps import ClassMap, map_estimates, map_figures, map_tables, map_writers
from nanonet.pipeline.progress import progress_bar
from nanonet.reconstruct.reconstruction import Reconstruction
from nanonet.records import (
    ClassTable,
    Estimate,
    FrameResult,
    LabelMap,
    Micrograph,
    ParticleImages,
    ParticleTable,
)
from nanonet.report.particle_figures import particle_figures
from nanonet.report.population_figures import scatter_figure


@dataclass(frozen=True, kw_only=True)
class Population:
    """read -> segment -> measure -> (all images: cut out -> features -> group -> a map a class) -> report.

    Parameters
    ----------
    features
        What particles are told apart by.
    classes
        How they are grouped.
    reconstruct
        Makes one map of particles that look alike.
    pixels
        Side of the images and maps of particles at most.
    smallest, largest
        Particles of a class.
    """

    name: ClassVar[str] = "population"
    segment: Callable[[Micrograph], LabelMap]
    measure: Callable[[Micrograph, LabelMap], ParticleTable]
    features: Callable[[pd.DataFrame, ParticleImages], Features]
    classes: Method
    reconstruct: Callable[..., Reconstruction]
    pixels: int = 96
    smallest: int = 20
    largest: int = 200
    seed: int = 0

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the particles of one image, and their instance map."""
        label_map = self.segment(micrograph)
        table = self.measure(micrograph, label_map)
        return FrameResult(
            frame=micrograph.frame,
            tables=(table, describe(micrograph, label_map, table)),
            maps={"labels": label_map.labels},
        )

    def conclude(self, found: Found) -> Conclusion:
        """Group the particles of all images, and make a map of each class."""
        particles = cast(ParticleTable, found.tables["particles"])
        chosen = choose(particles.data, found.series, found.maps("labels"), pixels=self.pixels)
        features = self.features(chosen.rows, chosen.cuts)
        choice = search(
            features.values, [self.classes], np.random.default_rng([self.seed, 1]), smallest=self.smallest
        )
        kinds = assign(features.values, choice.best.labels)
        mass = chosen.cuts.images.sum(axis=(1, 2))
        groups, said = within(kinds.labels, mass, smallest=self.smallest, largest=self.largest)
        maps = tuple(self._maps(chosen, kinds.labels, groups, found.workspace))
        table = _with_scores(class_table(chosen.rows, kinds.labels, groups, kinds.probability), maps)
        particles = cast(ParticleTable, particles.with_data(_with_classes(particles.data, table.data)))
        return Conclusion(
            tables=(particles, found.tables["images"], table, grouping_table(choice), *map_tables(maps)),
            estimates=(*_numbers(table, choice), *map_estimates(maps)),
            figures=(
                scatter_figure(features.values, table),
                *map_figures(maps),
                *particle_figures(particles),
            ),
            warnings=(f"grouping: {choice.reason}", *said, *_left_out(chosen, table)),
            writers=map_writers(maps, chosen.cuts),
        )

    def _maps(
        self, chosen: Chosen, kinds: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], workspace: Path
    ) -> Iterator[ClassMap]:
        """Yield the map of each class; one that was made before the run was stopped is read."""
        classes = members(groups)
        with progress_bar("maps", total=len(classes)) as advance:
            for number, own in enumerate(classes):
                path = workspace / f"class_{number + 1:02d}.npz"
                cuts = _of(chosen.cuts, np.flatnonzero(own))
                made = load_record(path, Reconstruction)
                if made is None or not np.array_equal(made.orientations.particle_ids, cuts.particle_ids):
                    rng = np.random.default_rng([self.seed, 2, number])
                    made = self.reconstruct(cuts, rng, class_id=number + 1)
                    workspace.mkdir(parents=True, exist_ok=True)
                    save_record(path, made)
                yield ClassMap(class_id=number + 1, kind_id=int(kinds[own][0]) + 1, cuts=cuts, found=made)
                advance(1)


def _of(cuts: ParticleImages, which: Int[np.ndarray, " m"]) -> ParticleImages:
    return replace(
        cuts, images=cuts.images[which], particle_ids=cuts.particle_ids[which], noise=cuts.noise[which]
    )


def _with_scores(table: ClassTable, maps: tuple[ClassMap, ...]) -> ClassTable:
    data = table.data.copy()
    for one in maps:
        rows = np.asarray(one.cuts.particle_ids) - 1
        data.loc[rows, "correlation"] = one.found.held_out_correlations
        data.loc[rows, "control_correlation"] = one.found.control_correlations
    return cast(ClassTable, table.with_data(data))


def _with_classes(particles: pd.DataFrame, classes: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of particles.csv with their classes; those that were not grouped have none."""
    keys = ["image", "frame", "particle_id"]
    known = particles[keys].merge(classes[[*keys, "class_id"]], on=keys, how="left")["class_id"]
    return particles.assign(class_id=known.astype("Int64").to_numpy())


def _numbers(table: ClassTable, choice: Choice) -> tuple[Estimate, ...]:
    data = table.data
    used = int(data["class_id"].notna().sum())
    return (
        Estimate(name="particles grouped", value=float(len(data)), note="whole, and none at the border"),
        Estimate(name="kinds", value=float(data["kind_id"].nunique()), note=choice.reason),
        Estimate(name="classes with a map", value=float(data["class_id"].nunique())),
        Estimate(name="particles used", value=used / len(data), unit="share", note=f"{used} of {len(data)}"),
    )


def _left_out(chosen: Chosen, table: ClassTable) -> Iterator[str]:
    for why, count in chosen.left_out.items():
        if count:
            yield f"{count} particles {why} and were not grouped"
    for reason, count in table.data["left_out"].value_counts().items():
        if reason:
            yield f"{count} particles are in no class: {reason}"
