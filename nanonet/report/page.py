"""Write report.html: one file that opens anywhere without a network."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from nanonet.io.atomic import atomic_path
from nanonet.report.content import ReportContent
from nanonet.report.numbers import estimate_text
from nanonet.report.overlay import encode_previews
from nanonet.report.table_view import view_table

SCRIPTS = ("viewer.js", "figures.js", "tables.js")
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
    scripts = _scripts(with_plotly=bool(content.figures))
    return str(
        environment.from_string(_resource("page.html.jinja")).render(
            content=content,
            estimates=[(estimate, estimate_text(estimate)) for estimate in content.estimates],
            tables=[view_table(table) for table in content.tables],
            data=_data(content),
            style=_resource("report.css"),
            scripts=scripts,
            hashes=[_hash(script) for script in scripts],
        )
    )


def _data(content: ReportContent) -> dict[str, Any]:
    """Return what the scripts draw."""
    figures = [{"data": list(figure.data), "layout": dict(figure.layout)} for figure in content.figures]
    return {"previews": encode_previews(content.previews), "figures": figures}


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
