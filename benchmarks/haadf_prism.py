"""Cross-sections of columns by the linear HAADF model against PRISM with 32 phonon configurations.

Particles along [110] with random steps and ragged columns, of seeds that nothing was tuned on: the library of
the linear model was made of periodic crystals. PRISM takes every second plane wave, in a window of at least
12 Å, and scans the whole box. Cross-sections are integrals over Voronoi cells; the reference's standard
errors come from its configurations. Each plane of atoms across the beam is a slice: with slices of another
thickness two planes may fall into one, an atom then stands 2 Å too near to the next of its column, which
catches 10 % less of what the first one focuses on it. ``--whole N`` also takes every plane wave, which is
multislice, of the first N configurations, and tells by how much PRISM itself is off on the same atoms.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from pathlib import Path
from typing import Any

import numpy as np

REACH = {"Au": 2.3, "Pt": 2.3, "CeO2": 1.9}
"""Radius that the Voronoi cells of columns end at, where no other column does it [Å]."""
ANNULUS = (80.0, 160.0)


def particle(name: str, diameter: float, seed: int) -> Any:
    """Return the particle's atoms in their box, each plane in the middle of a slice of `plane_spacing`."""
    from simulate.defects.surface import RaggedEnds, Steps
    from simulate.shards.box import bounds, enclose
    from simulate.structures import ParticleRecipe, ZoneAxis

    recipe = ParticleRecipe(
        materials=(name,),
        orientation=ZoneAxis(axes=((1, 1, 0),), mistilt=0.0),
        diameter=(diameter, diameter),
        depth=None,
        defects=(Steps(), RaggedEnds()),
    )
    atoms = recipe.draw(np.random.default_rng([seed, 0])).atoms
    box = bounds(atoms)
    placed = enclose(atoms, max(float((box[1] - box[0])[:2].max()) + 6.0, 24.0), box)
    spacing = plane_spacing(placed)
    placed.positions[:, 2] += 1.5 * spacing - placed.positions[:, 2].min()
    placed.cell[2, 2] = float(np.rint(np.ptp(placed.positions[:, 2]) / spacing) + 3) * spacing
    return placed


def plane_spacing(atoms: Any) -> float:
    """Return the distance of planes of atoms across the beam [Å], which all are multiples of it apart."""
    heights = np.sort(atoms.positions[:, 2])
    steps = np.diff(heights)
    extent = float(np.ptp(heights))
    spacing = extent / float(np.rint(extent / np.median(steps[steps > 0.1])))
    if np.abs((heights - heights[0] + spacing / 2) % spacing - spacing / 2).max() > 0.01:
        raise SystemExit("the particle's atoms do not lie in planes across the beam")
    return spacing


def prism(atoms: Any, name: str, probe: Any, seed: int, interpolation: int = 2) -> np.ndarray:
    """Return the image of one phonon configuration (y, x)."""
    from simulate.crystals import crystal
    from simulate.stem.potential import Scattering
    from simulate.stem.prism import haadf_prism
    from simulate.stem.probe import Annulus

    spacing = plane_spacing(atoms)
    scattering = Scattering(frozen_phonons=1, sampling=0.044, slice_thickness=spacing * (1 + 1e-3))
    sigma = crystal(name).thermal_displacements
    found = haadf_prism(
        atoms,
        [probe],
        [Annulus(inner=ANNULUS[0], outer=ANNULUS[1])],
        scattering,
        displacements=sigma,
        seed=(seed,),
        interpolation=interpolation,
    )
    return np.asarray(found.images[0, 0, 0])


def linear(atoms: Any, name: str, probe: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the linear model's image at the same points."""
    from simulate.crystals import crystal
    from simulate.stem.linear import LinearHAADF
    from simulate.stem.microscope import ScanSetting
    from simulate.view import View

    side = float(atoms.cell[0, 0])
    step = side / shape[0]
    imaging = LinearHAADF(energy=probe.energy, inner=ANNULUS[0], outer=ANNULUS[1])
    stored = imaging.calculate(atoms, crystal(name).thermal_displacements, (0,))
    setting = ScanSetting(probe=probe, pixel_size=step, dose=1 / step**2)
    view = View(origin=(0.0, 0.0), pixel_size=step, shape=(shape[0], shape[1]))
    return imaging.expected(stored, side, setting, view).numpy()


def cells(atoms: Any, shape: tuple[int, ...], reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the column whose Voronoi cell each point lies in (-1 for none), and the columns' depths."""
    from scipy.spatial import cKDTree

    from simulate.truth import columns_of

    columns = columns_of(atoms).counted()
    step = float(atoms.cell[0, 0]) / shape[0]
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1) * step
    distance, owner = cKDTree(columns.positions).query(grid.reshape(-1, 2))
    return np.where(distance <= reach, owner, -1).reshape(shape), columns.depths


def cross_sections(image: np.ndarray, owner: np.ndarray, count: int, area: float) -> np.ndarray:
    """Return the integral of an image over the cell of every column [Å²]."""
    inside = owner >= 0
    return np.asarray(np.bincount(owner[inside], weights=image[inside], minlength=count) * area)


def images(
    atoms: Any, name: str, probe: Any, configurations: int, path: Path | None, interpolation: int = 2
) -> list[np.ndarray]:
    """Return the images of phonon configurations, those of a log and the others."""
    found = list(np.load(path))[:configurations] if path is not None and path.exists() else []
    for index in range(len(found), configurations):
        found.append(prism(atoms, name, probe, index, interpolation))
        if path is not None:
            np.save(path, np.stack(found))
    return found


def compare(
    name: str, diameter: float, configurations: int, seed: int, log: Path | None, whole: int = 0
) -> dict[str, Any]:
    """Compare the two on one particle; print errors by depth."""
    from simulate.stem.probe import Probe

    probe = Probe(energy=200e3, semiangle_cutoff=23.0)
    atoms = particle(name, diameter, seed)
    start = time.process_time()
    path = None if log is None else log / f"{name}_{diameter:g}_{seed}.npy"
    found = images(atoms, name, probe, configurations, path)
    owner, depths = cells(atoms, found[0].shape, REACH[name])
    area = (float(atoms.cell[0, 0]) / found[0].shape[0]) ** 2
    each = np.stack([cross_sections(image, owner, len(depths), area) for image in found])
    truth = each.mean(axis=0)
    noise = each.std(axis=0, ddof=1) / np.sqrt(configurations) / truth
    error = cross_sections(linear(atoms, name, probe, found[0].shape), owner, len(depths), area) / truth - 1
    print(
        f"\n{name}: {len(atoms)} atoms, {len(depths)} columns, {configurations} configurations, "
        f"{time.process_time() - start:.0f} s of CPU"
    )
    print("depth  columns  bias %  rms %  standard error of PRISM %")
    for depth in np.unique(depths):
        at = depths == depth
        print(
            f"{depth:5d}{at.sum():9d}{100 * error[at].mean():8.1f}{100 * rms(error[at]):7.1f}"
            f"{100 * rms(noise[at]):27.1f}"
        )
    print(f"  all{len(depths):9d}{100 * error.mean():8.1f}{100 * rms(error):7.1f}{100 * rms(noise):27.1f}")
    if whole:
        path = None if log is None else log / f"{name}_{diameter:g}_{seed}_whole.npy"
        exact = np.stack(
            [
                cross_sections(image, owner, len(depths), area)
                for image in images(atoms, name, probe, whole, path, interpolation=1)
            ]
        ).mean(axis=0)
        own_error(depths, each[:whole].mean(axis=0) / exact - 1, error)
    return {
        "rms": rms(error),
        "bias": float(error.mean()),
        "noise": rms(noise),
        "within_3_percent": float((np.abs(error) < 0.03).mean()),
    }


def own_error(depths: np.ndarray, own: np.ndarray, error: np.ndarray) -> None:
    """Print how far PRISM is off multislice of the same configurations, and the model off the latter."""
    corrected = (1 + error) * (1 + own) - 1
    print("depth  PRISM against every plane wave %  rms %  model against it: bias %  rms %")
    for name, at in [
        *((f"{depth:5d}", depths == depth) for depth in np.unique(depths)),
        ("  all", depths > 0),
    ]:
        print(
            f"{name}{100 * own[at].mean():35.1f}{100 * rms(own[at]):7.1f}"
            f"{100 * corrected[at].mean():26.1f}{100 * rms(corrected[at]):7.1f}"
        )


def rms(values: np.ndarray) -> float:
    return float(np.sqrt((np.asarray(values) ** 2).mean()))


def run(
    materials: list[str],
    diameter: float,
    configurations: int,
    seed: int,
    log: Path | None = None,
    whole: int = 0,
) -> dict[str, float]:
    """Print the tables; return the headline figures."""
    import torch

    torch.set_num_threads(1)
    found = {name: compare(name, diameter, configurations, seed, log, whole) for name in materials}
    return {
        "haadf_cross_section_error": round(max(each["rms"] for each in found.values()), 4),
        "haadf_cross_section_bias": round(max((each["bias"] for each in found.values()), key=abs), 4),
        "haadf_reference_noise": round(max(each["noise"] for each in found.values()), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two configurations of small gold only: noisy")
    parser.add_argument("--materials", nargs="+", default=["Au", "Pt", "CeO2"])
    parser.add_argument("--configurations", type=int, default=32)
    parser.add_argument("--diameter", type=float, default=16.0, help="Å")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument(
        "--log", type=Path, help="folder for the images of every configuration; a stopped run goes on"
    )
    parser.add_argument(
        "--whole", type=int, default=0, help="configurations that are also made of every plane wave"
    )
    words = parser.parse_args()
    if words.quick:
        words.materials, words.configurations, words.diameter = ["Au"], 2, 12.0
    print(
        json.dumps(
            run(words.materials, words.diameter, words.configurations, words.seed, words.log, words.whole)
        )
    )


if __name__ == "__main__":
    main()
