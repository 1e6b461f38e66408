"""The point group is found in the images: the right one, no larger one; any where all is round."""

import numpy as np
import pytest
import torch
from reconstruction_bodies import Body, cube, cuboid, simulated, sphere

from nanonet.reconstruct.first_size import FirstSizes
from nanonet.reconstruct.group_choice import Chosen, choose_group
from nanonet.reconstruct.held_out import left_by
from nanonet.reconstruct.images import centres, spectra
from nanonet.reconstruct.mask import ball_mask
from nanonet.reconstruct.point_group import operations, placements
from nanonet.reconstruct.reconstruction import RIGHT

SIDE, PIXEL = 32, 5.0


def chosen(body: Body, candidates: tuple[str, ...], told: str | None = None) -> Chosen:
    rng = np.random.default_rng(0)
    particles = simulated(body, 32, rng, side=SIDE, pixel_size=PIXEL, shift=1.5, counts=2.0).particles
    centre, gyration = centres(particles)
    every = spectra(particles, centre, 2.05 * float(np.median(gyration)))
    sizes = FirstSizes.of(gyration, particles.images.sum((1, 2)))
    first, second = np.arange(0, 32, 2), np.arange(1, 32, 2)
    return choose_group(
        (every.take(first), every.take(second)),
        (sizes.take(first), sizes.take(second)),
        rng,
        candidates=candidates,
        told=told,
    )


@pytest.mark.parametrize(
    ("body", "expected"), [(cube(80, 0.1, 0.3), "O"), (cuboid(50, 50, 95), "D4"), (sphere(80), "K")]
)
def test_the_largest_group_that_costs_nothing_is_taken(body: Body, expected: str) -> None:
    choice = chosen(body, ("C1", "D2", "D4", "O")).choice
    assert choice.point_group == expected, choice.reason
    assert choice.particles == 32
    assert ("not told from balls" in choice.reason) == (expected == "K")


def test_a_told_group_that_is_wrong_is_seen() -> None:
    choice = chosen(cuboid(50, 50, 95), (), told="O").choice
    assert (choice.point_group, choice.reason) == ("O", "told")
    assert dict(zip(choice.tried, choice.explained, strict=True))["O"] < 0.6 < RIGHT


def test_a_ball_explains_nothing_and_the_best_map_all() -> None:
    found = chosen(cube(80, 0.1, 0.3), (), told="C1")
    assert found.choice.explained == pytest.approx([1.0])
    assert found.choice.reason == "told"
    yardstick = found.yardstick
    ball = torch.as_tensor(ball_mask(18, 5.0))
    left = left_by((ball, ball), yardstick.halves, "C1", yardstick.noise)
    assert yardstick.explained(left) < 0.3


@pytest.mark.parametrize(
    ("smaller", "larger", "number"),
    [("D4", "O", 2), ("D2", "D4", 3), ("T", "O", 1), ("T", "I", 2), ("D5", "O", 0), ("D5", "I", 2)],
)
def test_a_group_lies_in_larger_ones_in_all_its_ways(smaller: str, larger: str, number: int) -> None:
    found = placements(smaller, larger)
    assert len(found) == number
    every = operations(larger)
    for turn in found:
        for one in operations(smaller):
            assert np.abs(every - turn @ one @ turn.T).max((1, 2)).min() < 1e-6
