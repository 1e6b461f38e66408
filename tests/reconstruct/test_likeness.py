"""Maps of one body at two sizes are alike, in any frame and hand; those of different bodies are not."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from reconstruction_bodies import Body, cube, octahedron, star, twisted, volume

from nanonet.reconstruct.likeness import likeness
from nanonet.records import InputError, ShellCorrelation, Volume

SIDE, PIXEL = 40, 4.0
CURVE = ShellCorrelation(
    frequency=np.arange(1, 21) / (SIDE * PIXEL), correlation=np.where(np.arange(20) < 8, 0.95, 0.1)
)


def found(body: Body, point_group: str = "O", *, mirrored: bool = False, bright: float = 1.0) -> Any:
    density = bright * volume(body, SIDE, PIXEL)
    if mirrored:
        density = np.roll(density[::-1, ::-1, ::-1], 1, (0, 1, 2))
    return SimpleNamespace(
        volume=Volume(density=density, voxel_size=PIXEL),
        point_group=point_group,
        agreement=SimpleNamespace(fsc=CURVE),
    )


def test_one_body_at_two_sizes_is_alike() -> None:
    like = likeness(found(star(90, 0.6)), found(star(75, 0.6)))
    assert like.same_shape
    assert like.same_matter
    assert like.size == pytest.approx(75 / 90, abs=0.02)


def test_a_mirror_image_in_another_frame_is_alike() -> None:
    like = likeness(found(twisted(60), "D3"), found(twisted(60), "D3", mirrored=True))
    assert like.same_shape
    assert like.size == pytest.approx(1.0)


def test_another_body_or_another_matter_is_not() -> None:
    assert not likeness(found(cube(70, 0.2)), found(octahedron(70))).same_shape
    heavy = likeness(found(cube(70, 0.2)), found(cube(70, 0.2), bright=1.5))
    assert heavy.same_shape
    assert not heavy.same_matter


def test_maps_of_other_voxels_are_refused() -> None:
    other = found(cube(70, 0.2))
    other.volume = Volume(density=other.volume.density, voxel_size=2.0)
    with pytest.raises(InputError, match="same voxels"):
        likeness(found(cube(70, 0.2)), other)
