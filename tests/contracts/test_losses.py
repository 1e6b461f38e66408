"""What every loss of column depth promises; a new one adds a line to LOSSES."""

import pytest
import torch

from nanonet.losses.earth_mover import EarthMover
from nanonet.losses.soft_cross_entropy import SoftCrossEntropy
from nanonet.losses.weighted_sum import WeightedSum

LOSSES = {
    "soft_cross_entropy": SoftCrossEntropy,
    "earth_mover": EarthMover,
    "weighted_sum": lambda: WeightedSum({"a": SoftCrossEntropy(), "b": EarthMover()}, {"a": 1.0, "b": 0.5}),
}
CLASSES = 5


@pytest.fixture(params=sorted(LOSSES))
def loss(request):
    return LOSSES[request.param]()


@pytest.fixture
def labels():
    generator = torch.Generator().manual_seed(0)
    depth = torch.randint(0, CLASSES, (2, 6, 7), generator=generator)
    membership = torch.where(depth > 0, torch.rand(2, 6, 7, generator=generator), 0.0)
    weight = 1 + 4 * membership
    return depth, membership, weight


@pytest.fixture
def logits():
    return torch.randn(2, CLASSES, 6, 7, generator=torch.Generator().manual_seed(1))


def perfect(depth, membership):
    chances = torch.zeros(len(depth), CLASSES, *depth.shape[1:])
    chances.scatter_(1, depth[:, None], membership[:, None])
    chances[:, 0] = 1 - torch.where(depth > 0, membership, 0.0)
    return chances.clamp(min=1e-12).log()


def test_zero_just_at_the_perfect_prediction(loss, labels, logits):
    best = loss(perfect(*labels[:2]), *labels).item()
    assert best == pytest.approx(0, abs=1e-5)
    assert loss(logits, *labels).item() > best + 0.01


def test_a_step_down_the_gradient_lowers_it(loss, labels, logits):
    logits.requires_grad_()
    before = loss(logits, *labels)
    before.backward()
    assert loss(logits - 0.1 * logits.grad, *labels) < before


def test_no_gradient_at_the_perfect_prediction(loss, labels):
    logits = perfect(*labels[:2]).clamp(min=-15).requires_grad_()
    loss(logits, *labels).backward()
    assert logits.grad.abs().max() < 1e-4


def test_gradients_are_right(loss, labels, logits):
    depth, membership, weight = (part[:1, :2, :2] for part in labels)
    inputs = logits[:1, :, :2, :2].double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, depth, membership.double(), weight.double()), inputs)


def test_the_scale_of_the_weights_drops_out(loss, labels, logits):
    depth, membership, weight = labels
    assert loss(logits, depth, membership, weight).item() == pytest.approx(
        loss(logits, depth, membership, 7 * weight).item(), rel=1e-5
    )


def test_a_pixel_of_no_weight_does_not_count(loss, labels, logits):
    depth, membership, weight = labels
    weight = weight.clone()
    weight[0, 2, 3] = 0
    spoilt = logits.clone()
    spoilt[0, :, 2, 3] = torch.randn(CLASSES) * 20
    assert loss(spoilt, depth, membership, weight).item() == pytest.approx(
        loss(logits, depth, membership, weight).item(), rel=1e-6
    )


def test_a_heavy_pixel_counts_more(loss, labels, logits):
    depth, membership, weight = labels
    spoilt = perfect(depth, membership)
    spoilt[0, :, 2, 3] = spoilt[0, :, 2, 3].flip(0)
    heavy = weight.clone()
    heavy[0, 2, 3] *= 10
    assert loss(spoilt, depth, membership, heavy) > 2 * loss(spoilt, depth, membership, weight)


@pytest.mark.parametrize("scale", [1e3, 1e4])
def test_extreme_logits_stay_finite(loss, labels, logits, scale):
    logits = (logits * scale).requires_grad_()
    value = loss(logits, *labels)
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


def test_an_image_without_columns(loss, logits):
    nothing = torch.zeros(2, 6, 7)
    value = loss(logits, nothing.long(), nothing, nothing + 1)
    assert value.isfinite()
    assert value > 0


def test_bfloat16_logits_are_taken(loss, labels, logits):
    value = loss(logits.bfloat16(), *labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(logits, *labels).item(), rel=0.02)
