import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from scipy.ndimage import map_coordinates

from nanonet.cli.main import main
from nanonet.records import InputError
from simulate.camera.detector import Detector
from simulate.draw import ColumnSampler
from simulate.shards.box import enclose
from simulate.shards.store import shard_path
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE
from simulate.stem.linear import LinearHAADF
from simulate.stem.microscope import ScanningMicroscope
from simulate.structures.recipe import ParticleRecipe
from simulate.tem.exit_wave import Multislice
from simulate.tem.hrtem import HRTEM, SCALE
from simulate.tem.microscope import Microscope, Setting
from simulate.tem.optics import Optics
from simulate.truth import columns_of
from simulate.view import View, quarter_turn

SIDE = 24.0
CAMERA = Detector(pixel_size=0.25, dose=1e4)
FOCUSSED = Setting(optics=Optics(energy=300e3), detector=replace(CAMERA, mtf_nyquist=1.0))
PLACES = np.array([[6.03, 7.11], [9.5, 15.27], [17.4, 8.8], [14.13, 16.9]])
TURNS = [(quarters, mirrored) for quarters in range(4) for mirrored in (False, True)]


def four_columns() -> Atoms:
    """Columns of one to four atoms at `PLACES` of the box."""
    depths = [1, 2, 3, 4]
    y, x = np.repeat(PLACES, depths, axis=0).T
    atoms = Atoms("Au10", positions=np.column_stack([x, y, np.concatenate([np.arange(d) for d in depths])]))
    atoms.set_array(COLUMN, np.repeat(np.arange(4), depths))
    atoms.set_array(COUNTED, np.ones(10, dtype=bool))
    atoms.set_array(INSTANCE, np.ones(10, dtype=int))
    atoms.set_array(DISPLACEMENT, np.zeros((10, 3)))
    return atoms


def stored_spots(points: int = 120) -> dict[str, np.ndarray]:
    """What is stored of a wave whose focussed image is dark just at `PLACES`: an absorbing spot on each."""
    place = np.arange(points) * SIDE / points
    away = (place - PLACES[..., None] + SIDE / 2) % SIDE - SIDE / 2
    spots = np.exp(-(away[:, 0, :, None] ** 2 + away[:, 1, None, :] ** 2) / (2 * 0.5**2))
    spectrum = np.fft.fft2(np.sqrt(1 - 0.8 * spots.sum(axis=0))) / points**2
    spectrum[0, 0] -= 1
    parts = SCALE * np.stack([spectrum.real, spectrum.imag], axis=-1)
    return {"elastic": parts.astype(np.float32), "diffuse": np.zeros((0, points, points, 2), np.float32)}


def view_of(
    side: float, shape: tuple[int, int], pixel_size: float, axes: np.ndarray, shift=(0.0, 0.0)
) -> View:
    """A view whose middle is that of the box, or some Å off it."""
    length = pixel_size * (np.array(shape) - 1)
    first = side / 2 + np.array(shift) - axes @ length / 2
    return View(origin=(first[0], first[1]), pixel_size=pixel_size, shape=shape, axes=axes)


def darkest(image: np.ndarray, near: np.ndarray, pixel_size: float) -> np.ndarray:
    """The minimum next to a position, to a fraction of a pixel by the centroid of the darkness."""
    row, column = np.rint(near / pixel_size).astype(int)
    patch = image[row - 5 : row + 6, column - 5 : column + 6]
    dark = np.clip(patch.max() - patch - 0.3 * np.ptp(patch), 0, None)
    rows, columns = np.mgrid[row - 5 : row + 6, column - 5 : column + 6]
    return pixel_size * np.array([(dark * rows).sum(), (dark * columns).sum()]) / dark.sum()


@pytest.mark.parametrize(("quarters", "mirrored"), TURNS)
def test_labels_sit_on_the_columns_after_every_turn_and_mirror(quarters, mirrored):
    axes = quarter_turn(quarters, mirrored=mirrored)
    view = view_of(SIDE, (80, 88), 0.25, axes, shift=(0.31, -0.17))
    image = HRTEM().expected(stored_spots(), SIDE, FOCUSSED, view).numpy()
    seen = columns_of(four_columns()).seen(view)
    assert len(seen) == 4
    for position in seen.positions:
        np.testing.assert_allclose(darkest(image, position, 0.25), position, atol=0.02)


def test_a_sub_pixel_shift_moves_image_and_labels_alike():
    for shift in ((0.0, 0.0), (0.113, -0.129)):
        view = view_of(SIDE, (88, 88), 0.25, np.eye(2), shift)
        image = HRTEM().expected(stored_spots(), SIDE, FOCUSSED, view).numpy()
        for position in columns_of(four_columns()).seen(view).positions:
            np.testing.assert_allclose(darkest(image, position, 0.25), position, atol=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_labels_sit_on_bright_columns_of_a_scan_at_any_angle_that_drifts(seed):
    """In HAADF the columns are bright; the centroid of each is that of the atoms to some pm."""
    atoms = four_columns()
    atoms.positions[:, 2] = 2.88 * atoms.positions[:, 2] + 2
    atoms.set_cell([SIDE, SIDE, 14.0])
    imaging = LinearHAADF()
    stored = imaging.calculate(atoms, {"Au": 0.085}, (0, 0, 1))
    microscope = ScanningMicroscope(pixel_size=0.15, drift=3.0, dwell=2e-6, coma=0.0, astigmatism=0.0)
    setting = microscope.draw(imaging.energy, np.random.default_rng(seed))
    view = setting.view(SIDE, (200, 200), np.random.default_rng(seed))
    image = imaging.expected(stored, SIDE, setting, view).numpy()
    seen = columns_of(atoms).seen(view)
    assert len(seen) == 4
    peaks = [darkest(-image, position, 0.15) for position in seen.positions]
    np.testing.assert_allclose(peaks, seen.positions, atol=0.03)
    values = map_coordinates(image, seen.positions.T / 0.15, order=3)
    assert (np.diff(values[np.argsort(seen.depths)]) > 0).all()


def test_columns_outside_the_frame_have_no_label():
    view = View(origin=(7.0, 7.2), pixel_size=0.25, shape=(40, 40))
    seen = columns_of(four_columns()).seen(view)
    np.testing.assert_array_equal(seen.depths, [2, 4])
    np.testing.assert_allclose(seen.positions[0], [2.5, 8.07])


@pytest.fixture(scope="module")
def sampler(ceria_shards: Path) -> ColumnSampler:
    return ColumnSampler(ceria_shards, crop_pixels=96)


@pytest.mark.parametrize(("quarters", "mirrored"), TURNS)
def test_turning_the_view_and_redrawing_is_turning_the_image(sampler, quarters, mirrored):
    """The whole box on pixels of the waves' grid, with aberrations of a direction: pixel by pixel alike."""
    shard = sampler.read(0)
    points = shard.stored["elastic"].shape[0]
    optics = Optics(energy=300e3, defocus=50.0, Cs=-9e4, astigmatism=30.0, coma=500.0, focal_spread=25.0)
    pixel_size = shard.side / points
    setting = Setting(optics=optics, detector=replace(CAMERA, pixel_size=pixel_size))
    plain, turned = (
        view_of(shard.side, (points, points), pixel_size, axes)
        for axes in (np.eye(2), quarter_turn(quarters, mirrored=mirrored))
    )
    images = [
        sampler.imaging.expected(shard.stored, shard.side, setting, view).numpy() for view in (plain, turned)
    ]
    wanted = np.rot90(images[0][:, ::-1] if mirrored else images[0], -quarters)
    np.testing.assert_allclose(images[1], wanted, atol=2e-4 * images[0].max())
    columns = columns_of(shard.atoms)
    values = [
        map_coordinates(image, columns.seen(view).positions.T / pixel_size, order=3, mode="nearest")
        for image, view in zip(images, (plain, turned), strict=True)
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("mirrored", [False, True])
def test_turning_the_atoms_and_simulating_again_is_turning_the_view(mirrored):
    """Nothing is shared between the two images but the atoms: those of one are turned before multislice."""
    imaging = HRTEM(multislice=Multislice(slice_thickness=2.0), diffuse_waves=0, padding=5.0)
    drawn = ParticleRecipe(diameter=(10.0, 10.0), depth=(2, 2)).draw(np.random.default_rng(1))
    axes = quarter_turn(1, mirrored=mirrored)
    turned = drawn.atoms.copy()
    # Steps of the image's axes, (y, x), as the new places of atoms, (x, y).
    turned.positions[:, 1::-1] = drawn.atoms.positions[:, 1::-1] @ np.linalg.inv(axes).T
    side = imaging.side(float(np.ptp(drawn.atoms.positions, axis=0)[:2].max()))
    images, labels = [], []
    optics = Optics(energy=300e3, defocus=50.0, Cs=-9e4, focal_spread=25.0)
    setting = Setting(optics=optics, detector=CAMERA)
    for atoms, way in ((drawn.atoms, axes), (turned, np.eye(2))):
        bounds = np.stack([atoms.positions.min(axis=0), atoms.positions.max(axis=0)])
        boxed = enclose(atoms, side, bounds)
        view = view_of(side, (72, 72), 0.25, way)
        stored = imaging.calculate(boxed, drawn.thermal_displacements, (0, 0, 1))
        images.append(imaging.expected(stored, side, setting, view).numpy())
        labels.append(columns_of(boxed).seen(view).positions)
    np.testing.assert_allclose(labels[0], labels[1], atol=1e-9)
    np.testing.assert_allclose(images[0], images[1], atol=0.01 * np.ptp(images[0]))


def test_cerium_columns_are_dark_where_the_truth_says(sampler):
    """In focus (NCSI underfocus side) a cerium column is a minimum; thermal motion moves it by some pm."""
    shard = sampler.read(0)
    setting = Setting(optics=Optics(energy=300e3, defocus=30.0, aperture=20.0), detector=CAMERA)
    count = int(shard.side / 0.25)
    view = view_of(shard.side, (count, count), 0.25, np.eye(2))
    image = sampler.imaging.expected(shard.stored, shard.side, setting, view).numpy()
    columns = columns_of(shard.atoms).counted().seen(view)
    off = [np.linalg.norm(darkest(image, position, 0.25) - position) for position in columns.positions]
    assert len(off) >= 5
    assert np.median(off) < 0.12


def test_samples_are_what_the_records_promise(sampler):
    assert len(sampler) == 2
    assert sampler.structures == [0, 1]
    sample = sampler.draw(1, np.random.default_rng(0))
    assert sample.image.shape == (96, 96)
    assert sample.image.dtype == np.float32
    assert (sample.structure, sample.pixel_size) == (1, 0.25)
    assert len(sample.positions) == len(sample.depths) > 3
    assert sample.depths.min() >= 1
    assert sample.positions.min() >= -0.125
    assert sample.positions.max() < 96 * 0.25
    assert sample.settings["dose"] == pytest.approx(3000.0)
    assert 40 <= sample.settings["defocus"] <= 60
    assert sample.image.mean() == pytest.approx(3000 * 0.25**2, rel=0.03)


def test_drawn_samples_show_what_they_are_labelled_with(sampler):
    """With the draws of a sampler, dose high: at labels it is darker than anywhere 1 Å off, on average."""
    bright = ColumnSampler(sampler.folder, microscope=Microscope(dose=1e6, defocus=50.0), crop_pixels=96)
    for seed in range(6):
        sample = bright.draw(seed % 2, np.random.default_rng(seed))
        around = sample.positions[:, None] + np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        dark = map_coordinates(sample.image, sample.positions.T / 0.25, order=1, mode="nearest")
        light = map_coordinates(sample.image, around.reshape(-1, 2).T / 0.25, order=1, mode="nearest")
        assert dark.mean() < 0.85 * light.mean()


def test_draws_follow_from_the_generator_and_differ_between_generators(sampler):
    first, second, other = (sampler.draw(0, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.positions, second.positions)
    assert first.settings == second.settings
    assert first.settings["defocus"] != other.settings["defocus"]
    assert not np.array_equal(first.image, other.image)


def test_a_crop_larger_than_the_box_is_filled_with_vacuum(ceria_shards):
    sample = ColumnSampler(ceria_shards, crop_pixels=200).draw(0, np.random.default_rng(0))
    assert sample.image[:20].mean() == pytest.approx(3000 * 0.25**2, rel=0.02)
    assert (sample.positions > 8).all()


def test_another_microscope_may_draw_from_the_same_shards(ceria_shards):
    microscope = Microscope(dose=50.0, pixel_size=(0.2, 0.3))
    sampler = ColumnSampler(ceria_shards, microscope=microscope, crop_pixels=64)
    sizes = {sampler.draw(0, np.random.default_rng(seed)).pixel_size for seed in range(4)}
    assert len(sizes) == 4
    assert min(sizes) >= 0.2
    assert max(sizes) <= 0.3


def test_a_sampler_travels_to_workers(sampler):
    sampler.draw(0, np.random.default_rng(0))
    copy = pickle.loads(pickle.dumps(sampler))
    np.testing.assert_array_equal(
        copy.draw(1, np.random.default_rng(3)).image, sampler.draw(1, np.random.default_rng(3)).image
    )


def test_shards_are_read_once_and_kept_within_bounds(ceria_shards, tmp_path, monkeypatch):
    folder = tmp_path / "shards"
    shutil.copytree(ceria_shards, folder)
    kept = ColumnSampler(folder, crop_pixels=32)
    first = kept.draw(0, np.random.default_rng(0))
    hidden = shard_path(folder, 0).with_suffix(".away")
    shard_path(folder, 0).rename(hidden)
    np.testing.assert_array_equal(kept.draw(0, np.random.default_rng(0)).image, first.image)
    # With room for one shard the second drives the first out.
    monkeypatch.setattr("simulate.draw.CACHE_BYTES", 1)
    kept.draw(1, np.random.default_rng(0))
    with pytest.raises(InputError, match="structure_000000"):
        kept.draw(0, np.random.default_rng(0))


def test_no_shards_and_no_structure_are_refused(tmp_path, ceria_shards):
    with pytest.raises(InputError, match="no shards"):
        ColumnSampler(tmp_path)
    with pytest.raises(InputError, match="structure_000099"):
        ColumnSampler(ceria_shards).draw(99, np.random.default_rng(0))
    with pytest.raises(InputError, match="crop_pixels"):
        ColumnSampler(ceria_shards, crop_pixels=0)
    shutil.copy(ceria_shards / "manifest.json", tmp_path)
    with pytest.raises(InputError, match="no finished shards"):
        ColumnSampler(tmp_path)


def test_a_sample_in_haadf_knows_what_an_atom_adds(tmp_path: Path) -> None:
    """Within some columns cut by the border: the electrons of the whole particle over its atoms."""
    small = ["structures=fcc_100", "structures.materials=[Au]", "structures.diameter=[14,14]"]
    words = ["experiment=column_depth_fcc_haadf", "n_structures=1", "workers=1", *small]
    assert main(["simulate", *words, f"output={tmp_path / 'shards'}"]) == 0
    sampler = ColumnSampler(tmp_path / "shards")
    sample = sampler.draw(0, np.random.default_rng(0))
    total = float(sample.image.sum()) - float(sample.settings["dark"]) * sample.image.size
    assert sample.counts_per_atom == pytest.approx(total / sample.depths.sum(), rel=0.05)


def test_contrast_in_hrtem_is_no_count_of_atoms(sampler: ColumnSampler) -> None:
    assert sampler.draw(0, np.random.default_rng(0)).counts_per_atom is None
