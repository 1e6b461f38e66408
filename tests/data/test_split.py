import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanonet.data.split import split_structures
from nanonet.records import InputError


@given(
    structures=st.lists(st.integers(0, 10_000), min_size=2, unique=True),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 100),
)
def test_a_split_is_a_partition_without_an_empty_side(structures, fraction, seed):
    split = split_structures(structures, fraction=fraction, seed=seed)
    assert sorted(split.train + split.validation) == sorted(structures)
    assert not set(split.train) & set(split.validation)
    assert split.train
    assert split.validation
    assert split == split_structures(reversed(structures), fraction=fraction, seed=seed)


def test_new_structures_do_not_move_the_others():
    before = split_structures(range(100), fraction=0.3, seed=1)
    after = split_structures(range(150), fraction=0.3, seed=1)
    assert set(before.train) <= set(after.train)
    assert set(before.validation) <= set(after.validation)


def test_the_fraction_is_met_on_average_and_the_seed_matters():
    splits = [split_structures(range(1000), fraction=0.2, seed=seed) for seed in range(5)]
    assert all(150 < len(split.validation) < 250 for split in splits)
    assert len({split.validation for split in splits}) == 5


def test_images_of_one_structure_stay_together():
    split = split_structures([3, 3, 3, 4, 4], fraction=0.5, seed=0)
    assert sorted(split.train + split.validation) == [3, 4]


def test_one_structure_cannot_be_split():
    with pytest.raises(InputError, match="at least 2 structures, got 1"):
        split_structures([7, 7], fraction=0.2, seed=0)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0])
def test_a_fraction_is_between_0_and_1(fraction):
    with pytest.raises(InputError, match="between 0 and 1"):
        split_structures(range(4), fraction=fraction, seed=0)
