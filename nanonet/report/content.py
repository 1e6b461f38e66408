"""What the page of a run shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nanonet.records import Estimate, Provenance, Table
from nanonet.report.preview import Preview


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plotly figure: ``data`` (traces) and ``layout`` hold nothing but what JSON can hold, and no NaN.

    Colours are those of `nanonet.report.charts`, which the page exchanges for lighter ones on a dark screen.
    """

    title: str
    caption: str
    data: tuple[Mapping[str, Any], ...]
    layout: Mapping[str, Any]


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
        Some frames with the result drawn over them; about 24 fit in the page.
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
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    provenance: Provenance | None = None
    config: str = ""
