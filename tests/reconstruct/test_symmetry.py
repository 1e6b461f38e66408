"""The point group is told from the map, and is C1 where nothing says otherwise."""

import numpy as np
import pytest
from reconstruction_bodies import Body, cube, twisted, volume
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from nanonet.reconstruct.symmetry import propose_point_group
from nanonet.records import InputError, Volume

SIDE = 24


def halves(density: np.ndarray, noise: float, seed: int = 0) -> Volume:
    """Return a map turned away from the axes, with halves of independent noise."""
    away = Rotation.from_rotvec([0.4, 0.7, -0.2]).as_matrix()
    centre = np.full(3, SIDE // 2)
    moved = affine_transform(density, away, centre - away @ centre, order=1)
    rng = np.random.default_rng(seed)
    one, other = (moved + noise * gaussian_filter(rng.standard_normal(moved.shape), 1.0) for _ in range(2))
    return Volume(density=(one + other) / 2, voxel_size=6.0, half_maps=(one, other))


@pytest.mark.parametrize(("body", "expected"), [(cube(80, 0.2), "O"), (twisted(50), "D3")])
def test_a_turned_body_has_its_group(body: Body, expected: str) -> None:
    found = propose_point_group(
        halves(volume(body, SIDE, 6.0), 0.1),
        np.random.default_rng(0),
        highest=6,
        candidates=("C3", "D3", "O"),
    )
    assert found.point_group == expected, found.reason
    assert np.allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-6)


def test_a_body_without_symmetry_is_given_none() -> None:
    density = volume(cube(80, 0.2), SIDE, 6.0)
    density[12:, 13:, 14:] = 0.0
    density[:9, :, :11] = 0.0
    found = propose_point_group(
        halves(density, 0.05), np.random.default_rng(0), highest=6, candidates=("C4", "D3", "O")
    )
    assert found.point_group == "C1"
    assert "no group" in found.reason


def test_noise_alone_is_given_none() -> None:
    found = propose_point_group(
        halves(np.zeros((SIDE,) * 3), 1.0), np.random.default_rng(0), highest=6, candidates=("C2", "D3", "O")
    )
    assert found.point_group == "C1"


def test_half_maps_are_asked_for() -> None:
    with pytest.raises(InputError, match="half maps"):
        propose_point_group(
            Volume(density=np.zeros((8, 8, 8)), voxel_size=1.0), np.random.default_rng(0), highest=3
        )
