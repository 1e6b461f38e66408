"""The linear model: electrons are conserved, atoms add up, views turn and shear as the truth does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from nanonet.records import InputError
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, FOCAL_PLANE
from simulate.stem.cross_sections import cone_shares
from simulate.stem.linear import LinearHAADF
from simulate.stem.microscope import ScanSetting
from simulate.stem.probe import Probe, probe_intensity
from simulate.stem.spread import image_of_points
from simulate.view import View, quarter_turn

SIDE = 24.0
THERMAL = {"Au": 0.088}
SETTING = ScanSetting(
    probe=Probe(energy=200e3, semiangle_cutoff=23.0, defocus=5.0, focal_spread=20.0, source_size=0.3),
    pixel_size=0.2,
    dose=1e4,
)
WHOLE = View(origin=(0.0, 0.0), pixel_size=0.2, shape=(120, 120))


def columns(depths: tuple[int, ...] = (1, 4, 7), places: np.ndarray | None = None) -> Atoms:
    """Columns of gold with the spacing of [110] at places (x, y)."""
    where = np.array([[8.0, 9.0], [12.3, 12.9], [16.1, 14.4]]) if places is None else places
    positions = [(x, y, 2 + 2.884 * k) for (x, y), n in zip(where, depths, strict=True) for k in range(n)]
    atoms = Atoms(f"Au{sum(depths)}", positions=positions, cell=[SIDE, SIDE, 4 + 2.884 * max(depths)])
    atoms.set_array(COLUMN, np.repeat(np.arange(len(depths)), depths))
    atoms.set_array(COUNTED, np.ones(len(atoms), dtype=bool))
    return atoms


def stored(atoms: Atoms, imaging: LinearHAADF | None = None) -> dict[str, np.ndarray]:
    return (imaging or LinearHAADF()).calculate(atoms, THERMAL, (0, 0, 1))


def drawn(atoms: Atoms, view: View = WHOLE, setting: ScanSetting = SETTING, planes: int = 1) -> np.ndarray:
    imaging = LinearHAADF(focal_planes=planes)
    return imaging.expected(stored(atoms, imaging), SIDE, setting, view).numpy()


def test_electrons_are_conserved() -> None:
    atoms = columns()
    expected = SETTING.dose * (stored(atoms)["scattered"] @ cone_shares(23.0)).sum()
    assert drawn(atoms).sum() == pytest.approx(expected, rel=0.01)


def test_the_dose_scales_the_signal() -> None:
    double = replace(SETTING, dose=2e4)
    np.testing.assert_allclose(drawn(columns(), setting=double), 2 * drawn(columns()), rtol=1e-5)


def test_columns_far_apart_add_up() -> None:
    imaging = LinearHAADF()
    all_stored = stored(columns())
    parts = [
        imaging.expected({k: v[rows] for k, v in all_stored.items()}, SIDE, SETTING, WHOLE).numpy()
        for rows in (slice(0, 5), slice(5, None))
    ]
    # The probe is taken at the mean height of the atoms, which differs between the parts.
    np.testing.assert_allclose(sum(parts), drawn(columns()), atol=0.04 * drawn(columns()).max())


def test_a_point_is_seen_as_the_probe() -> None:
    probe = Probe(energy=200e3, semiangle_cutoff=23.0, defocus=20.0, focal_spread=20.0, astigmatism=10.0)
    count, y, x = 256, 25.03, 22.71
    view = View(origin=(0.0, 0.0), pixel_size=0.2, shape=(count, count))
    own = probe_intensity(probe, (count, count), (count * 0.2, count * 0.2)).numpy() / 0.2**2
    k = np.fft.fftfreq(count, 0.2)
    moved = np.fft.ifft2(np.fft.fft2(own) * np.exp(-2j * np.pi * (k[:, None] * y + k * x))).real
    image = image_of_points(np.array([[x, y, 0.0]]), np.ones(1), np.zeros(1), probe, view).numpy()
    np.testing.assert_allclose(image, moved, atol=0.015 * moved.max())


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_view_is_the_turned_image(quarters: int) -> None:
    axes = quarter_turn(quarters, mirrored=quarters == 2)
    length = 0.2 * 119
    corner = np.array([SIDE - 0.2, SIDE - 0.2]) / 2 - axes @ np.array([length, length]) / 2
    turned = drawn(columns(), replace(WHOLE, origin=(corner[0], corner[1]), axes=axes))
    whole = drawn(columns())
    i, j = np.meshgrid(np.arange(120), np.arange(120), indexing="ij")
    places = np.rint((np.stack([i, j], -1) * 0.2 @ axes.T + corner) / 0.2).astype(int)
    inside = ((places >= 0) & (places < 120)).all(-1)
    np.testing.assert_allclose(
        turned[inside], whole[places[inside][:, 0], places[inside][:, 1]], atol=2e-3 * whole.max()
    )


def test_a_sheared_and_turned_view_samples_the_same_image() -> None:
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    axes = turn @ np.array([[1.0, 0.0], [0.12, 1.0]])
    view = View(origin=(10.0, 2.0), pixel_size=0.2, shape=(60, 60), axes=axes)
    fine = drawn(columns(), replace(WHOLE, pixel_size=0.05, shape=(480, 480)))
    seen = drawn(columns(), view)
    i, j = np.meshgrid(np.arange(60), np.arange(60), indexing="ij")
    from scipy.ndimage import map_coordinates

    box = view.to_box(np.stack([i.ravel(), j.ravel()], 1) * 0.2) / 0.05
    inside = ((box > 20) & (box < 460)).all(1)
    expected = map_coordinates(fine, box.T, order=3)
    np.testing.assert_allclose(seen.ravel()[inside], expected[inside], atol=0.02 * fine.max())


def test_coarse_pixels_are_points_of_the_same_image() -> None:
    coarse = drawn(
        columns(), replace(WHOLE, pixel_size=0.6, shape=(40, 40)), replace(SETTING, pixel_size=0.6)
    )
    np.testing.assert_allclose(coarse / 9, drawn(columns())[::3, ::3], atol=2e-3 * drawn(columns()).max())


def test_an_atom_lies_where_the_conventions_say() -> None:
    atoms = columns((3,), np.array([[7.0, 15.4]]))
    peak = np.unravel_index(drawn(atoms).argmax(), WHOLE.shape)
    assert peak == (77, 35)


def test_thicker_columns_are_brighter() -> None:
    images = [drawn(columns((depth,), np.array([[12.0, 12.0]]))) for depth in range(1, 9)]
    assert (np.diff([image.sum() for image in images]) > 0).all()
    assert (np.diff([image.max() for image in images]) > 0).all()


def test_defocus_blurs_but_keeps_the_electrons() -> None:
    away = replace(SETTING, probe=replace(SETTING.probe, defocus=100.0))
    atoms = columns((2,), np.array([[12.0, 12.0]]))
    assert drawn(atoms, setting=away).max() < 0.7 * drawn(atoms).max()
    assert drawn(atoms, setting=away).sum() == pytest.approx(drawn(atoms).sum(), rel=0.02)


def test_focal_planes_see_the_probe_at_their_heights() -> None:
    atoms = columns((24,), np.array([[12.0, 12.0]]))
    one, many = drawn(atoms), drawn(atoms, planes=6)
    assert one.sum() == pytest.approx(many.sum(), rel=0.01)
    assert many.max() < one.max()


def test_an_image_of_nothing_is_dark() -> None:
    nothing = {key: value[:0] for key, value in stored(columns()).items()}
    assert not LinearHAADF().expected(nothing, SIDE, SETTING, WHOLE).any()


def test_the_same_atoms_give_the_same_bytes() -> None:
    one, two = stored(columns()), stored(columns())
    assert all(np.array_equal(one[key], two[key]) for key in one)
    np.testing.assert_array_equal(drawn(columns()), drawn(columns()))


@pytest.mark.parametrize(
    "values", [{"inner": 90.0, "outer": 80.0}, {"inner": 5.0}, {"energy": 80e3}, {"padding": -1.0}]
)
def test_impossible_settings_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError):
        LinearHAADF(**values)


def test_a_setting_for_another_energy_is_refused() -> None:
    other = replace(SETTING, probe=replace(SETTING.probe, energy=300e3))
    with pytest.raises(InputError, match="energy"):
        drawn(columns(), setting=other)


def test_an_element_without_displacement_is_named() -> None:
    with pytest.raises(InputError, match="lacks Au"):
        LinearHAADF().calculate(columns(), {"Pt": 0.1}, (0,))


def test_columns_that_the_library_does_not_know_are_refused() -> None:
    atoms = columns()
    atoms.positions[:, 2] = 2 + (atoms.positions[:, 2] - 2) * 3.3 / 2.884
    with pytest.raises(InputError, match=r"columns of Au of 3\.30 Å at 200 kV .*haadf_prism"):
        stored(atoms)


def test_a_relaxed_column_is_of_the_kind_that_its_lattice_says() -> None:
    atoms = columns()
    moved = np.zeros((len(atoms), 3))
    moved[:, 2] = -0.1 * (atoms.positions[:, 2] - 2)
    relaxed = atoms.copy()
    relaxed.positions += moved
    relaxed.set_array(DISPLACEMENT, moved)
    np.testing.assert_allclose(stored(relaxed)["scattered"], stored(atoms)["scattered"], rtol=1e-6)


def test_the_focal_plane_is_where_the_box_says() -> None:
    atoms = columns()
    lower = atoms.copy()
    lower.info[FOCAL_PLANE] = float(atoms.cell[2, 2] / 2 - 10)
    shift = stored(lower)["positions"][:, 2] - stored(atoms)["positions"][:, 2]
    np.testing.assert_allclose(shift, 10, atol=1e-5)
