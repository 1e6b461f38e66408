"""The frame that a camera sees of a simulated wave, and the truth in that frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from simulate.detector import expected_counts
from simulate.exit_wave import ExitWaves
from simulate.microscope import Setting
from simulate.optics import image_intensity
from simulate.truth import Columns

if TYPE_CHECKING:
    import torch


def turned(waves: ExitWaves, columns: Columns, quarters: int, mirrored: bool) -> tuple[ExitWaves, Columns]:
    """Return waves and columns turned by ``quarters`` · 90° (y towards x), after a mirror of x if asked for.

    The mirror maps element j to n - 1 - j, hence x to (n - 1) · sampling - x: grid points stay grid points.
    """
    array = waves.waves[..., ::-1] if mirrored else waves.waves
    array = np.rot90(array, quarters, axes=(-2, -1))
    far = (waves.waves.shape[-1] - 1) * waves.sampling
    y, x = columns.positions.T
    x = far - x if mirrored else x
    for _ in range(quarters % 4):
        y, x = far - x, y
    return (
        replace(waves, waves=np.ascontiguousarray(array)),
        replace(columns, positions=np.stack([y, x], axis=1)),
    )


def draw_origin(side: float, length: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return where a frame of edge ``length`` begins in a box of edge ``side`` [Å], at random.

    A smaller frame lies anywhere within the box; a larger one has it near the middle, within 2 Å.
    """
    room = max(side - length, 0.0)
    reach = max(room, 4.0) / 2
    y, x = (side - length) / 2 + rng.uniform(-reach, reach, 2)
    return float(y), float(x)


def expected_image(
    waves: ExitWaves,
    setting: Setting,
    origin: tuple[float, float],
    shape: tuple[int, int],
    *,
    focal_points: int = 5,
) -> torch.Tensor:
    """Return the mean counts of the camera; ``origin`` is the (y, x) [Å] of its first pixel in the box."""
    import torch

    with torch.inference_mode():
        intensity = image_intensity(
            torch.from_numpy(waves.waves), waves.sampling, setting.optics, focal_points=focal_points
        )
        return expected_counts(intensity, waves.sampling, setting.detector, origin=origin, shape=shape)


def in_frame(
    columns: Columns, origin: tuple[float, float], shape: tuple[int, int], pixel_size: float
) -> Columns:
    """Return the columns that project into a frame, with positions from the centre of its first pixel."""
    positions = columns.positions - np.array(origin)
    pixels = positions / pixel_size
    inside = ((pixels >= -0.5) & (pixels < np.array(shape) - 0.5)).all(axis=1)
    return Columns(ids=columns.ids[inside], positions=positions[inside], depths=columns.depths[inside])
