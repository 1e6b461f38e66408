"""Maps as figures: areas stay areas, surfaces lie where the particle ends and stay light."""

import numpy as np
import pytest

from nanonet.records import Volume
from nanonet.report.map_figures import coverage_figure, equal_area, isosurface, surface_figure


def ball(side: int, radius: float, voxel: float) -> Volume:
    ticks = np.arange(side) - side // 2
    z, y, x = np.meshgrid(ticks, ticks, ticks, indexing="ij")
    distance = np.sqrt(z**2 + y**2 + x**2) * voxel
    return Volume(density=np.clip((radius - distance) / (4 * voxel) + 0.5, 0, 1), voxel_size=voxel)


def test_equal_areas_stay_equal() -> None:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((20_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    middle = np.array([0.6, 0.0, 0.8])
    radius = np.linalg.norm(equal_area(directions, middle), axis=1)
    # A cap takes the share of the sphere that its disc takes of the whole disc of radius 2.
    for limit in (0.5, 1.0, 1.5):
        assert (radius < limit).mean() == pytest.approx(limit**2 / 4, abs=0.01)


def test_a_surface_lies_where_the_particle_ends() -> None:
    corners, faces, share = isosurface(ball(48, 60.0, 4.0))
    assert np.linalg.norm(corners, axis=1) == pytest.approx(6.0, abs=0.15)  # nm
    assert 0.3 < share < 0.7
    assert faces.max() < len(corners)


def test_surfaces_of_large_maps_stay_light() -> None:
    corners, faces, _ = isosurface(ball(120, 100.0, 2.0))
    assert len(faces) <= 8_000
    assert np.linalg.norm(corners, axis=1) == pytest.approx(10.0, abs=0.3)


def test_an_empty_map_has_no_surface() -> None:
    assert len(isosurface(Volume(density=np.zeros((8, 8, 8)), voxel_size=1.0))[1]) == 0


def test_axes_say_what_they_are() -> None:
    figure = surface_figure(1, ball(24, 30.0, 4.0), "O")
    assert figure.layout["scene"]["zaxis"]["title"]["text"] == "z (nm)"
    assert "point group O" in figure.title
    unit = np.array([[0.0, 0.0, 1.0], [0.1, 0.0, 0.995]])
    shown = coverage_figure(1, "O", unit[:1], unit, 0.1)
    assert "5.7°" in shown.caption
