"""Images of many particles: masks, sizes, shapes, and tracks where the images are a movie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from nanonet.measure.statistics import summarise
from nanonet.pipeline.conclusion import Conclusion
from nanonet.records import FrameResult, LabelMap, Micrograph, ParticleTable, Series, Table
from nanonet.report.particle_figures import particle_figures


@dataclass(frozen=True, kw_only=True)
class Particles:
    """read -> segment -> measure -> link -> report."""

    name: ClassVar[str] = "particles"
    segment: Callable[[Micrograph], LabelMap]
    measure: Callable[[Micrograph, LabelMap], ParticleTable]
    link: Callable[[ParticleTable], ParticleTable]

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return the particles of one frame, and their instance map."""
        label_map = self.segment(micrograph)
        table = self.measure(micrograph, label_map)
        return FrameResult(frame=micrograph.frame, tables=(table,), maps={"labels": label_map.labels})

    def conclude(self, tables: Mapping[str, Table], series: Series) -> Conclusion:
        """Link the particles of a movie through time, and sum up."""
        particles = cast(ParticleTable, tables["particles"])
        if series.is_movie:
            particles = self.link(particles)
        return Conclusion(
            tables=(particles,), estimates=summarise(particles), figures=particle_figures(particles)
        )
