from functools import partial

import pytest
import torch

from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.data.epochs import EpochSampler
from nanonet.data.module import SimulatedData


def images(loader):
    return torch.cat([batch.image for batch in loader])


@pytest.fixture
def data(dots):
    def make(workers=0):
        return SimulatedData(
            dots(),
            partial(ColumnDepthDataset, label_width=1.0),
            batch_size=2,
            epoch_size=6,
            validation_size=4,
            num_workers=workers,
        )

    return make


def test_indices_say_their_epoch():
    epoch = [0]
    sampler = EpochSampler(4, lambda: epoch[0])
    assert list(sampler) == [0, 1, 2, 3]
    epoch[0] = 2
    assert list(sampler) == [8, 9, 10, 11]
    assert len(sampler) == 4


def test_training_is_new_each_epoch_and_validation_is_not(data):
    module = data()
    first = images(module.train_dataloader())
    module.first_epoch = 1
    second = images(module.train_dataloader())
    assert not torch.equal(first, second)
    assert torch.equal(images(module.val_dataloader()), images(module.val_dataloader()))


def test_the_number_of_workers_changes_nothing(data):
    assert torch.equal(images(data(0).train_dataloader()), images(data(2).train_dataloader()))


def test_no_structure_is_on_both_sides(data):
    module = data()
    train = {module.training.structure(index) for index in range(100)}
    validation = {module.validation.structure(index) for index in range(100)}
    assert train == set(module.split.train)
    assert validation == set(module.split.validation)
    assert not train & validation
