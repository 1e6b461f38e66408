"""A trained network's headline numbers, with intervals over the structures that it was tested on."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from nanonet.data.column_depth import ColumnDepthDataset, ColumnDepthItem
from nanonet.metrics.column_depth import dice_counts, right_at_centres
from nanonet.records import Estimate

Counts = Float[np.ndarray, "structure 2"]


def evaluate_column_depth(network: nn.Module, dataset: ColumnDepthDataset) -> tuple[Estimate, ...]:
    """Return ``exact``, ``within_one`` and ``dice`` over a dataset.

    The 90 % interval is a bootstrap over structures, since the images of one structure are alike; with a
    single structure there is none.
    """
    counts: dict[str, dict[int, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for index in range(len(dataset)):
            item = dataset[index]
            batch = ColumnDepthItem(*(tensor[None].to(device) for tensor in item))
            for name, pair in _counts(network(batch.image), batch).items():
                counts[name][dataset.structure(index)].append(pair)
    network.train(was_training)
    return tuple(
        _estimate(name, np.array([np.sum(pairs, axis=0) for pairs in by_structure.values()], float))
        for name, by_structure in counts.items()
    )


def _counts(logits: torch.Tensor, batch: ColumnDepthItem) -> dict[str, np.ndarray]:
    """Return numerator and denominator of each metric for one image."""
    pairs = {
        "exact": right_at_centres(logits, batch.depth, batch.centre),
        "within_one": right_at_centres(logits, batch.depth, batch.centre, tolerance=1),
        "dice": dice_counts(logits, batch.membership),
    }
    return {name: np.array([int(part), int(whole)]) for name, (part, whole) in pairs.items()}


def _estimate(name: str, counts: Counts, draws: int = 1000) -> Estimate:
    """Return the pooled ratio of (n, 2) numerators and denominators, with a bootstrap over its rows."""
    part, whole = counts.sum(axis=0)
    value = float(part / whole) if whole else float("nan")
    note = f"over {len(counts)} structures"
    if len(counts) < 2 or not whole:
        return Estimate(name=name, value=value, note=note)
    chosen = np.random.default_rng(0).integers(len(counts), size=(draws, len(counts)))
    sums = counts[chosen].sum(axis=1)
    ratios = sums[sums[:, 1] > 0, 0] / sums[sums[:, 1] > 0, 1]
    low, high = np.quantile(ratios, [0.05, 0.95])
    return Estimate(name=name, value=value, low=float(low), high=float(high), note=note)
