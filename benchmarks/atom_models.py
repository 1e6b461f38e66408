"""Atoms found in synthetic maps of platinum particles, against the truth and the Cramér-Rao bound.

Maps are those of atom_models_maps.py: truncated octahedra of 201 to 711 atoms in boxes of 96 voxels, turned
at random, at several SNR; ``--holes`` takes a tenth of the surface and a fiftieth of the core away first, so
that particles are no perfect polyhedra. Atoms match one to one within 0.8 Å. What is printed: share of found
atoms that are true, of true ones found (all, and of fewer than 12 neighbours), root mean square distance, and
that over the bound (of the atoms found); share with the right coordination number; mean error of U and degree
of isotropy of atoms with 12 neighbours (true: 1); share of coordinates within their 90 % intervals; seconds
of processor time without and with statistics. ``--methods ours single`` puts the detection that the paper of
SINGLE describes, with its U by logarithms, beside ours on the same maps; ``--cone 30`` leaves out the waves
within 30° of z. ``--large`` times a box of 256 voxels with 5,010 atoms. ``--film FOLDER`` takes
maps NAME.mrc with NAME_published_atoms.csv beside them: the share of published atoms found, their distance.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from nanonet.atoms.displacement import of_likelihood
from nanonet.atoms.lattice import fit_lattice
from nanonet.atoms.log_fit import of_logarithms
from nanonet.atoms.single import detect_single
from nanonet.atoms.statistics import atom_statistics
from nanonet.atoms.strain import strain_errors, strain_tensors
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


METHODS = {"ours": (detect, of_likelihood), "single": (detect_single, of_logarithms)}
"""Detection and measurement of U: nanonet's own, and those that the paper of SINGLE describes."""


@dataclass(frozen=True, kw_only=True)
class Maps:
    """What maps are of: an SNR (inf: no noise), whether with holes, degrees of a missing cone."""

    snr: float
    holes: bool
    cone: float


def measured(count: int, seed: int, maps: Maps, methods: Sequence[str]) -> Iterator[dict[str, object]]:
    """Yield the row of each method for one map."""
    rng = np.random.default_rng([seed, count])
    true = particle(count, rng, SIDE)
    true = with_holes(true, rng) if maps.holes else true
    volume, true = noisy(true, maps.snr if np.isfinite(maps.snr) else None, rng, SIDE, maps.cone)
    for method in methods:
        search, displacements = METHODS[method]
        start = time.process_time()
        found = search(volume, PT)
        searched = time.process_time()
        data = atom_statistics(found, PT, displacements).table.data
        yield {
            "method": method,
            "atoms": count,
            "seed": seed,
            "snr": maps.snr,
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
    u_off = data["u_iso_angstrom2"].to_numpy()[i] - true.atoms.u_iso[j]
    rmsd = float(np.sqrt((distance**2).mean()))
    least = np.nan
    if true.noise is not None:
        least = float(np.sqrt(np.trace(bound(true)[j, 1:4, 1:4], axis1=1, axis2=2).mean()))
    errors = found.fit.position_errors[i]
    return {
        "found": len(atoms),
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall),
        "recall_surface": float(np.isin(np.flatnonzero(surface), j).mean()),
        "rmsd": rmsd,
        "over_bound": rmsd / least,
        "cn_right": float((data["coordination_number"].to_numpy()[i] == true.coordination[j]).mean()),
        "u_bias_core": float(np.nanmean(u_off[core])),
        "doi_core": float(np.nanmean(data["degree_of_isotropy"].to_numpy()[i][core])),
        "within_90": float((off < _NINETY * errors).mean()) if np.isfinite(errors).all() else np.nan,
    }


def perfect(seeds: int, levels: Sequence[float]) -> pd.DataFrame:
    """Return the strain of rotated perfect crystals, 0 in truth: of the true positions, then of maps.

    ``rms`` and ``largest`` are of its six components, ``said`` is the mean standard deviation of a normal
    one, ``within_90`` the share of these within their 90 % intervals.
    """
    rows: list[dict[str, object]] = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 1])
        true = particle(586, rng, SIDE, disorder=False)
        rows.append({"of": "positions", **_strains(true.atoms.positions, None)})
        for snr in levels:
            volume, _ = noisy(true, None if np.isinf(snr) else snr, rng, SIDE)
            fit = detect(volume, PT).fit
            rows.append({"of": f"a map of SNR {snr:g}", **_strains(fit.atoms.positions, fit.position_errors)})
    return (
        pd.DataFrame(rows)
        .groupby("of", sort=False)
        .agg({"rms": "mean", "largest": "max", "said": "mean", "within_90": "mean"})
    )


def _strains(
    positions: Float[np.ndarray, "n 3"], errors: Float[np.ndarray, "n 3"] | None
) -> dict[str, float]:
    lattice = fit_lattice(positions, PT)
    assert lattice is not None
    near = coordination(positions, cutoff=lattice.cutoff, bulk=12)
    strain = strain_tensors(positions, lattice, near)
    known = np.isfinite(strain[:, 0, 0])
    found = {
        "rms": float(np.sqrt((strain[known] ** 2).mean())),
        "largest": float(np.abs(strain[known]).max()),
    }
    if errors is None:
        return found | {"said": np.nan, "within_90": np.nan}
    said = strain_errors(errors, lattice, near)[known]
    normal = np.abs(np.diagonal(strain[known], axis1=1, axis2=2))
    return found | {
        "said": float(said.mean()),
        "within_90": float((normal < _NINETY * said[:, None]).mean()),
    }


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
    parser.add_argument("--sizes", type=int, nargs="*", default=tuple(OCTAHEDRA)[:4], help="numbers of atoms")
    parser.add_argument("--methods", nargs="*", default=["ours"], choices=list(METHODS))
    parser.add_argument("--cone", type=float, default=0.0, help="degrees from z that were not measured")
    parser.add_argument("--holes", action="store_true", help="particles that are no perfect polyhedra")
    parser.add_argument("--large", action="store_true", help="also 5,000 atoms in 256 voxels")
    parser.add_argument("--film", type=Path, help="folder of real maps with published atoms")
    given = parser.parse_args()
    sizes, seeds = ((586,), 1) if given.quick else (given.sizes, given.seeds)
    rows: list[dict[str, object]] = []
    for snr in given.snr:
        before, maps = len(rows), Maps(snr=snr, holes=given.holes, cone=given.cone)
        for count in sizes:
            for seed in range(seeds):
                rows += measured(count, seed, maps, given.methods)
        here = pd.DataFrame(rows[before:]).drop(columns=["seed"])
        print(here.groupby(["method", "atoms"]).mean().round(4).to_string(), flush=True)
    table = pd.DataFrame(rows)
    grouped = table.groupby(["method", "snr"], sort=False)
    means = grouped.mean().drop(columns=["atoms", "seed"])
    means = means.join(grouped[["f1", "precision", "recall_surface"]].min().add_prefix("worst_"))
    print(means.round(4).T.to_string())
    headline: dict[str, object] = {
        f"{method}_snr_{snr:g}": {
            name: round(float(value), 4) if np.isfinite(value) else None for name, value in row.items()
        }
        for (method, snr), row in means.iterrows()
    }
    strain = perfect(seeds, (np.inf, *given.snr))
    print(strain.to_string(float_format="{:.2g}".format))
    headline["strain_of_perfect_crystal"] = strain.to_dict("index")
    if given.large:
        headline["large"] = large()
    if given.film is not None:
        headline["film"] = list(film(given.film))
        print(pd.DataFrame(headline["film"]).round(3).to_string())
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
