"""The loss that draws views of a kind together."""

import pytest
import torch

from nanonet.losses.prototypes import PrototypeLoss, squared_distances


@pytest.fixture
def population():
    generator = torch.Generator().manual_seed(0)
    kind = torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2, 2, 2, -1]])
    return torch.randn(1, 11, 4, generator=generator), kind


def test_a_view_does_not_count_in_the_mean_that_it_is_compared_with(population):
    vectors, kind = population
    found = squared_distances(vectors, kind)[0]
    for i in range(11):
        for k in range(3):
            others = (kind[0] == k) & (torch.arange(11) != i)
            away = (vectors[0, i] - vectors[0, others].mean(dim=0)).square().sum()
            assert found[i, k].item() == pytest.approx(away.item(), rel=1e-4)


def test_kinds_far_apart_cost_nothing(population):
    _, kind = population
    places = torch.tensor([[0.0, 0, 0, 0], [20, 0, 0, 0], [0, 20, 0, 0], [0, 0, 40, 0]])
    assert PrototypeLoss()(places[kind], kind).item() < 1e-3


def test_a_stranger_among_a_kind_costs_more_than_one_far_from_all(population):
    _, kind = population
    places = torch.tensor([[0.0, 0, 0, 0], [20, 0, 0, 0], [0, 20, 0, 0], [0, 0, 40, 0]])
    inside = places[kind].clone()
    inside[0, -1] = places[1]
    assert PrototypeLoss()(inside, kind) > PrototypeLoss()(places[kind], kind) + 0.5


def test_a_step_down_the_gradient_lowers_it(population):
    vectors, kind = population
    vectors.requires_grad_()
    before = PrototypeLoss()(vectors, kind)
    before.backward()
    assert PrototypeLoss()(vectors - 0.1 * vectors.grad, kind) < before


def test_where_the_origin_lies_is_all_the_same(population):
    vectors, kind = population
    loss = PrototypeLoss()
    assert loss(vectors + 5.0, kind).item() == pytest.approx(loss(vectors, kind).item(), rel=1e-4)
