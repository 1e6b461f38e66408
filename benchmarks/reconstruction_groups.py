"""The point group found in the images, and the map under it, from nothing: bodies of several groups.

Bodies of 9 to 12 nm, imaged as in reconstruction.py; nothing is told. For each: the group of its rotations,
the one that was found, the share that its half maps explain of particles that had no part in them (1 is what
the best coarse maps do, 0 a ball), the correlation of the map with the mean body beside that of the best
ball, the frequency at which their shell correlation falls to one half, and time. A body's own group is right,
a group within it harmless, any other one wrong.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from reconstruction import PIXEL, SIDE, against_truth
from reconstruction_bodies import (
    cube,
    cuboid,
    decahedron,
    icosahedron,
    irregular,
    octahedron,
    pyramid,
    simulated,
    sphere,
    star,
    tetrahedron,
    twisted,
)
from scipy.spatial.transform import Rotation

from nanonet.reconstruct.point_group import operations, placements
from nanonet.reconstruct.reconstruction import reconstruct

BODIES = {
    "truncated cube": (cube(100.0, 0.25), "O"),
    "octahedron": (octahedron(90.0), "O"),
    "star": (star(110.0, 0.8), "O"),
    "icosahedron": (icosahedron(105.0), "I"),
    "tetrahedron": (tetrahedron(35.0), "T"),
    "decahedron": (decahedron(40.0), "D5"),
    "square rod": (cuboid(60.0, 60.0, 120.0), "D4"),
    "square plate": (cuboid(110.0, 110.0, 50.0), "D4"),
    "twisted": (twisted(80.0), "D3"),
    "pyramid": (pyramid(90.0, 80.0), "C4"),
    "brick": (cuboid(60.0, 90.0, 125.0), "D2"),
    "irregular": (irregular(55.0), "C1"),
    "sphere": (sphere(110.0), "K"),
}
COUNT = 60
_HIGHEST = 10  # shell up to which a map is brought to the truth, from any frame


def measured(name: str, count: int, seed: int) -> dict[str, float | str]:
    """Return the row of one body."""
    body, group = BODIES[name]
    rng = np.random.default_rng([seed, count])
    particles = simulated(body, count, rng, side=SIDE, pixel_size=PIXEL).particles
    wall, processor = time.perf_counter(), time.process_time()
    found = reconstruct(particles, rng)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {
        "body": name,
        "particles": count,
        "group": group,
        "found": found.point_group,
        "verdict": verdict(group, found.point_group),
        "explained": found.explained,
        "halves_agree": found.starts.agreement,
        **against_truth(body, found, None, "C1", _HIGHEST),
        "held_out": float(found.held_out_correlations.mean()),
        "processor_s": processor,
        "clock_s": wall,
    }


def verdict(group: str, found: str) -> str:
    """Return what a found group is to the true one."""
    if found == group:
        return "right"
    within = found == "C1" or group == "K" or held(found, group)
    return "harmless" if within and len(operations(found)) < len(operations(group)) else "wrong"


def held(found: str, group: str) -> bool:
    """Return whether the rotations of one group are, in some axes, among those of another."""
    if found[0] != "C":
        return group[0] != "C" and len(placements(found, group)) > 0
    angles = np.linalg.norm(Rotation.from_matrix(operations(group)).as_rotvec(), axis=1)
    return bool(np.isclose(angles, 2 * np.pi / int(found[1:])).any())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two bodies")
    parser.add_argument("--number", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(BODIES), help="some of the bodies")
    parser.add_argument("--table", type=Path, help="CSV that rows are added to as they are done")
    options = parser.parse_args(arguments)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    chosen = options.only or (["truncated cube", "square rod"] if options.quick else list(BODIES))
    rows = []
    for name in chosen:
        rows.append(measured(name, options.number, options.seed))
        if options.table:
            new = not options.table.exists()
            pd.DataFrame(rows[-1:]).to_csv(options.table, mode="a", header=new, index=False)
    table = pd.DataFrame(rows)
    print(table.round(3).T.to_string(header=False))
    print(
        json.dumps(
            {
                "bodies": len(table),
                "right": int((table["verdict"] == "right").sum()),
                "wrong": int((table["verdict"] == "wrong").sum()),
                "worst_truth_correlation": round(float(table["truth_correlation"].min()), 4),
                "processor_s": round(float(table["processor_s"].mean()), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
