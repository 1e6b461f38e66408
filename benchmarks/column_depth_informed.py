"""The reader that is told a movie's places and optics, and looks depths up in a library of images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from column_depth_exposures import Exposure
from column_depth_readers import Stage
from jaxtyping import Float

from nanonet.configuration import build

if TYPE_CHECKING:
    from simulate.imaging import Setting


def informed_stage(node: Any, library: Path) -> Callable[[Exposure], Stage]:
    """Return how the stage of a config ``columns=likelihood`` is made for a movie.

    It is told every place that ever holds a column, also where there is none now, and the setting: as far as
    the movie itself is as it is said to be, since a wrong pixel size is wrong for its library too.

    Parameters
    ----------
    node
        Of the config, but for its library and its file of places.
    library
        Folder of shards that the library is made from, or one that holds such a folder for each crystal.
    """
    made: dict[Path, dict[Setting, Any]] = {}

    def templates(crystal: str, setting: Setting) -> Any:
        shards = library / crystal if (library / crystal).is_dir() else library
        of = made.setdefault(shards, {})
        if setting not in of:
            known = next(iter(of.values()), None)  # its particles serve every setting
            new = part(node.library)
            of[setting] = new(shards=shards, setting=setting) if known is None else known.under(setting)
        return of[setting]

    def prepare(exposure: Exposure) -> Stage:
        told = exposure.series.pixel_size or exposure.movie.setting.pixel_size
        stretch = told / exposure.movie.setting.pixel_size
        return partial(
            part(node),
            places=_places(node.places, stretch * exposure.movie.positions),
            library=templates(exposure.movie.crystal, _told(exposure.movie.setting, told)),
            nuisance=build(node.nuisance),
        )

    return prepare


def _told(setting: Setting, pixel_size: float) -> Setting:
    """Return a setting with the pixel size that readers are told."""
    from simulate.movies.settings import with_value

    return setting if pixel_size == setting.pixel_size else with_value(setting, "pixel_size", pixel_size)


def _places(node: Any, positions: Float[np.ndarray, "t place 2"]) -> Any:
    """Return the places as the stage reads them from a file."""
    frames, places, _ = positions.shape
    y, x = positions.reshape(-1, 2).T
    table = pd.DataFrame({"frame": np.repeat(np.arange(frames), places), "y_angstrom": y, "x_angstrom": x})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "places.csv"
        table.to_csv(file, index=False)
        return part(node)(path=str(file))


def part(node: Any) -> Callable[..., Any]:
    """Return what a config node calls, without the keywords that it lists."""
    return cast("Callable[..., Any]", build({"_target_": str(node._target_), "_partial_": True}))
