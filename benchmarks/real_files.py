"""Real micrographs from file to number: particles of a Velox HAADF image, the lattice of a TIA HAADF image.

The files are those of ../shared/data beside the clone; without them nothing is measured. SrTiO3 has
a = 3.905 Å. The independent check is the power spectrum, padded so that a spot is found to 0.1 %: whatever
the columns say, the image cannot have another period in its own pixels.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "haadf_atomic"
TRUE_LATTICE = 3.905


def infer(output: Path, *words: str) -> tuple[dict[str, dict[str, str]], float]:
    """Run ``nanonet infer`` and return its summary by name, and the seconds that it took."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "nanonet", "infer", *words, f"output={output}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    with (output / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}, seconds


def spectrum_periods(path: Path) -> tuple[float, float]:
    """Return the two longest independent lattice spacings [Å] that the power spectrum shows near 4 Å."""
    from nanonet.io.read import read_series

    frame = read_series(path)[0]
    image, pixel_size = frame.image, frame.pixel_size or 1.0
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    size = 8 * max(image.shape)
    power = np.abs(np.fft.rfft2((image - image.mean()) * window, (size, size)))
    ky, kx = np.meshgrid(np.fft.fftfreq(size, pixel_size), np.fft.rfftfreq(size, pixel_size), indexing="ij")
    found = []
    for flat in (np.abs(kx) > np.abs(ky), np.abs(kx) < np.abs(ky)):
        k = np.hypot(ky, kx)
        spot = np.unravel_index(np.argmax(power * (flat & (k > 1 / 4.6) & (k < 1 / 3.4))), power.shape)
        found.append(float(1 / k[spot]))
    return found[0], found[1]


def main() -> None:
    """Print a table, then its headline figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: it takes seconds")
    parser.parse_args()
    if not DATA.is_dir():
        print(json.dumps({"skipped": "the real data is not here"}))
        return
    with tempfile.TemporaryDirectory() as place:
        gold, gold_s = infer(
            Path(place) / "au", "pipeline=particles", f"input={DATA / 'Au_nanoparticle.emd'}"
        )
        cell = f"known_cell=[{TRUE_LATTICE},{TRUE_LATTICE}]"
        oxide, oxide_s = infer(
            Path(place) / "sto", "pipeline=columns", f"input={DATA / 'SrTiO3_1.ser'}", cell
        )
    periods = spectrum_periods(DATA / "SrTiO3_1.ser")
    for name, row in [*gold.items(), *oxide.items()]:
        interval = f"[{row['low']}, {row['high']}]" if row["low"] else ""
        print(f"{name:<48} {row['value']:>10} {interval:<24} {row['unit']}")
    print(f"{'spacings in the power spectrum':<48} {periods[0]:.3f} and {periods[1]:.3f} Å")
    print(f"from file to report: {gold_s:.1f} s and {oxide_s:.1f} s")
    a, b = float(oxide["lattice a"]["value"]), float(oxide["lattice b"]["value"])
    headline = {
        "au_particles": float(gold["particles"]["value"]),
        "sto_a": a,
        "sto_b": b,
        "sto_a_error_percent": 100 * (a / TRUE_LATTICE - 1),
        "sto_b_error_percent": 100 * (b / TRUE_LATTICE - 1),
        "sto_spectrum": periods,
        "sto_implied_pixel_size": float(oxide["pixel size by the known cell"]["value"]),
        "au_seconds": gold_s,
        "sto_seconds": oxide_s,
    }
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
