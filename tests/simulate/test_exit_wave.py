import numpy as np
import pytest
from ase import Atoms

from nanonet.records import InputError
from simulate.exit_wave import WaveRecipe, displaced, enclose, exit_waves, fast_size, phonon_wave, single_wave
from simulate.optics import wavelength

RECIPE = WaveRecipe(frozen_phonons=3, slice_thickness=2.0, padding=5.0)


def atom(symbol: str = "Au", shift: float = 0.0) -> Atoms:
    placed = enclose(Atoms(symbol, positions=[(0, 0, 0)]), WaveRecipe(padding=10.0))
    placed.positions[:, :2] += shift
    return placed


def refocused(wave: np.ndarray, sampling: float, distance: float) -> np.ndarray:
    """The wave a distance further along the beam, by the angular spectrum, independent of our optics."""
    k = np.fft.fftfreq(wave.shape[-1], sampling)
    away = np.exp(-1j * np.pi * wavelength(300e3) * distance * (k[:, None] ** 2 + k**2))
    return np.fft.ifft2(np.fft.fft2(wave) * away)


def test_the_box_has_vacuum_all_around_and_a_fast_grid():
    positions = np.random.default_rng(0).uniform(-12, 12, (50, 3)) * [1, 0.7, 1]
    placed = enclose(Atoms("Au50", positions=positions), RECIPE)
    side, other, height = placed.cell.lengths()
    assert side == other == pytest.approx(fast_size(side / 0.1 - 1e-3) * 0.1)
    assert placed.positions[:, :2].min() >= 5.0
    assert placed.positions[:, :2].max() <= side - 5.0
    assert placed.positions[:, 2].min() == pytest.approx(2.0)
    assert placed.positions[:, 2].max() == pytest.approx(height - 2.0)


def test_a_box_is_shared_between_states():
    small, large = Atoms("Au", positions=[(1, 2, 3)]), Atoms("Au2", positions=[(0, 0, 0), (9, 5, 6)])
    placed = enclose(small, RECIPE, like=large)
    both = enclose(large, RECIPE)
    np.testing.assert_allclose(placed.positions[0] - both.positions[0], [1, 2, 3])
    np.testing.assert_allclose(placed.cell.lengths(), both.cell.lengths())


def test_displacements_have_each_elements_spread():
    atoms = Atoms("Ce4000O4000", positions=np.zeros((8000, 3)))
    moved = displaced(atoms, {"Ce": 0.05, "O": 0.08}, np.random.default_rng(0)).positions
    np.testing.assert_allclose(moved[:4000].std(axis=0), 0.05, rtol=0.05)
    np.testing.assert_allclose(moved[4000:].std(axis=0), 0.08, rtol=0.05)
    with pytest.raises(InputError, match="lacks O"):
        displaced(atoms, {"Ce": 0.05}, np.random.default_rng(0))


@pytest.mark.parametrize("shift", [0.05, 0.137])
def test_the_wave_moves_with_the_atom_by_any_fraction_of_a_pixel(shift):
    """abTEM's own infinite projection is 6 % off here."""
    whole, shifted = (np.fft.fft2(single_wave(atom(shift=move), RECIPE) - 1) for move in (0.0, shift))
    k = np.fft.fftfreq(len(whole), 0.2)
    seen = k[:, None] ** 2 + k**2 < 1.5**2
    moved = whole * np.exp(-2j * np.pi * shift * (k[:, None] + k))
    assert np.linalg.norm((moved - shifted)[seen]) < 0.025 * np.linalg.norm(whole[seen])


def test_the_atoms_lie_where_the_frame_says():
    placed = atom(shift=0.0)
    placed.positions[0, :2] = [7.0, 12.4]
    wave = single_wave(placed, RECIPE)
    row, column = np.unravel_index(np.angle(wave).argmax(), wave.shape)
    assert (row * 0.2, column * 0.2) == (pytest.approx(12.4), pytest.approx(7.0))


def test_defocus_zero_is_the_middle_of_the_box():
    """In its own plane a light atom is a phase object: its contrast vanishes, whatever the slices."""
    for thickness in (0.5, 1.0, 2.0):
        placed = enclose(Atoms("C", positions=[(0, 0, 0)]), WaveRecipe(padding=10.0))
        placed.positions[0, 2] += 0.0
        wave = single_wave(placed, WaveRecipe(slice_thickness=thickness))
        distances = np.arange(-10, 10.1, 0.5)
        contrast = [(np.abs(refocused(wave, 0.2, distance)) ** 2).std() for distance in distances]
        # The atom lies on the boundary between slices, or in one's middle: half a slice either way.
        assert abs(distances[int(np.argmin(contrast))]) <= thickness / 2 + 0.5


def test_a_wave_keeps_its_norm_to_the_band_limit():
    assert (np.abs(single_wave(atom(), RECIPE)) ** 2).mean() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
def test_waves_agree_with_abtems_own_potential_on_a_fine_grid():
    """At 0.05 Å abTEM's interpolated atoms are nearly exact: an independent path to the same image."""
    import abtem

    rng = np.random.default_rng(0)
    atoms = Atoms("Ce9", positions=np.stack([*rng.uniform(-2, 2, (2, 9)), 3.8 * np.arange(9)], axis=1))
    placed = enclose(atoms, RECIPE)
    side, height = placed.cell[0, 0], placed.cell[2, 2]
    with abtem.config.set({"fft": "numpy", "diagnostics.progress_bar": False}):
        potential = abtem.Potential(
            placed, gpts=round(side / 0.05), slice_thickness=height / np.ceil(height / 2)
        )
        fine = abtem.PlaneWave(energy=300e3).multislice(potential, lazy=False).array.T
    ours = single_wave(placed, RECIPE)
    count = ours.shape[0]
    kept = np.fft.fftfreq(count, 1 / count).astype(int)
    spectrum = np.fft.fft2(fine)[np.ix_(kept, kept)] * (count / fine.shape[0]) ** 2
    k = np.fft.fftfreq(count, 0.2)
    square = k[:, None] ** 2 + k**2
    back = (height + height / np.ceil(height / 2)) / 2
    theirs = np.fft.ifft2(
        spectrum * (square < 1.5**2) * np.exp(1j * np.pi * wavelength(300e3) * back * square)
    )
    ours = np.fft.ifft2(np.fft.fft2(ours) * (square < 1.5**2))
    assert np.abs(ours - theirs).std() < 0.04 * np.abs(theirs - 1).std()


def test_a_phonon_configuration_is_the_same_alone_and_among_others():
    placed = enclose(Atoms("Au2", positions=[(0, 0, 0), (2, 0, 4)]), RECIPE)
    options = {"displacements": {"Au": 0.09}, "seed": (1, 7)}
    together = exit_waves(placed, RECIPE, **options).waves
    np.testing.assert_array_equal(together[2], phonon_wave(placed, RECIPE, **options, configuration=2))
    assert together.dtype == np.complex64
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_thermal_displacements_of_the_user_replace_the_crystals():
    placed = enclose(Atoms("Au2", positions=[(0, 0, 0), (2, 0, 4)]), RECIPE)
    still = WaveRecipe(frozen_phonons=2, slice_thickness=2.0, thermal_displacements={"Au": 0.0})
    waves = exit_waves(placed, still, displacements={"Au": 0.09}, seed=(0,)).waves
    np.testing.assert_array_equal(waves[0], waves[1])


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("energy", -1.0, "energy"),
        ("sampling", 0.2, "sampling"),
        ("stored_sampling", 0.05, "stored_sampling"),
        ("frozen_phonons", 0, "frozen_phonons"),
        ("slice_thickness", float("nan"), "slice_thickness"),
    ],
)
def test_bad_recipes_are_refused(key, value, message):
    with pytest.raises(InputError, match=message):
        WaveRecipe(**{key: value})


def test_too_large_a_particle_is_refused():
    with pytest.raises(InputError, match="smaller diameter"):
        enclose(Atoms("Au2", positions=[(0, 0, 0), (300, 0, 0)]), RECIPE)
