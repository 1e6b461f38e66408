"""The informed reader with templates that are formulas: what each column shows is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from nanonet.atomic_columns.likelihood import Nuisance, Places, depth_posterior, read_likelihood, read_places
from nanonet.atomic_columns.time.table import probabilities_of
from nanonet.records import InputError, Micrograph

PIXEL, STEP, WIDTH, RADIUS, DEEPEST = 0.25, 0.125, 0.45, 1.6, 5  # Å
HALF = 16


@dataclass(frozen=True)
class Drawn:
    """Templates as the reader wants them."""

    mean: np.ndarray
    modes: np.ndarray
    step: float = STEP
    radius: float = RADIUS
    gain: float = 1.0
    offset: float = 0.0


def bell(y, x, shift=0.0):
    return np.exp(-((y - shift) ** 2 + x**2) / (2 * WIDTH**2))


def templates_of(vacuum, *, contrast=0.15, shake=0.0, **fields) -> Drawn:
    """Columns that add a Gaussian of ``contrast`` an atom to the vacuum, and shake along y."""
    line = STEP * np.arange(-HALF, HALF + 1)
    y, x = line[:, None], line[None, :]
    depths = np.arange(DEEPEST + 1)[:, None, None]
    mean = vacuum * (1 + contrast * depths * bell(y, x))
    slope = vacuum * contrast * depths * bell(y, x) * y / WIDTH**2 * shake
    return Drawn(mean=mean, modes=slope[:, None], **fields)


@pytest.fixture
def crystal():
    """Return an expected image, relative to vacuum, of columns of 0 to 5 atoms; places [Å] and depths."""
    rng = np.random.default_rng(7)
    nodes = np.stack(np.meshgrid(np.arange(12), np.arange(12), indexing="ij"), -1).reshape(-1, 2)
    places = 3.6 * nodes + 3.0 + rng.uniform(-0.12, 0.12, (144, 2))
    depths = rng.integers(0, DEEPEST + 1, 144)
    y, x = np.mgrid[:184, :184] * PIXEL
    image = np.ones((184, 184))
    for (py, px), depth in zip(places, depths, strict=True):
        image += 0.15 * depth * bell(y - py, x - px)
    return image, places, depths


def shot(image, electrons, seed=0, **fields) -> Micrograph:
    counts = np.random.default_rng(seed).poisson(image * electrons).astype(np.float32)
    return Micrograph(image=counts, name="drawn", pixel_size=PIXEL, modality="HRTEM", **fields)


def table_of(places, frame=0) -> Places:
    data = pd.DataFrame({"frame": frame, "y_angstrom": places[:, 0], "x_angstrom": places[:, 1]})
    return Places(table=data)


def source(templates):
    return lambda positions, *, pixel_size, dose: templates


def test_every_depth_is_read_where_electrons_are_many(crystal):
    image, places, depths = crystal
    result = read_likelihood(shot(image, 2000), places=table_of(places), library=source(templates_of(2000.0)))
    columns, chances = result.tables
    assert len(columns) == np.sum(depths > 0)
    np.testing.assert_array_equal(columns.data.depth.to_numpy(int), depths[depths > 0])
    np.testing.assert_allclose(columns.data[["y_angstrom", "x_angstrom"]], places[depths > 0], atol=1e-9)
    assert len(chances) == len(places)
    assert probabilities_of(chances)[depths == 0, 0].min() > 0.9
    assert chances.data.column_id.isna().sum() == np.sum(depths == 0)


@pytest.mark.parametrize("electrons", [3.0, 12.0, 60.0])
def test_probabilities_are_what_they_say(crystal, electrons):
    """The posterior is calibrated: truth was drawn from its flat prior, and the model is exact."""
    image, places, depths = crystal
    sure, right = [], []
    for seed in range(6):
        micrograph = shot(image, electrons, seed)
        posterior = depth_posterior(
            micrograph.image, places / PIXEL, templates_of(electrons), PIXEL, Nuisance()
        )
        sure.append(posterior.max(axis=1))
        right.append(posterior.argmax(axis=1) == depths)
    assert np.mean(right) == pytest.approx(np.mean(sure), abs=0.04)
    assert np.mean(right) > 1.5 / (DEEPEST + 1)


def test_it_comes_near_what_is_possible(crystal):
    """Of two depths the likelihood ratio of known images is the best test: a Gaussian's error."""
    image, places, depths = crystal
    electrons = 30.0
    two = depths[:, None] == np.array([2, 3])
    errors = []
    for seed in range(8):
        micrograph = shot(image, electrons, seed)
        posterior = depth_posterior(
            micrograph.image, places / PIXEL, templates_of(electrons), PIXEL, Nuisance()
        )
        chosen = two.any(axis=1)
        errors.append((posterior[chosen, 2] < posterior[chosen, 3]) != (depths[chosen] == 3))
    # Deflection: the sum of (difference of means)² / mean over the pixels.
    y, x = np.mgrid[-8:9, -8:9] * PIXEL
    inside = np.hypot(y, x) <= RADIUS
    away = electrons * (0.15 * bell(y, x)[inside]) ** 2 / (1 + 0.15 * 2.5 * bell(y, x)[inside])
    assert np.mean(errors) == pytest.approx(norm.cdf(-0.5 * np.sqrt(away.sum())), abs=0.04)


def test_a_variation_that_is_known_does_no_harm(crystal):
    image, places, depths = crystal
    y, x = np.mgrid[:184, :184] * PIXEL
    rng, moved = np.random.default_rng(3), np.ones_like(image)
    for (py, px), depth in zip(places, depths, strict=True):
        moved += 0.15 * depth * bell(y - py, x - px, shift=0.25 * rng.standard_normal())
    micrograph = shot(moved, 4000)
    plain, shaken = (
        depth_posterior(micrograph.image, places / PIXEL, templates_of(4000.0, shake=s), PIXEL, Nuisance())
        for s in (0.0, 0.25)
    )
    truth = np.arange(len(depths)), depths
    assert np.log(np.maximum(shaken[truth], 1e-12)).mean() > np.log(np.maximum(plain[truth], 1e-12)).mean()
    assert np.mean(shaken.argmax(axis=1) == depths) > 0.85


def test_an_unknown_dose_or_background_is_fitted(crystal):
    image, places, depths = crystal
    dim = shot(0.9 * image, 3000)
    lit = shot(image + 0.1, 3000)
    templates = templates_of(3000.0)
    for micrograph, nuisance in ((dim, Nuisance(scale=0.2)), (lit, Nuisance(background=np.inf))):
        blind, open_eyed = (
            depth_posterior(micrograph.image, places / PIXEL, templates, PIXEL, choice).argmax(axis=1)
            for choice in (Nuisance(), nuisance)
        )
        assert np.mean(blind == depths) < 0.6
        assert np.mean(open_eyed == depths) > 0.95


def test_counts_of_a_camera_with_gain_and_dark_noise_are_turned_into_quanta(crystal):
    """8 counts an electron and a readout noise of 12 counts: variance and mean of quanta are alike again."""
    image, places, depths = crystal
    rng = np.random.default_rng(5)
    counts = 8.0 * rng.poisson(500 * image) + 100 + 12 * rng.standard_normal(image.shape)
    floor = (12 / 8) ** 2
    templates = templates_of(500.0)
    templates = replace(templates, mean=templates.mean + floor, gain=1 / 8, offset=floor - 100 / 8)
    micrograph = Micrograph(image=counts.astype(np.float32), name="camera", pixel_size=PIXEL)
    posterior = depth_posterior(micrograph.image, places / PIXEL, templates, PIXEL, Nuisance())
    assert np.mean(posterior.argmax(axis=1) == depths) > 0.95


def test_places_at_the_rim_are_read_from_the_pixels_that_there_are(crystal):
    image, places, _ = crystal
    cut = shot(image, 3000).image[12:-12, 12:-12]
    inner = places - 12 * PIXEL
    micrograph = Micrograph(image=cut, name="cut", pixel_size=PIXEL)
    result = read_likelihood(micrograph, places=table_of(inner), library=source(templates_of(3000.0)))
    inside = ((inner >= 0) & (inner <= (184 - 25) * PIXEL)).all(axis=1)
    assert len(result.tables[1]) == inside.sum()
    assert probabilities_of(result.tables[1]).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_only_the_places_of_the_frame_are_read(crystal):
    image, places, _ = crystal
    micrograph = shot(image, 100, frame=3)
    result = read_likelihood(micrograph, places=table_of(places, 2), library=source(templates_of(100.0)))
    assert [len(table) for table in result.tables] == [0, 0]


def test_the_depths_of_a_truth_table_are_not_looked_at(tmp_path, crystal):
    _, places, depths = crystal
    path = tmp_path / "truth.csv"
    table_of(places).table.assign(depth=depths, column_id=1).to_csv(path, index=False)
    told = read_places(str(path))
    assert list(told.table) == ["frame", "y_angstrom", "x_angstrom"]
    np.testing.assert_allclose(told.of(0), places)


@pytest.mark.parametrize(("path", "message"), [(None, "give truth=FILE.csv"), ("none.csv", "cannot be read")])
def test_places_that_are_not_told_are_asked_for(path, message):
    with pytest.raises(InputError, match=message):
        read_places(path)


def test_a_table_without_places_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("frame,depth\n0,1\n")
    with pytest.raises(InputError, match="lacks y_angstrom, x_angstrom"):
        read_places(str(tmp_path / "t.csv"))


def test_what_cannot_be_is_refused(crystal):
    image, places, _ = crystal
    with pytest.raises(InputError, match="must not be negative"):
        Nuisance(scale=-1.0)
    micrograph = replace(shot(image, 10), pixel_size=None)
    with pytest.raises(InputError, match="no pixel size"):
        read_likelihood(micrograph, places=table_of(places), library=source(templates_of(10.0)))
    with pytest.raises(InputError, match="between 0 and 1"):
        read_likelihood(
            shot(image, 10),
            places=table_of(places),
            library=source(templates_of(10.0)),
            min_probability=2.0,
        )
