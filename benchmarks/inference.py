"""How fast movies are read: 1,024 x 1,024 pixels of 0.25 Å, from file to columns.csv and the report.

Frames are full of particles (about 2,700 columns of CeO2 [110]) or show one (about 65); a network of seven
frames reads each. Seconds of the processor are told beside those of the clock: other programs delay a run,
but hardly make it compute more. Then where the time goes, peak memory against the number of frames, other
runtimes for the network and what they change, and Gaussian fits of the same columns (atomap).
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import warnings
from pathlib import Path

import inference_memory as memory
import inference_refinement as refinement
import inference_runtimes as runtimes
import numpy as np
from inference_movie import particle, write_movie
from inference_stages import A_FRAME, seconds_of_stages

from nanonet.io.read import read_series
from nanonet.records import InputError
from nanonet.train.checkpoint import load_network
from nanonet.train.weights_file import find_weights
from nanonet.workers.local import cores

SIDE = 1024
CONTENTS = {"full": True, "one particle": False}
"""Of a frame: whether copies of the particle fill it."""
SECTIONS = ("speed", "stages", "memory", "runtimes", "refinement")
SMALL_SIDE = 256
"""Of the frames that memory is measured with: what a run keeps of a frame does not grow with its size."""
REFINED_SIDE = 320


def speed(folder: Path, checkpoint: str, lengths: tuple[int, int]) -> dict[str, float]:
    """Read movies of two lengths; print and return how many frames a second the longer one has more."""
    found, n_cores = {}, cores()
    print(f"\n{'frames of 1,024²':16} {'columns':>8} {'wall s':>8} {'CPU s':>8} {'frames/s':>9} {'idle':>6}")
    for name, copies in CONTENTS.items():
        movie = _movie(folder, name, max(lengths), SIDE, copies)
        short, long = (memory.run(movie, count, checkpoint, folder / "run") for count in lengths)
        wall, processor = memory.further(short, long)
        key = name.replace(" ", "_")
        found[f"frames_per_s_{key}"] = round(1 / wall, 2)
        found[f"cpu_s_a_frame_{key}"] = round(processor, 3)
        print(
            f"{name:16} {long.columns:8.0f} {wall:8.2f} {processor:8.2f} {1 / wall:9.2f} "
            f"{n_cores / processor:6.2f}"
        )
    print(f"seconds of one frame more; idle: frames a second if {n_cores} cores had nothing else to do")
    return found


def stages(folder: Path, checkpoint: str, frames: int) -> dict[str, float]:
    """Print where the time of a run goes; return what the parts of a frame's reading take."""
    found: dict[str, dict[str, float]] = {}
    for name, copies in CONTENTS.items():
        movie = _movie(folder, name, frames, SIDE, copies)
        words = [*memory.words(movie, frames, checkpoint, folder / "stages"), "workers=1"]
        memory.forget(folder / "stages")
        found[name] = {stage: spent / frames for stage, spent in seconds_of_stages(words).items()}
    print(f"\nms of the processor a frame, of {frames} frames\n{'stage':16}", end="")
    print("".join(f"{name:>14}" for name in found))
    for stage in next(iter(found.values())):
        print(f"{stage:16}" + "".join(f"{1e3 * spent[stage]:14.1f}" for spent in found.values()))
    return {
        f"cpu_s_reading_{name.replace(' ', '_')}": round(sum(spent[stage] for stage in A_FRAME), 3)
        for name, spent in found.items()
    }


def memory_of(folder: Path, checkpoint: str, counts: tuple[int, ...], side: int) -> dict[str, float]:
    """Print the peak memory of runs of several lengths; return how much 1,000 frames more take."""
    movie = _movie(folder, f"memory {side}", max(counts), side, copies=False)
    rows = [memory.run(movie, count, checkpoint, folder / "run") for count in counts]
    print(f"\nframes of {side}², one particle\n{'frames':>8} {'columns':>8} {'peak MiB':>9} {'wall s':>8}")
    for row in rows:
        print(f"{row.frames:8d} {row.columns:8.0f} {row.peak:9.0f} {row.wall:8.0f}")
    growth = memory.slope(rows)
    print(f"{growth:.0f} MiB for 1,000 frames more")
    return {"peak_MiB": round(rows[-1].peak), "MiB_per_1000_frames": round(growth, 1)}


def runtimes_of(folder: Path, checkpoint: str, repeats: int, *, compiled: bool) -> dict[str, float]:
    """Print how runtimes compare on a full frame; return the figures of the one that nanonet uses."""
    frames = load_network(checkpoint).frames
    series = read_series(_movie(folder, "full", frames, SIDE, copies=True))
    counts = np.stack([series[i].image for i in range(frames)])[None]
    rows = runtimes.compare(checkpoint, counts, repeats=repeats, compiled=compiled)
    runtimes.print_runtimes(rows)
    ours, single = rows[list(runtimes.WAYS).index(runtimes.OURS)], rows[0]
    return {
        "network_cpu_s": round(ours.seconds or 0.0, 3),
        "network_times_float32": round((single.seconds or 0.0) / (ours.seconds or 1.0), 2),
        "depth_changed_percent": round(100 * ours.changed, 3),
        "presence_changed": round(ours.presence, 4),
    }


def refinement_of(folder: Path, checkpoint: str) -> dict[str, float]:
    """Print what positions cost by other means; return how many times longer atomap takes."""
    movie = _movie(folder, f"refined {REFINED_SIDE}", 8, REFINED_SIDE, copies=True)
    series = read_series(movie, modality="HRTEM")
    network = load_network(checkpoint, task="column_depth")
    n, found = refinement.seconds(series[4], network)
    print(f"\n{n} columns in {REFINED_SIDE}² pixels, s of the processor")
    for name, spent in found.items():
        print(f"{name:24} {'not installed' if spent is None else f'{spent:8.3f}'}")
    atomap, ours = found["atomap"], found["network, with depths"] or 1.0
    return {} if atomap is None else {"atomap_times_network": round(atomap / ours, 1)}


def _movie(folder: Path, name: str, frames: int, side: int, copies: bool) -> Path:
    """Return a movie of that many frames at least."""
    path = folder / f"{name.replace(' ', '_')}_{frames}.mrcs"
    return write_movie(path, particle(folder), frames=frames, side=side, copies=copies)


def run(words: argparse.Namespace) -> dict[str, float]:
    """Do what is asked for; return the headline figures."""
    folder, checkpoint, sections = words.log, words.checkpoint, words.sections
    folder.mkdir(parents=True, exist_ok=True)
    sys.path.extend(words.packages)
    headline: dict[str, float] = {"cores": cores()}
    if "speed" in sections:
        headline |= speed(folder, checkpoint, (4, 16) if words.quick else (16, 80))
    if "stages" in sections:
        headline |= stages(folder, checkpoint, 4 if words.quick else 16)
    if "memory" in sections:
        counts = (32, 96) if words.quick else (250, 1000, 5000)
        headline |= memory_of(folder, checkpoint, counts, SMALL_SIDE)
        if words.long:
            found = memory_of(folder, checkpoint, (250, 5000), SIDE)
            headline |= {f"{name}_{SIDE}": value for name, value in found.items()}
    if "runtimes" in sections:
        headline |= runtimes_of(folder, checkpoint, 2 if words.quick else 7, compiled=words.compile)
    if "refinement" in sections:
        headline |= refinement_of(folder, checkpoint)
    return headline


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few frames and repeats")
    parser.add_argument("--long", action="store_true", help="also 5,000 frames of 1,024²: half an hour")
    parser.add_argument("--compile", action="store_true", help="also torch.compile, which needs a compiler")
    parser.add_argument("--checkpoint", default="zoo:column_depth_ceo2_110_hrtem", help="of a network")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument(
        "--packages",
        nargs="+",
        default=[],
        help="folders with packages that are measured, but not installed beside nanonet (atomap, openvino)",
    )
    parser.add_argument(
        "--log", type=Path, default=Path("outputs") / "inference_benchmark", help="folder for movies and runs"
    )
    words = parser.parse_args()
    warnings.simplefilter("ignore")
    try:
        find_weights(words.checkpoint)
    except InputError as error:
        print(f"nothing is measured: {error}")
        print(json.dumps({}))
        return
    print(json.dumps(run(words)))


if __name__ == "__main__":
    main()
