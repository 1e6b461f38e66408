"""The benchmark of separation: scenes overlap as they say, truth is whole, scores and intervals are right."""

import numpy as np
import overlap
import pandas as pd
import pytest
from overlap_scenes import Drawn, against, degree, drawn, group, scene


def disc(radius: float, centre: tuple[float, float] = (0.0, 0.0)) -> Drawn:
    turns = np.linspace(0, 2 * np.pi, 240, endpoint=False)
    return Drawn(corners=radius * np.stack([np.sin(turns), np.cos(turns)], axis=1), centre=np.array(centre))


def test_the_degree_of_two_discs_is_their_overlap_over_the_smaller_diameter() -> None:
    large, small = disc(20.0), disc(10.0, (0.0, 24.0))
    assert degree(large, small) == pytest.approx(6 / 20, abs=1e-3)
    assert degree(small, large) == pytest.approx(6 / 20, abs=1e-3)
    assert degree(large, disc(10.0, (0.0, 30.0))) == pytest.approx(0.0, abs=1e-3)
    assert degree(large, disc(10.0, (0.0, 40.0))) == pytest.approx(-0.5, abs=1e-3)


@pytest.mark.parametrize("wanted", [0.0, 0.3, 0.6])
def test_particles_are_as_large_and_overlap_as_much_as_asked_for(wanted: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = drawn(30.0, rng), drawn(rng.uniform(15, 30), rng)
        assert one.diameter == pytest.approx(30.0)
        assert degree(one, against(other, one, wanted, rng.uniform(0, 6))) == pytest.approx(wanted, abs=1e-6)
    cluster = group([30.0, 25.0, 20.0, 15.0], wanted, rng)
    assert len(cluster) == 4
    for index, each in enumerate(cluster[1:], start=1):
        assert max(degree(each, before) for before in cluster[:index]) == pytest.approx(wanted, abs=1e-6)


def test_the_truth_is_whole_and_the_mask_is_its_union() -> None:
    rng = np.random.default_rng(1)
    given = scene(lambda: [40.0, 40.0], groups=4, overlap=0.5, noise=0.0, rng=rng)
    areas = [mask.sum() for _, mask in given.whole]
    assert areas == pytest.approx([np.pi * 400] * 8, rel=0.02)
    seen = np.bincount(given.visible.ravel(), minlength=9)[1:]
    assert (seen < 0.95 * np.array(areas)).sum() >= 4, "one of each pair is partly hidden"
    assert (given.mask != (given.visible > 0)).mean() < 0.01
    ragged = scene(lambda: [40.0, 40.0], groups=4, overlap=0.5, noise=0.7, rng=np.random.default_rng(1))
    assert 0.005 < (ragged.mask != (ragged.visible > 0)).mean() < 0.05
    image = given.image(rng)
    assert image[given.visible > 0].mean() < 0.7 * image[given.visible == 0].mean()


def test_a_perfect_answer_scores_full_and_a_merged_one_half() -> None:
    given = scene(lambda: [30.0, 30.0], groups=4, overlap=0.0, noise=0.0, rng=np.random.default_rng(2))
    perfect = overlap.score(given.visible, given)
    assert perfect["matched"] == perfect["found"] == perfect["true"] == 8
    assert perfect["iou"] == pytest.approx(8, abs=0.2)
    merged = overlap.score(overlap.methods({})["none"](given, np.random.default_rng(0)), given)
    assert merged["found"] == 4
    assert overlap.FIGURES["count"](merged) == pytest.approx(-0.5)
    nothing = overlap.score(np.zeros_like(given.visible), given)
    assert nothing["found"] == nothing["matched"] == 0


def test_intervals_hold_the_value_and_the_best_is_told_from_the_rest() -> None:
    chosen = {name: m for name, m in overlap.methods({}).items() if name in ("none", "watershed")}
    rows = []
    for index in range(4):
        rng = np.random.default_rng(index)
        given = scene(lambda: [30.0, 25.0], groups=3, overlap=0.1, noise=0.3, rng=rng)
        case = {"kind": "pairs", "diameter": 30, "overlap": 0.1, "image": index, "seconds": 0.0}
        rows += [
            {**case, "method": name, **overlap.score(m(given, rng), given)} for name, m in chosen.items()
        ]
    table = pd.DataFrame(rows)
    found = overlap.with_intervals(table)
    assert (found["low"] <= found["value"] + 1e-9).all()
    assert (found["value"] <= found["high"] + 1e-9).all()
    assert overlap.best(table, list(chosen)) == ("watershed", [])
    assert overlap.best(table, ["watershed", "watershed"])[0] == "watershed"
