"""What the page of a run shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nanonet.records import Estimate, Provenance, Table
from nanonet.report.history import History
from nanonet.report.preview import Preview


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plotly figure: ``data`` (traces) and ``layout`` hold nothing but what JSON can hold, and no NaN.

    Colours are those of `nanonet.report.charts`, which the page exchanges for lighter ones on a dark screen.
    A trace whose ``meta`` holds ``jump`` moves the viewer where one of its points is clicked: its
    ``customdata`` begins with frame and track.

    Parameters
    ----------
    group
        Heading that the figure stands under, with those beside it of the same group.
    wide
        Whether it takes the whole width of the page.
    tall
        Whether it is half as high again as others.
    """

    title: str
    caption: str
    data: tuple[Mapping[str, Any], ...]
    layout: Mapping[str, Any]
    group: str = ""
    wide: bool = False
    tall: bool = False


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that goes into report.html.

    Parameters
    ----------
    title
        Name of the file or folder that was analysed.
    subtitle
        Pipeline and number of frames.
    estimates
        Headline numbers with their 90 % intervals.
    warnings
        What the reader must know before trusting them.
    previews
        Some frames with the result drawn over them; 24 large ones fit in the page, 60 small ones.
    history
        What the sites of a movie held in every frame: the viewer shows it of the column that is chosen.
    events
        Changes of the sites (stem "events"), shown beside the frames.
    frame_time
        Between the starts of two frames of a movie [s]; None where not known.
    figures
        In the order of reading.
    tables
        The page shows the first rows of each and names the CSV that holds them all.
    provenance
        None where nothing is known of it.
    config
        The resolved settings as YAML.
    """

    title: str
    subtitle: str
    estimates: tuple[Estimate, ...] = ()
    warnings: tuple[str, ...] = ()
    previews: tuple[Preview, ...] = ()
    history: History | None = None
    events: Table | None = None
    frame_time: float | None = None
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    provenance: Provenance | None = None
    config: str = ""
