"""What training frames are like is learnt from drawn ones, and judged on other structures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from lattice_images import PIXEL, LatticeSampler, height_reader, read

from nanonet.atomic_columns.familiar import familiarity_warning
from nanonet.atomic_columns.frame_features import NAMES
from nanonet.data.column_depth import ColumnDepthDataset
from nanonet.records import InputError
from nanonet.records.familiarity import familiarity_from
from nanonet.train.familiarity import fit_familiarity

SIDE = 80
NETWORK = height_reader()


def dataset(structures, **changes):
    sampler = LatticeSampler(size=SIDE, **changes)
    return ColumnDepthDataset(sampler, list(structures), epoch_size=len(structures), max_depth=5)


@pytest.fixture(scope="module")
def familiarity():
    return fit_familiarity(NETWORK, dataset(range(40)), dataset(range(100, 130)), frames=160)


def test_it_says_what_it_was_judged_on(familiarity):
    assert familiarity.side == SIDE
    assert 140 < familiarity.frames <= 160
    assert familiarity.structures == 30
    low, high = 10 ** familiarity.log_dose[[0, -1]]
    assert 90 < low < 150
    assert 4000 < high < 6500
    assert 0.2 < familiarity.tail < 1.5


def test_it_is_deterministic_and_survives_json(familiarity):
    again = fit_familiarity(NETWORK, dataset(range(40)), dataset(range(100, 130)), frames=160)
    assert again.plain() == familiarity.plain()
    back = familiarity_from(json.loads(json.dumps(familiarity.plain())))
    image = LatticeSampler(size=SIDE).draw(300, np.random.default_rng(1)).image
    kept, came_back = (
        familiarity_warning(image, read(NETWORK, image), pixel_size=PIXEL, familiarity=one)
        for one in (familiarity, back)
    )
    assert came_back[0] == pytest.approx(kept[0], rel=1e-3)
    assert came_back[1] == kept[1]


def test_of_several_frames_the_middle_one_is_judged():
    class InARow(LatticeSampler):
        def draw(self, structure, rng):
            from dataclasses import replace

            sample = super().draw(structure, rng)
            noise = rng.poisson(30.0, (2, *sample.image.shape)).astype(np.float32)
            return replace(sample, image=np.stack([noise[0], sample.image, noise[1]]))

    plain, movie = (
        fit_familiarity(
            NETWORK,
            *(
                ColumnDepthDataset(sampler, structures, epoch_size=70, max_depth=5)
                for structures in (list(range(70)), list(range(100, 170)))
            ),
            frames=70,
        )
        for sampler in (LatticeSampler(size=SIDE), InARow(size=SIDE))
    )
    spacing = [one.features[:, NAMES.index("spacing") - 1, 3] for one in (plain, movie)]
    np.testing.assert_allclose(spacing[1], spacing[0], atol=0.05)


def test_too_few_frames_or_none_with_columns_are_refused():
    with pytest.raises(InputError, match="needs 60 of them"):
        fit_familiarity(NETWORK, dataset(range(4)), dataset(range(9, 12)), frames=8)
    blind = LatticeSampler(size=SIDE, blur=3.0)
    nothing = ColumnDepthDataset(blind, list(range(4)), epoch_size=4, max_depth=5)
    with pytest.raises(InputError, match="columns"):
        fit_familiarity(NETWORK, nothing, nothing, frames=4)
