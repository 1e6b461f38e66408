from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from nanonet.records import InputError
from simulate.tem.exit_wave import (
    Multislice,
    displaced,
    elastic_wave,
    fast_size,
    phonon_wave,
    static_wave,
)
from simulate.tem.optics import wavelength
from simulate.tem.thermal import averaged_factor

COARSE = Multislice(slice_thickness=2.0)
SIDE = 24.0
POINTS = 120


def boxed(atoms: Atoms, height: float = 8.0) -> Atoms:
    placed = atoms.copy()
    placed.set_cell([SIDE, SIDE, height])
    placed.pbc = True
    return placed


def atom(symbol: str = "Au", shift: float = 0.0, height: float = 8.0) -> Atoms:
    return boxed(Atoms(symbol, positions=[(12 + shift, 12 + shift, height / 2)]), height)


def cluster(symbol: str = "Au", layers: int = 5, seed: int = 0) -> Atoms:
    """Short columns, like those of a particle on a zone axis."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(7, 17, (9, 2))
    positions = [(x, y, 2 + 2.88 * z) for x, y in base for z in range(layers)]
    return boxed(Atoms(f"{symbol}{len(positions)}", positions=positions), 4 + 2.88 * (layers - 1))


def in_space(spectrum: np.ndarray) -> np.ndarray:
    return np.fft.ifft2(spectrum) * spectrum.size


def refocused(spectrum: np.ndarray, distance: float) -> np.ndarray:
    """The wave a distance further along the beam, by the angular spectrum, independent of our optics."""
    k = np.fft.fftfreq(len(spectrum), SIDE / len(spectrum))
    return in_space(spectrum * np.exp(-1j * np.pi * wavelength(300e3) * distance * (k[:, None] ** 2 + k**2)))


@pytest.mark.parametrize("shift", [0.05, 0.137])
@pytest.mark.parametrize("elastic", [True, False])
def test_the_wave_moves_with_the_atom_by_any_fraction_of_a_pixel(shift, elastic):
    """abTEM's own infinite projection is 6 % off here."""

    def wave(move: float) -> np.ndarray:
        if elastic:
            return elastic_wave(atom(shift=move), COARSE, {"Au": 0.08}, POINTS)
        return static_wave(atom(shift=move), COARSE, POINTS)

    whole, shifted = wave(0.0), wave(shift)
    k = np.fft.fftfreq(POINTS, SIDE / POINTS)
    seen = (k[:, None] ** 2 + k**2 < 1.5**2) & (np.arange(POINTS**2).reshape(POINTS, POINTS) > 0)
    moved = whole * np.exp(-2j * np.pi * shift * (k[:, None] + k))
    assert np.linalg.norm((moved - shifted)[seen]) < 0.025 * np.linalg.norm(whole[seen])


def test_the_atoms_lie_where_the_frame_says():
    placed = atom()
    placed.positions[0, :2] = [7.0, 12.4]
    wave = in_space(static_wave(placed, COARSE, POINTS))
    row, column = np.unravel_index(np.angle(wave).argmax(), wave.shape)
    assert (row * 0.2, column * 0.2) == (pytest.approx(12.4), pytest.approx(7.0))


@pytest.mark.parametrize("thickness", [0.5, 1.0, 2.0])
def test_defocus_zero_is_the_middle_of_the_box(thickness):
    """In its own plane a light atom is a phase object: its contrast vanishes, whatever the slices."""
    wave = static_wave(atom("C", height=4.0), Multislice(slice_thickness=thickness), POINTS)
    distances = np.arange(-10, 10.1, 0.5)
    contrast = [(np.abs(refocused(wave, distance)) ** 2).std() for distance in distances]
    # The atom lies on the boundary between slices, or in one's middle: half a slice either way.
    assert abs(distances[int(np.argmin(contrast))]) <= thickness / 2 + 0.5


def test_a_static_wave_keeps_its_norm_to_the_band_limit():
    assert (np.abs(static_wave(atom(), COARSE, POINTS)) ** 2).sum() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("symbol", "displacement"), [("Au", 0.088), ("Ce", 0.056)])
def test_the_elastic_wave_is_the_mean_over_frozen_phonons(symbol, displacement):
    """The mean of n configurations comes nearer to it as 1/sqrt(n); what is left is their sampling's."""
    atoms, sigma = cluster(symbol), {symbol: displacement}
    fine = Multislice(sampling=0.05, slice_thickness=2.88)
    waves = np.stack([phonon_wave(atoms, fine, sigma, POINTS, (0, i)) for i in range(24)])
    elastic = elastic_wave(atoms, fine, sigma, POINTS)
    scattered = np.linalg.norm(elastic[1:, 1:])
    mean = waves.mean(axis=0)
    noise = np.sqrt((np.abs(waves - mean) ** 2).sum() / (len(waves) - 1) / len(waves))
    assert np.linalg.norm(mean - elastic) < np.hypot(1.25 * noise, 0.02 * scattered)
    # Atoms that stand still scatter another wave, by more than that.
    assert np.linalg.norm(static_wave(atoms, fine, POINTS) - elastic) > 2 * noise


def test_the_averaged_potential_does_not_depend_on_its_table():
    coarse, fine = (averaged_factor("Au", 0.06, 300e3, "lobato", step) for step in (0.02, 0.01))
    k = np.linspace(0.1, 4, 40)
    ours, theirs = (
        np.interp(k, where, factor.real) + 1j * np.interp(k, where, factor.imag)
        for where, factor in (coarse, fine)
    )
    assert (np.abs(ours - theirs) < 0.01 * np.abs(theirs)).all()
    assert (ours.imag > 0).all()  # phonons take electrons away


def test_what_the_elastic_wave_lacks_is_the_diffuse_intensity():
    """Σ|<ψ>|² + <Σ|ψ - <ψ>|²> = 1: absorption takes just what phonons scatter."""
    atoms, sigma = cluster("Au", layers=6), {"Au": 0.1}
    everything = Multislice(sampling=0.05, slice_thickness=2.88)
    points = 480
    elastic = elastic_wave(atoms, everything, sigma, points)
    lost = 1 - (np.abs(elastic) ** 2).sum()
    diffuse = np.mean(
        [
            (np.abs(phonon_wave(atoms, everything, sigma, points, (0, i)) - elastic) ** 2).sum()
            for i in range(4)
        ]
    )
    assert lost > 0.004
    assert diffuse == pytest.approx(lost, rel=0.15)


@pytest.mark.slow
def test_waves_agree_with_abtems_own_potential_on_a_fine_grid():
    """At 0.05 Å abTEM's interpolated atoms are nearly exact: an independent path to the same wave."""
    import abtem

    rng = np.random.default_rng(0)
    positions = np.stack([*rng.uniform(10, 14, (2, 9)), 2 + 3.8 * np.arange(9)], axis=1)
    placed = boxed(Atoms("Ce9", positions=positions), 34.4)
    slices = int(np.ceil(34.4 / 2))
    with abtem.config.set({"fft": "numpy", "diagnostics.progress_bar": False}):
        potential = abtem.Potential(placed, gpts=480, slice_thickness=34.4 / slices)
        fine = abtem.PlaneWave(energy=300e3).multislice(potential, lazy=False).array.T
    kept = np.fft.fftfreq(POINTS, 1 / POINTS).round().astype(int)
    k = kept / SIDE
    square = k[:, None] ** 2 + k**2
    back = (34.4 + 34.4 / slices) / 2
    theirs = np.fft.fft2(fine)[np.ix_(kept, kept)] / 480**2
    theirs = theirs * np.exp(1j * np.pi * wavelength(300e3) * back * square)
    seen = (square < 1.5**2) & (square > 0)
    ours = static_wave(placed, COARSE, POINTS)
    assert np.linalg.norm((ours - theirs)[seen]) < 0.04 * np.linalg.norm(theirs[seen])


def test_displacements_have_each_elements_spread():
    atoms = Atoms("Ce4000O4000", positions=np.zeros((8000, 3)))
    moved = displaced(atoms, {"Ce": 0.05, "O": 0.08}, np.random.default_rng(0)).positions
    np.testing.assert_allclose(moved[:4000].std(axis=0), [0.05, 0.05, 0], rtol=0.05)
    np.testing.assert_allclose(moved[4000:].std(axis=0), [0.08, 0.08, 0], rtol=0.05)
    with pytest.raises(InputError, match="lacks O"):
        displaced(atoms, {"Ce": 0.05}, np.random.default_rng(0))
    with pytest.raises(InputError, match="lacks Au"):
        elastic_wave(atom(), COARSE, {"Ce": 0.05}, POINTS)


@pytest.mark.parametrize("least", [1, 13, 239.0, 240.0, 241, 1081, 3001])
def test_fast_sizes_are_even_and_of_small_factors(least):
    size = fast_size(least)
    assert least <= size < 1.15 * least + 4
    assert size % 2 == 0
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    assert size == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [("energy", -1.0), ("sampling", 0.2), ("slice_thickness", float("nan")), ("slice_thickness", 9.0)],
)
def test_bad_multislice_is_refused(key, value):
    with pytest.raises(InputError, match=key):
        Multislice(**{key: value})


@pytest.mark.gpu
@pytest.mark.parametrize("elastic", [True, False])
def test_a_gpu_propagates_as_the_cpu_does(elastic):
    pytest.importorskip("cupy", reason="abTEM needs CuPy for a GPU")
    there = replace(COARSE, device="gpu")
    if elastic:
        pair = [elastic_wave(cluster(), each, {"Au": 0.088}, POINTS) for each in (COARSE, there)]
    else:
        pair = [static_wave(cluster(), each, POINTS) for each in (COARSE, there)]
    assert np.linalg.norm(pair[0] - pair[1]) < 1e-4 * np.linalg.norm(pair[0][1:, 1:])
