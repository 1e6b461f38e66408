"""Where particles lie, and what is told of them."""

import numpy as np
import pytest

from nanonet.records import InputError
from simulate.crystals import CRYSTALS
from simulate.fields import (
    CarbonFilm,
    Crowding,
    Field,
    FieldParticle,
    FieldRecipe,
    LogNormal,
    Population,
    draw_field,
)
from simulate.fields.scattering import number_densities
from simulate.structures import Rod, Sphere
from simulate.structures.solids import Ellipsoid

GOLD = CRYSTALS["Au"]


def ball(y, x, radius=20.0, height=0.0):
    solid = Ellipsoid(semiaxes=(radius,) * 3)
    return FieldParticle(
        solid=solid,
        crystal=GOLD,
        rotation=np.eye(3),
        diameter=2 * radius,
        shape="Sphere",
        position=(y, x),
        height=height,
    )


def field(*particles, shape=(128, 160), pixel_size=1.0, film=None):
    return Field(particles=particles, film=film, pixel_size=pixel_size, shape=shape)


def test_positions_areas_and_labels_of_balls():
    truth = field(ball(40.0, 50.0), ball(90.0, 120.0, 15.0), pixel_size=1.0).truth()
    np.testing.assert_allclose(truth.positions, [[40, 50], [90, 120]], atol=0.05)
    np.testing.assert_allclose(truth.areas, np.pi * np.array([20.0, 15.0]) ** 2, rtol=0.003)
    assert truth.amodal(1).sum() == pytest.approx(np.pi * 400, rel=0.01)
    assert truth.labels[40, 50] == 1
    assert truth.labels[90, 120] == 2
    assert truth.labels[0, 0] == 0
    np.testing.assert_allclose(truth.visible, 1.0)
    assert not truth.touches_border.any()
    assert truth.thickness()[40, 50] == pytest.approx(40.0, rel=0.01)


def test_the_particle_that_the_beam_meets_first_is_seen_and_both_are_whole():
    truth = field(ball(60.0, 60.0, height=0.0), ball(60.0, 80.0, height=-30.0)).truth()
    between = (60, 70)
    assert truth.labels[between] == 2
    assert truth.layers[between] == 2
    assert truth.amodal(1)[between]
    assert truth.amodal(2)[between]
    assert truth.amodal(1).sum() == truth.amodal(2).sum()
    # Of two discs of radius r whose centres are r apart, 39.1 % is shared.
    np.testing.assert_allclose(truth.overlapped, 0.391, atol=0.01)
    assert truth.visible[0] == pytest.approx(1 - 0.391, abs=0.01)
    assert truth.visible[1] == 1
    alone = field(ball(60.0, 60.0)).truth().thickness() + field(ball(60.0, 80.0)).truth().thickness()
    np.testing.assert_allclose(truth.thickness(), alone, atol=1e-4)


def test_frame_cuts_particles_but_not_their_truth():
    truth = field(ball(0.0, 80.0), ball(300.0, 300.0)).truth()
    assert truth.touches_border.tolist() == [True, True]
    np.testing.assert_allclose(truth.positions[0], [0, 80], atol=0.05)
    assert truth.areas[0] == pytest.approx(np.pi * 400, rel=0.01)
    assert truth.visible[0] == pytest.approx(0.5, abs=0.03)
    assert truth.visible[1] == 0
    assert not truth.amodal(2).any()


def test_atoms_in_an_area_are_density_times_thickness():
    film = CarbonFilm(thickness=100.0, roughness=0.0, wedge=0.0).draw(100.0, np.random.default_rng(0))
    found = field(ball(60.0, 60.0), film=film).truth().atoms_per_area()
    assert found["Au"][60, 60] == pytest.approx(40.0 * 4 / 4.0782**3, rel=0.01)
    assert found["C"][0, 0] == pytest.approx(2.0 / 12.011 * 0.602214 * 100.0, rel=1e-3)
    assert number_densities(CRYSTALS["CeO2"])["O"] == pytest.approx(8 / 5.4113**3)


RECIPE = FieldRecipe(
    populations=(
        Population(materials=("Au",), shapes=(Sphere(),), diameter=LogNormal(median=40.0, spread=0.1)),
    ),
    pixel_size=2.0,
    shape=(256, 320),
    count=(30, 30),
)


def recipe(**more):
    from dataclasses import replace

    return replace(RECIPE, **more)


def test_particles_keep_apart_where_none_may_cluster():
    truth = recipe(crowding=Crowding(clustered=0.0)).draw(np.random.default_rng(0)).truth()
    assert len(truth) > 25
    assert truth.layers.max() == 1
    np.testing.assert_allclose(truth.overlapped, 0.0)


@pytest.mark.parametrize("degree", [0.1, 0.3])
def test_overlap_is_as_asked_for(degree):
    crowding = Crowding(clustered=0.5, overlap=degree)
    shares = []
    for seed in range(4):
        truth = recipe(crowding=crowding, count=(16, 16)).draw(np.random.default_rng(seed)).truth()
        shares += [share for share in truth.overlapped[~truth.touches_border] if share > 0]
    # Of the smaller of two; of the larger it is less, of one between two others more.
    assert np.median(shares) == pytest.approx(degree, rel=0.35)


def test_touching_particles_touch():
    crowding = Crowding(clustered=1.0, overlap=0.0)
    drawn = recipe(crowding=crowding, count=(6, 6)).draw(np.random.default_rng(1))
    places = np.array([p.position for p in drawn.particles])
    radii = np.array([p.diameter for p in drawn.particles]) / 2
    gaps = np.linalg.norm(places[:, None] - places, axis=-1) - radii[:, None] - radii
    np.fill_diagonal(gaps, np.inf)
    assert (np.abs(gaps.min(axis=0)) < 4.0).mean() > 0.8


def test_piles_do_not_run_into_each_other():
    crowding = Crowding(clustered=0.8, overlap=(0.2, 0.5))
    particles = recipe(crowding=crowding).draw(np.random.default_rng(2)).particles
    centres = np.array([[*p.position, p.height] for p in particles])
    radii = np.array([p.diameter for p in particles]) / 2
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1) - radii[:, None] - radii
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > -3.0
    assert max(p.height + p.diameter / 2 for p in particles) < 1.0  # all on the film, which begins at 0


def test_fields_are_as_dense_at_the_border_as_in_the_middle():
    counts = np.zeros((2, 2))
    for seed in range(12):
        drawn = recipe(crowding=Crowding(clustered=0.0), count=(20, 20)).draw(np.random.default_rng(seed))
        y, x = np.array([p.position for p in drawn.particles]).T
        inside = (y > 0) & (y < 512) & (x > 0) & (x < 640)
        middle = (np.abs(y - 256) < 181) & (np.abs(x - 320) < 226)
        counts[0] += [middle.sum(), (inside & ~middle).sum()]
    # Half of the area each.
    assert counts[0, 0] / counts[0].sum() == pytest.approx(0.5, abs=0.08)
    assert counts[0].sum() / 12 == pytest.approx(20, rel=0.15)


def test_same_seed_same_field():
    first, again, other = (FieldRecipe(count=(8, 8)).draw(np.random.default_rng([3, i])) for i in (0, 0, 1))
    np.testing.assert_array_equal(first.truth().labels, again.truth().labels)
    assert [p.position for p in first.particles] == [p.position for p in again.particles]
    assert first.pixel_size != other.pixel_size


def test_pixel_size_resolves_the_particles():
    rec = FieldRecipe(
        populations=(Population(diameter=LogNormal(median=100.0)),),
        pixel_size=(0.2, 50.0),
        resolution=(10.0, 40.0),
    )
    sizes = [rec.draw(np.random.default_rng(seed)).pixel_size for seed in range(20)]
    assert 2.5 <= min(sizes) < max(sizes) <= 10.0


def test_empty_field_and_no_film():
    from simulate.fields import FieldBrightField, FieldHAADF

    rec = recipe(count=(0, 0), film=None, shape=(64, 64))
    bright = draw_field(rec, FieldBrightField(energies=(2e5,)), 0, 0)
    assert len(bright.truth) == 0
    np.testing.assert_allclose(bright.image.intensity, 1.0, atol=1e-3)
    np.testing.assert_allclose(
        draw_field(rec, FieldHAADF(energies=(2e5,)), 0, 0).image.intensity, 0.0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FieldRecipe(populations=()), "at least one of populations"),
        (lambda: FieldRecipe(shape=(8, 512)), "at least 16 pixels"),
        (lambda: FieldRecipe(count=(5, 2)), "count must be"),
        (lambda: FieldRecipe(pixel_size=(3.0, 1.0)), "pixel_size must be"),
        (lambda: Population(materials=("Unobtainium",)), "no crystal"),
        (lambda: Population(shapes=()), "at least one"),
        (lambda: LogNormal(median=0.0), "median must be"),
        (lambda: CarbonFilm(density=0.0), "density"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_rods_reach_over_the_border_without_error():
    population = Population(
        materials=("Au",), shapes=(Rod(aspect=(3.0, 6.0)),), diameter=LogNormal(median=120.0)
    )
    truth = recipe(populations=(population,), count=(8, 8)).draw(np.random.default_rng(0)).truth()
    assert truth.labels.max() <= len(truth)
    assert (truth.visible <= 1 + 1e-9).all()
