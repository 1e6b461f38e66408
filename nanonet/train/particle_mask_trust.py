"""Mask probabilities that come true, and how good a mask network is on images that it has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from nanonet.data.particle_masks import ParticleMaskDataset
from nanonet.metrics.mask_counts import MaskCounts, mask_counts
from nanonet.records import Estimate

_EVERY = 7
"""Pixels of which one is enough to fit a temperature."""
_TEMPERATURES = np.geomspace(0.3, 5.0, 141)
_DRAWS = 1000
_NOTHING = MaskCounts(both=0, only_found=0, only_true=0, neither=0)


def calibrate_mask(network: nn.Module, dataset: ParticleMaskDataset) -> float:
    """Divide a network's log odds of "inside" by the temperature that makes them likeliest, and return it.

    That is temperature scaling (Guo et al., 2017, arXiv 1706.04599), done in the weights of its last layer:
    what is more probable than one half stays so.
    """
    odds, truth = [], []
    for maps, item in _read(network, dataset):
        known = item[3] > 0
        odds.append(maps[0][known][::_EVERY])
        truth.append(item[1][known][::_EVERY] > 0)
    log_odds, inside = torch.cat(odds).double(), torch.cat(truth)
    signed = torch.where(inside, log_odds, -log_odds)
    costs = [float(nn.functional.softplus(-signed / temperature).mean()) for temperature in _TEMPERATURES]
    temperature = float(_TEMPERATURES[int(np.argmin(costs))])
    head: nn.Conv2d = network.head  # type: ignore[assignment]
    own = slice(0, head.out_channels // int(network.classes))  # type: ignore[arg-type]
    with torch.no_grad():
        head.weight[own] /= temperature
        if head.bias is not None:
            head.bias[own] /= temperature
    return temperature


def evaluate_mask(network: nn.Module, dataset: ParticleMaskDataset) -> tuple[Estimate, ...]:
    """Return IoU, Dice and accuracy of the pixels, with 90 % intervals over structures."""
    counts: dict[int, MaskCounts] = defaultdict(
        lambda: MaskCounts(both=0, only_found=0, only_true=0, neither=0)
    )
    for index, (maps, item) in enumerate(_read(network, dataset)):
        known = (item[3] > 0).numpy()
        found, true = (maps[0] > 0).numpy()[known], (item[1] > 0).numpy()[known]
        counts[dataset.structure(index)] += mask_counts(found[None], true[None])
    return tuple(
        _estimate(name, list(counts.values()))
        for name in ("iou", "background_iou", "dice", "background_dice", "accuracy")
    )


def _read(network: nn.Module, dataset: ParticleMaskDataset) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Yield what a network says of every image of a dataset, and the item."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for index in range(len(dataset)):
            item = dataset[index]
            yield network(item.image[None].to(device))[0].float().cpu(), item
    network.train(was_training)


def _estimate(name: str, counts: list[MaskCounts]) -> Estimate:
    value = getattr(sum(counts[1:], counts[0]), name)
    chosen = np.random.default_rng(0).integers(len(counts), size=(_DRAWS, len(counts)))
    draws = [getattr(sum((counts[i] for i in row[1:]), counts[row[0]]), name) for row in chosen]
    low, high = np.quantile(draws, [0.05, 0.95])
    return Estimate(
        name=name, value=value, low=float(low), high=float(high), note=f"over {len(counts)} structures"
    )
