"""Frames like the training are believed; those on which accuracy falls are flagged, and in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lattice_images import PIXEL, LatticeSampler, height_reader, read
from scipy import ndimage
from scipy.stats import spearmanr

from nanonet.atomic_columns.familiar import RARE, familiarity_warning, unfamiliar
from nanonet.atomic_columns.frame_features import NAMES, frame_features
from nanonet.atomic_columns.network import read_depth
from nanonet.metrics.columns import ColumnScore, score_columns
from nanonet.records import Micrograph
from nanonet.train.familiarity import familiarity_of

SIDE = 80
NETWORK = height_reader()
LIKE = LatticeSampler(size=SIDE)


def drawn(sampler, structures, seed):
    """Yield samples with what is read of them."""
    for structure in structures:
        sample = sampler.draw(structure, np.random.default_rng([seed, structure]))
        yield sample, read(NETWORK, sample.image)


def features_of(sampler, structures, seed):
    found = [
        frame_features(sample.image, reading, pixel_size=PIXEL, side=SIDE)
        for sample, reading in drawn(sampler, structures, seed)
    ]
    return np.array([features for features in found if features is not None])


@pytest.fixture(scope="module")
def familiarity():
    training, held_out = features_of(LIKE, range(400), 11), features_of(LIKE, range(1000, 1400), 12)
    return familiarity_of(training, held_out, np.arange(len(held_out)), side=SIDE)


def judged(familiarity, sampler, *, count=16, processed=lambda counts: counts, seed=3):
    """Return chances, lines and the score of the readings of frames."""
    chances, lines, score = (
        [],
        [],
        ColumnScore(n_true=0, n_found=0, n_matched=0, n_exact=0, n_within_one=0, depth_error=0.0),
    )
    for structure in range(2000, 2000 + count):
        sample = sampler.draw(structure, np.random.default_rng([seed, structure]))
        counts = processed(sample.image).astype(np.float32)
        reading = read(NETWORK, counts)
        chance, line = familiarity_warning(counts, reading, pixel_size=PIXEL, familiarity=familiarity)
        chances.append(0.0 if chance is None else chance)
        lines.append(line)
        sure = reading.where(reading.presence >= 0.5)
        score += score_columns(sure.positions * PIXEL, sure.depth, sample.positions, sample.depths)
    return np.array(chances), lines, score


def test_at_most_one_in_a_hundred_frames_like_the_training_is_flagged(familiarity):
    fresh = features_of(LIKE, range(3000, 3400), 4)
    chances = np.array([unfamiliar(one, familiarity, pixel_size=PIXEL)[0] for one in fresh])
    assert np.mean(chances < RARE) <= 0.01
    assert 0.02 < np.mean(chances < 0.1) < 0.2
    assert 0.35 < np.mean(chances < 0.5) < 0.65
    for low, high in ((2.0, 2.9), (2.9, 3.8)):
        own = (fresh[:, 0] >= low) & (fresh[:, 0] < high)
        assert np.mean(chances[own] < 0.1) < 0.25


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"stretch": 1.1}, "farther apart"),
        ({"stretch": 0.9}, "closer together"),
        ({"blur": 0.6}, "fainter|weaker|other spacings|over more than 4"),
        ({"jitter": 0.7}, "less regularly|differ|fringes|closer|farther|blurred|elongated"),
        ({"texture": 0.1}, "structure|over more|other spacings"),
    ],
)
def test_other_specimens_and_optics_are_flagged_and_named(familiarity, changes, word):
    sampler = LatticeSampler(size=SIDE, dose=(2000.0, 4000.0), **changes)
    chances, lines, _ = judged(familiarity, sampler)
    assert np.mean(chances < RARE) > 0.8
    told = [line for line in lines if line is not None]
    assert np.mean([any(part in line for part in word.split("|")) for line in told]) >= 0.5, told


@pytest.mark.parametrize(
    ("processed", "word"),
    [
        (lambda counts: 2 * counts.mean() - counts, "inverted"),
        (lambda counts: ndimage.gaussian_filter(counts, 0.7), "filtered"),
        (lambda counts: ndimage.median_filter(counts, 3), "filtered|inverted|processed"),
        (lambda counts: np.clip(counts - 0.7 * counts.mean(), 0, None), "subtracted|stretched|deepest"),
    ],
)
def test_processed_images_are_flagged_and_named(familiarity, processed, word):
    sampler = LatticeSampler(size=SIDE, dose=(2000.0, 4000.0))
    chances, lines, _ = judged(familiarity, sampler, processed=processed)
    assert np.mean(chances < RARE) > 0.8
    told = [line for line in lines if line is not None]
    assert np.mean([any(part in line for part in word.split("|")) for line in told]) >= 0.5, told


def test_the_gain_of_the_detector_is_none_of_its_business(familiarity):
    samples = list(drawn(LatticeSampler(size=SIDE, dose=(2000.0, 4000.0)), range(2000, 2008), 3))
    for sample, reading in samples:
        plain, gained = (
            familiarity_warning(gain * sample.image, reading, pixel_size=PIXEL, familiarity=familiarity)
            for gain in (1.0, 37.5)
        )
        assert gained[0] == pytest.approx(plain[0], rel=1e-2)


def test_flags_rise_as_accuracy_falls(familiarity):
    exact, middle, flagged = [], [], []
    for blur in (0.0, 0.2, 0.3, 0.4, 0.6):
        sampler = LatticeSampler(size=SIDE, dose=(1500.0, 3000.0), blur=blur)
        chances, _, score = judged(familiarity, sampler)
        exact.append(score.exact)
        middle.append(np.median(np.log(np.maximum(chances, 1e-300))))
        flagged.append(np.mean(chances < RARE))
    assert exact[0] > 0.8
    assert exact[-1] < 0.1
    assert spearmanr(exact, middle).statistic > 0.95
    assert (np.diff(flagged) >= 0).all()
    assert flagged[0] <= 0.05
    assert flagged[-1] > 0.9


def test_frames_without_columns_are_a_case_of_their_own(familiarity):
    rng = np.random.default_rng(0)
    nothing = read(NETWORK, np.full((SIDE, SIDE), 100.0, np.float32)).where(np.zeros(0, dtype=bool))
    vacuum = rng.poisson(60.0, (SIDE, SIDE)).astype(np.float32)
    chance, line = familiarity_warning(vacuum, nothing, pixel_size=PIXEL, familiarity=familiarity)
    assert chance is None
    assert line is not None
    assert "no lattice" in line
    crystal = LatticeSampler(size=SIDE, dose=(3000.0, 3000.0)).draw(0, rng).image
    chance, line = familiarity_warning(crystal, nothing, pixel_size=PIXEL, familiarity=familiarity)
    assert chance is None
    assert line is not None
    assert "shows a lattice, but the network found no columns" in line


def test_an_unknown_feature_is_taken_for_a_typical_one(familiarity):
    known = np.median(features_of(LIKE, range(3000, 3040), 4), axis=0)
    chance, line = unfamiliar(known, familiarity, pixel_size=PIXEL)
    assert line is None
    known[NAMES.index("background")] = np.nan
    assert unfamiliar(known, familiarity, pixel_size=PIXEL)[0] == pytest.approx(chance, abs=0.3)


def test_a_frame_smaller_than_the_training_images_is_not_judged(familiarity):
    image = LatticeSampler(size=SIDE).draw(0, np.random.default_rng(0)).image[: SIDE - 10]
    assert familiarity_warning(image, read(NETWORK, image), pixel_size=PIXEL, familiarity=familiarity) == (
        None,
        None,
    )


def test_every_frame_that_is_read_is_judged(familiarity):
    network = replace(NETWORK, familiarity=familiarity)
    dose = (2000.0, 4000.0)
    samplers = (LatticeSampler(size=SIDE, dose=dose), LatticeSampler(size=SIDE, dose=dose, stretch=1.1))
    like, unlike = (
        [
            read_depth(
                Micrograph(
                    image=sampler.draw(structure, np.random.default_rng(structure)).image,
                    name="image",
                    pixel_size=PIXEL,
                    modality="HRTEM",
                ),
                network=network,
            )
            for structure in range(2000, 2006)
        ]
        for sampler in samplers
    )
    assert sum(bool(result.warnings) for result in like) <= 1
    for result in unlike:
        (row,) = table_of(result, "frames").data.itertuples()
        assert row.flagged
        assert row.familiarity < RARE
        assert any("farther apart" in line or "fringes" in line for line in result.warnings)
        assert row.warnings == "; ".join(result.warnings)


def table_of(result, stem):
    return next(table for table in result.tables if table.stem == stem)
