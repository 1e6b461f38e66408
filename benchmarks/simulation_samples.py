"""From a crystal's file and a microscope's YAML to training samples: the time on 2 processes, memory, disk.

Writes a cif of platinum and a YAML of a microscope, runs `nanonet simulate` as a user would, and draws
samples of 128 pixels in two processes, as a DataLoader's workers do. Times are by the clock: other work on
the machine counts.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

MICROSCOPE = """# A microscope of one's own: corrected, 300 kV, a K2 camera.
_target_: simulate.tem.microscope.Microscope
defocus: [-80, 80]
Cs: [-15.0e+4, 5.0e+4]
pixel_size: 0.25
dose: [20, 20000]
"""


def peak() -> float:
    """Return the largest resident memory of this process [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(folder: Path, samples: int, worker: int) -> tuple[float, float]:
    """Draw samples in this process; return its peak memory [MiB] after a tenth of them, and after all."""
    import torch

    from simulate.draw import ColumnSampler

    torch.set_num_threads(1)
    sampler = ColumnSampler(folder, crop_pixels=128)
    early = 0.0
    for index in range(samples):
        rng = np.random.default_rng([worker, index])
        sampler.draw(sampler.structures[index % len(sampler)], rng)
        if index == max(samples // 10, 1):
            early = peak()
    return early, peak()


def simulate(place: Path, structures: int) -> Path:
    """Run the command of a user who has a cif and a microscope's YAML; return the folder of shards."""
    from ase.build import bulk
    from ase.io import write

    write(place / "platinum.cif", bulk("Pt", "fcc", a=3.9242, cubic=True))
    (place / "microscope.yaml").write_text(MICROSCOPE)
    words = [
        "structures=from_cif",
        f"structures.materials=[{place / 'platinum.cif'}]",
        "structures.orientation.axes=[[1,1,0]]",
        f"microscope={place / 'microscope.yaml'}",
        f"n_structures={structures}",
        f"output={place / 'shards'}",
    ]
    subprocess.run(
        [sys.executable, "-m", "nanonet", "simulate", *words], check=True, stdout=subprocess.DEVNULL
    )
    return place / "shards"


def run(quick: bool) -> dict[str, float]:
    """Print the table; return the headline figures."""
    from nanonet.workers.cluster import run as run_on
    from nanonet.workers.local import Local

    structures, samples = (8, 400) if quick else (64, 100_000)
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        folder = simulate(Path(name), structures)
        making = time.perf_counter() - start
        sizes = sum(path.stat().st_size for path in folder.iterdir())
        start = time.perf_counter()
        job: Any = partial(draw, folder, samples // 2)
        peaks = run_on(job, [0, 1], cluster=Local(workers=2), title="drawing")
        drawing = time.perf_counter() - start
    # The 20,000 samples of the full run come from its structures; a quick run scales both parts up.
    twenty = making * (1 if not quick else 64 / structures) + drawing * 20_000 / samples
    print(
        f"{structures} structures of platinum [110]: {making:.0f} s, {sizes / structures / 1e6:.2f} MB each"
    )
    each = 1e3 * drawing / samples
    print(f"{samples:,} samples of 128 px by 2 processes: {drawing:.0f} s, {each:.1f} ms each")
    for early, late in peaks:
        print(f"peak memory of a process: {early:.0f} MiB after a tenth of it, {late:.0f} MiB after all")
    return {
        "minutes_from_cif_to_20000_samples": round(twenty / 60, 1),
        "memory_growth_mib": round(max(late - early for early, late in peaks), 1),
        "samples_drawn": samples,
        "bytes_per_sample_on_disk": round(64 * sizes / structures / 20_000),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="400 samples in place of 100,000")
    print(json.dumps(run(parser.parse_args().quick)))


if __name__ == "__main__":
    main()
