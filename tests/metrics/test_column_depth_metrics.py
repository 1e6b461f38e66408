import pytest
import torch

from nanonet.metrics.column_depth import ColumnDice, DepthAccuracy, dice_counts, right_at_centres


def logits_of(classes: torch.Tensor, count: int = 6) -> torch.Tensor:
    return 10 * torch.nn.functional.one_hot(classes, count).movedim(-1, 1).float()


@pytest.fixture
def truth():
    depth = torch.zeros(1, 4, 8, dtype=torch.long)
    centre = torch.zeros(1, 4, 8, dtype=torch.bool)
    for x, value in ((0, 1), (2, 2), (4, 3), (6, 4)):
        depth[0, 1, x], centre[0, 1, x] = value, True
    return depth, centre


def test_columns_are_judged_at_their_centres_only(truth):
    depth, centre = truth
    read = depth.clone()
    read[0, 3] = 5
    assert [int(n) for n in right_at_centres(logits_of(read), depth, centre)] == [4, 4]


def test_off_by_one_and_missed(truth):
    depth, centre = truth
    read = depth.clone()
    read[0, 1, 2] = 3  # one too deep
    read[0, 1, 0] = 0  # taken for background, which is not "one atom less"
    assert int(right_at_centres(logits_of(read), depth, centre)[0]) == 2
    assert int(right_at_centres(logits_of(read), depth, centre, tolerance=1)[0]) == 3


def test_dice_against_sets():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 9, 9, generator=generator)
    membership = torch.rand(2, 9, 9, generator=generator)
    read, true = logits.softmax(1)[:, 0] < 0.5, membership > 0.5
    pixels = [set(map(tuple, mask.nonzero().tolist())) for mask in (read, true)]
    overlap, areas = dice_counts(logits, membership)
    assert int(overlap) == 2 * len(pixels[0] & pixels[1])
    assert int(areas) == len(pixels[0]) + len(pixels[1])


def test_batches_add_up(truth):
    depth, centre = truth
    wrong = depth.clone()
    wrong[depth > 0] += 2
    metric, near = DepthAccuracy(), DepthAccuracy(tolerance=2)
    for read in (depth, wrong, wrong, wrong):
        metric.update(logits_of(read, 8), depth, centre)
        near.update(logits_of(read, 8), depth, centre)
    assert metric.compute() == 0.25
    assert near.compute() == 1
    metric.reset()
    assert metric.compute().isnan()


def test_dice_pools_pixels_not_images():
    full, empty = torch.ones(1, 2, 2), torch.zeros(1, 2, 2)
    dice = ColumnDice()
    dice.update(logits_of(full.long(), 2), full)
    dice.update(logits_of(empty.long(), 2), empty)
    assert dice.compute() == 1
    dice.update(logits_of(full.long(), 2), empty)
    assert dice.compute() == pytest.approx(2 * 4 / 12)
