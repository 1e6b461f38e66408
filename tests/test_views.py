"""Views of particles at their own scale."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nanonet.records import ParticleImages
from nanonet.views import EDGE, views


def ball(
    radius: float, edge: int = 96, at: tuple[float, float] = (0.0, 0.0), density: float = 1.0
) -> np.ndarray:
    y, x = np.indices((edge, edge)) - (edge - 1) / 2
    chord = 2 * np.sqrt(np.maximum(radius**2 - (y - at[0]) ** 2 - (x - at[1]) ** 2, 0.0))
    return density * gaussian_filter(chord, 0.7)


def cube_face(side: int, edge: int = 96) -> np.ndarray:
    image = np.zeros((edge, edge))
    first = (edge - side) // 2
    image[first : first + side, first : first + side] = side
    return image


def particles(*images: np.ndarray, pixel_size: float = 2.0, noise: float = 0.0) -> ParticleImages:
    return ParticleImages(
        images=np.stack(images).astype(np.float32),
        particle_ids=np.arange(1, len(images) + 1),
        pixel_size=pixel_size,
        noise=np.full(len(images), noise),
    )


def test_a_ball_is_as_long_as_its_formula_says():
    """(Σ I)² / Σ I² of a ball's chords is 8/9 π r²."""
    found = views(particles(ball(20.0), pixel_size=2.0))
    assert found.length[0] == pytest.approx(2.0 * 20.0 * np.sqrt(8 * np.pi / 9), rel=0.02)


def test_size_drops_out_of_the_view_but_not_of_its_length():
    found = views(particles(ball(12.0), ball(24.0)))
    assert np.abs(found.images[0] - found.images[1]).max() < 0.12
    assert found.length[1] / found.length[0] == pytest.approx(2.0, rel=0.02)
    assert found.density[0] == pytest.approx(found.density[1], abs=0.03)


def test_brightness_drops_out_of_the_view_and_is_the_density():
    found = views(particles(ball(20.0), ball(20.0, density=2.0), ball(20.0)))
    np.testing.assert_allclose(found.images[0], found.images[1], atol=1e-5)
    np.testing.assert_allclose(found.density, [0.0, np.log(2.0), 0.0], atol=1e-5)


def test_a_factor_that_all_share_changes_nothing():
    images = ball(20.0), cube_face(30)
    np.testing.assert_allclose(
        views(particles(*images)).planes(), views(particles(*(37.0 * i for i in images))).planes(), atol=1e-4
    )


def test_a_particle_off_the_middle_comes_to_it():
    found = views(particles(ball(18.0), ball(18.0, at=(9.0, -14.0))))
    assert np.abs(found.images[0] - found.images[1]).max() < 0.05


def test_the_view_turns_with_the_particle():
    image = cube_face(30)
    image[40:44, 63:75] = 20.0
    first, turned = (views(particles(one)).images[0] for one in (image, np.rot90(image).copy()))
    np.testing.assert_allclose(np.rot90(first), turned, atol=1e-3)


def test_pieces_beside_the_particle_are_no_part_of_it():
    clean = ball(18.0)
    dirty = clean.copy()
    dirty[4:10, 4:10] = clean.max()
    np.testing.assert_allclose(views(particles(clean)).images, views(particles(dirty)).images, atol=1e-6)


def test_noise_hardly_changes_length_and_density():
    rng = np.random.default_rng(0)
    clean = 10 * ball(18.0)
    noisy = [clean + rng.normal(0, 20, clean.shape) for _ in range(20)]
    found = views(particles(clean, *noisy, noise=20.0))
    assert found.length[1:].mean() == pytest.approx(found.length[0], rel=0.03)


def test_nothing_to_see_is_nothing():
    found = views(particles(np.zeros((40, 40)), ball(10.0, 40)))
    assert found.images.shape == (2, EDGE, EDGE)
    assert not found.images[0].any()
    assert np.isfinite(found.planes()).all()
