"""Networks, losses and label widths for column depth, each trained for the same time of one processor.

Every candidate is what `nanonet train` makes of a few words. All start from the same seeds, see the same
images in the same order for as long as their time lasts (CPU seconds of the training process; drawing goes on
in another process and is free for all), under the same schedule over their time. Then each reads the same
images of particles that none was trained on, with the read-out that `nanonet infer` uses. A column that was
missed counts as wrong. Brackets are 90 % intervals over particles; the differences from the first candidate
are of the same columns, and so more certain than either figure.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from column_depth_networks_report import MEASURES, report

CANDIDATES: dict[str, list[str]] = {
    "unet": [],
    "unet_stride_4": ["model.stride=4", "model.width=64", "model.depth=2"],
    "unet_stride_4_wide_view": ["model.stride=4", "model.width=40", "model.depth=3"],
    "unet_stride_4_context": ["model.stride=4", "model.width=40", "model.depth=3", "model.context=true"],
    "equivariant": ["model=equivariant_unet"],
    "equivariant_stride_4": ["model=equivariant_unet", "model.stride=4", "model.width=64", "model.depth=2"],
    "mixed_scale": ["model=mixed_scale", "model.width=16", "model.depth=12"],
    "mixed_scale_stride_4": [
        "model=mixed_scale",
        "model.width=32",
        "model.depth=10",
        "model.stride=4",
        "model.dilations=[1,2,3,4]",
    ],
    "ordinal": ["loss=ordinal"],
    "earth_mover": ["loss=earth_mover"],
    "cumulative": ["loss=cumulative_cross_entropy"],
    "smoothed": ["loss=smoothed_cross_entropy"],
    "labels_0.45": ["data.dataset.label_width=0.45"],
    "labels_0.8": ["data.dataset.label_width=0.8"],
}
"""The words of each after `nanonet train`, behind those of all: a U-Net and cross-entropy if not said."""
WORDS = ["model.width=32", "model.stride=2", "module.optimizer.lr=6.0e-3"]
QUICK = ["unet", "equivariant_stride_4", "mixed_scale_stride_4"]
DOSES = (50.0, 100.0, 400.0, 2000.0)
EIGHTFOLD = ("unet",)
"""Whose finished networks are asked a second time, in all eight ways up."""
BATCHES_TO_WARM_UP = 3
"""First batches, in which a library chooses its kernels: their time is nobody's."""


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What all candidates share."""

    shards: Path
    minutes: float
    frames: int
    particles: int
    images: int

    def config(self, words: list[str], seed: int) -> Any:
        """Return the config of `nanonet train` for a candidate."""
        from nanonet.configuration import compose

        several = [
            "data=column_depth_movie",
            f"data.sampler.frames={self.frames}",
            f"model.in_channels={self.frames}",
        ]
        # The seed is that of the first weights alone: all learn from the same particles.
        base = [f"shards={self.shards}", f"seed={seed}", "data.seed=0", "trainer=cpu"]
        return compose("train", [*base, *(several if self.frames > 1 else []), *WORDS, *words])


def train(contest: Contest, config: Mapping[str, Any]) -> tuple[Any, dict[str, float]]:
    """Train a network until its time is over; return it with images seen and seconds taken."""
    import torch

    from nanonet.configuration import build
    from nanonet.train.run import build_module
    from nanonet.train.schedule import one_cycle_factor

    data, module = build(config["data"]), build_module(config)
    module.train()
    highest = float(config["module"]["optimizer"]["lr"])
    optimizer = module.optimizer(module.network.parameters())
    budget, spent, seen = 60 * contest.minutes, 0.0, 0
    for number, batch in enumerate(batches(data)):
        if spent >= budget:
            break
        share = int(10_000 * spent / budget)
        for group in optimizer.param_groups:
            group["lr"] = highest * one_cycle_factor(share, steps=10_000, warm_up=0.15, start=0.04)
        start = time.process_time()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16()):
            loss = module.loss(module(batch.image), batch.depth, batch.membership, batch.weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.network.parameters(), config["trainer"]["gradient_clip_val"])
        optimizer.step()
        seen += len(batch.image)
        spent += (time.process_time() - start) * (number >= BATCHES_TO_WARM_UP)
    return module.network.eval(), {"images": seen, "cpu_seconds": spent}


def in_bfloat16() -> bool:
    """Return whether `nanonet train` computes in bfloat16 here."""
    from nanonet.train.trainer import best_precision

    return best_precision("cpu") == "bf16-mixed"


def batches(data: Any) -> Iterator[Any]:
    """Yield training batches without end, as `nanonet train` draws them."""
    loader = data.train_dataloader()
    while True:
        yield from loader
        data.first_epoch += 1


def evaluate(contest: Contest, network: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was read by dose and particle: counts in the order of MEASURES, images added up."""
    found: dict[str, dict[str, list[int]]] = {}
    for dose in DOSES:
        by_particle = found.setdefault(f"{dose:g}", {})
        for sample in test_images(contest, config, dose):
            score = read(network, sample, config["data"]["dataset"].get("label_width", 0.6))
            counts = np.array([getattr(score, name) for name in MEASURES])
            before = by_particle.get(str(sample.structure), [0] * len(MEASURES))
            by_particle[str(sample.structure)] = (counts + before).tolist()
    return found


def test_images(contest: Contest, config: Mapping[str, Any], dose: float) -> Iterator[Any]:
    """Yield images of particles that were kept from training, at one dose; the same for all candidates."""
    from nanonet.configuration import build
    from simulate.shards.manifest import read_manifest

    recipe = read_manifest(contest.shards)["recipe"]["microscope"]
    microscope = replace(build(recipe), dose=dose)
    movie = {} if contest.frames == 1 else {"alone": 0.0, "at_end": 0.0}
    sampler = build({**config["data"]["sampler"], "_partial_": True})(microscope=microscope, **movie)
    held_out = build(config["data"]).split.validation[: contest.particles]
    for structure in held_out:
        for image in range(contest.images):
            yield sampler.draw(structure, np.random.default_rng([int(dose), structure, image]))


def read(network: Any, sample: Any, label_width: float) -> Any:
    """Return how the columns that are read in an image agree with the true ones."""
    import torch

    from nanonet.atomic_columns.readout import read_columns
    from nanonet.metrics.columns import score_columns

    counts = torch.from_numpy(np.asarray(sample.image, np.float32))
    counts = counts.reshape(1, -1, *counts.shape[-2:])
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16()):
        probabilities = network(counts).float().softmax(1)[0].numpy()
    pixel = sample.pixel_size
    reading = read_columns(
        probabilities,
        smoothing=0.5 * label_width / pixel,
        separation=1.0 / pixel,
        radius=label_width / pixel,
        min_probability=0.5,
    )
    return score_columns(reading.positions * pixel, reading.depth, sample.positions, sample.depths)


def seconds_per_megapixel(network: Any, frames: int, side: int = 512) -> float:
    """Return the CPU time that reading a frame takes, the least of three: other work can only add to it."""
    import torch

    counts = torch.poisson(torch.full((1, frames, side, side), 20.0))
    taken = []
    for _ in range(3):
        start = time.process_time()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16()):
            network(counts.contiguous(memory_format=torch.channels_last))
        taken.append(time.process_time() - start)
    return min(taken) * 2**20 / side**2


def measure(contest: Contest, name: str, seed: int, log: Path) -> dict[str, Any]:
    """Return what a candidate came to, from its file in the log where it is there."""
    from nanonet.io.atomic import atomic_path
    from nanonet.models.symmetry_average import SymmetryAverage
    from nanonet.provenance import hash_file
    from nanonet.train.folder import first_difference

    words = CANDIDATES[name]
    asked = {
        "candidate": name,
        "words": [*WORDS, *words],
        "seed": seed,
        "minutes": contest.minutes,
        "frames": contest.frames,
        "particles": contest.particles,
        "images": contest.images,
        "doses": list(DOSES),
        "shards": hash_file(contest.shards / "manifest.json"),
    }
    file = log / f"{name}_seed_{seed}.json"
    if file.is_file():
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["asked"] == asked:
            return dict(known)
        raise SystemExit(
            f"{file} is of another {first_difference(known['asked'], asked)}: give another --log"
        )
    config = contest.config(words, seed)
    network, taken = train(contest, config)
    found = {
        "asked": asked,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        **taken,
        **reading(contest, network, config),
    }
    if name in EIGHTFOLD:
        found["eightfold"] = reading(contest, SymmetryAverage(network), config)
    with atomic_path(file) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    return found


def reading(contest: Contest, network: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return how long a network takes to read, and what it reads."""
    seconds = seconds_per_megapixel(network, contest.frames)
    return {"s_per_mpx": seconds, "counts": evaluate(contest, network, config)}


def small_shards(folder: Path) -> Path:
    """Simulate a few particles and return their folder."""
    words = ["simulate", "experiment=demo", "n_structures=8", "workers=2", f"output={folder / 'shards'}"]
    subprocess.run([sys.executable, "-m", "nanonet", *words], check=True, stdout=subprocess.DEVNULL)
    return folder / "shards"


def main() -> None:
    """Train and read what the log does not hold yet, and print the tables."""
    import torch

    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, help="that `nanonet simulate` wrote; --quick makes a few")
    parser.add_argument("--minutes", type=float, default=60.0, help="CPU minutes of each training")
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="of the first weights")
    parser.add_argument(
        "--frames", type=int, default=1, choices=(1, 7), help="in a row that are read together"
    )
    parser.add_argument("--particles", type=int, default=80, help="held out, at most, that are read")
    parser.add_argument("--images", type=int, default=2, help="of each of them, at each dose")
    parser.add_argument(
        "--log", type=Path, help="folder of finished candidates; a stopped comparison goes on"
    )
    parser.add_argument("--quick", action="store_true", help="three candidates, seconds each: says nothing")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if chosen.quick:
            chosen.minutes, chosen.candidates, chosen.particles = 0.2, QUICK, 3
            chosen.shards = chosen.shards or small_shards(Path(name))
        if chosen.shards is None:
            parser.error(
                "--shards is missing: nanonet simulate experiment=column_depth_ceo2_110_hrtem makes them"
            )
        contest = Contest(
            shards=chosen.shards.resolve(),
            minutes=chosen.minutes,
            frames=chosen.frames,
            particles=chosen.particles,
            images=chosen.images,
        )
        results: dict[str, list[dict[str, Any]]] = {}
        for seed in chosen.seeds:
            for candidate in chosen.candidates:
                found = measure(contest, candidate, seed, chosen.log or Path(name) / "log")
                print(f"{candidate}, seed {seed}: done", file=sys.stderr, flush=True)
                results.setdefault(candidate, []).append(found)
                if "eightfold" in found:
                    results.setdefault(f"{candidate}_eightfold", []).append(found | found["eightfold"])
        print(json.dumps(report(results, [f"{dose:g}" for dose in DOSES])))


if __name__ == "__main__":
    main()
