"""One map from images of like particles, from nothing: seconds, and how near it comes to the truth.

Truncated cubes, etched cubes and stars (etched rhombic dodecahedra) of 10 to 11 nm, edges blurred to 5 Å;
images of 96 pixels of 1.8 Å, HAADF as mass thickness with Poisson noise, any orientation, shifts of up to 3
pixels, sizes that spread by 4 %, drawn in real space from the planes of the bodies. The reconstruction is
told the point group, O. What it found is compared with the mean body: their correlation, and the frequency
at which their shell correlation falls to one half; beside it that of the best ball, the mean body averaged
over all rotations. ``--few`` is the number of particles at which all is repeated; ``--fixed-size`` shows
what fitting sizes is worth.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from reconstruction_bodies import Body, cube, simulated, star, volume

from nanonet.reconstruct.align import align, turned
from nanonet.reconstruct.mask import ball_like
from nanonet.reconstruct.reconstruction import Reconstruction, Settings, reconstruct
from nanonet.reconstruct.refine import Refine
from nanonet.reconstruct.shell_correlation import resolution, shell_correlation

BODIES = {
    "truncated cubes": cube(100.0, 0.25),
    "etched cubes": cube(100.0, 0.2, 0.35),
    "stars": star(110.0, 0.8),
}
SIDE, PIXEL = 96, 1.8
COUNT, FEW = 500, 20
_HIGHEST = 16  # shell up to which a map is brought to the truth


@dataclass(frozen=True)
class Case:
    """A body, and how many particles of it are reconstructed with or without their sizes fitted."""

    name: str
    count: int
    fit_size: bool = True
    seed: int = 0


def measured(case: Case, pictures: Path | None) -> dict[str, float | str]:
    """Return the row of one reconstruction."""
    body = BODIES[case.name]
    rng = np.random.default_rng([case.seed, case.count])
    particles = simulated(body, case.count, rng, side=SIDE, pixel_size=PIXEL).particles
    wall, processor = time.perf_counter(), time.process_time()
    settings = Settings(refine=Refine(fit_size=case.fit_size))
    found = reconstruct(particles, rng, point_group="O", settings=settings)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "particles": case.name,
        "number": case.count,
        "sizes": "fitted" if case.fit_size else "fixed",
        "processor_s": processor,
        "clock_s": wall,
        **against_truth(body, found, pictures / f"{case.name} {case.count}.png" if pictures else None),
        "fsc_0143": found.resolution_fsc_0143,
        "fsc_05": found.resolution_fsc_05,
        "particle_correlation": float(found.correlations.mean()),
        "held_out": float(found.held_out_correlations.mean()),
        "ball_particle_correlation": float(found.control_correlations.mean()),
    }


def against_truth(
    body: Body, found: Reconstruction, picture: Path | None, frames: str = "O", highest: int = _HIGHEST
) -> dict[str, float]:
    """Return the correlation with the mean body and the resolution up to which it holds, beside a ball's.

    Parameters
    ----------
    frames
        Point group whose standard axes both stand in.
    highest
        Shell up to which the map is brought to the truth.
    """
    truth = volume(body, SIDE, PIXEL)
    ball = ball_like(truth)
    wanted, density = (torch.as_tensor(np.float32(one)) for one in (truth, found.volume.density))
    same = turned(density, align(wanted, density, frames, highest=highest)).numpy()
    if picture:
        show(truth, same, picture)
    return {
        "truth_correlation": float(np.corrcoef(same.ravel(), truth.ravel())[0, 1]),
        "ball_truth_correlation": float(np.corrcoef(ball.ravel(), truth.ravel())[0, 1]),
        "truth_fsc_05": resolution(shell_correlation(truth, same, PIXEL), 0.5),
        "ball_truth_fsc_05": resolution(shell_correlation(truth, ball, PIXEL), 0.5),
    }


def show(truth: np.ndarray, found: np.ndarray, picture: Path) -> None:
    """Write central slices of truth and map side by side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(7, 5))
    middle = SIDE // 2
    for row, density in zip(axes, (truth, found), strict=True):
        for axis, plane in zip(row, (density[middle], density[middle + 10], density.sum(0)), strict=True):
            axis.imshow(plane)
            axis.axis("off")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=80)
    pyplot.close(figure)


def cases(quick: bool, few: int, number: int) -> list[Case]:
    names = list(BODIES)
    if quick:
        return [Case(names[1], few)]
    return [
        *(Case(name, count) for name in names for count in (few, number)),
        Case(names[1], number // 5, fit_size=True),
        Case(names[1], number // 5, fit_size=False),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one kind, few particles")
    parser.add_argument("--few", type=int, default=FEW)
    parser.add_argument("--number", type=int, default=COUNT)
    parser.add_argument("--only", help="one kind of particles")
    parser.add_argument("--pictures", type=Path, help="folder for slices of the maps")
    options = parser.parse_args(arguments)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    chosen = [
        case
        for case in cases(options.quick, options.few, options.number)
        if options.only in (None, case.name)
    ]
    rows = pd.DataFrame([measured(case, options.pictures) for case in chosen])
    print(rows.round(3).T.to_string(header=False))
    fitted = rows[rows["sizes"] == "fitted"]
    print(
        json.dumps(
            {
                "processor_s": round(float(rows["processor_s"].max()), 1),
                "worst_truth_correlation": round(float(fitted["truth_correlation"].min()), 4),
                "worst_truth_fsc_05": round(float(fitted["truth_fsc_05"].max()), 2),
                "worst_above_ball": round(
                    float((fitted["truth_correlation"] - fitted["ball_truth_correlation"]).min()), 3
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
