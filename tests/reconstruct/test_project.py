"""The projector: an adjoint pair, right against sums in real space, and a map back from its projections."""

import numpy as np
import pytest
import torch
from reconstruction_bodies import cube, image, twisted, volume
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.project import backproject, project
from nanonet.records import InputError


def rotations(count: int, seed: int = 0) -> np.ndarray:
    return np.asarray(Rotation.random(count, rng=seed).as_matrix())


@pytest.mark.parametrize("side", [16, 17])
def test_backproject_is_the_adjoint_of_project(side: int) -> None:
    rng = np.random.default_rng(0)
    density, images = (
        torch.tensor(rng.random((side,) * 3)),
        torch.tensor(rng.standard_normal((4, side, side))),
    )
    turned = torch.tensor(rotations(4))
    forward = float((project(density, turned) * images).sum())
    assert float((density * backproject(images, turned)).sum()) == pytest.approx(forward, rel=1e-10)
    single = (project(density.float(), turned.float()) * images).sum()
    again = (density.float() * backproject(images.float(), turned.float())).sum()
    assert float(single) == pytest.approx(float(again), rel=1e-4)


def test_without_a_turn_it_is_the_sum_along_z() -> None:
    # Without frequencies beyond the circle that a projector keeps.
    density = torch.tensor(gaussian_filter(volume(cube(50, 0.25), 32, 4.0).astype(float), 1.0))
    found = project(density, torch.eye(3, dtype=torch.float64)[None])[0]
    assert np.corrcoef(found.flatten(), density.sum(0).flatten())[0, 1] > 0.9998


def test_projections_are_those_of_real_space() -> None:
    body, turned = twisted(50), rotations(3)
    density = torch.tensor(volume(body, 48, 3.0))
    for found, rotation in zip(project(density, torch.tensor(turned).float()), turned, strict=True):
        drawn = image(body, rotation, np.zeros(2), 48, 3.0) / 3.0
        assert np.corrcoef(found.flatten(), drawn.ravel())[0, 1] > 0.9998
        # Trilinear reading is worst on the points of the grid, and frequency 0 is one.
        assert float(found.sum()) == pytest.approx(drawn.sum(), rel=0.05)


def test_slopes_between_grid_points_are_differences() -> None:
    torch.manual_seed(0)
    grid = torch.randn(15, 15, 15, dtype=torch.complex64)
    # Away from the planes between cells, where slopes jump.
    places = torch.randint(-3, 3, (20, 3)) + torch.rand(20, 3) * 0.3 + 0.1
    value, slope = fourier_grid.read_with_slope(grid, places)
    torch.testing.assert_close(value, fourier_grid.read(grid, places))
    for axis in range(3):
        step = 0.02 * torch.eye(3)[axis]
        difference = (fourier_grid.read(grid, places + step) - fourier_grid.read(grid, places - step)) / 0.04
        torch.testing.assert_close(slope[:, axis], difference, rtol=1e-2, atol=1e-3)


def test_a_map_that_is_no_cube_is_refused(unlike_shapes: None) -> None:
    with pytest.raises(InputError, match="must be a cube"):
        project(torch.zeros(4, 4, 5), torch.eye(3)[None])
