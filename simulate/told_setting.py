"""The setting that a simulated movie was filmed with, for readers that are told it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanonet.records import InputError
from simulate.movies.settings import has_value, with_value
from simulate.shards.manifest import MANIFEST, recipe_part

if TYPE_CHECKING:
    from simulate.imaging import Setting


def told_setting(folder: str | Path) -> Setting:
    """Return the setting that a simulated movie was filmed with in its middle, from its manifest.

    Raises
    ------
    InputError
        If the manifest is none of a movie.
    """
    path = Path(folder).expanduser()
    path = path / MANIFEST if path.is_dir() else path
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        values = manifest["setting"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} does not tell the setting of a simulated movie") from error
    imaging, microscope = recipe_part(manifest, "imaging"), recipe_part(manifest, "microscope")
    setting: Setting = microscope.draw(imaging.energy, np.random.default_rng(0))
    for name, value in values.items():
        if has_value(setting, name) and name != "motion":
            setting = with_value(setting, name, value)
    if has_value(setting, "motion"):  # within a frame: its way is told without its direction
        setting = with_value(setting, "motion", None)
    if has_value(setting, "drift"):
        setting = with_value(setting, "drift", (values.get("drift_y", 0.0), values.get("drift_x", 0.0)))
    return setting
