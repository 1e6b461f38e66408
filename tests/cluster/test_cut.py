"""Cuts hold the particle alone, its mass in the middle; properties do not see how it lies."""

import numpy as np
import pandas as pd
import pytest

from nanonet.cluster.cut import cut_out
from nanonet.cluster.gather import choose
from nanonet.cluster.properties import properties
from nanonet.measure.properties import measure
from nanonet.records import InputError, LabelMap, Micrograph, ParticleImages, Series, Stack


def balls(places: list[tuple[float, float, float]], side: int = 160, noise: float = 2.0):
    """Return an image of balls (y, x, radius) on a background of 50, and their labels."""
    y, x = np.mgrid[:side, :side]
    image, labels = np.full((side, side), 50.0), np.zeros((side, side), np.int32)
    for number, (cy, cx, radius) in enumerate(places, start=1):
        square = radius**2 - (y - cy) ** 2 - (x - cx) ** 2
        image += 10 * np.sqrt(np.maximum(square, 0))
        labels[square > 0] = number
    return (image + np.random.default_rng(0).normal(0, noise, image.shape)).astype(np.float32), labels


def found(labels: np.ndarray) -> LabelMap:
    number = int(labels.max())
    return LabelMap(labels=labels, separated=np.zeros(number, bool), confidence=np.ones(number))


def test_a_cut_holds_one_particle_without_background_its_mass_in_the_middle() -> None:
    image, labels = balls([(40, 50, 12), (66, 50, 12), (120, 120, 15)])
    cut = cut_out(Micrograph(image=image, name="a"), labels, [1, 3], 48)
    assert cut[0].noise == pytest.approx(2.0, rel=0.1)
    for one, radius in zip(cut, (12, 15), strict=True):
        assert one.image.shape == (48, 48)
        assert one.image.sum() == pytest.approx(10 * 2 / 3 * np.pi * radius**3, rel=0.06)
        y, x = np.mgrid[:48, :48] - 24
        assert abs((one.image * y).sum() / one.image.sum()) < 1.5
        assert abs((one.image * x).sum() / one.image.sum()) < 0.8
    assert (cut[0].image[24 + 16 :, 24] == 0).all()  # where the neighbour was


def test_a_cut_over_the_edge_of_the_frame_is_filled_with_background() -> None:
    image, labels = balls([(20, 80, 12)])
    cut = cut_out(Micrograph(image=image, name="a"), labels, [1], 64)[0].image
    assert (cut[:11] == 0).all()
    assert cut[32, 32] == pytest.approx(120, abs=10)


def test_particles_of_all_images_come_at_one_size_and_what_is_cut_by_the_border_is_left_out() -> None:
    pictures = [balls([(40, 50, 12), (120, 110, 16), (1, 120, 9)])[0], balls([(90, 80, 14)])[0]]
    maps = [balls([(40, 50, 12), (120, 110, 16), (1, 120, 9)])[1], balls([(90, 80, 14)])[1]]
    stacks = tuple(
        Stack(frames=image[None], shape=(1, 160, 160), name=f"{i}.tif", pixel_size=2.0)
        for i, image in enumerate(pictures)
    )
    series = Series(name="folder", stacks=stacks)
    tables = [measure(series[i], found(labels)) for i, labels in enumerate(maps)]
    particles = pd.concat([table.data for table in tables], ignore_index=True)
    chosen = choose(particles, series, maps)
    assert len(chosen.rows) == len(chosen.cuts) == 3
    assert chosen.left_out["touch the border"] == 1
    small = choose(particles, series, maps, pixels=24).cuts
    assert small.images.shape == (3, 24, 24)
    assert small.pixel_size * 24 == pytest.approx(chosen.cuts.pixel_size * chosen.cuts.images.shape[1])
    mass, before = (one.images.sum(axis=(1, 2)) * one.pixel_size**2 for one in (small, chosen.cuts))
    assert mass == pytest.approx(before, rel=0.03)
    with pytest.raises(InputError, match="pixel size"):
        choose(
            particles,
            Series(name="a", stacks=(Stack(frames=pictures[:1], shape=(1, 160, 160), name="a"),)),
            maps,
        )


def rows_and_cuts(turn: int) -> tuple[pd.DataFrame, ParticleImages]:
    """Return a cube-like and a ball-like particle, the images turned by quarters."""
    y, x = np.mgrid[:64, :64] - 31.5
    square = 40.0 * ((np.abs(y) < 16) & (np.abs(x) < 16))
    ball = 4.0 * np.sqrt(np.maximum(18.0**2 - y**2 - x**2, 0))
    images = np.stack([np.rot90(one, turn) for one in (square, ball)]).astype(np.float32)
    tables = [
        measure(Micrograph(image=one, name="a", pixel_size=1.0), found((one > 0).astype(np.int32)))
        for one in images
    ]
    cuts = ParticleImages(images=images, particle_ids=np.arange(1, 3), pixel_size=1.0, noise=np.ones(2))
    return pd.concat([table.data for table in tables], ignore_index=True), cuts


def test_properties_tell_kinds_apart_and_do_not_change_when_the_image_is_turned() -> None:
    one, turned = (properties(*rows_and_cuts(turn)) for turn in (0, 1))
    assert one.values == pytest.approx(turned.values, abs=1e-6)
    assert np.abs(one.values).max() == pytest.approx(1.0)
    some = properties(*rows_and_cuts(0), names=("area", "intensity"))
    assert some.names == ("area", "intensity")
    with pytest.raises(InputError, match="x_nm"):
        properties(*rows_and_cuts(0), names=("area", "x_nm"))


def test_what_is_darker_than_its_surroundings_is_left_out() -> None:
    image, labels = balls([(40, 50, 12), (120, 110, 16)])
    image = np.where(labels == 2, 20, image)
    series = Series(
        name="folder", stacks=(Stack(frames=image[None], shape=(1, 160, 160), name="a.tif", pixel_size=2.0),)
    )
    particles = measure(series[0], found(labels)).data
    chosen = choose(particles, series, [labels])
    assert chosen.rows["particle_id"].tolist() == [1]
    assert chosen.left_out["are not brighter than what is around them"] == 1
    with pytest.raises(InputError, match="HAADF"):
        choose(particles[particles["particle_id"] == 2], series, [labels])
