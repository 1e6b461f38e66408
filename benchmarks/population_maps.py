"""Maps of a population against the true bodies of the very particles that they were made of."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import torch

from nanonet.reconstruct.align import align, turned
from nanonet.reconstruct.mask import ball_like
from nanonet.reconstruct.shell_correlation import resolution, shell_correlation
from simulate.fields.particle import FieldParticle
from simulate.population import mean_shape, read_fields

_HIGHEST = 12
"""Shell up to which a map is brought to the truth."""


def against_truth(population: Path, output: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each map: what it is made of, and how near it comes to the truth.

    Parameters
    ----------
    rows
        Of the particles that were grouped, with ``class_id``, ``true_kind`` and the row of ``truth``.csv.
    """
    fields = read_fields(population)
    particles = [particle for field in fields for particle in field.particles]
    table = pd.read_csv(output / "maps.csv").set_index("class_id")
    found = []
    for class_id, told in table.iterrows():
        own = rows[rows["class_id"] == class_id]
        kinds = own["true_kind"].value_counts()
        members = typical([particles[i] for i in own[own["true_kind"] == kinds.index[0]]["truth"]])
        with mrcfile.open(output / "volumes" / f"class_{class_id:02d}.mrc") as file:
            density, voxel = np.array(file.data, np.float32), float(file.voxel_size.x)
        found.append(
            {
                "class": class_id,
                "kind": kinds.index[0],
                "particles": len(own),
                "purity": kinds.iloc[0] / len(own),
                "point_group": told["point_group"],
                **_compared(density, mean_shape(members, voxel, edge=len(density)).density, voxel),
                "fsc_0143_nm": told["resolution_fsc_0143_angstrom"] / 10,
                "correlation": told["correlation"],
                "ball_particle_correlation": told["control_correlation"],
            }
        )
    return pd.DataFrame(found)


def typical(members: list[FieldParticle]) -> list[FieldParticle]:
    """Return the fifth of the particles whose size is nearest the median.

    Sizes are fitted in the reconstruction: its map is that of a particle of the middle size, not a mean over
    sizes.
    """
    size = np.array([particle.diameter for particle in members])
    order = np.argsort(np.abs(size - np.median(size)), kind="stable")
    return [members[index] for index in order[: max(5, len(order) // 5)]]


def _compared(density: np.ndarray, truth: np.ndarray, voxel: float) -> dict[str, float]:
    """Return how near a map comes to the truth, in whatever axes that stands, and the best ball does."""
    ball = ball_like(truth)
    wanted, own = (torch.as_tensor(np.float32(one)) for one in (truth, density))
    same = turned(own, align(wanted, own, "C1", highest=_HIGHEST)).numpy()
    return {
        "truth_correlation": float(np.corrcoef(same.ravel(), truth.ravel())[0, 1]),
        "ball_correlation": float(np.corrcoef(ball.ravel(), truth.ravel())[0, 1]),
        "truth_fsc_05_nm": resolution(shell_correlation(truth, same, voxel), 0.5) / 10,
        "ball_fsc_05_nm": resolution(shell_correlation(truth, ball, voxel), 0.5) / 10,
    }
