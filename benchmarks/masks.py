"""Masks and particles of micrographs out of publications that no network was trained on, split by paper.

Every method segments each held-out image without a setting of its own. Pixels: IoU, pooled over all pixels
and as the mean over images. Particles: matched one to one above an IoU of one half, F1 pooled and as the mean
over images, and panoptic quality pooled. Diameters of matched particles, and the number of particles, against
the truth. Intervals are 90 %, a bootstrap over images. "truth, ..." are the true masks, separated without
knowing the instances: the best that a binary mask can do.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from masks_gallery import COLUMNS, ROWS, Case, draw
from rich.progress import track

from nanonet.data.labelled_images import LabelledImages
from nanonet.data.split import split_structures
from nanonet.instances import match_instances
from nanonet.metrics.mask_counts import MaskCounts, mask_counts
from nanonet.records import Micrograph

LABELLED = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "emps_train"
FRACTION = 0.2
"""Of the papers that are held out, as in training."""
SEED = 0
DRAWS = 1000
QUICK = 12
"""Images."""
TASK = "particle_mask"

Labels = Int[np.ndarray, "y x"]
Method = Callable[[Micrograph, Labels], Labels]
"""Returns the instances of an image; the truth is for those that are told the mask."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One image against its truth.

    Parameters
    ----------
    pixels
        Of the mask.
    matched, found, true
        Numbers of particles.
    quality
        Sum of the IoU of the matched ones.
    ratios
        Of the diameters of the matched ones, found over true.
    seconds
        Of the processor.
    """

    pixels: MaskCounts
    matched: int
    found: int
    true: int
    quality: float
    ratios: Float[np.ndarray, " m"]
    seconds: float


def score(method: Method, image: Micrograph, truth: Labels) -> Scored:
    """Return how good a method is on an image."""
    start = time.process_time()
    labels = method(image, truth)
    seconds = time.process_time() - start
    match = match_instances(labels, truth)
    areas = [np.bincount(those.ravel())[match.pairs[:, i]] for i, those in enumerate((labels, truth))]
    return Scored(
        pixels=mask_counts(labels > 0, truth > 0),
        matched=len(match.pairs),
        found=match.found,
        true=match.true,
        quality=float(match.iou.sum()),
        ratios=np.sqrt(areas[0] / areas[1]),
        seconds=seconds,
    )


def summary(scores: Sequence[Scored]) -> dict[str, float]:
    """Return the figures of some images."""
    pixels = sum((one.pixels for one in scores[1:]), scores[0].pixels)
    matched, found, true = (
        sum(getattr(one, name) for one in scores) for name in ("matched", "found", "true")
    )
    ratios = np.concatenate([one.ratios for one in scores])
    each = [1.0 if not one.found + one.true else 2 * one.matched / (one.found + one.true) for one in scores]
    return {
        "iou": pixels.iou,
        "iou_mean": float(np.mean([one.pixels.iou for one in scores])),
        "f1": 2 * matched / max(found + true, 1),
        "f1_mean": float(np.mean(each)),
        "panoptic": 2 * sum(one.quality for one in scores) / max(found + true, 1),
        "diameter": float(np.median(ratios) - 1) if len(ratios) else float("nan"),
        "count": found / max(true, 1) - 1,
    }


def with_intervals(scores: Sequence[Scored]) -> dict[str, tuple[float, float, float]]:
    """Return each figure with the ends of its interval."""
    whole, rng = summary(scores), np.random.default_rng(0)
    drawn = pd.DataFrame(
        [summary([scores[i] for i in rng.integers(len(scores), size=len(scores))]) for _ in range(DRAWS)]
    )
    ends = drawn.quantile([0.05, 0.95])
    return {
        name: (value, float(ends[name].iloc[0]), float(ends[name].iloc[1])) for name, value in whole.items()
    }


def methods(checkpoints: Mapping[str, str]) -> dict[str, Method]:
    """Return the methods by name: networks, the classical route, and true masks without instances."""
    from nanonet.segment import classical, network, pieces, watershed
    from nanonet.segment.separation import Foreground, Separation
    from nanonet.train.checkpoint import load_network

    def truth_by(separate: Separation) -> Method:
        return lambda _, truth: separate(Foreground(mask=truth > 0)).labels

    found: dict[str, Method] = {
        name: partial(
            _segmented, partial(network.segment, network=load_network(checkpoint, task="particle_mask"))
        )
        for name, checkpoint in checkpoints.items()
    }
    found["classical"] = partial(_segmented, classical.segment)
    found["truth, pieces"] = truth_by(pieces.unseparated)
    found["truth, watershed"] = truth_by(watershed.separate)
    return found


def _segmented(segment: Callable[[Micrograph], Any], image: Micrograph, _: Labels) -> Labels:
    return np.asarray(segment(image).labels)


def held_out(folder: Path, group: str, subset: str | None) -> list[tuple[Micrograph, Labels, bool]]:
    """Return the images of the held-out papers, with their instances and whether they are of the subset."""
    images = LabelledImages(folder, group=group)
    chosen: set[str] = set()
    if subset is not None:
        chosen = {
            name for names in LabelledImages(folder, group=group, only=subset).members for name in names
        }
    found = []
    for structure in split_structures(images.structures, fraction=FRACTION, seed=SEED).validation:
        for name in images.members[structure]:
            sample = images.read(name, structure)
            found.append((Micrograph(image=sample.image, name=name), sample.instances, name in chosen))
    return found


def worst(
    images: Sequence[tuple[Micrograph, Labels, bool]], scores: Sequence[Scored], method: Method
) -> list[Case]:
    """Return the images of the least panoptic quality, what was found in them and what is there."""
    quality = [summary([one])["panoptic"] for one in scores]
    found = []
    for index in np.argsort(quality)[: COLUMNS * ROWS]:
        image, truth, _ = images[index]
        one = scores[index]
        told = f"{image.name}: {one.matched} of {one.true} found, {one.found - one.matched} wrong, "
        caption = f"{told}IoU {one.pixels.iou:.2f}"
        found.append((caption, image.image, method(image, truth), truth))
    return found


def main() -> None:
    """Segment the held-out images by each method; print and return the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labelled", type=Path, default=LABELLED, help="folder of images and instances")
    parser.add_argument("--group", default="source_doi", help="column of index.csv that names the paper")
    parser.add_argument("--subset", default="bright_field_like", help="column that marks images told apart")
    parser.add_argument(
        "--checkpoint",
        nargs="*",
        default=["zoo:particle_masks"],
        metavar="[NAME=]CHECKPOINT",
        help="networks to compare",
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} images")
    parser.add_argument("--log", type=Path, help="file for the figures of every image")
    parser.add_argument(
        "--gallery", type=Path, help="picture of the images that the first network reads worst"
    )
    words = parser.parse_args()
    if not words.labelled.is_dir():
        print(json.dumps({"skipped": f"{words.labelled} is not here: give --labelled FOLDER"}))
        return
    checkpoints = dict(word.split("=", 1) if "=" in word else (word, word) for word in words.checkpoint)
    images = held_out(words.labelled, words.group, words.subset)[: QUICK if words.quick else None]
    headline: dict[str, float] = {}
    rows: list[dict[str, object]] = []
    for name, method in methods(checkpoints).items():
        scores = [score(method, image, truth) for image, truth, _ in track(images, name, transient=True)]
        rows += [
            {"method": name, "image": image.name, **summary([one])}
            for (image, _, _), one in zip(images, scores, strict=True)
        ]
        marked = [one for one, (_, _, own) in zip(scores, images, strict=True) if own]
        for kind, some in ((words.subset, marked), ("all", scores)):
            if not some:
                continue
            figures = with_intervals(some)
            cells = "  ".join(
                f"{key} {v:.3f} [{low:.3f}, {high:.3f}]" for key, (v, low, high) in figures.items()
            )
            seconds = float(np.mean([one.seconds for one in some]))
            print(f"{name:18} {kind:18} {len(some):3d} images  {cells}  {seconds:.2f} s", flush=True)
            headline |= {
                f"{name}_{kind}_{key}": round(figures[key][0], 3) for key in ("iou", "f1", "panoptic")
            }
        if words.gallery is not None and name == next(iter(checkpoints), None):
            draw(worst(images, scores, method), words.gallery)
    if words.log is not None:
        pd.DataFrame(rows).to_csv(words.log, index=False)
    print(json.dumps(headline))


if __name__ == "__main__":
    main()
