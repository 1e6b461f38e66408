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
    data, network = output / "data", output / "network"
    return {
        "simulate training data": ["simulate", "experiment=demo", f"output={data}"],
        "train": ["train", "experiment=demo", f"shards={data}", f"output={network}"],
        **movie_commands(output / "movie", network, output / "run"),
    }


def movie_commands(movie: Path, network: Path, run: Path, *words: str) -> dict[str, list[str]]:
    """Return the commands that make a movie of a particle and read it with a network."""
    return {
        "simulate a movie": ["simulate", "experiment=demo_movie", *words, f"output={movie}"],
        "read the movie": [
            "infer",
            "pipeline=columns",
            f"input={movie / 'movie.dm4'}",
            f"checkpoint={network / 'checkpoint'}",
            f"truth={movie / 'truth.csv'}",
            f"output={run}",
        ],
    }


def other_particles(output: Path, count: int) -> list[dict[str, object]]:
    """Read movies of ``count`` other particles with the same network; return the headline of each."""
    found = []
    for seed in range(11, 11 + count):
        place = output / f"particle_{seed}"
        words = movie_commands(place / "movie", output / "network", place / "run", f"seed={seed}")
        for command in words.values():
            nanonet(command, quiet=True)
        found.append(headline(place / "run"))
    return found


def nanonet(words: list[str], *, quiet: bool = False) -> None:
    """Run a command in a process of its own; ends this one where it fails."""
    aside = subprocess.DEVNULL if quiet else None
    done = subprocess.run([sys.executable, "-m", "nanonet", *words], stdout=aside, stderr=aside)
    if done.returncode:
        raise SystemExit(done.returncode)


def main() -> None:
    """Run the demo and print a table, then its headline figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the same: the demo is its own quick form")
    parser.add_argument("--others", type=int, default=0, help="movies of other particles to read as well")
    parser.add_argument("--sentence", action="store_true", help="end with a sentence instead of JSON")
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    parser.add_argument("--output", type=Path, default=Path("outputs") / "demo" / stamp)
    chosen = parser.parse_args()
    seconds = {}
    for name, words in commands(chosen.output).items():
        print(f"\n== {name}: nanonet {' '.join(words)}", flush=True)
        start = time.perf_counter()
        nanonet(words)
        seconds[name] = time.perf_counter() - start
    figures = headline(chosen.output / "run") | {"seconds": round(sum(seconds.values()))}
    others = other_particles(chosen.output, chosen.others)
    for other in others:
        print(f"another particle: {other['columns']} columns, exact {other['exact']:.1f} %", end=", ")
        print(f"within one {other['within_one']:.1f} %")
    if others:
        figures |= {
            "others_exact": [o["exact"] for o in others],
            "others_within_one": [o["within_one"] for o in others],
        }
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
