"""Clean HAADF images of 256 px by the linear model in an hour of one core, each with its own setting."""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np
from haadf_prism import particle


def images_per_hour(images: int) -> float:
    """Return them, of a gold particle of 30 Å, times of the processor."""
    import torch

    from simulate.crystals import crystal
    from simulate.stem.linear import LinearHAADF
    from simulate.stem.microscope import ScanningMicroscope

    torch.set_num_threads(1)
    atoms, imaging = particle("Au", 30.0, 3), LinearHAADF()
    stored = imaging.calculate(atoms, crystal("Au").thermal_displacements, (0,))
    microscope, side = ScanningMicroscope(energy=200e3), float(atoms.cell[0, 0])
    spent = 0.0
    for index in range(images + 5):
        rng = np.random.default_rng(index)
        setting = microscope.draw(200e3, rng)
        start = time.process_time()
        imaging.expected(stored, side, setting, setting.view(side, (256, 256), rng))
        spent += (time.process_time() - start) if index >= 5 else 0.0
    print(f"{len(atoms)} atoms at 256 x 256 pixels of 0.1 to 0.25 Å: {1e3 * spent / images:.1f} ms an image")
    return 3600 * images / spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 images in place of 500")
    images = 100 if parser.parse_args().quick else 500
    print(json.dumps({"haadf_images_per_cpu_hour": round(images_per_hour(images))}))


if __name__ == "__main__":
    main()
