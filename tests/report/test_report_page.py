"""The page is one file without a network, says everything, and lets no text of a stranger become code."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from nanonet.records import Column, Estimate, InputError, Micrograph, ParticleTable, Provenance, Table
from nanonet.report.content import Figure, ReportContent
from nanonet.report.page import render, write_report
from nanonet.report.preview import make_preview

EVIL = "<script>alert(1)</script>\"'&</title><img src=x onerror=alert(2)>.tif"


class Page(HTMLParser):
    """The page as a browser reads it."""

    VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def shown(self) -> str:
        return " ".join(" ".join(self.text).split())

    @property
    def data(self) -> dict:
        index = [a.get("type") for a in self.named("script")].index("application/json")

        def refuse(token):
            raise AssertionError(f"{token} is not JSON")

        return json.loads(self.scripts[index], parse_constant=refuse)


def _table(rows: int = 300, name: str = "particle.tif") -> ParticleTable:
    data = pd.DataFrame(
        {
            "image": [name] * rows,
            "particle_id": np.arange(1, rows + 1),
            "area_nm2": np.linspace(10, 500, rows),
            "confidence": np.full(rows, np.nan),
            "separated": np.arange(rows) % 2 == 0,
        }
    )
    columns = tuple(
        Column(name=column, unit="nm2" if column == "area_nm2" else "", meaning=f"meaning of {column} {name}")
        for column in data
    )
    return ParticleTable(data=data, columns=columns)


def _content(name: str = "particle.tif", frames: int = 3) -> ReportContent:
    rng = np.random.default_rng(0)
    labels = np.zeros((64, 80), dtype=np.int32)
    labels[10:30, 20:50] = 1
    previews = (
        make_preview(
            Micrograph(image=rng.random((64, 80)).astype(np.float32), name=name, frame=i, pixel_size=2.0),
            label_map=labels,
        )
        for i in range(frames)
    )
    figure = Figure(
        title=f"Sizes {name}",
        caption=f"Caption {name}.",
        data=({"type": "bar", "x": [1, 2], "y": [3, None]},),
        layout={"xaxis": {"title": {"text": name}}},
    )
    return ReportContent(
        title=name,
        subtitle=f"nanonet particles {name}",
        estimates=(
            Estimate(name=f"mean diameter {name}", value=12.345, low=11.91, high=12.71, unit="nm", note=name),
            Estimate(name="particles", value=300.0),
        ),
        warnings=(f"no pixel size in {name}",),
        previews=tuple(previews),
        figures=(figure, figure),
        tables=(_table(name=name),),
        provenance=Provenance(
            created="2026-01-02T03:04:05+00:00",
            command=f"infer.py input={name}",
            versions={"nanonet": "0.1.0", "torch": "2.13"},
            commit=None,
            seed=None,
            machine="Linux",
            config={},
            inputs={name: "sha256:abc"},
        ),
        config=f"input: {name}\nread:\n  pixel_size: 0.2\n",
    )


@pytest.fixture(scope="module")
def evil() -> str:
    return render(_content(EVIL))


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(_content()))


def test_every_tag_is_closed_and_ids_are_unique(page):
    assert page.open == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_what_is_labelled_exists(page):
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for _, attributes in page.tags:
        for name in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(name) is None or attributes[name] in ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids


def test_plotly_is_there_once(page):
    assert sum("plotly.js v" in script[:200] for script in page.scripts) == 1
    assert len(page.scripts) == 3


def test_a_page_without_figures_needs_no_plotly():
    page = Page(render(ReportContent(title="a", subtitle="b")))
    assert not any("plotly.js v" in script for script in page.scripts)


def test_nothing_is_fetched_from_anywhere(page):
    fetched = [
        v for _, a in page.tags for k, v in a.items() if k in ("src", "href", "srcset", "action", "poster")
    ]
    assert all(value.startswith(("data:", "#")) for value in fetched if value)
    style = render(ReportContent(title="a", subtitle="b")).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_allows_the_scripts_of_the_page_and_nothing_else(page):
    policy = next(
        a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    run = [s for s, a in zip(page.scripts, page.named("script"), strict=True) if a.get("type") is None]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in run}
    assert set(rules["script-src"].split()) == hashes


def test_the_text_of_a_stranger_stays_text(evil):
    page = Page(evil)
    assert len(page.scripts) == 3
    assert page.named("img") == []
    assert not any("onerror" in attributes for _, attributes in page.tags)
    assert page.named("title") == [{}]
    assert page.open == []
    for place in (
        "nanonet particles ",
        "no pixel size in ",
        "mean diameter ",
        "infer.py input=",
        "input: ",
        "Sizes ",
    ):
        assert place + " ".join(EVIL.split()) in page.shown
    assert page.data["previews"][0]["name"] == EVIL
    assert page.data["figures"][0]["layout"]["xaxis"]["title"]["text"] == EVIL


def test_numbers_carry_interval_and_unit(page):
    shown = page.shown.replace("\u00a0", " ")
    assert "mean diameter particle.tif 12.3 nm [11.9, 12.7] nm" in shown
    assert "particles 300" in shown


def test_warnings_come_before_the_numbers(page):
    assert page.shown.index("no pixel size in") < page.shown.index("mean diameter")


def test_a_table_shows_its_first_rows_and_names_the_file_with_all(page):
    assert len(page.named("tr")) == 201
    assert "300 rows, the first 200 shown" in page.shown
    assert "particles.csv" in page.shown
    titles = [attributes.get("title") for attributes in page.named("button")]
    assert "meaning of area_nm2 particle.tif [nm²]" in titles
    assert "meaning of area_nm2 particle.tif" in page.shown


def test_unknown_cells_are_dashes_and_truth_is_a_word():
    shown = Page(render(ReportContent(title="a", subtitle="b", tables=(_table(2),)))).shown
    assert "particle.tif 1 10 – yes particle.tif 2 500 – no" in shown


def test_settings_and_provenance_are_there(page):
    for text in (
        "pixel_size: 0.2",
        "sha256:abc",
        "infer.py input=particle.tif",
        "torch 2.13",
        "2026-01-02 03:04",
    ):
        assert text in page.shown


def test_the_frames_and_figures_are_valid_json(page):
    assert [frame["frame"] for frame in page.data["previews"]] == [0, 1, 2]
    assert page.data["previews"][0]["pixel_size"] == 2.0
    assert page.data["figures"][0]["data"][0]["y"] == [3, None]
    assert len(page.data["figures"]) == len([a for a in page.named("div") if a.get("class") == "plot"]) == 2


def test_a_figure_with_nan_is_refused():
    figure = Figure(title="a", caption="b", data=({"y": [float("nan")]},), layout={})
    with pytest.raises(ValueError, match="JSON"):
        render(ReportContent(title="a", subtitle="b", figures=(figure,)))


def test_an_empty_run_still_has_a_page():
    empty = Table(data=pd.DataFrame({"frame": []}), columns=(Column(name="frame", unit="", meaning="x"),))
    page = Page(render(ReportContent(title="nothing", subtitle="found", tables=(empty,))))
    assert page.open == []
    assert "No rows." in page.shown
    assert page.named("canvas") == []
    nothing = {"frame_time": None, "depths": None, "traces": None, "events": None}
    assert page.data == {"previews": [], "figures": []} | nothing


def test_a_full_page_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:720, :720]
    labels = ((y // 40) * 18 + x // 40 + 1) * (((y % 40 - 20) ** 2 + (x % 40 - 20) ** 2) < 150)
    previews = tuple(
        make_preview(
            Micrograph(image=rng.poisson(20, (720, 720)).astype(np.float32), name="movie.mrc", frame=i),
            label_map=labels.astype(np.int32),
        )
        for i in range(24)
    )
    content = _content()
    large = ReportContent(
        title="movie.mrc",
        subtitle="",
        previews=previews,
        figures=content.figures * 8,
        tables=content.tables * 4,
    )
    write_report(tmp_path / "report.html", large)
    assert (tmp_path / "report.html").stat().st_size < 8e6


def test_the_file_is_written_whole(tmp_path):
    path = tmp_path / "report.html"
    write_report(path, _content())
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_write_leaves_the_old_page(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    broken = Figure(title="a", caption="b", data=({"y": [float("nan")]},), layout={})
    with pytest.raises(ValueError, match="JSON"):
        write_report(path, ReportContent(title="a", subtitle="b", figures=(broken,)))
    assert path.read_text() == "old"


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=re.escape("report.html")):
        write_report(tmp_path / "file" / "report.html", ReportContent(title="a", subtitle="b"))
