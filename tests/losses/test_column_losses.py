"""What is particular to each loss; what all share is in tests/contracts/test_losses.py."""

import pytest
import torch

from nanonet.losses.earth_mover import earth_mover
from nanonet.losses.soft_cross_entropy import SoftCrossEntropy, soft_cross_entropy
from nanonet.losses.weighted_sum import WeightedSum
from nanonet.records import InputError

ONE = torch.ones(1, 1, 1)


def pixel(depth: int, membership: float = 1.0):
    return torch.full((1, 1, 1), depth), torch.full((1, 1, 1), membership), ONE


def sure(cls: int, classes: int = 6) -> torch.Tensor:
    logits = torch.full((1, classes, 1, 1), -50.0)
    logits[0, cls] = 50.0
    return logits


def test_cross_entropy_is_that_of_torch_for_hard_labels():
    torch.manual_seed(0)
    logits, depth = torch.randn(2, 6, 5, 4), torch.randint(0, 6, (2, 5, 4))
    hard, even = (depth > 0).float(), torch.ones(2, 5, 4)
    expected = torch.nn.functional.cross_entropy(logits, depth)
    assert soft_cross_entropy(logits, depth, hard, even) == pytest.approx(expected.item(), rel=1e-6)


def test_cross_entropy_is_a_kullback_leibler_divergence():
    torch.manual_seed(0)
    logits, depth, g = torch.randn(1, 4, 1, 1), *pixel(2, 0.3)[:2]
    label = torch.tensor([0.7, 0.0, 0.3, 0.0])[None, :, None, None]
    expected = torch.nn.functional.kl_div(logits.log_softmax(1), label, reduction="sum")
    assert soft_cross_entropy(logits, depth, g, ONE) == pytest.approx(expected.item(), rel=1e-5)


def test_earth_mover_grows_with_the_miss_and_cross_entropy_does_not():
    misses = [earth_mover(sure(cls), *pixel(2)).item() for cls in (2, 3, 4, 5)]
    assert misses == pytest.approx([0, 1, 2, 3], abs=1e-5)
    flat = [soft_cross_entropy(sure(cls), *pixel(2)).item() for cls in (3, 4, 5)]
    assert flat[0] == pytest.approx(flat[1]) == pytest.approx(flat[2])


def test_earth_mover_takes_background_for_no_atoms():
    assert earth_mover(sure(0), *pixel(3)).item() == pytest.approx(3, abs=1e-5)
    assert earth_mover(sure(0), *pixel(3, 0.0)).item() == pytest.approx(0, abs=1e-5)


def test_a_sum_weighs_its_parts():
    class Constant(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, *batch):
            return torch.tensor(self.value)

    both = WeightedSum({"a": Constant(2.0), "b": Constant(3.0)}, {"a": 1.0, "b": 0.5})
    assert both(sure(0)).item() == 3.5


def test_a_sum_refuses_a_loss_without_factor():
    with pytest.raises(InputError, match=r"losses \['a'\], factors \['b'\]"):
        WeightedSum({"a": SoftCrossEntropy()}, {"b": 1.0})
