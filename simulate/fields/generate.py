"""Draw fields with their images, one by one or into a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanonet.io.atomic import atomic_path
from nanonet.provenance import versions
from nanonet.records import InputError
from simulate.fields.field import FieldTruth
from simulate.fields.imaging import FieldImage, FieldImaging
from simulate.fields.recipe import FieldRecipe

if TYPE_CHECKING:
    from nanonet.workers.cluster import Cluster

MANIFEST = "manifest.json"
FORMAT = {"format": "nanonet-fields", "format_version": 1}


@dataclass(frozen=True, kw_only=True)
class FieldSample:
    """A field with one image of it, before a detector's noise."""

    image: FieldImage
    truth: FieldTruth


def draw_field(recipe: FieldRecipe, imaging: FieldImaging, seed: int, index: int) -> FieldSample:
    """Return the field [seed, index] and its image; the field is the same in every imaging."""
    truth = recipe.draw(np.random.default_rng([seed, index])).truth()
    return FieldSample(image=imaging.image(truth, np.random.default_rng([seed, index, 1])), truth=truth)


def generate_fields(
    *,
    recipe: FieldRecipe,
    imaging: FieldImaging,
    output: str | Path,
    n_structures: int = 100,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Draw fields into a folder, a file each, whole or absent; those that are there are kept.

    Parameters
    ----------
    recipe, imaging
        What fields, and how they are seen.
    cluster
        Where the work is done; None for this machine, one process a core.

    Returns
    -------
    folder
        ``output``, with `read_field`'s field_00000000.npz, ... and a manifest.

    Raises
    ------
    InputError
        If the folder holds something else.
    """
    from nanonet.workers.cluster import run
    from nanonet.workers.local import Local

    if n_structures < 1:
        raise InputError(f"n_structures must be at least 1, got {n_structures}")
    folder = Path(output)
    _begin(folder, recipe, imaging, seed)
    missing = [i for i in range(n_structures) if not _path(folder, i).exists()]
    run(partial(_write, recipe, imaging, folder, seed), missing, cluster=cluster or Local(), title="fields")
    return folder


def _begin(folder: Path, recipe: FieldRecipe, imaging: FieldImaging, seed: int) -> None:
    """Write the manifest, or check that the old one says the same."""
    from simulate.shards.recipe import as_node

    new = {**FORMAT, "recipe": as_node({"recipe": recipe, "imaging": imaging}), "seed": seed}
    if (folder / MANIFEST).exists():
        old = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if any(old.get(key) != json.loads(json.dumps(value)) for key, value in new.items()):
            raise InputError(f"{folder} holds fields of another recipe or seed: choose another output")
        return
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no fields: choose another output")
    with atomic_path(folder / MANIFEST) as hidden:
        text = json.dumps({**new, "versions": versions()}, indent=2, ensure_ascii=False)
        hidden.write_text(text + "\n", encoding="utf-8")


def _path(folder: Path, index: int) -> Path:
    return folder / f"field_{index:08d}.npz"


def _write(recipe: FieldRecipe, imaging: FieldImaging, folder: Path, seed: int, index: int) -> None:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        sample = draw_field(recipe, imaging, seed, index)
    # numpy appends .npz to a name that lacks it, so it gets a file.
    arrays: Any = as_arrays(sample)
    with atomic_path(_path(folder, index)) as hidden, hidden.open("wb") as file:
        np.savez_compressed(file, **arrays)


def as_arrays(sample: FieldSample) -> dict[str, np.ndarray]:
    """Return what a file holds of a sample.

    Returns
    -------
    arrays
        intensity (y, x) float16; labels (y, x) int32; corners (n, 2), sizes (n, 2) and masks (bits, packed
        one outline after the other) of the outlines of whole particles; positions (n, 2) Å, areas (n,) Å²,
        diameters (n,) Å, visible, overlapped, touches_border (n,); about, as JSON: pixel_size [Å], modality,
        settings, materials, shapes.
    """
    truth, field = sample.truth, sample.truth.field
    about: dict[str, Any] = {
        "pixel_size": field.pixel_size,
        "modality": sample.image.modality,
        "settings": dict(sample.image.settings),
        "materials": [particle.crystal.name for particle in field.particles],
        "shapes": [particle.shape for particle in field.particles],
    }
    masks = [outline.mask.ravel() for outline in truth.outlines]
    return {
        "intensity": sample.image.intensity.astype(np.float16),
        "labels": truth.labels,
        "corners": np.array([o.corner for o in truth.outlines], dtype=np.int32).reshape(-1, 2),
        "sizes": np.array([o.mask.shape for o in truth.outlines], dtype=np.int32).reshape(-1, 2),
        "masks": np.packbits(np.concatenate([*masks, np.zeros(0, dtype=bool)])),
        "positions": truth.positions,
        "areas": truth.areas,
        "diameters": np.array([particle.diameter for particle in field.particles]),
        "visible": truth.visible,
        "overlapped": truth.overlapped,
        "touches_border": truth.touches_border,
        "about": np.array(json.dumps(about, ensure_ascii=False)),
    }


def read_field(path: str | Path) -> dict[str, Any]:
    """Return what `as_arrays` describes; masks as a list of (h, w), about as a mapping."""
    with np.load(path) as data:
        found: dict[str, Any] = {name: data[name] for name in data.files}
    sizes = found["sizes"]
    bits = np.unpackbits(found["masks"]).astype(bool)
    ends = np.cumsum(sizes.prod(axis=1))
    found["masks"] = [bits[end - h * w : end].reshape(h, w) for end, (h, w) in zip(ends, sizes, strict=True)]
    found["about"] = json.loads(str(found["about"]))
    return found
