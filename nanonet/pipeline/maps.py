"""The maps of a population: their tables, headline numbers and files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from nanonet.io.writers.stacks import write_mrc_stack
from nanonet.io.writers.star import StarOptics, write_star
from nanonet.io.writers.volumes import write_mrc
from nanonet.reconstruct.class_average import class_averages
from nanonet.reconstruct.point_group import relion_name
from nanonet.reconstruct.reconstruction import RIGHT, Reconstruction
from nanonet.reconstruct.refine import SAME
from nanonet.reconstruct.shell_correlation import never_below
from nanonet.records import Column, Estimate, Orientations, ParticleImages, Table, Volume
from nanonet.report.content import Figure
from nanonet.report.map_figures import averages_figure, coverage_figure, shells_figure, surface_figure
from nanonet.report.population_figures import members_figure

STACK = "particles.mrcs"
_THRESHOLD = 0.143
_FSC_COLUMNS = (
    Column(name="class_id", unit="", meaning="class, from 1"),
    Column(name="frequency_per_angstrom", unit="1/Å", meaning="spatial frequency of the shell"),
    Column(
        name="fsc",
        unit="",
        meaning="correlation of the two half maps in this shell within a soft mask, without the mask's part",
    ),
    Column(name="fsc_masked", unit="", meaning="the same with the mask's part"),
    Column(
        name="fsc_randomised",
        unit="",
        meaning="the mask's part: of the half maps with random phases beyond where they agree below 0.8",
    ),
)
_MAP_COLUMNS = (
    Column(name="class_id", unit="", meaning="class, from 1; its map is volumes/class_NN.mrc"),
    Column(name="kind_id", unit="", meaning="kind that the class is a part of, from 1"),
    Column(name="particles", unit="", meaning="number of particles"),
    Column(name="voxel_size_angstrom", unit="Å", meaning="of the map"),
    Column(
        name="resolution_fsc_0143_angstrom", unit="Å", meaning="where the half maps' FSC falls below 0.143"
    ),
    Column(
        name="limited_by_pixels",
        unit="",
        meaning="whether it never does: that resolution is twice the pixel, and the map may hold more",
    ),
    Column(name="resolution_fsc_05_angstrom", unit="Å", meaning="where it falls below 0.5"),
    Column(
        name="correlation",
        unit="",
        meaning="median correlation of particles with the half map that they had no part in",
    ),
    Column(name="control_correlation", unit="", meaning="the same with the map averaged over all rotations"),
    Column(
        name="largest_gap_degrees", unit="°", meaning="from any direction of view to the nearest particle's"
    ),
    Column(name="point_group", unit="", meaning="of the map, in its standard axes along x, y and z"),
    Column(name="point_group_reason", unit="", meaning="why this point group"),
    Column(
        name="relion_symmetry",
        unit="",
        meaning="what RELION calls it in these axes; of T, whose axes it sets otherwise, and of K, which it "
        "lacks, the largest group that it has here",
    ),
    Column(
        name="explained",
        unit="",
        meaning="share that the half maps explain of particles that they were not made of: 0 is a ball, 1 "
        "what the best coarse maps explain; below 0.9 the map is wrong",
    ),
)


class ShellTable(Table):
    """fsc.csv: Fourier shell correlation of the half maps of every class."""

    stem = "fsc"


class MapTable(Table):
    """maps.csv: one row a map."""

    stem = "maps"


@dataclass(frozen=True, kw_only=True)
class ClassMap:
    """A class, the images of its particles, and what was made of them."""

    class_id: int
    kind_id: int = 0
    cuts: ParticleImages
    found: Reconstruction


def map_tables(maps: Sequence[ClassMap]) -> tuple[Table, ...]:
    """Return maps.csv and fsc.csv."""
    rows = [
        (
            one.class_id,
            one.kind_id,
            len(one.cuts),
            one.found.volume.voxel_size,
            one.found.resolution_fsc_0143,
            _limited(one),
            one.found.resolution_fsc_05,
            float(np.median(one.found.held_out_correlations)),
            float(np.median(one.found.control_correlations)),
            float(np.degrees(one.found.coverage.largest_gap)),
            one.found.point_group,
            one.found.choice.reason,
            relion_name(one.found.point_group),
            one.found.explained,
        )
        for one in maps
    ]
    shells = [
        (one.class_id, *row)
        for one in maps
        for row in zip(
            one.found.agreement.fsc.frequency,
            one.found.agreement.fsc.correlation,
            one.found.agreement.masked.correlation,
            one.found.agreement.randomised.correlation,
            strict=True,
        )
    ]
    return (
        MapTable(data=pd.DataFrame(rows, columns=_names(_MAP_COLUMNS)), columns=_MAP_COLUMNS),
        ShellTable(data=pd.DataFrame(shells, columns=_names(_FSC_COLUMNS)), columns=_FSC_COLUMNS),
    )


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def map_estimates(maps: Sequence[ClassMap]) -> tuple[Estimate, ...]:
    """Return the headline numbers of each map: its resolution, and how its particles agree with it."""
    found: list[Estimate] = []
    for one in maps:
        low, middle, high = np.quantile(one.found.held_out_correlations, [0.05, 0.5, 0.95])
        control = float(np.median(one.found.control_correlations))
        found += [
            Estimate(
                name=f"class {one.class_id}: resolution",
                value=one.found.resolution_fsc_0143 / 10,
                unit="nm",
                note=f"{_read_off(one)}; {len(one.cuts)} particles; point group "
                f"{one.found.point_group} ({one.found.choice.reason})",
            ),
            Estimate(
                name=f"class {one.class_id}: correlation of particles",
                value=float(middle),
                low=float(low),
                high=float(high),
                note="with the half map that each had no part in, median and middle 90 % of the particles; "
                f"a ball would reach {control:.3f}",
            ),
        ]
    return tuple(found)


def _limited(one: ClassMap) -> bool:
    return never_below(one.found.agreement.fsc, _THRESHOLD)


def _read_off(one: ClassMap) -> str:
    """Return what the resolution of a map is read off."""
    if _limited(one):
        return "twice the pixel: the half maps agree up to there, more pipeline.pixels would show more"
    if not np.isfinite(one.found.resolution_fsc_0143):
        return "the half maps agree nowhere"
    return f"FSC of half maps at {_THRESHOLD}"


def map_warnings(maps: Sequence[ClassMap]) -> tuple[str, ...]:
    """Return which maps are not to be believed.

    Their halves, begun apart, did not end alike; or they did, and explain particles that had no part in them
    worse than maps without any symmetry do.
    """
    apart = [
        f"class {one.class_id}: its two halves ended in different maps (agreement "
        f"{one.found.starts.agreement:.2f}, {SAME} is usual): do not believe this map"
        for one in maps
        if one.found.starts.agreement < SAME
    ]
    wrong = [
        f"class {one.class_id}: its half maps (point group {one.found.point_group}) explain only "
        f"{max(one.found.explained, 0.0):.0%} of what coarse maps of less symmetry explain, beyond a ball, "
        "of particles that had no part in them: do not believe this map"
        for one in maps
        if one.found.explained < RIGHT and one.found.starts.agreement >= SAME
    ]
    return (*apart, *wrong)


def map_figures(maps: Sequence[ClassMap]) -> tuple[Figure, ...]:
    """Return how half maps agree, and of each class its particles and its map."""
    if not maps:
        return ()
    found = [
        shells_figure(
            [(one.class_id, one.found.agreement.fsc, one.found.agreement.randomised) for one in maps]
        )
    ]
    for one in maps:
        found.append(members_figure(one.class_id, one.cuts, one.found.held_out_correlations))
        found.append(_averages(one))
        seen = one.found.coverage
        found.append(
            coverage_figure(one.class_id, one.found.point_group, seen.directions, seen.unit, seen.largest_gap)
        )
        found.append(surface_figure(one.class_id, one.found.volume, one.found.point_group))
    return tuple(found)


def _averages(one: ClassMap) -> Figure:
    seen = class_averages(one.found, one.cuts)
    field = one.cuts.images.shape[-1] * one.cuts.pixel_size / 10
    return averages_figure(one.class_id, seen.averages, seen.projections, seen.counts, field)


def map_writers(
    maps: Sequence[ClassMap], cuts: ParticleImages, *, energy: float | None = None
) -> tuple[Callable[[Path], object], ...]:
    """Return what writes volumes/, particles.mrcs and orientations.star.

    Parameters
    ----------
    energy
        Of the beam [eV], where known.
    """
    return (
        *(partial(_write_volume, one) for one in maps),
        partial(_write_particles, cuts),
        partial(_write_orientations, tuple(maps), cuts, energy),
    )


def _write_volume(one: ClassMap, folder: Path) -> None:
    whole, name = one.found.volume, f"class_{one.class_id:02d}"
    write_mrc(folder / "volumes" / f"{name}.mrc", whole)
    agreement = Volume(density=one.found.local_agreement, voxel_size=whole.voxel_size)
    write_mrc(folder / "volumes" / f"{name}_local_agreement.mrc", agreement)


def _write_particles(cuts: ParticleImages, folder: Path) -> None:
    write_mrc_stack(folder / STACK, (image for image in cuts.images), pixel_size=cuts.pixel_size)


def _write_orientations(
    maps: tuple[ClassMap, ...], cuts: ParticleImages, energy: float | None, folder: Path
) -> None:
    if not maps:
        return
    every = [one.found.orientations for one in maps]
    joined = Orientations(
        **{name: np.concatenate([getattr(one, name) for one in every]) for name in vars(every[0])}
    )
    write_star(
        folder / "orientations.star",
        joined,
        cuts.pixel_size,
        [f"{number:06d}@{STACK}" for number in joined.particle_ids],
        random_subset=np.concatenate([one.found.halves for one in maps]) + 1,
        optics=StarOptics.for_relion(energy=energy, image_size=cuts.images.shape[-1]),
    )
