"""A tumbling particle's movie, from frames to atoms, against the truth.

Movies are those of tumbling_movies.py. Each is given to ``nanonet infer pipeline=tumbling`` as a user would
give it, and what that wrote is read: atoms found of the true ones (within 0.8 Å, one to one, after the model
was laid on the truth in any of the crystal's orientations and either hand), precision, recall of atoms of
fewer than 12 neighbours, root mean square distance; share of frames whose pose is believed and, of these,
within 2° of the truth; FSC of the halves at 0.143.

The off-lattice test is the correlation of measured and true displacements of the atoms from their lattice,
against shuffles of the atoms; its slope is what of a true displacement is measured. Beside it stand two
controls that hold no data of where atoms lie: the lattice itself, as many sites as there are atoms, the
nearest to the middle (how many of the true atoms it "finds"); and the lattice of the found sites projected in
the poses that were found, with new noise, and made a map of and its atoms found as with the frames: what
poses and method alone do to displacements.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from atom_models_maps import LATTICE, VOXEL
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from tumbling_movies import KINDS, Movie, projected, write_movie

from nanonet.atoms.crystal import crystal_of
from nanonet.atoms.detect import detect
from nanonet.atoms.docking import dock, paired
from nanonet.atoms.lattice import LatticeFit, fit_lattice
from nanonet.atoms.off_lattice import OffLattice, off_lattice
from nanonet.reconstruct.point_group import operations
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.half import Beliefs
from nanonet.tumbling.merge import map_of

PT = crystal_of("Pt")
NEAR = 0.8
_XYZ = ["x_angstrom", "y_angstrom", "z_angstrom"]


@dataclass(frozen=True, kw_only=True)
class Laid:
    """A model laid on the truth: its positions there, and pairs of rows of both, with their distances."""

    positions: Float[np.ndarray, "n 3"]
    own: Int[np.ndarray, " k"]
    true: Int[np.ndarray, " k"]
    distances: Float[np.ndarray, " k"]


def laid(found: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "m 3"]) -> Laid:
    """Return a model as it fits the truth best: any of the lattice's orientations, and either hand."""
    best: Laid | None = None
    for hand in (1.0, -1.0):
        mirrored = hand * (found - found.mean(0))
        first = dock(mirrored, true, PT)
        lattice = fit_lattice(true, PT)
        assert lattice is not None
        axes = np.linalg.solve(PT.primitive * lattice.lattice_constant, lattice.vectors)
        for operation in operations("O"):
            turn = axes.T @ operation @ np.linalg.inv(axes.T)
            turned = (first(mirrored) - true.mean(0)) @ turn.T + true.mean(0)
            positions = dock(turned, true, PT)(turned)
            own, other, distances = paired(positions, true, NEAR)
            one = Laid(positions=positions, own=own, true=other, distances=distances)
            if best is None or _merit(one) > _merit(best):
                best = one
    assert best is not None
    return best


def _merit(one: Laid) -> float:
    return float((1 - 0.5 * (one.distances / NEAR) ** 2).sum())


def from_lattice(
    positions: Float[np.ndarray, "n 3"],
) -> tuple[Float[np.ndarray, "k 3"], Float[np.ndarray, "k 3"]]:
    """Return the atoms that are on their own lattice, and how far beside it they lie [Å]."""
    lattice = fit_lattice(positions, PT)
    if lattice is None:
        return np.zeros((0, 3)), np.zeros((0, 3))
    return positions[lattice.on], (positions - _sites(lattice))[lattice.on]


def _sites(lattice: LatticeFit) -> Float[np.ndarray, "n 3"]:
    return np.asarray(lattice.origin + lattice.nodes @ lattice.vectors)


def off_truth(found: Float[np.ndarray, "n 3"], true: Float[np.ndarray, "m 3"]) -> OffLattice:
    """Return how measured and true displacements agree, of a model that lies on the truth."""
    return off_lattice(from_lattice(found), from_lattice(true), PT.bond_length, np.random.default_rng(0))


def fitted(positions: Float[np.ndarray, "n 3"]) -> float:
    """Return the lattice constant of atoms [Å]."""
    lattice = fit_lattice(positions, PT)
    return np.nan if lattice is None else lattice.lattice_constant


def slope(found: Laid, true: Float[np.ndarray, "m 3"]) -> float:
    """Return the regression of measured on true displacements, of the atoms that were found."""
    own, other = (fit_lattice(one, PT) for one in (found.positions, true))
    assert own is not None
    assert other is not None
    both = own.on[found.own] & other.on[found.true]
    measured = (found.positions - _sites(own))[found.own[both]]
    real = (true - _sites(other))[found.true[both]]
    return float((measured * real).sum() / (real**2).sum())


def lattice_alone(movie: Movie) -> float:
    """Return the share of true atoms that as many sites of a lattice "find", those nearest to its middle."""
    lattice = fit_lattice(movie.positions, PT)
    assert lattice is not None
    grid = np.stack(np.meshgrid(*[np.arange(-30, 31)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    sites = lattice.origin + grid @ lattice.vectors
    nearest = np.argsort(np.linalg.norm(sites, axis=1), kind="stable")[: len(movie.positions)]
    own, _, _ = paired(sites[nearest], movie.positions, NEAR)
    return len(own) / len(movie.positions)


def no_data(movie: Movie, poses: pd.DataFrame, found: Laid, seed: int) -> OffLattice:
    """Return the off-lattice test of frames that show the lattice of the found sites, in the found poses."""
    lattice = fit_lattice(found.positions, PT)
    assert lattice is not None
    sites = _sites(lattice)[lattice.on]
    middle = sites.mean(0)
    used = poses[poses["believed"]]
    rotations = Rotation.from_quat(used[[f"quaternion_{name}" for name in "xyzw"]].to_numpy()).as_matrix()
    rng = np.random.default_rng(seed)
    side = 2 * int(np.ceil(1.3 * np.linalg.norm(sites - middle, axis=1).max() / VOXEL))
    u_iso = np.full(len(sites), float(np.mean(movie.truth.atoms.u_iso)))
    weights = np.full(len(sites), float(np.mean(movie.truth.atoms.weights)))
    place = np.full(2, VOXEL * (side // 2))
    pictures = np.empty((len(used), side, side), np.float32)
    for index, rotation in enumerate(rotations):
        clean = projected((sites - middle) @ rotation.T, weights, u_iso, place, side)
        pictures[index] = clean + rng.normal(scale=np.sqrt(movie.noise), size=clean.shape)
    count = len(used)
    boxes = Boxes(
        pictures=pictures,
        rows=np.arange(count),
        frames=np.arange(count),
        centres=np.zeros((count, 2), dtype=int),
        pixel_size=VOXEL,
        noise=np.full(side // 2 + 1, movie.noise),
    )
    beliefs = Beliefs(
        rotations=rotations.astype(np.float32),
        shifts=np.zeros((count, 2), np.float32),
        gains=np.zeros(count),
        margins=np.zeros(count),
    )
    volume = map_of(boxes, beliefs, (np.arange(0, count, 2), np.arange(1, count, 2)), side / 2 - 3)
    atoms = detect(volume, PT).fit.atoms.positions - VOXEL * (side // 2) + middle
    return off_truth(atoms, movie.positions)


def pose_errors(movie: Movie, poses: pd.DataFrame) -> Float[np.ndarray, " n"]:
    """Return the angle of each believed pose from the truth [°], after the frame that most agree on."""
    used = poses[poses["believed"]]
    found = Rotation.from_quat(used[[f"quaternion_{name}" for name in "xyzw"]].to_numpy()).as_matrix()
    true = movie.rotations[used["frame"].to_numpy()]
    best = np.full(len(used), 180.0)
    flip = np.diag([1.0, 1.0, -1.0])
    for hand in (1.0, -1.0):
        own = found if hand > 0 else -flip @ found
        for index in range(0, len(used), max(1, len(used) // 60)):
            frame = true[index].T @ own[index]
            turn = np.einsum("nij,jk,nlk->nil", true, frame, own)
            angle = np.degrees(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1)))
            if np.median(angle) < np.median(best):
                best = angle
    return best


def run(movie: Movie, output: Path) -> float:
    """Give a movie to the command, and return the minutes that it took (0 where it was done before)."""
    start = time.perf_counter()
    words = [
        "pipeline=tumbling",
        f"input={movie.path}",
        f"read.pixel_size={VOXEL}",
        "element=Pt",
        f"output={output}",
    ]
    subprocess.run([sys.executable, "-m", "nanonet", "infer", *words], check=True)
    return (time.perf_counter() - start) / 60


def scored(movie: Movie, output: Path, seed: int) -> dict[str, float]:
    """Return the figures of a finished run."""
    model = pd.read_csv(output / "atoms.csv")[_XYZ].to_numpy()
    poses = pd.read_csv(output / "poses.csv")
    summary = pd.read_csv(output / "summary.csv").set_index("name")["value"]
    found = laid(model, movie.positions)
    near = cKDTree(movie.positions).query_ball_point(movie.positions, LATTICE * 0.85, return_length=True)
    surface = np.asarray(near) - 1 < 12
    off = off_truth(found.positions, movie.positions)
    control = no_data(movie, poses, found, seed)
    errors = pose_errors(movie, poses)
    return {
        "atoms": len(movie.positions),
        "found": len(model),
        "recall": len(found.own) / len(movie.positions),
        "precision": len(found.own) / len(model),
        "recall_surface": float(surface[found.true].sum() / surface.sum()),
        "rmsd": float(np.sqrt((found.distances**2).mean())),
        "believed": float(poses["believed"].mean()),
        "within_2_degrees": float((errors < 2).mean()),
        "lattice_error": fitted(model) / fitted(movie.positions) - 1,
        "resolution": float(summary["resolution"]),
        "halves_off_lattice": float(summary["off-lattice correlation"]),
        "off_lattice": off.correlation,
        "slope": slope(found, movie.positions),
        "p": off.p_value,
        "control_off_lattice": control.correlation,
        "control_p": control.p_value,
        "lattice_alone": lattice_alone(movie),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[201, 405, 586])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--snr", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--whole", action="store_true", help="particles without holes")
    parser.add_argument(
        "--log", type=Path, default=Path("outputs/tumbling"), help="movies and runs are kept here"
    )
    chosen = parser.parse_args()
    chosen.log.mkdir(parents=True, exist_ok=True)
    found = []
    for kind in chosen.kinds:
        for size in chosen.sizes:
            for seed in chosen.seeds:
                name = (
                    f"{kind}_{size}_{chosen.frames}_{chosen.snr:g}_{seed}{'_whole' if chosen.whole else ''}"
                )
                movie = write_movie(
                    chosen.log / f"{name}.npy", size, chosen.frames, chosen.snr, kind, seed, not chosen.whole
                )
                minutes = run(movie, chosen.log / name)
                row = {"kind": kind, "size": size, "seed": seed, **scored(movie, chosen.log / name, seed)}
                found.append(row | {"minutes": minutes})
                movie.path.unlink()
                print(pd.DataFrame(found).round(3).to_string(index=False), flush=True)
    print(json.dumps({f"{row['kind']}_{row['size']}_{row['seed']}": row for row in found}, default=float))


if __name__ == "__main__":
    main()
