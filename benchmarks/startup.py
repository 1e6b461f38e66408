"""How long commands take to answer: ``--help`` and ``doctor``, median over processes."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "help": ["infer", "--help"],
    "show_config": ["infer", "pipeline=particles", "input=x.tif", "--cfg"],
}


def seconds(words: list[str]) -> float:
    """Run a command in a process of its own and return the wall time [s]."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "nanonet", *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print a table, then its headline figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 runs of each instead of 9")
    runs = 3 if parser.parse_args().quick else 9
    found = {name: statistics.median(seconds(words) for _ in range(runs)) for name, words in COMMANDS.items()}
    for name, value in found.items():
        print(f"nanonet {' '.join(COMMANDS[name]):<48} {value:6.3f} s")
    print(json.dumps({f"{name}_seconds": value for name, value in found.items()}))


if __name__ == "__main__":
    main()
