"""The batched PRISM reduction against abTEM's own: one scattering matrix, 8 probe settings, one thread each.

Both are given the same scattering matrix of a gold particle and return the same images: an annulus of 80 to
160 mrad, 200 kV, 23 mrad, at every scan point of a grid over the whole box. abTEM is timed with each of
some batch sizes, for one setting of the 8 (it takes them one after the other). The fastest run of each
counts; times are of the processor, so that other work on the machine matters little.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable
from typing import Any

import numpy as np

CASES = {"quick": ((1, 14.0), (2, 24.0)), "full": ((1, 20.0), (2, 24.0), (2, 32.0), (4, 48.0))}
"""(interpolation, box [Å]): windows of 12 Å and more, which an error of 1-2 % of the contrast takes."""
BATCHES = {1: (96,), 2: (4, 24), 4: (4, 24)}


def particle(diameter: float, side: float) -> Any:
    """Return a sphere of gold in a box."""
    from ase.build import bulk

    count = 2 * int(diameter / 4.0782) + 3
    atoms = bulk("Au", "fcc", a=4.0782, cubic=True).repeat((count, count, count))
    atoms.positions -= atoms.positions.mean(axis=0)
    atoms = atoms[np.linalg.norm(atoms.positions, axis=1) <= diameter / 2]
    atoms.set_cell([side, side, diameter + 4.0])
    atoms.positions += np.array([side, side, diameter + 4.0]) / 2
    atoms.pbc = True
    return atoms


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return function(), time.process_time() - start


def abtem_images(matrix: Any, probe: Any, annulus: Any, points: tuple[int, int], batch: int) -> np.ndarray:
    """Return the image (y, x) of abTEM's reduction."""
    import abtem

    from simulate.stem.potential import ABTEM_SETTINGS
    from simulate.stem.selftest import abtem_ctf

    scan = abtem.GridScan(start=(0, 0), end=matrix_sides(matrix)[::-1], gpts=points[::-1], endpoint=False)
    detector = abtem.AnnularDetector(inner=annulus.inner, outer=annulus.outer)
    with abtem.config.set(dict(ABTEM_SETTINGS)):
        found = matrix.reduce(scan=scan, ctf=abtem_ctf(probe), detectors=detector, max_batch_reduction=batch)
    return np.asarray(found.array).T


def matrix_sides(matrix: Any) -> tuple[float, float]:
    return float(matrix.extent[1]), float(matrix.extent[0])


def compare(atoms: Any, interpolation: int, batches: tuple[int, ...]) -> dict[str, float]:
    """Return times [s] and the largest difference relative to the mean, for one interpolation."""
    from simulate.stem.potential import Scattering, phonon_potential
    from simulate.stem.prism import scattering_matrices
    from simulate.stem.probe import Annulus, Probe, scan_points
    from simulate.stem.reduction import reduce_grid
    from simulate.stem.selftest import abtem_matrix

    annulus = Annulus(inner=80.0, outer=160.0)
    probes = [Probe(defocus=15.0 * i, Cs=2e4 * i, astigmatism=3.0 * i, coma=40.0 * i) for i in range(8)]
    scattering = Scattering(sampling=0.05, slice_thickness=2.0)
    potential = phonon_potential(atoms, scattering, {"Au": 0.088}, (0,), energy=200e3)
    (matrix,), making = timed(
        lambda: list(scattering_matrices(potential, probes, [annulus], interpolation=interpolation))
    )
    points = tuple(n + -n % interpolation for n in scan_points(200e3, 23.0, matrix.sides))
    runs = [timed(lambda: reduce_grid(matrix, probes, [annulus], points)[:, 0].numpy()) for _ in range(2)]
    images, ours = min(runs, key=lambda run: run[1])
    other = abtem_matrix(matrix)
    runs = [
        timed(lambda batch=batch: abtem_images(other, probes[0], annulus, points, batch)) for batch in batches
    ]
    theirs = min(seconds for _, seconds in runs)
    # The last setting has all aberrations; it is compared, too.
    last = abtem_images(other, probes[-1], annulus, points, batches[int(np.argmin([s for _, s in runs]))])
    difference = max(
        float(np.abs(found - reference).max() / reference.mean())
        for found, reference in ((images[0], runs[0][0]), (images[-1], last))
    )
    return {
        "beams": len(matrix.lattice),
        "points": int(np.prod(points)),
        "making": making,
        "ours": ours,
        "abtem": len(probes) * theirs,
        "speedup": len(probes) * theirs / ours,
        "difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller box, within 5 minutes")
    mode = "quick" if parser.parse_args().quick else "full"
    import torch

    torch.set_num_threads(1)
    print("gold in vacuum of 4 Å, 8 probe settings, one thread, s of CPU; difference to the mean")
    print("interpolation   box  beams  scan points  making S  abTEM reduces  batched  speed-up  difference")
    rows = []
    for interpolation, side in CASES[mode]:
        row = compare(particle(side - 8.0, side), interpolation, BATCHES[interpolation])
        rows.append(row)
        print(
            f"{interpolation:13d}  {side:2.0f} Å  {row['beams']:5.0f}  {row['points']:11.0f}  "
            f"{row['making']:8.1f}  {row['abtem']:13.1f}  {row['ours']:7.2f}  {row['speedup']:8.1f}  "
            f"{row['difference']:.1e}",
            flush=True,
        )
    headline = {
        "prism_reduction_speedup": round(min(row["speedup"] for row in rows), 1),
        "prism_reduction_difference": max(row["difference"] for row in rows),
    }
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
