"""Thickness of solids along the beam, and their outlines on pixels."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from simulate.crystals import CRYSTALS
from simulate.fields import FieldParticle
from simulate.fields.chords import _sampled, thickness_along, thickness_between
from simulate.fields.particle import outline
from simulate.structures import (
    Broken,
    Cube,
    Decahedron,
    Fused,
    Plate,
    Rod,
    Sphere,
    Spheroid,
    Star,
    TruncatedOctahedron,
    Wulff,
)
from simulate.structures.solids import Ellipsoid, Grain, Polyhedron

GOLD = CRYSTALS["Au"]
CONVEX = [Wulff(), Cube(), TruncatedOctahedron(), Sphere(), Spheroid(), Rod(), Plate()]


def particle(solid, rotation=None, **more):
    turn = np.eye(3) if rotation is None else rotation
    return FieldParticle(solid=solid, crystal=GOLD, rotation=turn, diameter=50.0, shape="", **more)


PIECES = [Star(), Broken(shape=Star()), Broken(shape=Cube()), Fused(shape=Cube()), Fused(shape=Star())]


@pytest.mark.parametrize("shape", [*CONVEX, *PIECES], ids=lambda shape: type(shape).__name__)
def test_chords_agree_with_points_that_the_solid_holds(shape):
    rng = np.random.default_rng(1)
    solid = shape.solid(GOLD, 50.0, rng)
    rotation = Rotation.random(random_state=rng).as_matrix()
    points = rng.uniform(-solid.reach, solid.reach, (400, 2))
    exact = thickness_along(solid, rotation, points)[0]
    start = (np.column_stack([points, np.zeros(400)]) @ rotation).astype(np.float32)
    counted = _sampled(solid, (start, rotation[2].astype(np.float32)), (Grain(),))[0]
    crossings = 2.1 if shape in CONVEX else 6.0  # of surfaces, each found to half a step
    assert np.abs(exact - counted).max() < crossings * 2 * solid.reach / 48
    assert np.abs((exact - counted).mean()) < 0.2
    assert (exact > 0).any()


def test_sphere_and_cube_are_exact():
    x = np.array([0.0, 10.0, 24.0, 26.0])
    points = np.column_stack([x, 0 * x])
    ball = thickness_along(Ellipsoid(semiaxes=(25.0, 25.0, 25.0)), np.eye(3), points)[0]
    np.testing.assert_allclose(ball, 2 * np.sqrt(np.maximum(625 - x**2, 0)), atol=1e-2)
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    cube = Polyhedron(normals=normals, distances=np.full(6, 20.0))
    np.testing.assert_allclose(thickness_along(cube, np.eye(3), points)[0], [40, 40, 0, 0], atol=1e-4)
    # Seen along a space diagonal a cube is √3 edges thick in the middle.
    along = Rotation.align_vectors([[0, 0, 1]], [[1, 1, 1]])[0].as_matrix()
    assert thickness_along(cube, along, np.zeros((1, 2)))[0, 0] == pytest.approx(40 * np.sqrt(3), rel=1e-5)


@pytest.mark.parametrize("shape", [*CONVEX, Star(), Decahedron()], ids=lambda shape: type(shape).__name__)
def test_outline_holds_the_volume_and_moves_with_the_particle(shape):
    rng = np.random.default_rng(2)
    solid = shape.solid(GOLD, 50.0, rng)
    rotation = Rotation.random(random_state=rng).as_matrix()
    reach = solid.reach
    points = rng.uniform(-reach, reach, (200000, 3))
    volume = solid.inside(points).mean() * (2 * reach) ** 3
    seen = outline(particle(solid, rotation), 1.5)
    assert seen.total.sum() * 1.5**2 == pytest.approx(volume, rel=0.03)
    moved = outline(particle(solid, rotation, position=(30.0, -60.0)), 1.5)
    assert np.subtract(moved.corner, seen.corner).tolist() == [20, -40]
    np.testing.assert_allclose(moved.total, seen.total, atol=1e-2)


def test_x_points_right_and_y_down():
    normals = np.concatenate([np.eye(3), -np.eye(3)])
    # Long along x, short along y, with its far end at +x.
    bar = Polyhedron(normals=normals, distances=np.array([30.0, 5.0, 8.0, 10.0, 5.0, 8.0]))
    seen = outline(particle(bar, position=(100.0, 200.0)), 1.0)
    rows, columns = np.nonzero(seen.mask)
    assert (rows + seen.corner[0]).min() == pytest.approx(95, abs=1)
    assert (columns + seen.corner[1]).max() == pytest.approx(230, abs=1)
    assert (columns + seen.corner[1]).min() == pytest.approx(190, abs=1)


def test_grains_of_a_twinned_particle_add_up():
    rng = np.random.default_rng(3)
    solid = Decahedron().solid(GOLD, 60.0, rng)
    points = rng.uniform(-25, 25, (200, 2))
    rotation = Rotation.random(random_state=rng).as_matrix()
    parts = thickness_along(solid, rotation, points)
    whole = thickness_along(solid, rotation, points, grains=(Grain(),))
    assert len(parts) == len(solid.grains) > 1
    np.testing.assert_allclose(parts.sum(axis=0), whole[0], atol=3.0)


@pytest.mark.parametrize("shape", [Sphere(), Star(), Fused(), Decahedron()], ids=lambda s: type(s).__name__)
def test_slabs_across_the_beam_add_up_and_hold_what_lies_in_them(shape):
    rng = np.random.default_rng(5)
    solid = shape.solid(GOLD, 50.0, rng)
    rotation = Rotation.random(random_state=rng).as_matrix()
    points = rng.uniform(-solid.reach, solid.reach, (4000, 2))
    parts = thickness_between(solid, rotation, points, [-90.0, -10.0, 5.0, 90.0])
    whole = thickness_along(solid, rotation, points, grains=(Grain(),))[0]
    assert parts.min() >= 0
    np.testing.assert_allclose(parts.sum(axis=0), whole, atol=1e-3)
    assert parts[1].max() <= 15.0 + 2 * solid.reach / 48
    # The part of the volume between two heights, from points at random.
    cloud = rng.uniform(-solid.reach, solid.reach, (200000, 3))
    held = cloud[solid.inside(cloud)] @ rotation.T
    share = ((held[:, 2] > -10.0) & (held[:, 2] < 5.0)).mean()
    assert parts[1].sum() / whole.sum() == pytest.approx(share, abs=0.03)
