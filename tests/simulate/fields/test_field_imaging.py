"""What fields look like, and what that is worth against multislice."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.transform import Rotation

from nanonet.records import InputError
from simulate.crystals import CRYSTALS
from simulate.environments.amorphous_carbon import carbon_film
from simulate.fields import (
    CarbonFilm,
    Field,
    FieldBrightField,
    FieldHAADF,
    FieldParticle,
    FieldRecipe,
    Film,
    draw_field,
    generate_fields,
    read_field,
)
from simulate.fields.bright_field import bright_field, transmission
from simulate.fields.haadf import mass_thickness
from simulate.fields.plural import share_on_annulus
from simulate.fields.scattering import (
    cross_section,
    inner_potential,
    number_densities,
    reflections,
)
from simulate.structures.solids import Ellipsoid
from simulate.tem.optics import Optics, wavelength
from simulate.tem.scattering_factor import electron_factor, interaction

GOLD = CRYSTALS["Au"]
ENERGY = 2e5
FILM = Film(thickness=60.0, density=0.1003, roughness=0.0, correlation=50.0, slope=(0.0, 0.0), seed=1)
LENS = Optics(energy=ENERGY, aperture=12.0, defocus=2000.0, Cs=1.2e7)


def ball(crystal=GOLD, radius=20.0, rotation=None, position=(32.0, 32.0), bend=(0.0, 0.0)):
    return FieldParticle(
        solid=Ellipsoid(semiaxes=(radius,) * 3),
        crystal=crystal,
        rotation=np.eye(3) if rotation is None else rotation,
        diameter=2 * radius,
        shape="Sphere",
        position=position,
        bend=bend,
    )


def truth(*particles, film=None, pixel_size=1.0, shape=(64, 64)):
    return Field(particles=particles, film=film, pixel_size=pixel_size, shape=shape).truth()


def test_known_numbers_of_gold():
    assert interaction(2e5) == pytest.approx(7.288e-4, rel=1e-3)
    # Free atoms; measured 21 to 28 V.
    assert 25 < inner_potential(number_densities(GOLD)) < 31
    found = reflections(GOLD, 1e5, 5.0)
    lengths = np.linalg.norm(found.vectors, axis=1)
    # Extinction distances at 100 kV of Hirsch et al., table A.3: 159 Å for 111, 179 Å for 200, atoms at rest.
    for spacing, extinction in ((np.sqrt(3), 159.0), (2.0, 179.0)):
        near = np.isclose(lengths, spacing / 4.0782, atol=1e-3)
        assert near.sum() == (8 if spacing < 2 else 6)
        np.testing.assert_allclose(found.extinction[near], extinction, rtol=0.2)
    assert not np.isclose(lengths, 1 / 4.0782, atol=1e-3).any()


def test_an_aperture_lets_reflections_pass():
    whole, stopped = (reflections(CRYSTALS["CeO2"], ENERGY, aperture) for aperture in (5.0, 8.5))
    spacing = 5.4113 / np.sqrt(3)
    angle = 1e3 * wavelength(ENERGY) / spacing
    assert 5.0 < angle < 8.5
    assert len(whole.vectors) - len(stopped.vectors) == 8


def test_a_little_scatters_in_proportion_and_more_saturates():
    atoms = np.array([1e-6, 0.1, 1.0, 3.0, 30.0, 300.0])[:, None]
    share = share_on_annulus(atoms, ("Au",), ENERGY, (0.0, 60.0, 200.0))
    single = atoms[:, 0] * cross_section("Au", ENERGY, 60.0, 200.0)
    assert share[0] == pytest.approx(single[0], rel=0.02)
    assert share[1] == pytest.approx(single[1], rel=0.02)
    assert (share[-2:] < single[-2:]).all()
    assert (share < 1).all()
    # A cone of illumination reaches further out; light atoms scatter alike together or apart.
    wide = share_on_annulus(atoms[:1], ("Au",), ENERGY, (25.0, 60.0, 200.0))[0]
    assert 1.05 < wide / share[0] < 1.4
    both = share_on_annulus(np.array([[1.0, 2.0]]), ("Au", "C"), ENERGY, (20.0, 60.0, 200.0))[0]
    parts = [
        share_on_annulus(np.array([[n]]), (s,), ENERGY, (20.0, 60.0, 200.0))[0]
        for n, s in ((1.0, "Au"), (2.0, "C"))
    ]
    assert both == pytest.approx(sum(parts), rel=0.02)


def test_haadf_adds_thickness_and_weighs_by_the_element():
    angles = (20.0, 60.0, 200.0)

    def middle(*particles, film=None):
        return mass_thickness(truth(*particles, film=film), ENERGY, angles, {})[64 + 32, 64 + 32]

    gold, ceria = middle(ball()), middle(ball(CRYSTALS["CeO2"]))
    assert gold > 2.5 * ceria
    assert middle(ball(), ball()) == pytest.approx(2 * gold, rel=0.05)
    alone = middle(film=FILM)
    assert middle(ball(), film=FILM) == pytest.approx(gold + alone, rel=0.02)
    single = 60.0 * FILM.density * cross_section("C", ENERGY, 60.0, 200.0)
    assert single < alone < 1.5 * single
    scaled = mass_thickness(
        truth(ball()), ENERGY, angles, {"Au": 2 * cross_section("Au", ENERGY, 60.0, 200.0)}
    )
    assert scaled[96, 96] == pytest.approx(2 * gold, rel=1e-3)


def test_light_scattered_to_two_detectors_adds_up():
    outer = FieldHAADF(energies=(2e5,), semiangle=20.0, inner=60.0, outer=120.0, probe=0.5)
    rng = np.random.default_rng(0)
    seen = truth(ball(), film=FILM)
    first, second, both = (
        replace(outer, inner=a, outer=b).image(seen, rng).intensity
        for a, b in ((60.0, 120.0), (120.0, 200.0), (60.0, 200.0))
    )
    np.testing.assert_allclose(first + second, both, rtol=1e-3, atol=1e-6)


def test_in_focus_the_image_is_what_passes_the_aperture():
    lens = replace(LENS, defocus=0.0, Cs=0.0)
    for pixel_size in (1.0, 4.0):
        seen = truth(ball(position=(64.0, 64.0)), pixel_size=pixel_size, shape=(128, 128))
        passed, _ = transmission(seen, lens)
        image = bright_field(seen, replace(lens, aperture=10.0))
        assert image.mean() == pytest.approx(
            transmission(seen, replace(lens, aperture=10.0))[0][64:-64, 64:-64].mean(), rel=5e-3
        )
        assert passed.min() < 0.95


def test_vacuum_is_one_and_defocus_moves_intensity_without_losing_it():
    seen = truth(ball(position=(128.0, 128.0)), pixel_size=2.0, shape=(128, 128))
    focused, under = (bright_field(seen, replace(LENS, defocus=f, Cs=0.0)) for f in (0.0, 4000.0))
    assert under[:8].mean() == pytest.approx(1.0, abs=0.01)
    assert under.mean() == pytest.approx(focused.mean(), rel=2e-3)


def test_fresnel_fringe_is_bright_outside_underfocus_and_dark_overfocus():
    seen = truth(ball(radius=40.0, position=(128.0, 128.0)), pixel_size=1.0, shape=(256, 256))
    y, x = np.mgrid[:256, :256]
    ring = np.abs(np.hypot(y - 128, x - 128) - 44.0) < 2.0
    under, over = (
        bright_field(seen, replace(LENS, defocus=f, Cs=0.0))[ring].mean() for f in (1500.0, -1500.0)
    )
    assert under > 1.02
    assert over < 0.99


def test_a_bragg_angle_darkens_and_bending_moves_where():
    found = reflections(GOLD, ENERGY, 12.0)
    strongest = found.vectors[np.argmin(found.extinction)]
    length = np.linalg.norm(strongest)
    # s = 0 where the reflection's component along the beam is -λg²/2.
    tilt = np.arcsin(wavelength(ENERGY) * length / 2)
    towards = np.array([np.cos(tilt), 0.0, -np.sin(tilt)])
    at_bragg = Rotation.align_vectors([towards], [strongest / length])[0].as_matrix()
    # Turned about the reflection's own direction, off any zone axis.
    at_bragg = Rotation.from_rotvec(0.2 * towards).as_matrix() @ at_bragg
    off = Rotation.from_euler("y", 0.02).as_matrix() @ at_bragg
    dark, bright = (transmission(truth(ball(rotation=r)), LENS)[0][96, 96] for r in (at_bragg, off))
    assert dark < bright - 0.1
    bent = transmission(truth(ball(rotation=at_bragg, bend=(0.0, 3e-3))), LENS)[0]
    # Bent by 120 mrad over its diameter, it meets the Bragg angle on a line across x only.
    assert bent[96, 96] == pytest.approx(dark, abs=0.02)
    assert bent[96, 96 + 12] > transmission(truth(ball(rotation=at_bragg)), LENS)[0][96, 96 + 12] + 0.05


def test_grain_of_a_film_has_its_power_spectrum():
    shape, pixel = (256, 256), 1.0
    made = np.mean(
        [np.abs(np.fft.fft2(replace(FILM, seed=s).potential_map(shape, pixel, 0.4))) ** 2 for s in range(6)],
        axis=0,
    ) / (256 * 256)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    # S = 1.05, and f = 1.8 Å as tabulated by Doyle & Turner, Acta Cryst. A24 (1968) 390.
    assert float(electron_factor("C")(np.array(0.3))) == pytest.approx(1.8, abs=0.03)
    ring = np.abs(k - 0.3) < 0.01
    assert made[ring].mean() == pytest.approx(60 * 0.1003 * 1.05 * (47.878 * 1.8) ** 2, rel=0.07)
    assert made[k > 0.41].max() < 1e-6 * made.max()


def test_rough_film_is_as_rough_as_asked_for():
    film = replace(FILM, thickness=200.0, roughness=3.0, correlation=30.0)
    maps = film.thickness_map((640, 640), 4.0)
    assert maps.std() == pytest.approx(3.0, rel=0.1)
    shifted = (maps[:, :-8] - maps.mean()) * (maps[:, 8:] - maps.mean())
    assert shifted.mean() / 9.0 == pytest.approx(np.exp(-(32.0**2) / (2 * 30.0**2)), abs=0.12)


RECIPE = FieldRecipe(
    count=(4, 8), shape=(96, 128), pixel_size=(1.0, 4.0), film=CarbonFilm(thickness=(50.0, 80.0))
)


@pytest.mark.parametrize(
    "imaging", [FieldBrightField(energies=(2e5,)), FieldHAADF(energies=(2e5,))], ids=["bf", "haadf"]
)
def test_images_follow_from_the_seed(imaging):
    first, again, other = (draw_field(RECIPE, imaging, 1, i) for i in (0, 0, 1))
    np.testing.assert_array_equal(first.image.intensity, again.image.intensity)
    assert first.image.settings == again.image.settings != other.image.settings
    assert first.image.intensity.shape == (96, 128)
    assert first.image.intensity.dtype == np.float32
    assert np.isfinite(first.image.intensity).all()
    assert first.image.intensity.min() >= -1e-6


def test_one_field_in_two_imagings_is_one_field():
    bright, dark = (
        draw_field(RECIPE, imaging, 2, 0)
        for imaging in (FieldBrightField(energies=(2e5,)), FieldHAADF(energies=(2e5,)))
    )
    np.testing.assert_array_equal(bright.truth.labels, dark.truth.labels)
    covered = bright.truth.thickness() > 5
    assert bright.image.intensity[covered].mean() < bright.image.intensity[~covered].mean()
    assert dark.image.intensity[covered].mean() > 2 * dark.image.intensity[~covered].mean()


def test_fields_are_written_once_and_read_again(tmp_path):
    imaging = FieldHAADF(energies=(2e5,))
    folder = tmp_path / "fields"
    generate_fields(recipe=RECIPE, imaging=imaging, output=folder, n_structures=1, seed=4)
    before = (folder / "field_00000000.npz").stat().st_mtime_ns
    generate_fields(recipe=RECIPE, imaging=imaging, output=folder, n_structures=2, seed=4)
    assert (folder / "field_00000000.npz").stat().st_mtime_ns == before
    found, sample = read_field(folder / "field_00000001.npz"), draw_field(RECIPE, imaging, 4, 1)
    np.testing.assert_array_equal(found["labels"], sample.truth.labels)
    for mask, outline in zip(found["masks"], sample.truth.outlines, strict=True):
        np.testing.assert_array_equal(mask, outline.mask)
    assert found["about"]["pixel_size"] == sample.truth.field.pixel_size
    np.testing.assert_allclose(found["intensity"], sample.image.intensity, rtol=1e-3, atol=1e-6)
    with pytest.raises(InputError, match="another recipe or seed"):
        generate_fields(recipe=RECIPE, imaging=imaging, output=folder, n_structures=1, seed=5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FieldBrightField(energies=()),
        lambda: FieldHAADF(inner=(90.0, 50.0)),
        lambda: FieldBrightField(aperture=0.0),
    ],
)
def test_microscopes_that_cannot_be_are_refused(make):
    with pytest.raises(InputError, match="must be"):
        make()


def exit_wave(atoms, displacement, seed, sampling=0.1):
    import abtem

    from simulate.tem.projection import StructureFactorIntegrals

    moved = atoms.copy()
    rng = np.random.default_rng(seed)
    widths = np.array([displacement[symbol] for symbol in moved.get_chemical_symbols()])
    moved.positions += rng.normal(size=moved.positions.shape) * widths[:, None]
    moved.wrap()
    with abtem.config.set(
        {"diagnostics.progress_bar": False, "precision": "float32", "fft": "fftw", "fftw.threads": 1}
    ):
        potential = abtem.Potential(
            moved, sampling=sampling, slice_thickness=2.0, integrator=StructureFactorIntegrals("lobato")
        )
        return abtem.PlaneWave(energy=ENERGY).multislice(potential.build(lazy=False), lazy=False).array


def angles_of(wave, side):
    k = np.fft.fftfreq(len(wave), side / len(wave))
    return 1e3 * wavelength(ENERGY) * np.hypot(k[:, None], k)


@pytest.mark.slow
def test_grain_of_carbon_agrees_with_multislice():
    side = 80.0
    film = carbon_film(side, FILM.thickness, np.random.default_rng(0))
    atoms = Atoms("C" * len(film), film + np.array([0, 0, 2]), cell=[side, side, FILM.thickness + 4])
    wave = exit_wave(atoms, {"C": 0.0}, 0)
    angle = angles_of(wave, side)
    chi = 2e-6 * np.pi / wavelength(ENERGY) * (-0.5 * angle**2 * LENS.defocus + 0.25e-6 * angle**4 * LENS.Cs)
    seen = np.abs(np.fft.ifft2(np.fft.fft2(wave) * np.exp(-1j * chi) * (angle <= LENS.aperture))) ** 2
    model = [bright_field(truth(film=replace(FILM, seed=s), shape=(256, 256)), LENS) for s in range(3)]
    # Measured on 100 Å: 0.154 and 0.155 (defocus 2,000 Å), 0.155 and 0.154 (5,000 Å).
    assert np.std(model) / np.mean(model) == pytest.approx(seen.std() / seen.mean(), rel=0.07)
    assert np.mean(model) == pytest.approx(seen.mean(), abs=0.004)


@pytest.mark.slow
@pytest.mark.parametrize("material", ["Au", "CeO2"])
def test_what_particles_take_from_the_beam_agrees_with_multislice(material):
    crystal, side, diameter, rng = CRYSTALS[material], 46.0, 36.0, np.random.default_rng(0)
    lost = []
    for _ in range(5):
        rotation = Rotation.random(random_state=rng).as_matrix()
        cell = crystal.unit_cell() * (12, 12, 12)
        places = cell.positions - cell.positions.mean(axis=0)
        keep = np.linalg.norm(places, axis=1) < diameter / 2
        places = places[keep] @ rotation.T + [side / 2, side / 2, diameter / 2 + 2]
        atoms = Atoms(cell.numbers[keep], places, cell=[side, side, diameter + 4])
        waves = [np.fft.fft2(exit_wave(atoms, crystal.thermal_displacements, s)) for s in range(2)]
        passed = np.mean([(np.abs(w[angles_of(w, side) <= 12.0]) ** 2).sum() / w.size**2 for w in waves])
        model = ball(crystal, diameter / 2, rotation)
        share = transmission(truth(model, pixel_size=0.5, shape=(128, 128)), LENS)[0]
        lost.append(((1 - passed) * side**2, (1 - share).sum() * 0.25))
    multislice, ours = np.array(lost).T
    # One of the five is near a zone axis, where reflections share what each would take alone.
    assert np.median(ours / multislice) == pytest.approx(1.0, abs=0.2)
    assert np.corrcoef(ours, multislice)[0, 1] > 0.9


@pytest.mark.slow
def test_plural_scattering_agrees_with_multislice_of_a_gas():
    side, height = 24.0, 40.0
    count = round(number_densities(GOLD)["Au"] * side**2 * height)
    found = []
    for seed in range(4):
        places = np.random.default_rng(seed).random((count, 3)) * [side, side, height]
        atoms = Atoms("Au" * count, places, cell=[side, side, height])
        # 0.06 Å would scatter 15 % too much to these angles: a grid blurs the cores of heavy atoms.
        wave = exit_wave(atoms, {"Au": 0.0}, 0, sampling=0.03)
        angle = angles_of(wave, side)
        power = np.abs(np.fft.fft2(wave)) ** 2 / wave.size**2
        found.append([power[(angle >= 60) & (angle < 140)].sum(), power[angle <= 12].sum()])
    high, low = np.mean(found, axis=0)
    share = share_on_annulus(np.array([[count / side**2]]), ("Au",), ENERGY, (0.0, 60.0, 140.0))[0]
    assert share == pytest.approx(high, rel=0.06)
    assert np.exp(-count / side**2 * cross_section("Au", ENERGY, 12.0)) == pytest.approx(low, rel=0.04)


@pytest.mark.slow
def test_haadf_of_a_gold_sphere_agrees_with_multislice():
    side, diameter = 36.0, 26.0
    cell = GOLD.unit_cell() * (12, 12, 12)
    places = cell.positions - cell.positions.mean(axis=0)
    rotation = Rotation.random(random_state=np.random.default_rng(1)).as_matrix()
    places = places[np.linalg.norm(places, axis=1) < diameter / 2] @ rotation.T
    places += [side / 2, side / 2, diameter / 2 + 2]
    atoms = Atoms("Au" * len(places), places, cell=[side, side, diameter + 4])
    wave = exit_wave(atoms, {"Au": 0.088}, 0, sampling=0.035)
    angle = angles_of(wave, side)
    # The mean over all positions of a focused probe is that over the directions in its cone.
    cone, ring = angle <= 21, (angle >= 60) & (angle < 140)
    weight = np.fft.ifft2(np.fft.fft2(cone / cone.sum()) * np.fft.fft2(ring)).real
    multislice = (np.abs(np.fft.fft2(wave)) ** 2 / wave.size**2 * weight).sum() * side**2
    seen = truth(ball(radius=diameter / 2, rotation=rotation), pixel_size=1.0)
    model = mass_thickness(seen, ENERGY, (21.0, 60.0, 140.0), {}).sum()
    assert model == pytest.approx(multislice, rel=0.1)
