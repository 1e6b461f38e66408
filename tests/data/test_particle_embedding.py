"""Populations that an embedding is learnt from."""

import numpy as np
import pytest
import torch

from nanonet.data.particle_embedding import ParticleEmbeddingDataset
from nanonet.records import InputError
from simulate.bodies import Bodies
from simulate.draw_bodies import BodySampler


@pytest.fixture(scope="module")
def sampler():
    return BodySampler(Bodies(number=6, families=["faceted"], views=3, misfits=1), shown=4, edge=48)


@pytest.fixture
def data(sampler):
    return ParticleEmbeddingDataset(sampler, range(6), epoch_size=3, kinds=4)


def test_an_item_follows_from_its_index_only(data, sampler):
    again = ParticleEmbeddingDataset(sampler, range(6), epoch_size=3, kinds=4)
    for index in (0, 4):
        torch.testing.assert_close(data[index].image, again[index].image)
    assert not torch.equal(data[0].image, data[3].image)


def test_every_kind_is_there_as_often_and_strangers_are_of_none(data):
    kinds, counts = np.unique(data[0].kind.numpy(), return_counts=True)
    assert kinds.tolist() == [-1, 0, 1, 2, 3]
    assert counts.tolist() == [4, 4, 4, 4, 4]
    assert torch.isfinite(data[0].image).all()


def test_more_kinds_than_there_are_is_refused(sampler):
    with pytest.raises(InputError, match="kinds"):
        ParticleEmbeddingDataset(sampler, range(3), epoch_size=3, kinds=4)
