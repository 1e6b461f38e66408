"""A sheet of a population's images with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError
from nanonet.workers.cluster import Cluster, run
from nanonet.workers.local import Local
from simulate.population.generate import Experiment, PopulationImage
from simulate.population.haadf import FocusedHAADF
from simulate.population.recipe import PopulationRecipe, state_of
from simulate.preview.preview import sheet_path
from simulate.stem.microscope import ScanningMicroscope

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS, PANEL = 2, 4.2
"""Samples beside each other, each an image and its truth, and the edge of a panel [inch]."""
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def preview_population(
    *,
    recipe: PopulationRecipe,
    imaging: FocusedHAADF,
    microscope: ScanningMicroscope,
    output: str | Path,
    samples: int = 4,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Draw a sheet of the first images of a population, each beside its truth.

    Parameters
    ----------
    recipe, imaging, microscope, seed, cluster
        As in `generate_population`.
    output
        A .png, or the folder that preview.png goes to.
    samples
        Images.

    Returns
    -------
    file
        The sheet.
    """
    if not 1 <= samples <= recipe.images:
        raise InputError(f"samples must be 1 to {recipe.images}, the recipe's images, got {samples}")
    file = sheet_path(Path(output))
    experiment = Experiment(recipe=recipe, imaging=imaging, microscope=microscope, seed=seed)
    images = run(experiment.draw, list(range(samples)), cluster=cluster or Local(), title="images")
    figure = draw_sheet(images, [kind.name for kind in recipe.kinds])
    with atomic_path(file) as hidden:
        figure.savefig(hidden, format="png")
    return file


def draw_sheet(images: Sequence[PopulationImage], kinds: Sequence[str]) -> Figure:
    """Return a figure of images, each beside the outlines of its particles in the colours of their kinds."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    across = min(ACROSS, len(images))
    down = -(-len(images) // across)
    figure = Figure(figsize=(2 * across * PANEL, down * PANEL + 0.5), dpi=100, layout="constrained")
    axes = figure.subplots(down, 2 * across, squeeze=False).ravel()
    for each in axes:
        each.set_axis_off()
    colours = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}
    for index, sample in enumerate(images):
        _draw_image(axes[2 * index], sample)
        _draw_truth(axes[2 * index + 1], sample, colours)
    handles = [Line2D([], [], color=colour, label=kind) for kind, colour in colours.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), frameon=False)
    return figure


def _draw_image(axes: Axes, sample: PopulationImage) -> None:
    setting, nm = sample.setting, sample.setting.pixel_size / 10
    low, high = np.percentile(sample.image, [0.2, 99.8])
    axes.imshow(sample.image, cmap="gray", vmin=low, vmax=high)
    said = f"{sample.image.shape[1] * nm:.0f} nm wide, {setting.pixel_size:.3g} Å/px, {setting.dose:.0f} e/Å²"
    axes.set_title(f"{said}, defocus {setting.probe.defocus:.0f} Å".replace("-", "−"), fontsize=8)


def _draw_truth(axes: Axes, sample: PopulationImage, colours: dict[str, str]) -> None:
    """Draw outlines, dashed where a particle is not whole, with its number."""
    truth = sample.truth
    axes.imshow(truth.thickness(), cmap="gray", vmax=300)
    for number, particle in enumerate(truth.field.particles, start=1):
        whole = state_of(particle.solid) == "whole"
        colour = colours[particle.shape]
        axes.contour(
            truth.amodal(number),
            levels=[0.5],
            colors=colour,
            linewidths=1.2,
            linestyles="solid" if whole else "dashed",
        )
        y, x = truth.positions[number - 1] / truth.field.pixel_size
        axes.text(x, y, str(number), color=colour, fontsize=7, ha="center", va="center", clip_on=True)
    axes.set_title("truth: thickness, outlines by kind, dashed if broken or fused", fontsize=8)
