"""One particle's image: brightness, focus, and the convention of its rotation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from nanonet.records import InputError
from simulate.crystals import CRYSTALS
from simulate.fields import FieldParticle
from simulate.fields.haadf import mass_thickness
from simulate.fields.scattering import cross_section
from simulate.population import FocusedHAADF, kind_shape, mean_shape, particle_image
from simulate.population.haadf import added_share
from simulate.stem.microscope import ScanSetting
from simulate.stem.probe import Probe
from simulate.structures import Broken, Cube, Sphere, Star

GOLD = CRYSTALS["Au"]
SETTING = ScanSetting(probe=Probe(energy=2e5, semiangle_cutoff=23.0), pixel_size=2.0, dose=100.0)
ANGLES = (23.0, 80.0, 160.0)


def particle(shape=None, diameter: float = 60.0, rotation=None, crystal=GOLD) -> FieldParticle:
    rng = np.random.default_rng(4)
    return FieldParticle(
        solid=(shape or Sphere()).solid(crystal, diameter, rng),
        crystal=crystal,
        rotation=np.eye(3) if rotation is None else rotation,
        diameter=diameter,
        shape="",
    )


@pytest.mark.parametrize("shape", [Broken(shape=Star(etching=(0.3, 0.3))), Broken(shape=Cube())])
def test_it_is_the_volume_turned_and_projected_along_z(shape) -> None:
    rotation = Rotation.random(random_state=np.random.default_rng(1)).as_matrix()
    body = particle(shape, rotation=rotation, crystal=CRYSTALS["Pd"])
    volume = mean_shape([replace(body, rotation=np.eye(3))] * 8, 2.0, edge=64, probe=1.0)
    found = particle_image(body, FocusedHAADF(), SETTING, 64)

    def projected(turn: np.ndarray) -> np.ndarray:
        # Voxel at r holds what lay at Rᵀ r; arrays are (z, y, x), rotations act on (x, y, z).
        matrix = turn.T[::-1, ::-1]
        return affine_transform(volume.density, matrix, offset=32 - matrix @ [32, 32, 32], order=1).sum(
            axis=0
        )

    match = [np.corrcoef(projected(turn).ravel(), found.ravel())[0, 1] for turn in (rotation, rotation.T)]
    assert match[0] > 0.995
    assert match[1] < 0.97
    for axis in (0, 1):
        assert np.corrcoef(projected(rotation).ravel(), np.flip(found, axis).ravel())[0, 1] < match[0] - 0.01


def test_its_origin_is_on_the_middle_pixel() -> None:
    image = particle_image(particle(), FocusedHAADF(), SETTING, 48)
    places = np.arange(48)
    assert (image.sum(axis=1) * places).sum() / image.sum() == pytest.approx(24.0, abs=0.01)
    assert (image.sum(axis=0) * places).sum() / image.sum() == pytest.approx(24.0, abs=0.01)


def test_a_thin_crystal_scatters_its_cross_section_and_a_very_thick_one_saturates() -> None:
    steps = np.array([0.5, 600.0, 1200.0])
    share = added_share(GOLD, steps, 0.0, 2e5, (0.0, 80.0, 160.0))
    single = 0.5 * 4 / GOLD.vectors[0, 0] ** 3 * cross_section("Au", 2e5, 80.0, 160.0)
    assert share[0] == pytest.approx(single, rel=0.02)
    assert 1.1 < share[2] / share[1] < 1.6
    assert share[2] < 0.5


def test_in_focus_it_is_mass_thickness_and_no_electron_is_lost_out_of_focus() -> None:
    imaging, body = FocusedHAADF(), particle()
    sharp = particle_image(body, imaging, SETTING, 64)
    blurred = particle_image(body, imaging, replace(SETTING, probe=replace(SETTING.probe, defocus=600.0)), 64)
    truth = imaging.truth(_alone(body))
    plain = mass_thickness(truth, 2e5, ANGLES, {})[64:-64, 64:-64] * SETTING.dose * SETTING.pixel_size**2
    assert sharp.sum() == pytest.approx(plain.sum(), rel=5e-3)
    assert np.abs(sharp - plain).mean() < 0.02 * plain.max()
    # Beside a sharp edge the band-limited image dips below 0, where it is cut off.
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=5e-3)
    assert np.abs(np.gradient(blurred)[1]).max() < 0.8 * np.abs(np.gradient(sharp)[1]).max()


def test_what_lies_in_the_crossover_is_sharp() -> None:
    """Underfocus sharpens what lies lower: the crossover is behind the middle."""
    imaging = FocusedHAADF(slab=10.0)
    body = particle(Cube(truncation=(0.0, 0.0), jitter=0.0), 40.0)

    def edge(height: float, defocus: float) -> float:
        low = replace(body, position=(100.0, 60.0), height=height)
        far = replace(body, position=(100.0, 180.0), height=-height)
        setting = replace(SETTING, probe=replace(SETTING.probe, defocus=defocus))
        field = replace(_alone(body), particles=(low, far), shape=(100, 120))
        image = imaging.expected(imaging.truth(field), setting)
        return float(np.abs(np.diff(image[45:55, :60], axis=1)).max(axis=1).mean())

    assert edge(300.0, 300.0) > 1.5 * edge(300.0, -300.0)
    assert edge(-300.0, -300.0) > 1.5 * edge(-300.0, 300.0)


def _alone(body: FieldParticle):
    from simulate.fields.field import Field

    return Field(particles=(replace(body, position=(64.0, 64.0)),), film=None, pixel_size=2.0, shape=(64, 64))


def test_fins_that_no_image_shows_are_no_part_of_the_truth() -> None:
    star = _alone(particle(Star(etching=(0.6, 0.6), spread=0.0), 80.0))
    bare, seen = (FocusedHAADF(thin=thin).truth(star).outlines[0] for thin in (0.0, 10.0))
    assert seen.mask.sum() < 0.9 * bare.mask.sum()
    assert seen.total[bare.mask & ~seen.mask].max() < 10.0
    np.testing.assert_array_equal(seen.total, bare.total)


def test_a_mean_shape_has_the_mass_of_its_particles(recipe) -> None:
    body = particle(crystal=CRYSTALS["Pd"])
    volume = mean_shape([body] * 4, 3.0, probe=2.0)
    mass = volume.density.sum() * 3.0**3
    assert mass == pytest.approx(12.0 * np.pi / 6 * 60.0**3, rel=0.01)
    middle = np.array(volume.density.shape) // 2
    assert volume.density[tuple(middle)] == pytest.approx(12.0, rel=0.01)
    cube = kind_shape(recipe, "cube", 4.0, draws=6, edge=24).density
    np.testing.assert_allclose(cube, kind_shape(recipe, "cube", 4.0, draws=6, edge=24).density)
    assert cube.shape == (24, 24, 24)


def test_what_is_not_simulated_is_refused() -> None:
    with pytest.raises(InputError, match=r"microscope\.drift=0"):
        particle_image(particle(), FocusedHAADF(), replace(SETTING, drift=(0.1, 0.0)), 48)
    with pytest.raises(InputError, match="slab must be positive"):
        FocusedHAADF(slab=0.0)
    with pytest.raises(InputError, match="inner < outer"):
        FocusedHAADF(inner=90.0, outer=80.0)
