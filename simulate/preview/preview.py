"""``nanonet simulate preview``: simulate a few structures, draw samples of them, and put them on a sheet."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError
from nanonet.workers.cluster import Cluster
from simulate.imaging import Imaging, Microscope
from simulate.preview.samples import draw_samples
from simulate.shards.generate import generate
from simulate.shards.manifest import read_manifest, recipe_part
from simulate.specimen import Environment, SpecimenRecipe

FILE = "preview.png"
OTHER_PICTURES = (".jpg", ".jpeg", ".pdf", ".svg", ".tif", ".tiff")


def make_preview(
    *,
    structures: SpecimenRecipe,
    imaging: Imaging,
    microscope: Microscope,
    output: str | Path,
    environment: Environment | None = None,
    shards: str | Path | None = None,
    samples: int = 12,
    crop_pixels: int = 128,
    n_structures: int = 12,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Draw a sheet of samples with their truth.

    Parameters
    ----------
    structures, imaging, microscope, environment, seed, cluster
        As in `simulate.shards.generate.generate`; the structures are those that it makes first.
    output
        A .png, or the folder that preview.png goes to.
    shards
        A folder of shards to draw from, with the microscope that it names; then nothing is simulated.
    samples
        How many.
    crop_pixels
        Edge of the images.
    n_structures
        Structures that are made at most; more samples than that share them.

    Returns
    -------
    file
        The sheet.

    Raises
    ------
    InputError
        If the folder holds no shards, or structures failed.
    """
    for name, value in (("samples", samples), ("n_structures", n_structures)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    file = sheet_path(Path(output))
    file.parent.mkdir(parents=True, exist_ok=True)
    if shards is not None:
        return _write(file, Path(shards), samples, crop_pixels, seed)
    # Beside the sheet, since workers on other machines see that place too.
    with TemporaryDirectory(prefix=".preview-", dir=file.parent) as folder:
        generate(
            structures=structures,
            imaging=imaging,
            microscope=microscope,
            output=Path(folder) / "shards",
            environment=environment,
            n_structures=min(samples, n_structures),
            seed=seed,
            cluster=cluster,
        )
        return _write(file, Path(folder) / "shards", samples, crop_pixels, seed)


def sheet_path(output: Path) -> Path:
    """Return the file of the sheet: ``output`` if it is a .png, else preview.png in that folder.

    Raises
    ------
    InputError
        If it is another kind of picture.
    """
    if output.suffix.lower() in OTHER_PICTURES:
        raise InputError(f"a preview is a PNG, not {output.suffix}: give output={output.with_suffix('.png')}")
    return output if output.suffix.lower() == ".png" else output / FILE


def _write(file: Path, folder: Path, samples: int, crop_pixels: int, seed: int) -> Path:
    """Draw samples of shards and write their sheet; it appears whole or not at all."""
    from simulate.preview.sheet import draw_sheet

    imaging: Imaging = recipe_part(read_manifest(folder), "imaging")
    heading = f"{imaging.modality}, {imaging.energy / 1e3:g} kV"
    figure = draw_sheet(draw_samples(folder, samples, crop_pixels, seed), heading)
    with atomic_path(file) as hidden:
        figure.savefig(hidden, format="png")
    return file
