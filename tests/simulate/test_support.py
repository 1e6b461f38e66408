from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms

from nanonet.records import InputError
from simulate.camera.detector import Detector
from simulate.draw import ColumnSampler
from simulate.environments.amorphous_carbon import carbon_film
from simulate.shards.generate import generate
from simulate.specimen import FOCAL_PLANE
from simulate.stem.linear import LinearHAADF
from simulate.stem.microscope import ScanningMicroscope
from simulate.structures.recipe import ParticleRecipe
from simulate.tem.carbon_grain import atoms_in_volume
from simulate.tem.exit_wave import Multislice, elastic_wave
from simulate.tem.hrtem import stored_waves, waves
from simulate.tem.image import image_intensity
from simulate.tem.microscope import Setting
from simulate.tem.optics import Optics
from simulate.tem.support import CarbonSupport, Support, on_support
from simulate.view import View

ENERGY = 300e3
LENS = Optics(energy=ENERGY, defocus=50.0, Cs=-9e4, focal_spread=25.0, angular_spread=0.1)
FILM = Support(thickness=30.0, density=atoms_in_volume(2.0), gap=2.5, seed=1)
ALWAYS = CarbonSupport(chance=1.0, thickness=30.0)


def vacuum(points: int) -> dict[str, np.ndarray]:
    """What is stored of an empty box."""
    return {
        "elastic": np.zeros((points, points, 2), np.float32),
        "diffuse": np.zeros((1, points, points, 2), np.float32),
    }


def seen(stored: dict[str, np.ndarray], side: float) -> np.ndarray:
    elastic, diffuse = waves(stored)
    return image_intensity(elastic, diffuse, side / elastic.shape[-1], LENS).numpy()


def test_grain_is_that_of_a_film_of_atoms_by_multislice() -> None:
    side, thickness, depth, points = 40.0, 30.0, 12.0, 180
    positions = carbon_film(side, thickness, np.random.default_rng(0)) + np.array([0.0, 0.0, 2.0])
    box = Atoms("C" * len(positions), positions, cell=[side, side, thickness + 4.0], pbc=True)
    box.info[FOCAL_PLANE] = 2.0 - FILM.gap - depth
    wave = elastic_wave(box, Multislice(slice_thickness=2.0), {"C": 0.08}, points)
    none = torch.zeros((0, points, points), dtype=torch.complex64)
    true = image_intensity(torch.from_numpy(wave) * points**2, none, side / points, LENS).numpy()
    drawn = [
        seen(on_support(vacuum(points), side, replace(FILM, seed=seed), energy=ENERGY, depth=depth)[0], side)
        for seed in range(4)
    ]
    assert np.mean([image.std() for image in drawn]) == pytest.approx(true.std(), rel=0.05)
    powers = [power_in_bands(image, side) for image in drawn]
    np.testing.assert_allclose(np.mean(powers, axis=0), power_in_bands(true, side), rtol=0.2)


def power_in_bands(image: np.ndarray, side: float) -> np.ndarray:
    frequencies = np.fft.fftfreq(len(image), side / len(image))
    k = np.hypot(frequencies[:, None], frequencies)
    power = np.abs(np.fft.fft2(image)) ** 2 / image.size
    edges = [0.15, 0.3, 0.4, 0.6, 0.9]
    return np.array([power[(k >= a) & (k < b)].mean() for a, b in pairwise(edges)])


def test_a_film_takes_no_electrons_and_none_is_no_film() -> None:
    film, _ = on_support(vacuum(120), 26.0, FILM, energy=ENERGY, depth=10.0)
    assert seen(film, 26.0).mean() == pytest.approx(1.0, abs=2e-3)
    nothing, _ = on_support(vacuum(120), 26.0, replace(FILM, density=0.0), energy=ENERGY, depth=10.0)
    np.testing.assert_allclose(seen(nothing, 26.0), 1.0, atol=1e-5)


def test_waves_come_back_as_they_were_stored(ceria_shards: Path) -> None:
    shard = ColumnSampler(ceria_shards).read(0)
    again = stored_waves(*waves(shard.stored))
    for name, array in shard.stored.items():
        np.testing.assert_allclose(again[name], array, atol=1e-3)


def test_the_particle_stays_where_it_is_in_a_wider_box(ceria_shards: Path) -> None:
    """Without atoms the film is a wider box of vacuum: image and labels are those of no film."""
    sampler = ColumnSampler(ceria_shards, crop_pixels=140)
    shard = sampler.read(0)
    setting = Setting(optics=LENS, detector=Detector(pixel_size=0.25, dose=1e4))
    view = View(origin=(-4.0, -5.5), pixel_size=0.25, shape=(140, 140))
    plain, wide = (
        sampler.seen(shard, setting, [view], film)[0].numpy() for film in (None, replace(FILM, density=0.0))
    )
    np.testing.assert_allclose(wide, plain, rtol=2e-3)


def test_a_support_changes_the_image_and_not_its_labels(ceria_shards: Path) -> None:
    """And fills the image: where there was vacuum, there is grain."""
    plain, film = (ColumnSampler(ceria_shards, crop_pixels=140, support=s) for s in (None, ALWAYS))
    one, other = (sampler.read(0) for sampler in (plain, film))
    setting = Setting(optics=LENS, detector=Detector(pixel_size=0.25, dose=1e4))
    view = View(origin=(-4.0, -5.5), pixel_size=0.25, shape=(140, 140))
    bare = plain.seen(one, setting, [view], None)[0].numpy()
    there = film.seen(other, setting, [view], FILM)[0].numpy()
    corners = np.s_[:8, :8], np.s_[-8:, -8:]
    for corner in corners:
        assert bare[corner].std() < 0.01 * bare.mean()
        assert there[corner].std() > 0.03 * bare.mean()
    samples = [film.draw(1, np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(samples[0].image, samples[1].image)
    assert len(samples[0].positions)


def test_chance_is_the_share_of_images_with_a_film() -> None:
    rng = np.random.default_rng(0)
    films = [CarbonSupport(chance=0.3).draw(rng) for _ in range(400)]
    assert sum(film is not None for film in films) == pytest.approx(120, abs=30)
    assert all(10 <= film.thickness <= 60 for film in films if film is not None)


def test_a_sample_tells_how_thick_its_film_is(ceria_shards: Path) -> None:
    some = ColumnSampler(ceria_shards, support=CarbonSupport(chance=0.5, thickness=(20.0, 40.0)))
    told = [some.draw(0, np.random.default_rng(seed)).settings["support_thickness"] for seed in range(8)]
    assert 0 < told.count(0.0) < len(told)
    assert all(20 <= thickness <= 40 for thickness in told if thickness)
    assert "support_thickness" not in ColumnSampler(ceria_shards).draw(0, np.random.default_rng(0)).settings


@pytest.mark.parametrize(
    ("wrong", "what"),
    [({"chance": 1.5}, "chance"), ({"thickness": (0.0, 10.0)}, "thickness"), ({"density": -1.0}, "density")],
)
def test_what_no_film_can_be_is_refused(wrong: dict, what: str) -> None:
    with pytest.raises(InputError, match=what):
        CarbonSupport(**wrong)


def test_no_film_is_laid_behind_images_that_are_no_waves(
    tmp_path: Path, small_recipe: ParticleRecipe
) -> None:
    shards = generate(
        structures=small_recipe,
        imaging=LinearHAADF(),
        microscope=ScanningMicroscope(),
        output=tmp_path / "shards",
        n_structures=1,
    )
    with pytest.raises(InputError, match="environment=amorphous_carbon"):
        ColumnSampler(shards, support=ALWAYS)
