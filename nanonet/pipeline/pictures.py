"""Pictures of a finished run, as png."""

from __future__ import annotations

from pathlib import Path

from nanonet.pipeline.conclusion import Conclusion
from nanonet.pipeline.outputs import Finished, map_names
from nanonet.records import ColumnTable
from nanonet.report.event_list import frames_to_show
from nanonet.report.pictures import draw_frame, draw_sizes, outline_colours
from nanonet.report.preview import make_preview

FOLDER = "pictures"
_MOST_FRAMES = 24
"""Of a movie, spread evenly; of a folder every image is drawn."""
_SIDE = 2048
"""Pixels of the longer side of a picture at most."""


def write_pictures(output: Path, finished: Finished, conclusion: Conclusion) -> None:
    """Write pictures/NAME.png of each image of a folder, or frame_N.png of a movie, and sizes.png.

    Raises
    ------
    InputError
        If the disk refuses.
    """
    folder, series = output / FOLDER, finished.series
    folder.mkdir(parents=True, exist_ok=True)
    tables = {table.stem: table for table in conclusion.tables}
    particles, columns = tables.get("particles"), tables.get("columns")
    names = [Path(name).with_suffix(".png") for name in map_names(series, FOLDER)]
    shown = set(range(len(series)) if series.is_folder else frames_to_show(len(series), most=_MOST_FRAMES))
    for index, result in enumerate(finished.frames(maps=("labels",))):
        if index not in shown:
            continue
        preview = make_preview(
            series[index],
            label_map=result.maps.get("labels"),
            table=columns if isinstance(columns, ColumnTable) else None,
            max_side=_SIDE,
        )
        rows = None if particles is None else particles.data[particles.data["frame"] == index]
        path = output / names[index] if series.is_folder else folder / f"frame_{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_frame(
            path,
            preview,
            None if rows is None else outline_colours(rows),
        )
    if "size_distribution" in tables:
        draw_sizes(folder / "sizes.png", tables["size_distribution"], conclusion.estimates)
