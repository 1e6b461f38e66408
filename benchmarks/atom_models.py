"""Atoms found in synthetic maps of platinum particles, against the truth and the Cramér-Rao bound.

Maps are those of atom_models_maps.py: truncated octahedra of 201 to 711 atoms in boxes of 96 voxels, turned
at random, at several SNR; ``--holes`` takes a tenth of the surface and a fiftieth of the core away first, so
that particles are no perfect polyhedra. Atoms match one to one within 0.8 Å. What is printed: share of found
atoms that are true, of true ones found (all, and of fewer than 12 neighbours), root mean square distance, and
that over the bound; share with the right coordination number; mean error of U and degree of isotropy of atoms
with 12 neighbours (true: 1); share of coordinates within their 90 % intervals; seconds of processor time
without and with statistics. ``--large`` times a box of 256 voxels with 5,010 atoms. ``--film FOLDER`` takes
maps NAME.mrc with NAME_published_atoms.csv beside them: the share of published atoms found, their distance.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from atom_models_maps import OCTAHEDRA, Truth, bound, noisy, particle, with_holes
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from nanonet.atoms.coordination import coordination
from nanonet.atoms.crystal import crystal_of
from nanonet.atoms.detect import detect
from nanonet.atoms.detected import Detected
from nanonet.atoms.lattice import fit_lattice
from nanonet.atoms.statistics import atom_statistics
from nanonet.atoms.strain import strain_tensors
from nanonet.io.read_map import read_map, volume_of

NEAR = 0.8
PT = crystal_of("Pt")
SIDE = 96
_NINETY = 1.645


def matched(
    found: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "m 3"]
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return pairs of found and true atoms within 0.8 Å, one to one, nearest first, and their distances."""
    pairs = cKDTree(found).sparse_distance_matrix(cKDTree(true), NEAR, output_type="coo_matrix")
    taken_found, taken_true, chosen = set(), set(), []
    for place in np.argsort(pairs.data, kind="stable"):
        i, j = int(pairs.row[place]), int(pairs.col[place])
        if i not in taken_found and j not in taken_true:
            taken_found.add(i)
            taken_true.add(j)
            chosen.append((i, j, float(pairs.data[place])))
    i, j, distance = (np.array(part) for part in zip(*chosen, strict=True))
    return i.astype(int), j.astype(int), distance


def measured(count: int, seed: int, snr: float | None, holes: bool) -> dict[str, float]:
    """Return the row of one map."""
    rng = np.random.default_rng([seed, count])
    true = particle(count, rng, SIDE)
    true = with_holes(true, rng) if holes else true
    volume, true = noisy(true, snr, rng, SIDE)
    start = time.process_time()
    found = detect(volume, PT)
    searched = time.process_time()
    data = atom_statistics(found, PT).table.data
    return {
        "atoms": count,
        "seed": seed,
        "snr": np.inf if snr is None else snr,
        **against(true, found, data),
        "search_s": searched - start,
        "all_s": time.process_time() - start,
    }


def against(true: Truth, found: Detected, data: pd.DataFrame) -> dict[str, float]:
    """Return what was found right."""
    atoms = found.fit.atoms
    i, j, distance = matched(atoms.positions, true.atoms.positions)
    precision, recall = len(i) / len(atoms), len(j) / len(true.atoms)
    surface = true.coordination < 12
    core = ~surface[j]
    off = np.abs(atoms.positions[i] - true.atoms.positions[j])
    u_off = atoms.u_iso[i] - true.atoms.u_iso[j]
    rmsd = float(np.sqrt((distance**2).mean()))
    least = np.nan
    if true.noise is not None:
        least = float(np.sqrt(np.trace(bound(true)[j, 1:4, 1:4], axis1=1, axis2=2).mean()))
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "recall_surface": float(np.isin(np.flatnonzero(surface), j).mean()),
        "rmsd": rmsd,
        "over_bound": rmsd / least,
        "cn_right": float((data["coordination_number"].to_numpy()[i] == true.coordination[j]).mean()),
        "u_bias_core": float(u_off[core].mean()),
        "doi_core": float(data["degree_of_isotropy"].to_numpy()[i][core].mean()),
        "within_90": float((off < _NINETY * found.fit.position_errors[i]).mean()),
    }


def perfect(seeds: int) -> float:
    """Return the largest strain of rotated perfect crystals, which is 0 in truth."""
    worst = 0.0
    for seed in range(seeds):
        true = particle(586, np.random.default_rng([seed, 1]), SIDE, disorder=False)
        lattice = fit_lattice(true.atoms.positions, PT)
        assert lattice is not None
        near = coordination(true.atoms.positions, cutoff=lattice.cutoff, bulk=12)
        strain = strain_tensors(true.atoms.positions, lattice, near)
        worst = max(worst, float(np.nanmax(np.abs(strain))))
    return worst


def large() -> dict[str, float]:
    """Return the time that 5,000 atoms in 256 voxels take, and how they were found."""
    rng = np.random.default_rng(0)
    true = particle(5010, rng, 256)
    volume, true = noisy(true, 1.0, rng, 256)
    start = time.process_time()
    found = detect(volume, PT)
    seconds = time.process_time() - start
    row = against(true, found, atom_statistics(found, PT).table.data)
    return {"atoms": float(len(true.atoms)), "search_s": seconds, "f1": row["f1"]}


def film(folder: Path) -> Iterator[dict[str, object]]:
    """Yield what of published atoms was found in each real map."""
    for path in sorted(folder.glob("*.mrc")):
        table = pd.read_csv(path.with_name(f"{path.stem}_published_atoms.csv"))
        published = table[["x_angstrom", "y_angstrom", "z_angstrom"]].to_numpy()
        start = time.process_time()
        atoms = detect(volume_of(read_map(path)), crystal_of("Ta")).fit.atoms
        i, _, distance = matched(atoms.positions, published)
        bright = np.argsort(-atoms.weights)[: len(published)]
        bright_pairs, _, _ = matched(atoms.positions[bright], published)
        yield {
            "map": path.stem,
            "published": len(published),
            "found": len(atoms),
            "share_of_published": len(i) / len(published),
            "share_of_as_many_brightest": len(bright_pairs) / len(published),
            "rmsd": float(np.sqrt((distance**2).mean())),
            "search_s": time.process_time() - start,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one particle, one seed")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--snr", type=float, nargs="*", default=[3.0, 1.0, 0.3, 0.1])
    parser.add_argument("--holes", action="store_true", help="particles that are no perfect polyhedra")
    parser.add_argument("--large", action="store_true", help="also 5,000 atoms in 256 voxels")
    parser.add_argument("--film", type=Path, help="folder of real maps with published atoms")
    given = parser.parse_args()
    sizes, seeds = ((586,), 1) if given.quick else (tuple(OCTAHEDRA)[:4], given.seeds)
    rows = []
    for snr in given.snr:
        for count in sizes:
            rows += [measured(count, seed, snr, given.holes) for seed in range(seeds)]
        here = pd.DataFrame(rows[-len(sizes) * seeds :]).drop(columns=["seed"])
        print(here.groupby("atoms").mean().assign(snr=snr).round(4).to_string(), flush=True)
    table = pd.DataFrame(rows)
    means = table.groupby("snr").mean().drop(columns=["atoms", "seed"])
    worst = table.groupby("snr")[["f1", "precision", "recall_surface"]].min().add_prefix("worst_")
    print(means.join(worst).round(4).T.to_string())
    headline: dict[str, object] = {
        f"snr_{snr:g}": {name: round(float(value), 4) for name, value in row.items()}
        for snr, row in means.join(worst).iterrows()
    }
    headline["strain_of_perfect_crystal"] = perfect(seeds)
    if given.large:
        headline["large"] = large()
    if given.film is not None:
        headline["film"] = list(film(given.film))
        print(pd.DataFrame(headline["film"]).round(3).to_string())
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
