"""A sheet of fields of particles as a network sees them, each beside its truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError, MaskSample
from nanonet.workers.cluster import Cluster
from simulate.draw_fields import FieldSampler
from simulate.fields import FieldImaging, FieldRecipe, generate_fields
from simulate.fields.annotation import Annotation
from simulate.preview.preview import sheet_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, PANEL = 2, 3.6
"""Samples beside each other, each an image and its truth, and the edge of a panel [inch]."""


def preview_fields(
    *,
    recipe: FieldRecipe,
    imaging: FieldImaging,
    output: str | Path,
    shards: str | Path | None = None,
    annotation: Annotation | None = None,
    samples: int = 12,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Draw a sheet of fields, with noise and what is burnt in as the masks' network sees them.

    Parameters
    ----------
    recipe, imaging, seed, cluster
        As in `simulate.fields.generate_fields`; the fields are those that it makes first.
    output
        A .png, or the folder that preview.png goes to.
    shards
        A folder of fields to draw from; then nothing is simulated.
    annotation
        Scale bars and letters; None for none.
    samples
        Fields.

    Returns
    -------
    file
        The sheet.

    Raises
    ------
    InputError
        If the folder holds no fields, or output is no PNG.
    """
    if samples < 1:
        raise InputError(f"samples must be at least 1, got {samples}")
    file = sheet_path(Path(output))
    file.parent.mkdir(parents=True, exist_ok=True)
    # Beside the sheet, since workers on other machines see that place too.
    with TemporaryDirectory(prefix=".preview-", dir=file.parent) as folder:
        fields = Path(folder) / "fields" if shards is None else Path(shards)
        if shards is None:
            generate_fields(
                recipe=recipe,
                imaging=imaging,
                output=fields,
                n_structures=samples,
                seed=seed,
                cluster=cluster,
            )
        sampler = FieldSampler(str(fields), annotation=annotation)
        shown = list(sampler.structures)[:samples]
        figure = draw_field_sheet([sampler.draw(i, np.random.default_rng([seed, i, 8])) for i in shown])
    with atomic_path(file) as hidden:
        figure.savefig(hidden, format="png")
    return file


def draw_field_sheet(samples: Sequence[MaskSample]) -> Figure:
    """Return a figure of images, each beside itself with its particles outlined and the unknown shaded."""
    from matplotlib.figure import Figure

    across = min(ACROSS, len(samples))
    down = -(-len(samples) // across)
    figure = Figure(figsize=(2 * across * PANEL, down * (PANEL + 0.2)), dpi=100, layout="constrained")
    axes = figure.subplots(down, 2 * across, squeeze=False).ravel()
    for each in axes:
        each.set_axis_off()
    for index, sample in enumerate(samples):
        _draw_sample(axes[2 * index], axes[2 * index + 1], sample)
    return figure


def _draw_sample(seen: Axes, truth: Axes, sample: MaskSample) -> None:
    low, high = np.percentile(sample.image, [0.2, 99.8])
    for axes in (seen, truth):
        axes.imshow(sample.image, cmap="gray", vmin=low, vmax=high)
    particles = np.setdiff1d(sample.instances, [0, -1])
    wide, pixel = sample.image.shape[1], sample.pixel_size
    size = f"{wide * pixel / 10:.0f} nm wide, {pixel:.3g} Å/px, " if pixel else ""
    seen.set_title(f"{size}{sample.settings['counts']:.0f} counts", fontsize=8)
    truth.set_title(f"truth: {len(particles)} outlines; purple: nobody can know", fontsize=8)
    unknown = np.zeros((*sample.instances.shape, 4))
    unknown[sample.instances == -1] = (0.8, 0.47, 0.65, 0.6)
    truth.imshow(unknown)
    _draw_outlines(truth, sample.instances)


def _draw_outlines(axes: Axes, instances: np.ndarray) -> None:
    """Colour the pixels of particles that touch another label, so that neighbours stay apart."""
    edge = np.zeros(instances.shape, dtype=bool)
    for axis in (0, 1):
        differ = np.diff(instances, axis=axis) != 0
        first = [slice(None)] * 2
        second = [slice(None)] * 2
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        edge[tuple(first)] |= differ
        edge[tuple(second)] |= differ
    outline = np.zeros((*instances.shape, 4))
    outline[edge & (instances > 0)] = (0.84, 0.37, 0.0, 1.0)
    axes.imshow(outline)
