"""Images whose particles were drawn by hand: a folder of pictures and one of their instances."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int
from PIL import Image

from nanonet.io.readers.pictures import grey
from nanonet.records import InputError, MaskSample

_INDEX = "index.csv"


class LabelledImages:
    """Draws the images of a folder.

    ``images/NAME.png`` are the pictures; ``instances/NAME.png`` has a number on every pixel, 0 for no
    particle; ``index.csv`` may say with columns ``image`` and ``group`` which images belong together
    (a paper, a sample): a group is one structure, so that a split never has parts of it on both sides.

    Parameters
    ----------
    folder
        With images and instances.
    group
        Column of ``index.csv`` that names the group; without such a file every image is its own.
    only
        Column of ``index.csv``: images that have 0 there are left out.

    Raises
    ------
    InputError
        If a folder or a column is missing, or a picture lacks its instances.
    """

    def __init__(self, folder: str | Path, group: str = "group", only: str | None = None) -> None:
        self.folder = Path(folder)
        names = sorted(path.name for path in (self.folder / "images").glob("*.png"))
        if not names:
            raise InputError(f"{self.folder} has no images/*.png: give a folder with images and instances")
        rows = _rows(self.folder / _INDEX, group, only)
        if rows is not None:
            names = [name for name in names if name in rows]
        lacking = [name for name in names if not (self.folder / "instances" / name).exists()]
        if lacking:
            raise InputError(f"{self.folder / 'instances'} lacks {lacking[0]} and {len(lacking) - 1} more")
        groups = {name: name if rows is None else rows[name] for name in names}
        known = sorted(set(groups.values()))
        self.groups: tuple[str, ...] = tuple(known)
        self.members: tuple[tuple[str, ...], ...] = tuple(
            tuple(name for name in names if groups[name] == group) for group in known
        )
        self.structures: Sequence[int] = range(len(known))

    def __len__(self) -> int:
        return sum(len(names) for names in self.members)

    def draw(self, structure: int, rng: np.random.Generator) -> MaskSample:
        """Return one of the images of a group."""
        names = self.members[structure]
        return self.read(names[int(rng.integers(len(names)))], structure)

    def read(self, name: str, structure: int) -> MaskSample:
        """Return an image by its name.

        Raises
        ------
        InputError
            If picture and instances are not of one size.
        """
        image, instances = _grey(self.folder / "images" / name), _numbers(self.folder / "instances" / name)
        if image.shape != instances.shape:
            raise InputError(f"{name} has {image.shape} pixels, its instances have {instances.shape}")
        return MaskSample(image=image, instances=instances, structure=structure)


def _rows(index: Path, group: str, only: str | None) -> dict[str, str] | None:
    """Return the group of every image that is to be used, None where there is no index."""
    if not index.exists():
        return None
    with index.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [name for name in ("image", group, *([only] if only else [])) if rows and name not in rows[0]]
    if missing:
        raise InputError(f"{index} has no column {missing[0]}, but {', '.join(rows[0])}")
    return {row["image"]: row[group] for row in rows if only is None or row[only] not in ("0", "")}


def _grey(path: Path) -> Float32[np.ndarray, "y x"]:
    with Image.open(path) as picture:
        return grey(path.name, picture).astype(np.float32)


def _numbers(path: Path) -> Int[np.ndarray, "y x"]:
    with Image.open(path) as picture:
        return grey(path.name, picture).astype(np.int32)
