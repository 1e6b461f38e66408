"""Tables of particles of given sizes, and of the images that they lie in."""

import numpy as np
import pandas as pd

from nanonet.measure.columns import particle_columns
from nanonet.measure.images import image_columns
from nanonet.records import ImageTable, ParticleTable


def sample(diameters: np.ndarray, images: list[str] | None = None, **columns: object) -> ParticleTable:
    described = particle_columns("nm")
    data = pd.DataFrame({column.name: np.ones(len(diameters)) for column in described})
    data["image"] = images or ["a.tif"] * len(diameters)
    data["equivalent_diameter_nm"] = diameters
    data["touches_border"] = False
    for name in ("track_id", "class_id"):
        data[name] = pd.array([pd.NA] * len(diameters), dtype="Int64")
    for name, values in columns.items():
        data[name] = values
    return ParticleTable(data=data, columns=described)


def frames(names: list[str], size: float, covered: float = 0.1, unresolved: float = 0.0) -> ImageTable:
    """Return square images of a size [nm]."""
    described = image_columns("nm")
    data = pd.DataFrame({"image": names, "frame": range(len(names)), "particles": 1, "touching_border": 0})
    data = data.assign(height_nm=size, width_nm=size, covered=covered, unresolved=unresolved, note="")
    return ImageTable(data=data, columns=described)


def planted(size: float, rng: np.random.Generator) -> ParticleTable:
    """Return discs of 5 and 40 nm, twice as many small ones, that lie anywhere about frames of a size."""
    rows: list[tuple[float, str]] = []
    for image in range(60):
        number = 40
        diameters = np.where(rng.random(number) < 1 / 3, 40.0, 5.0)
        centres = rng.uniform(-20, size + 20, (number, 2))
        inside = (np.abs(centres - size / 2) + diameters[:, None] / 2 < size / 2).all(axis=1)
        rows += [(float(d), f"{image}.tif") for d in diameters[inside]]
    diameters = np.array([d for d, _ in rows])
    return sample(diameters, [i for _, i in rows], perimeter_nm=np.pi * diameters, convexity=1.0)
