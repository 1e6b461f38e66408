"""Make the images of a population with their truth, a file each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from nanonet.io.atomic import atomic_path
from nanonet.io.writers.images import write_tif
from nanonet.io.writers.movie import MovieFacts, write_movie
from nanonet.io.writers.tables import write_csv
from nanonet.io.writers.volumes import write_mrc
from nanonet.provenance import versions
from nanonet.records import InputError
from nanonet.workers.cluster import Cluster, run
from nanonet.workers.local import Local, one_thread
from simulate.fields.field import Field, FieldTruth
from simulate.population.haadf import FocusedHAADF
from simulate.population.mean_shape import kind_shape
from simulate.population.recipe import PopulationRecipe
from simulate.population.truth_table import COLUMNS, TruthTable, truth_table
from simulate.stem.microscope import ScanningMicroscope, ScanSetting

MANIFEST = "manifest.json"
FORMAT = {"format": "nanonet-population", "format_version": 1}
IMAGES, LABELS, ROWS, VOLUMES, TRUTH = "images", "labels", "truth", "volumes", "truth.csv"
COARSER = 2.0
"""Voxels of the volumes that are written, in pixels of the images."""


@dataclass(frozen=True, kw_only=True)
class PopulationImage:
    """An image of a population as the detector recorded it, with its truth and how it was taken."""

    image: Float[np.ndarray, "y x"]
    truth: FieldTruth
    setting: ScanSetting


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What an image follows from, with its index."""

    recipe: PopulationRecipe
    imaging: FocusedHAADF
    microscope: ScanningMicroscope
    seed: int

    def draw(self, index: int) -> PopulationImage:
        """Return image ``index``."""
        import torch

        setting = self.setting(index)
        truth = self.imaging.truth(self.field(index))
        expected = torch.from_numpy(self.imaging.expected(truth, setting))
        image = setting.record(expected, np.random.default_rng([self.seed, index, 5]))
        return PopulationImage(image=image, truth=truth, setting=setting)

    def setting(self, index: int) -> ScanSetting:
        """Return how an image is taken.

        Raises
        ------
        InputError
            If the microscope names no beam energy.
        """
        if self.microscope.energy is None:
            raise InputError("a population needs the beam energy: give microscope.energy=2e5 (eV)")
        return self.microscope.draw(self.microscope.energy, np.random.default_rng([self.seed, index, 6]))

    def field(self, index: int) -> Field:
        """Return what an image shows."""
        return self.recipe.draw(self.seed, index, self.setting(index).pixel_size)


def generate_population(
    *,
    recipe: PopulationRecipe,
    imaging: FocusedHAADF,
    microscope: ScanningMicroscope,
    output: str | Path,
    n_structures: int | None = None,
    suffix: str = ".dm4",
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Write the images of a population and their truth into a folder; those that are there are kept.

    Parameters
    ----------
    recipe, imaging, microscope
        What population, how it scatters, how it is scanned.
    n_structures
        Images that are made, the first of the recipe's; None for all.
    suffix
        Format of the images: .dm4 or .dm3, which tell modality and energy, .emd, .hspy, .tif or .mrc.

    Returns
    -------
    folder
        ``output``, with images/, labels/NAME.tif (instances, int32, that on top where two overlap),
        truth.csv (one row a particle) and its parts in truth/, volumes/KIND.mrc (the mean shape of each
        kind, see `kind_shape`), manifest.json.

    Raises
    ------
    InputError
        If the folder holds something else, or the recipe cannot be met.
    """
    count = recipe.images if n_structures is None else n_structures
    if not 1 <= count <= recipe.images:
        raise InputError(f"n_structures must be 1 to {recipe.images}, the recipe's images, got {count}")
    folder = Path(output)
    experiment = Experiment(recipe=recipe, imaging=imaging, microscope=microscope, seed=seed)
    _begin(folder, experiment, suffix)
    names = [_name(index) for index in range(count)]
    # The rows of an image are written last: where they are, it is whole.
    missing = [i for i, name in enumerate(names) if not (folder / ROWS / f"{name}.csv").exists()]
    run(partial(_write, experiment, folder, suffix), missing, cluster=cluster or Local(), title="images")
    rows = pd.concat([_read(folder / ROWS / f"{name}.csv") for name in names], ignore_index=True)
    write_csv(folder / TRUTH, TruthTable(data=rows, columns=COLUMNS))
    voxel_size = COARSER * experiment.setting(0).pixel_size
    for kind in recipe.kinds:
        path = folder / VOLUMES / f"{kind.name}.mrc"
        if not path.exists():
            write_mrc(path, kind_shape(recipe, kind.name, voxel_size, seed=seed))
    return folder


def read_truth(folder: str | Path) -> pd.DataFrame:
    """Return truth.csv of a population, its rows as `truth_table.COLUMNS` says."""
    return _read(Path(folder) / TRUTH)


def read_fields(folder: str | Path) -> list[Field]:
    """Return what each image of a population shows, drawn again from the manifest.

    The particle of number i in truth.csv is at place i - 1 of its field's.

    Raises
    ------
    InputError
        If the folder holds no population.
    """
    from nanonet.configuration import build

    path = Path(folder) / MANIFEST
    if not path.exists():
        raise InputError(f"{folder} holds no population: run `nanonet simulate experiment=population_slater`")
    told = json.loads(path.read_text(encoding="utf-8"))
    if told.get("format") != FORMAT["format"]:
        raise InputError(f"{folder} holds no population but {told.get('format')}")
    experiment = Experiment(**{k: build(v) for k, v in told["recipe"].items()}, seed=told["seed"])
    return [experiment.field(index) for index in range(len(list((Path(folder) / ROWS).glob("*.csv"))))]


def _read(path: Path) -> pd.DataFrame:
    text = dict.fromkeys(("image", "kind", "state", "material", "neighbours"), str)
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"etching": [""]})


def _name(index: int) -> str:
    return f"population_{index:04d}"


def _begin(folder: Path, experiment: Experiment, suffix: str) -> None:
    """Write the manifest, or check that the old one says the same."""
    from nanonet.io.writers.movie import require_movie_name
    from simulate.shards.recipe import as_node

    require_movie_name(f"image{suffix}")
    parts = {name: getattr(experiment, name) for name in ("recipe", "imaging", "microscope")}
    new: dict[str, Any] = {**FORMAT, "recipe": as_node(parts), "seed": experiment.seed, "suffix": suffix}
    if (folder / MANIFEST).exists():
        old = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if any(old.get(key) != value for key, value in json.loads(json.dumps(new)).items()):
            raise InputError(f"{folder} holds a population of another recipe or seed: choose another output")
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no population: choose another output")
    with atomic_path(folder / MANIFEST) as hidden:
        text = json.dumps({**new, "versions": versions()}, indent=2, ensure_ascii=False)
        hidden.write_text(text + "\n", encoding="utf-8")


def _write(experiment: Experiment, folder: Path, suffix: str, index: int) -> None:
    with one_thread():
        drawn = experiment.draw(index)
    name, pixel_size = _name(index), drawn.setting.pixel_size
    # A pixel that counts more than the file can say is full, as in a detector.
    image = np.clip(np.rint(drawn.image), 0, 65535).astype(np.uint16)
    facts = MovieFacts(
        shape=(1, *image.shape),
        dtype="uint16",
        pixel_size=pixel_size,
        energy=drawn.setting.probe.energy,
        dose=drawn.setting.dose,
        modality="HAADF",
    )
    write_movie(folder / IMAGES / f"{name}{suffix}", [image], facts)
    write_tif(folder / LABELS / f"{name}.tif", [drawn.truth.labels], pixel_size=pixel_size)
    write_csv(folder / ROWS / f"{name}.csv", truth_table(drawn.truth, f"{name}{suffix}"))
