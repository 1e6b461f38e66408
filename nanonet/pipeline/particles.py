"""Images of many particles: masks, sizes, shapes, and tracks where the images are a movie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, cast

from nanonet.measure.distribution import size_distribution
from nanonet.measure.film import Film
from nanonet.measure.images import describe
from nanonet.measure.statistics import summarise
from nanonet.measure.track_columns import ParticleEventTable, TrackTable
from nanonet.measure.track_statistics import summarise_tracks
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.records import FrameResult, ImageTable, LabelMap, Micrograph, ParticleTable, Series
from nanonet.report.particle_figures import particle_figures
from nanonet.report.track_figures import track_figures


@dataclass(frozen=True, kw_only=True)
class Particles:
    """read -> segment -> measure -> (a movie: link -> follow) -> report."""

    name: ClassVar[str] = "particles"
    segment: Callable[[Micrograph], LabelMap]
    measure: Callable[[Micrograph, LabelMap], ParticleTable]
    link: Callable[[ParticleTable], ParticleTable]
    follow: Callable[[ParticleTable, Film], tuple[TrackTable, ParticleEventTable]]

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the particles of one frame, and their instance map."""
        return particles_of(micrograph, self.segment, self.measure)

    def conclude(self, found: Found) -> Conclusion:
        """Link the particles of a movie and follow them through time, and sum up."""
        tables, series = found.tables, found.series
        particles, images = cast(ParticleTable, tables["particles"]), cast(ImageTable, tables["images"])
        if not series.is_movie:
            sizes = size_distribution(particles, images)
            return Conclusion(
                tables=(particles, images, sizes),
                estimates=summarise(particles, images),
                figures=particle_figures(particles, sizes),
                warnings=tuple(_unlinked(series)),
            )
        particles = self.link(particles)
        film = _film(series)
        sizes = size_distribution(particles, images)
        figures = particle_figures(particles, sizes, film.frame_time)
        if particles.data["track_id"].isna().any():
            estimates = summarise(particles, images)
            return Conclusion(tables=(particles, images, sizes), estimates=estimates, figures=figures)
        tracks, events = self.follow(particles, film)
        return Conclusion(
            tables=(particles, images, sizes, tracks, events),
            estimates=(*summarise(particles, images), *summarise_tracks(tracks, events)),
            figures=(*figures, *track_figures(particles, tracks, events, film.frame_time)),
        )


def particles_of(
    micrograph: Micrograph,
    segment: Callable[[Micrograph], LabelMap],
    measure: Callable[[Micrograph, LabelMap], ParticleTable],
) -> FrameResult:
    """Return the particles of one frame, what it holds as a whole, and its instance map."""
    label_map = segment(micrograph)
    table = measure(micrograph, label_map)
    return FrameResult(
        frame=micrograph.frame,
        tables=(table, describe(micrograph, label_map, table)),
        maps={"labels": label_map.labels},
    )


def _unlinked(series: Series) -> Iterator[str]:
    movies = [stack.name for stack in series.stacks if len(stack) > 1]
    if movies:
        yield f"{len(movies)} movies in one run are not linked: give each alone to follow its particles"


def _film(series: Series) -> Film:
    """Return what to know of a movie; lengths in nm, in pixels where it has no pixel size."""
    only = series.stacks[0]
    _, height, width = only.shape
    pixel = 1.0 if only.pixel_size is None else only.pixel_size / 10.0
    return Film(frames=len(series), frame_time=only.frame_time, field=(height * pixel, width * pixel))
