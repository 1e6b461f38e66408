"""Kinds whose maps are alike become one; their classes are joined where they are small."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from nanonet.pipeline.like_maps import joined_classes, like_kinds
from nanonet.pipeline.retired import retired
from nanonet.reconstruct.likeness import Likeness
from nanonet.records import Orientations

LIKE = Likeness(agreement=0.93, halves=0.92, size=1.1, density=0.98)
OTHER = Likeness(agreement=0.4, halves=0.92, size=1.0, density=1.0)
DENSER = Likeness(agreement=0.95, halves=0.92, size=1.0, density=1.6)


@dataclass(frozen=True)
class Found:
    point_group: str
    orientations: Orientations


@dataclass(frozen=True)
class Map:
    class_id: int
    kind_id: int
    cuts: range
    found: Any = field(default=None)


def maps(*classes: tuple[int, int, str]) -> list[Any]:
    """Return maps by the kind, number of particles and point group of each class."""
    return [
        Map(
            number,
            kind,
            range(count),
            Found(
                group,
                Orientations(
                    rotations=np.tile(np.eye(3), (count, 1, 1)),
                    shifts=np.zeros((count, 2)),
                    particle_ids=np.arange(count),
                    class_ids=np.full(count, number),
                ),
            ),
        )
        for number, (kind, count, group) in enumerate(classes, start=1)
    ]


def seen(pairs: dict[tuple[int, int], Likeness]) -> Any:
    return lambda one, other: pairs.get((one.kind_id, other.kind_id), OTHER)


def test_kinds_of_like_maps_are_one_with_the_reason() -> None:
    found = like_kinds(maps((1, 9, "O"), (2, 9, "O"), (3, 9, "O")), seen({(1, 3): LIKE}))
    assert found.kind_of == {1: 1, 2: 2, 3: 1}
    (reason,) = found.said
    assert "kinds 1 and 3" in reason
    assert "one kind" in reason
    assert "0.93" in reason


@pytest.mark.parametrize(("group", "like"), [("D4", LIKE), ("O", DENSER), ("O", OTHER)])
def test_kinds_of_other_symmetry_matter_or_shape_stay_apart(group: str, like: Likeness) -> None:
    found = like_kinds(maps((1, 9, "O"), (2, 9, group)), seen({(1, 2): like}))
    assert found.kind_of == {1: 1, 2: 2}
    assert ("different matter" in " ".join(found.said)) == (like is DENSER)


@pytest.mark.parametrize(("largest", "classes"), [(12, [0, 1, 0]), (8, [0, 1, 2])])
def test_classes_of_one_kind_are_joined_while_they_are_few(largest: int, classes: list[int]) -> None:
    every = maps((1, 5, "O"), (2, 6, "O"), (3, 5, "O"))
    groups = np.array([-1, *np.repeat([0, 1, 2], [5, 6, 5])])
    found, left = joined_classes(groups, every, {1: 1, 2: 2, 3: 1}, largest=largest)
    assert found.tolist() == [-1, *np.repeat(classes, [5, 6, 5]).tolist()]
    assert [one.class_id for one in left] == list(range(1, len(left) + 1))
    assert [one.kind_id for one in left] == [1, 2, 1][: len(left)]
    assert all((one.found.orientations.class_ids == one.class_id).all() for one in left)


def test_a_class_that_lost_most_has_no_map_and_the_others_are_numbered_anew() -> None:
    every = maps((1, 5, "O"), (2, 6, "O"), (3, 5, "O"))
    groups = np.array([-1, *np.repeat([0, 1, 2], [5, 2, 6])])
    found, left, said = retired(groups, every, smallest=4)
    assert found.tolist() == [-1, *[0] * 5, -1, -1, *[1] * 6]
    assert [(one.class_id, one.kind_id) for one in left] == [(1, 1), (2, 3)]
    assert set(left[1].found.orientations.class_ids) == {2}
    assert len(said) == 1
    assert "class 2" in said[0]
    nobody, none, _ = retired(np.full(3, -1), every[:1], smallest=4)
    assert nobody.tolist() == [-1] * 3
    assert none == ()
