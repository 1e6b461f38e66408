"""The main job from nothing: simulate, train, read a movie of a particle that was not trained on, compare.

It runs the four commands that README.md lists, each in a process of its own, and prints how long each took.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commands(output: Path) -> dict[str, list[str]]:
    """Return the commands of the demo, as one would type them after ``nanonet``."""
    data, network, movie = output / "data", output / "network", output / "movie"
    return {
        "simulate training data": ["simulate", "experiment=demo", f"output={data}"],
        "train": ["train", "experiment=demo", f"shards={data}", f"output={network}"],
        "simulate a movie": ["simulate", "experiment=demo_movie", f"output={movie}"],
        "read the movie": [
            "infer",
            "pipeline=columns",
            f"input={movie / 'movie.dm4'}",
            f"checkpoint={network / 'checkpoint'}",
            f"truth={movie / 'truth.csv'}",
            f"output={output / 'run'}",
        ],
    }


def main() -> None:
    """Run the demo and print a table, then its headline figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: the demo is its own quick form")
    parser.add_argument("--sentence", action="store_true", help="end with a sentence instead of JSON")
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    parser.add_argument("--output", type=Path, default=Path("outputs") / "demo" / stamp)
    chosen = parser.parse_args()
    seconds = {}
    for name, words in commands(chosen.output).items():
        print(f"\n== {name}: nanonet {' '.join(words)}", flush=True)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "nanonet", *words])
        if done.returncode:
            raise SystemExit(done.returncode)
        seconds[name] = time.perf_counter() - start
    figures = headline(chosen.output / "run") | {"seconds": round(sum(seconds.values()))}
    print("\n" + "\n".join(f"{name:<24} {time_:6.0f} s" for name, time_ in seconds.items()))
    print(sentence(figures) if chosen.sentence else json.dumps(figures))


def headline(run: Path) -> dict[str, object]:
    """Return frames, columns, shares of right depths and where the report is, from the tables of a run."""
    with (run / "summary.csv").open(encoding="utf-8", newline="") as file:
        values = {row["name"]: float(row["value"]) for row in csv.DictReader(file)}
    return {
        "frames": int(values["frames compared"]),
        "columns": int(values["true columns"]),
        "exact": values["exact depth"],
        "within_one": values["depth within one"],
        "report": str(run / "report.html"),
    }


def sentence(figures: dict[str, object]) -> str:
    """Return the headline as the last line of ``make demo``."""
    return (
        f"demo: frames {figures['frames']}, columns {figures['columns']}, exact {figures['exact']:.1f} %, "
        f"within one {figures['within_one']:.1f} %, report {figures['report']}"
    )


if __name__ == "__main__":
    main()
