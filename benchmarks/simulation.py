"""The simulator beside plain abTEM: errors, samples an hour, the PRISM reduction, from a cif to samples.

Runs the scripts that measure each, one after the other (with --quick two at a time: their times are of the
processor, but for the way from a cif to samples), and gathers their headline figures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = ("prism_reduction", "simulation_hrtem", "haadf_prism", "haadf_speed", "simulation_samples")


def measure(script: str, quick: bool) -> tuple[str, dict[str, float]]:
    """Return what a script prints, and the headline figures of its last line."""
    words = [sys.executable, str(HERE / f"{script}.py"), *(["--quick"] if quick else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{script} ended with exit code {done.returncode}")
    *table, last = done.stdout.strip().splitlines()
    return "\n".join(table), json.loads(last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of each, within 5 minutes")
    quick = parser.parse_args().quick
    figures: dict[str, float] = {}
    with ThreadPoolExecutor(2 if quick else 1) as pool:
        for script, (table, found) in zip(
            SCRIPTS, pool.map(lambda name: measure(name, quick), SCRIPTS), strict=True
        ):
            print(f"\n== {script}\n{table}", flush=True)
            figures |= found
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
