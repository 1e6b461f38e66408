"""The page in a real browser: nothing fails, the frame and its result are drawn, nothing overflows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nanonet.records import Column, ColumnTable, Micrograph
from nanonet.report.column_figures import column_figures
from nanonet.report.content import ReportContent
from nanonet.report.page import write_report
from nanonet.report.preview import make_preview

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=6000",
    "--enable-logging=stderr",
)
ORANGE = np.array([230, 159, 0])


def _browse(folder: Path, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [str(CHROMIUM), *QUIET, profile, *options, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _probe(folder: Path, path: Path, code: str) -> object:
    """Return what ``code`` returns in a copy of the page, 390 px wide, that lets it run."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    report = f"parent.postMessage(JSON.stringify((() => {{ {code} }})()), '*')"
    text = text.replace("</body>", f"<script>setTimeout(() => {{ {report} }}, 1500)</script></body>")
    inner, outer = folder / "inner.html", folder / "outer.html"
    inner.write_text(text, encoding="utf-8")
    listen = "addEventListener('message', (event) => { document.body.dataset.probe = event.data })"
    frame = f"<iframe src='{inner.name}' style='border:0;width:390px;height:800px'></iframe>"
    outer.write_text(f"<body><script>{listen}</script>{frame}</body>", encoding="utf-8")
    found = _browse(folder, outer, "--dump-dom").stdout
    match = re.search(r'data-probe="(.*?)"', found)
    assert match, found[-2000:]
    return json.loads(match[1].replace("&quot;", '"'))


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    rng = np.random.default_rng(0)
    names = ("frame", "column_id", "y_angstrom", "x_angstrom", "depth", "confidence")
    yx = np.stack(np.meshgrid(np.arange(8.0, 60, 8), np.arange(8.0, 60, 8), indexing="ij"), -1).reshape(-1, 2)
    rows = [(f, i + 1, *at, 1 + i % 6, 0.9) for f in range(3) for i, at in enumerate(yx)]
    columns = tuple(Column(name=name, unit="", meaning=name) for name in names)
    table = ColumnTable(data=pd.DataFrame(rows, columns=list(names)), columns=columns)
    labels = np.zeros((64, 64), dtype=np.int32)
    labels[20:44, 20:44] = 1
    previews = []
    for frame in range(3):
        image = rng.random((64, 64)).astype(np.float32)
        micrograph = Micrograph(image=image, name="movie.mrc", frame=frame, pixel_size=1.0)
        previews.append(make_preview(micrograph, table=table, label_map=labels))
    path = tmp_path_factory.mktemp("report") / "report.html"
    content = ReportContent(
        title="movie.mrc",
        subtitle="test",
        previews=tuple(previews),
        figures=column_figures(table),
        tables=(table,),
        config="a: 1",
    )
    write_report(path, content)
    return path


def test_the_page_is_ready_without_an_error(report, tmp_path):
    done = _browse(tmp_path, report, "--dump-dom", "--window-size=1400,1000")
    root = re.search(r"<html[^>]*>", done.stdout)
    assert root is not None
    assert 'data-ready="true"' in root[0]
    assert "data-errors" not in root[0]
    assert "CONSOLE" not in done.stderr
    assert re.search(r'<canvas[^>]*data-drawn="0"', done.stdout)
    assert done.stdout.count('class="main-svg"') >= 4
    assert "Frame 0 · 1 particle, 49 columns" in done.stdout


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_frame_and_result_are_drawn_in_either_scheme(report, tmp_path, scheme):
    shot = tmp_path / "shot.png"
    colours = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    _browse(tmp_path, report, f"--screenshot={shot}", "--window-size=1400,1400", colours)
    pixels = np.asarray(Image.open(shot).convert("RGB")).astype(int)
    paper = pixels[5, 5].mean()
    assert paper < 60 if scheme == "dark" else paper > 220
    grey = np.ptp(pixels, axis=2) == 0
    middle = grey & (pixels[..., 0] > 40) & (pixels[..., 0] < 215)
    assert middle.sum() > 100_000, "the frame, noise of all greys, is drawn"
    outline = np.abs(pixels - ORANGE).max(axis=2) < 45
    assert outline.sum() > 400, "the outline of the particle is drawn"


def test_on_a_phone_nothing_is_wider_than_the_screen(report, tmp_path):
    code = """
      const root = document.documentElement;
      const plots = [...document.querySelectorAll(".plot")];
      const widths = plots.map((plot) => plot.querySelector("svg").clientWidth);
      return { width: innerWidth, content: root.scrollWidth, plots: widths };
    """
    found = _probe(tmp_path, report, code)
    assert found["width"] == 390
    assert found["content"] <= 390
    assert found["plots"]
    assert max(found["plots"]) <= 360


@pytest.fixture(scope="module")
def movie_report(tmp_path_factory, make_movie, content_of) -> Path:
    path = tmp_path_factory.mktemp("movie") / "report.html"
    write_report(path, content_of(make_movie(frames=90, rate=0.03)))
    return path


def test_the_page_of_a_movie_is_ready_without_an_error(movie_report, tmp_path):
    done = _browse(tmp_path, movie_report, "--dump-dom", "--window-size=1400,1000")
    root = re.search(r"<html[^>]*>", done.stdout)
    assert root is not None
    assert 'data-ready="true"' in root[0]
    assert "data-errors" not in root[0]
    assert "CONSOLE" not in done.stderr
    assert re.search(r'<h3 id="chosen">Column \d+ over time</h3>', done.stdout)


def test_an_event_moves_the_frame_and_shows_its_column(movie_report, tmp_path):
    code = """
      const seen = {}, text = (id) => document.getElementById(id).textContent;
      const button = document.querySelectorAll("button.go")[2];
      button.click();
      const frame = Number(button.dataset.frame), track = Number(button.dataset.track);
      seen.frame = [viewer.frame.frame, frame];
      seen.chosen = [viewer.chosen, track, text("chosen")];
      const row = traces.row.get(track), packed = report.traces.depths;
      seen.depth = traces.series(packed, 0, row).y;
      seen.events = traces.eventMarks(track).map((marks) => marks.x).flat();
      seen.elsewhere = text("elsewhere");
      jump(1, track);
      seen.nearest = [viewer.frame.frame, text("elsewhere")];
      return seen;
    """
    found = _probe(tmp_path, movie_report, code)
    shown, frame = found["frame"]
    assert shown == frame
    assert found["elsewhere"] == ""
    chosen, track, title = found["chosen"]
    assert chosen == track
    assert title == f"Column {track} over time"
    depth = np.array(found["depth"])
    assert len(depth) == 90
    assert depth[frame] != depth[frame - 1]
    np.testing.assert_allclose(sorted(found["events"]), 0.5 * (np.flatnonzero(np.diff(depth)) + 1))
    near, said = found["nearest"]
    assert (said == "") == (near == 1)


def test_a_click_chooses_a_column_and_the_mean_is_another_image(movie_report, tmp_path):
    code = """
      const canvas = document.getElementById("canvas"), seen = {}, frame = viewer.frame;
      const at = (k) => {
        const box = canvas.getBoundingClientRect(), g = viewer.geometry();
        const place = (axis, edge, offset) => edge + offset + (frame.xy[2 * k + axis] + 0.5) * g.scale;
        return { clientX: place(0, box.left, g.x), clientY: place(1, box.top, g.y) };
      };
      canvas.dispatchEvent(new PointerEvent("pointermove", at(6)));
      seen.tip = document.getElementById("tip").textContent;
      seen.hidden = document.getElementById("tip").hidden;
      for (const name of ["pointerdown", "pointerup"]) canvas.dispatchEvent(new PointerEvent(name, at(6)));
      seen.chosen = [viewer.chosen, frame.columns.track[6]];
      canvas.dispatchEvent(new PointerEvent("pointerleave"));
      seen.left = document.getElementById("tip").hidden;
      seen.readout = document.getElementById("readout").textContent;
      document.getElementById("mean").click();
      seen.checked = document.getElementById("mean").checked && frame.mean !== frame.image;
      return seen;
    """
    found = _probe(tmp_path, movie_report, code)
    assert re.fullmatch(
        r"Column 70: \d atoms? \[\d, \d\], confidence 0.90(; this frame alone: \d)?", found["tip"]
    )
    assert found["chosen"] == [70, 70]
    assert (found["hidden"], found["left"], found["checked"]) == (False, True, True)
    assert found["readout"] == found["tip"]


def test_a_movie_fits_on_a_phone(movie_report, tmp_path):
    found = _probe(tmp_path, movie_report, "return [innerWidth, document.documentElement.scrollWidth]")
    assert found == [390, 390]


def test_pointing_playing_and_sorting(report, tmp_path):
    code = """
      const canvas = document.getElementById("canvas"), box = canvas.getBoundingClientRect(), seen = {};
      const at = { clientX: box.left + (16.5 / 64) * box.width, clientY: box.top + (8.5 / 64) * box.height };
      canvas.dispatchEvent(new PointerEvent("pointermove", at));
      seen.readout = document.getElementById("readout").textContent;
      const heads = [...document.querySelectorAll("th button")];
      const rows = () => [...document.querySelectorAll("tbody tr")];
      const depths = () => rows().map((row) => Number(row.cells[4].textContent));
      heads[4].click(); seen.up = depths().slice(0, 3);
      heads[4].click(); seen.down = depths().slice(0, 3);
      seen.sort = heads[4].parentElement.getAttribute("aria-sort");
      const play = document.getElementById("play");
      play.click(); seen.pressed = play.getAttribute("aria-pressed"); play.click();
      return seen;
    """
    found = _probe(tmp_path, report, code)
    assert found["readout"] == "Column 2: 2 atoms, confidence 0.90"
    assert (found["up"], found["down"]) == ([1, 1, 1], [6, 6, 6])
    assert found["sort"] == "descending"
    assert found["pressed"] == "true"
