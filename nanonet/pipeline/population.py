"""A mixed population: particles are grouped by likeness, and each class becomes one 3D map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from nanonet.cluster.assign import assign
from nanonet.cluster.gather import Chosen, choose
from nanonet.cluster.log import grouping_table
from nanonet.cluster.partition import Method, members
from nanonet.cluster.properties import Features
from nanonet.cluster.search import Choice, search
from nanonet.cluster.second_look import moved, suspects
from nanonet.cluster.table import class_table
from nanonet.cluster.window import within
from nanonet.io.record_arrays import load_record, save_record
from nanonet.measure.distribution import size_distribution
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.pipeline.like_maps import joined_classes, like_kinds
from nanonet.pipeline.maps import ClassMap, map_estimates, map_figures, map_tables, map_warnings, map_writers
from nanonet.pipeline.particles import particles_of
from nanonet.pipeline.progress import progress_bar
from nanonet.pipeline.retired import retired
from nanonet.reconstruct.images import FEWEST
from nanonet.reconstruct.likeness import likeness
from nanonet.reconstruct.members import with_members
from nanonet.reconstruct.reconstruction import Reconstruction
from nanonet.reconstruct.score import MapScores
from nanonet.records import (
    ClassTable,
    Estimate,
    FrameResult,
    ImageTable,
    InputError,
    LabelMap,
    Micrograph,
    ParticleImages,
    ParticleTable,
)
from nanonet.report.particle_figures import particle_figures
from nanonet.report.population_figures import scatter_figure

_FEWEST_PIXELS = 16
_FEW = 0.05
"""Share of a class that may change without its map being made anew."""


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
    score
        Says how well particles fit maps.
    pixels
        Side of the images and maps of particles at most.
    looks
        How often particles that fit their class's map badly are tried on the others, at most.
    smallest, largest
        Particles of a class.

    Raises
    ------
    InputError
        If one of the numbers is out of range.
    """

    name: ClassVar[str] = "population"
    segment: Callable[[Micrograph], LabelMap]
    measure: Callable[[Micrograph, LabelMap], ParticleTable]
    features: Callable[[pd.DataFrame, ParticleImages], Features]
    classes: Method
    reconstruct: Callable[..., Reconstruction]
    score: Callable[..., MapScores]
    pixels: int = 96
    looks: int = 1
    smallest: int = 20
    largest: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        wanted = {
            "pipeline.pixels must be even and at least 16": self.pixels >= _FEWEST_PIXELS
            and self.pixels % 2 == 0,
            f"pipeline.smallest must be at least {FEWEST}": self.smallest >= FEWEST,
            "pipeline.largest must not be less than pipeline.smallest": self.largest >= self.smallest,
            "pipeline.looks must not be negative": self.looks >= 0,
        }
        for rule, held in wanted.items():
            if not held:
                got = f"pixels {self.pixels}, smallest {self.smallest}, largest {self.largest}"
                raise InputError(f"{rule}; got {got}, looks {self.looks}")

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the particles of one image, and their instance map."""
        return particles_of(micrograph, self.segment, self.measure)

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
        kept = _Kept(cuts=chosen.cuts, workspace=found.workspace)
        maps = tuple(self._maps(kept, groups, kinds.labels, made=(), look=1))
        groups, maps, looked = self._looked_again(kept, groups, kinds.labels, maps)
        groups, labels, maps, joined = self._joined(kept, groups, kinds.labels, maps)
        kind_of = _kinds_of(labels, groups)
        table = _with_scores(class_table(chosen.rows, kind_of, groups, kinds.probability, kinds.mixed), maps)
        maps = tuple(replace(one, kind_id=_kind(kind_of, groups, one)) for one in maps)
        particles = cast(ParticleTable, particles.with_data(_with_classes(particles.data, table.data)))
        images = cast(ImageTable, found.tables["images"])
        sizes = size_distribution(particles, images)
        return Conclusion(
            tables=(particles, images, sizes, table, grouping_table(choice), *map_tables(maps)),
            estimates=(*_numbers(table, choice), *map_estimates(maps)),
            figures=(
                scatter_figure(features.values, table),
                *map_figures(maps),
                *particle_figures(particles, sizes),
            ),
            warnings=(
                f"grouping: {choice.reason}",
                *map_warnings(maps),
                *said,
                *looked,
                *joined,
                *_left_out(chosen, table),
            ),
            writers=map_writers(maps, chosen.cuts, energy=found.series[0].energy),
        )

    def _looked_again(
        self,
        kept: _Kept,
        groups: Int[np.ndarray, " n"],
        kinds: Int[np.ndarray, " n"],
        maps: tuple[ClassMap, ...],
    ) -> tuple[Int[np.ndarray, " n"], tuple[ClassMap, ...], tuple[str, ...]]:
        """Return classes and maps after those that fit badly were tried on all maps, and what came of it."""
        said: list[str] = []
        for look in range(2, 2 + self.looks):
            own = _own_correlations(len(groups), maps)
            which = np.flatnonzero(suspects(groups, own))
            if not len(which) or not maps:
                break
            scores = self.score(
                _of(kept.cuts, which),
                [one.found.volume for one in maps],
                point_groups=[one.found.point_group for one in maps],
            ).correlations
            change = moved(groups, own, which, scores)
            if np.array_equal(change.classes, groups):
                break
            said.append(
                f"look {look} at the maps: {int(change.joined.sum())} particles went where they fit better, "
                f"{int(change.dropped.sum())} that fit no map were left out"
            )
            groups, maps, lost = retired(change.classes, maps, smallest=self.smallest)
            said += lost
            maps = tuple(self._maps(kept, groups, kinds, made=maps, look=look))
        return groups, maps, tuple(said)

    def _joined(
        self,
        kept: _Kept,
        groups: Int[np.ndarray, " n"],
        kinds: Int[np.ndarray, " n"],
        maps: tuple[ClassMap, ...],
    ) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], tuple[ClassMap, ...], tuple[str, ...]]:
        """Return classes, kinds and maps after kinds whose maps are alike became one, and why."""
        like = like_kinds(maps, lambda one, other: likeness(one.found, other.found))
        if all(kind == to for kind, to in like.kind_of.items()):
            return groups, kinds, maps, like.said
        merged = np.array([like.kind_of.get(int(kind) + 1, int(kind) + 1) - 1 for kind in kinds])
        groups, remaining = joined_classes(groups, maps, like.kind_of, largest=self.largest)
        remade = tuple(self._maps(kept, groups, merged, made=remaining, look=self.looks + 2))
        return groups, merged, remade, like.said

    def _maps(
        self,
        kept: _Kept,
        groups: Int[np.ndarray, " n"],
        kinds: Int[np.ndarray, " n"],
        *,
        made: tuple[ClassMap, ...],
        look: int,
    ) -> Iterator[ClassMap]:
        """Yield the map of each class; those that are there and hardly changed, or were stored, are taken.

        Classes of a kind have one point group, that of the first. Whatever map is taken, its particles are
        those of the class.
        """
        classes = members(groups)
        kind_of = _kinds_of(kinds, groups)
        known = {one.kind_id: one.found.point_group for one in made}
        with progress_bar("maps", total=len(classes)) as advance:
            for number, own in enumerate(classes):
                cuts = _of(kept.cuts, np.flatnonzero(own))
                kind = int(kind_of[own][0]) + 1
                if number < len(made) and _alike(made[number].cuts, cuts):
                    yield _now_of(made[number], cuts)
                else:
                    path = kept.workspace / f"look_{look}_class_{number + 1:02d}.npz"
                    found = load_record(path, Reconstruction)
                    if found is None or not np.array_equal(
                        found.orientations.particle_ids, cuts.particle_ids
                    ):
                        rng = np.random.default_rng([self.seed, look, number])
                        found = self._map(cuts, rng, number + 1, known.get(kind))
                        kept.workspace.mkdir(parents=True, exist_ok=True)
                        save_record(path, found)
                    known.setdefault(kind, found.point_group)
                    yield ClassMap(class_id=number + 1, kind_id=kind, cuts=cuts, found=found)
                advance(1)

    def _map(
        self, cuts: ParticleImages, rng: np.random.Generator, class_id: int, point_group: str | None
    ) -> Reconstruction:
        """Return the map of a class, in the point group of its kind where that is known."""
        if point_group is None:
            return self.reconstruct(cuts, rng, class_id=class_id)
        found = self.reconstruct(cuts, rng, class_id=class_id, point_group=point_group)
        return replace(found, choice=replace(found.choice, reason="that of the kind's first class"))


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """The particles of all images, and the folder for maps that are made."""

    cuts: ParticleImages
    workspace: Path


def _alike(one: ParticleImages, other: ParticleImages) -> bool:
    """Return whether two classes hold the same particles but for a few."""
    common = np.intersect1d(one.particle_ids, other.particle_ids)
    return max(len(one), len(other)) - len(common) <= _FEW * len(one)


def _now_of(one: ClassMap, cuts: ParticleImages) -> ClassMap:
    """Return a class with its map and the particles that are in it now."""
    if np.array_equal(one.cuts.particle_ids, cuts.particle_ids):
        return one
    return replace(one, cuts=cuts, found=with_members(one.found, cuts, class_id=one.class_id))


def _own_correlations(count: int, maps: tuple[ClassMap, ...]) -> Float[np.ndarray, " n"]:
    """Return how each particle fits the half map of its class that it had no part in; NaN without a class."""
    found = np.full(count, np.nan)
    for one in maps:
        found[np.asarray(one.cuts.particle_ids) - 1] = one.found.held_out_correlations
    return found


def _kinds_of(kinds: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return the kind of each particle, which one that went to another class takes from there."""
    found = kinds.copy()
    for own in members(groups):
        found[own] = np.bincount(kinds[own & (kinds >= 0)], minlength=1).argmax()
    return found


def _kind(kinds: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], one: ClassMap) -> int:
    return int(kinds[groups == one.class_id - 1][0]) + 1


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
        data.loc[rows, "size_over_map"] = one.found.sizes
        data.loc[rows, "intensity_over_map"] = one.found.intensities
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
