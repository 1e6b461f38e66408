"""Losses that know the order of depths: thresholds, and labels smoothed over depth."""

import pytest
import torch
from torch.nn import functional

from nanonet.losses.cumulative_cross_entropy import cumulative_cross_entropy
from nanonet.losses.entropy import membership_entropy
from nanonet.losses.smoothed_cross_entropy import (
    SmoothedCrossEntropy,
    smoothed_cross_entropy,
    smoothed_labels,
)
from nanonet.losses.soft_cross_entropy import soft_cross_entropy
from nanonet.records import InputError

ONE = torch.ones(1, 1, 1)
CLASSES = 6


def pixel(depth: int, membership: float = 1.0):
    return torch.full((1, 1, 1), depth), torch.full((1, 1, 1), membership), ONE


def sure(cls: int) -> torch.Tensor:
    """Logits that are almost sure of a class, e^-10 for each other."""
    logits = torch.zeros(1, CLASSES, 1, 1)
    logits[0, cls] = 10.0
    return logits


def batch():
    generator = torch.Generator().manual_seed(0)
    depth = torch.randint(0, CLASSES, (2, 5, 4), generator=generator)
    membership = torch.where(depth > 0, torch.rand(2, 5, 4, generator=generator), 0.0)
    logits = torch.randn(2, CLASSES, 5, 4, generator=generator)
    return logits, depth, membership, 1 + 4 * membership


def test_the_entropy_of_a_label_is_that_of_a_coin():
    depth, membership = torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0.5, 0.5, 1.0]]])
    assert membership_entropy(depth, membership).flatten() == pytest.approx([0, 0.693147, 0])


def test_thresholds_are_binary_cross_entropies():
    """Written out with torch's own, for every k apart."""
    logits, depth, membership, weight = batch()
    chances = logits.double().softmax(1)
    total = torch.zeros(depth.shape, dtype=torch.double)
    for k in range(CLASSES - 1):
        deeper = chances[:, k + 1 :].sum(1)
        label = torch.where(depth > k, membership, 0.0).double()
        total += functional.binary_cross_entropy(deeper, label, reduction="none")
        total -= functional.binary_cross_entropy(label, label, reduction="none")
    expected = (weight * total).sum() / weight.sum()
    assert cumulative_cross_entropy(logits, depth, membership, weight) == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_each_atom_missed_costs_again():
    costs = [cumulative_cross_entropy(sure(cls), *pixel(1)).item() for cls in range(1, CLASSES)]
    steps = torch.tensor(costs).diff()
    assert costs[0] == pytest.approx(0, abs=0.01)
    assert (steps > 7).all()
    assert cumulative_cross_entropy(sure(0), *pixel(3)) > cumulative_cross_entropy(sure(0), *pixel(2)) + 7


def test_a_small_chance_is_not_lost_beside_a_large_one():
    """The gradient still tells where to go when the chance of being right is e^-40: 1 - e^-40 is 1."""
    logits = torch.tensor([0.0, 0.0, 40.0, 0.0, 0.0, 0.0])[None, :, None, None].requires_grad_()
    for depth in (1, 4):
        (gradient,) = torch.autograd.grad(cumulative_cross_entropy(logits, *pixel(depth)), logits)
        assert gradient[0, 2] > 0.5
        assert gradient[0, depth] < -0.1


def test_smoothed_labels_are_chances_around_the_depth():
    labels = smoothed_labels(11, spread=0.8)
    assert torch.allclose(labels.sum(1), torch.ones(11, dtype=torch.double))
    assert labels.argmax(1).tolist() == list(range(11))
    assert labels[1:, 0].eq(0).all()
    assert labels[0, 0] == 1
    depths = torch.arange(11.0, dtype=torch.double)
    inner = labels[5]
    assert (inner * depths).sum() == pytest.approx(5)
    assert (inner * (depths - 5) ** 2).sum() ** 0.5 == pytest.approx(0.8, rel=0.03)


def test_smoothing_that_vanishes_leaves_the_plain_cross_entropy():
    logits, depth, membership, weight = batch()
    plain = soft_cross_entropy(logits, depth, membership, weight)
    assert smoothed_cross_entropy(logits, depth, membership, weight, 0.05) == pytest.approx(
        plain.item(), rel=1e-5
    )


def test_it_is_the_divergence_from_the_smoothed_label():
    logits, *labels = torch.randn(1, CLASSES, 1, 1), *pixel(2, 0.3)
    label = 0.3 * smoothed_labels(CLASSES, 0.6)[2].float()
    label[0] += 0.7
    expected = functional.kl_div(logits.log_softmax(1)[0, :, 0, 0], label, reduction="sum")
    assert smoothed_cross_entropy(logits, *labels, 0.6) == pytest.approx(expected.item(), rel=1e-5)


def test_it_is_zero_just_at_the_smoothed_label():
    logits, depth, membership, weight = batch()
    chances = smoothed_labels(CLASSES, 0.6).float()[depth].movedim(-1, 1) * membership[:, None]
    chances[:, 0] += 1 - membership
    best = chances.clamp(min=1e-12).log().requires_grad_()
    loss = smoothed_cross_entropy(best, depth, membership, weight, 0.6)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert best.grad.abs().max() < 1e-5
    assert smoothed_cross_entropy(logits, depth, membership, weight, 0.6) > 0.1


def test_a_neighbour_costs_less_than_what_is_far():
    costs = [smoothed_cross_entropy(sure(cls), *pixel(2), 0.6).item() for cls in (2, 3, 5)]
    assert costs[0] < costs[1] < costs[2]


def test_extreme_logits_stay_finite():
    logits, *labels = batch()
    for loss in (SmoothedCrossEntropy(), cumulative_cross_entropy):
        far = (1e4 * logits).requires_grad_()
        value = loss(far, *labels)
        value.backward()
        assert value.isfinite()
        assert far.grad.isfinite().all()


@pytest.mark.parametrize("spread", [0.0, -1.0, float("nan")])
def test_a_spread_that_is_none_is_refused(spread):
    with pytest.raises(InputError, match="spread of depth labels must be positive"):
        SmoothedCrossEntropy(spread)
