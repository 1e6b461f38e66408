"""Write report.html: one file that opens anywhere without a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from nanonet.io.atomic import atomic_path
from nanonet.report.content import Figure, ReportContent
from nanonet.report.event_list import ListedEvent, event_data, listed_events
from nanonet.report.neighbour_mean import REACH
from nanonet.report.numbers import estimate_text
from nanonet.report.overlay import encode_previews
from nanonet.report.table_view import view_table
from nanonet.report.traces import encode_traces

SCRIPTS = ("start.js", "overlay.js", "viewer.js", "figures.js", "traces.js", "tables.js")
"""Our own scripts in the order in which they run, after plotly's."""


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page to ``path``; a file of that name is replaced only by a whole new one.

    The page names no address: plotly, style, images and data are inside, and its content security policy
    lets it run just the scripts that it was written with.
    """
    text = render(content)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def render(content: ReportContent) -> str:
    """Return the page as HTML."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    data = _data(content)
    scripts = _scripts(with_plotly=bool(content.figures) or data["traces"] is not None)
    return str(
        environment.from_string(_resource("page.html.jinja")).render(
            content=content,
            estimates=[(estimate, estimate_text(estimate)) for estimate in content.estimates],
            tables=[view_table(table) for table in content.tables],
            groups=_groups(content.figures),
            events=_events(content),
            data=data,
            reach=REACH,
            style=_resource("report.css"),
            scripts=scripts,
            hashes=[_hash(script) for script in scripts],
        )
    )


def _data(content: ReportContent) -> dict[str, Any]:
    """Return what the scripts draw."""
    history = content.history
    events = None
    if history is not None and content.events is not None:
        events = event_data(content.events, history)
    return {
        "previews": encode_previews(content.previews),
        "frame_time": content.frame_time,
        "depths": None if history is None else history.depth_range,
        "traces": None if history is None else encode_traces(history),
        "events": events,
        "figures": [{"data": list(figure.data), "layout": dict(figure.layout)} for figure in content.figures],
    }


def _groups(figures: Sequence[Figure]) -> list[tuple[str, list[tuple[int, Figure]]]]:
    """Return the figures with their numbers under each heading, headings in the order of first use."""
    groups: dict[str, list[tuple[int, Figure]]] = {}
    for number, figure in enumerate(figures):
        groups.setdefault(figure.group, []).append((number, figure))
    return list(groups.items())


def _events(content: ReportContent) -> tuple[ListedEvent, ...]:
    if content.history is None or content.events is None or not content.previews:
        return ()
    return listed_events(content.events, content.history, content.frame_time)


def _scripts(*, with_plotly: bool) -> tuple[str, ...]:
    ours = "\n".join(_resource(name) for name in SCRIPTS)
    if not with_plotly:
        return (ours,)
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("\r\n", "\n"), ours


def _hash(script: str) -> str:
    """Return the source expression that allows just this inline script (W3C Content Security Policy 3)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _resource(name: str) -> str:
    return resources.files("nanonet.report").joinpath(name).read_text(encoding="utf-8").replace("\r\n", "\n")
