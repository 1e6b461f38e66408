import pytest
import torch

from nanonet.losses.mask_loss import MaskLoss


def truth():
    inside = torch.zeros(2, 16, 16)
    inside[:, 4:12, 4:12] = 1
    height = inside * torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0))
    return inside, height, torch.ones(2, 16, 16)


def maps_of(inside, height):
    return torch.stack(
        [torch.logit(inside.clamp(1e-5, 1 - 1e-5)), torch.logit(height.clamp(1e-5, 1 - 1e-5))], 1
    )


def test_the_truth_costs_nothing_and_anything_else_does():
    inside, height, weight = truth()
    best = MaskLoss()(maps_of(inside, height), inside, height, weight)
    assert best == pytest.approx(0, abs=0.01)
    assert MaskLoss()(maps_of(inside, 0.5 * height), inside, height, weight) > best + 0.005
    assert MaskLoss()(maps_of(1 - inside, height), inside, height, weight) > 1


def test_what_is_not_known_changes_nothing():
    inside, height, weight = truth()
    weight[:, :8] = 0
    maps = maps_of(inside, height)
    wrong = maps.clone()
    wrong[:, :, :8] = -maps[:, :, :8]
    loss = MaskLoss()
    assert loss(maps, inside, height, weight) == loss(wrong, inside, height, weight)
    assert torch.isfinite(loss(maps, inside, height, torch.zeros_like(weight)))
