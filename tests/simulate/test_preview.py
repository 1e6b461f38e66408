from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nanonet.cli.main import main
from nanonet.records import InputError
from simulate.draw import ColumnSampler
from simulate.preview import make_preview
from simulate.preview.captions import conditions, contents, formula, title
from simulate.preview.preview import sheet_path
from simulate.preview.samples import PreviewSample, draw_samples
from simulate.preview.sheet import DEPTH, THICKNESS, draw_sheet
from simulate.specimen import COLUMN
from simulate.tem.microscope import Microscope


@pytest.fixture(scope="module")
def samples(ceria_shards: Path) -> list[PreviewSample]:
    return draw_samples(ceria_shards, 3, 96, 0)


def without_columns(sample: PreviewSample) -> PreviewSample:
    """The same, as if it lay on no zone axis."""
    from dataclasses import replace

    atoms = sample.truth.atoms.copy()
    atoms.arrays[COLUMN][:] = -1
    none = sample.truth.columns.take(np.zeros(len(sample.truth.columns), dtype=bool))
    about = {**sample.about, "zone_axis": None}
    return replace(sample, truth=replace(sample.truth, columns=none, atoms=atoms), about=about)


def test_samples_are_those_that_the_sampler_draws(ceria_shards, samples):
    sampler = ColumnSampler(ceria_shards, crop_pixels=96)
    assert [sample.structure for sample in samples] == [0, 1, 0]
    for index, sample in enumerate(samples):
        drawn = sampler.draw(sample.structure, np.random.default_rng([0, index, 8]))
        np.testing.assert_array_equal(sample.image, drawn.image)
        np.testing.assert_array_equal(sample.truth.columns.counted().positions, drawn.positions)
        assert sample.settings.items() >= drawn.settings.items()


def test_the_expected_signal_is_the_image_without_noise(samples):
    for sample in samples:
        off = sample.image - sample.expected
        assert abs(off.mean()) < 0.02 * sample.expected.mean()
        # Counted electrons: their variance is their mean.
        assert off.var() == pytest.approx(sample.expected.mean(), rel=0.1)


def test_few_samples_are_spread_over_many_structures(ceria_shards):
    assert [sample.structure for sample in draw_samples(ceria_shards, 1, 32, 0)] == [0]
    assert len({sample.structure for sample in draw_samples(ceria_shards, 2, 32, 0)}) == 2


def test_a_sheet_shows_image_signal_and_truth_in_their_places(samples):
    figure = draw_sheet(samples, "HRTEM, 300 kV")
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 9
    for index, sample in enumerate(samples):
        noisy, expected, truth = panels[3 * index : 3 * index + 3]
        np.testing.assert_array_equal(noisy.images[0].get_array(), sample.image)
        np.testing.assert_array_equal(expected.images[0].get_array(), sample.expected)
        # Of all panels: the centre of the first pixel at (0, 0), y down.
        half = sample.pixel_size / 2
        assert noisy.images[0].get_extent() == pytest.approx([-half, 95.5 * 0.25, 95.5 * 0.25, -half])
        assert truth.get_ylim()[0] > truth.get_ylim()[1]
        dots = next(c for c in truth.collections if len(c.get_offsets()) > 1)
        columns = sample.truth.columns.counted()
        np.testing.assert_allclose(dots.get_offsets(), columns.positions[:, ::-1])
        np.testing.assert_array_equal(dots.get_array(), columns.depths)
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == [DEPTH]


def test_off_the_zone_axes_a_sheet_shows_thickness(samples):
    off = without_columns(samples[0])
    figure = draw_sheet([samples[1], off], "HRTEM, 300 kV")
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == [DEPTH, THICKNESS]
    truth = [axes for axes in figure.axes if axes.images][5]
    np.testing.assert_allclose(
        truth.images[1].get_array()[off.truth.mask], off.truth.thickness[off.truth.mask] / 10
    )
    assert "off all zone axes" in title(off)


def test_captions_say_what_it_is_and_how_it_was_imaged(samples):
    sample = samples[0]
    depths = sample.truth.columns.counted().depths
    assert title(sample) == "CeO₂ [110]"
    assert f"{len(depths)} columns, {depths.min()}–{depths.max()} atoms deep" in contents(sample)
    said = conditions(sample)
    assert "3 000 e/Å²" in said
    assert f"defocus {sample.settings['defocus']:.0f} Å" in said
    assert "0.25 Å/px" in said


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("CeO2", "CeO₂"), ("Pt3Ni", "Pt₃Ni"), ("Au", "Au"), ("my 2nd crystal", "my 2nd crystal")],
)
def test_formulas_have_their_numbers_below_the_line(name, wanted):
    assert formula(name) == wanted


def test_negative_indices_carry_a_bar_and_mistilt_is_told(samples):
    from dataclasses import replace

    about = {**samples[0].about, "zone_axis": [1, -1, 0], "mistilt_degrees": [0.3, -0.4]}
    assert title(replace(samples[0], about=about)) == "CeO₂ [11̄0], 0.5° off"


@pytest.mark.parametrize(
    ("output", "wanted"),
    [
        ("a/sheet.png", "a/sheet.png"),
        ("a/B.PNG", "a/B.PNG"),
        ("folder", "folder/preview.png"),
        ("v1.2", "v1.2/preview.png"),
    ],
)
def test_the_sheet_goes_to_a_png_or_into_a_folder(output, wanted):
    assert sheet_path(Path(output)) == Path(wanted)
    with pytest.raises(InputError, match=r"output=sheet\.png"):
        sheet_path(Path("sheet.jpg"))


@pytest.mark.parametrize("bad", [{"samples": 0}, {"n_structures": 0}])
def test_no_samples_are_refused(tmp_path, small_recipe, quick_waves, bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        make_preview(
            structures=small_recipe,
            imaging=quick_waves,
            microscope=Microscope(),
            output=tmp_path / "p.png",
            **bad,
        )
    assert not list(tmp_path.iterdir())


def test_the_command_draws_from_shards_that_are_there(ceria_shards, tmp_path, capsys):
    before = sorted(path.name for path in ceria_shards.iterdir())
    files = [tmp_path / f"{name}.png" for name in "ab"]
    for file in files:
        words = [
            "simulate",
            "preview",
            f"shards={ceria_shards}",
            "samples=2",
            "crop_pixels=64",
            f"output={file}",
        ]
        assert main(words) == 0
        assert capsys.readouterr().out.splitlines()[-1] == str(file)
    assert files[0].read_bytes() == files[1].read_bytes()
    with Image.open(files[0]) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]
    assert sorted(path.name for path in ceria_shards.iterdir()) == before


def test_a_folder_without_shards_is_one_line_and_exit_code_2(tmp_path, capsys):
    words = ["simulate", "preview", f"shards={tmp_path}", f"output={tmp_path / 'p.png'}"]
    assert main(words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert "holds no shards" in lines[-1]
    assert not (tmp_path / "p.png").exists()


@pytest.mark.slow
def test_what_is_simulated_for_a_sheet_is_not_kept(tmp_path, small_recipe, quick_waves):
    file = make_preview(
        structures=small_recipe,
        imaging=quick_waves,
        microscope=Microscope(dose=3000.0),
        output=tmp_path,
        samples=3,
        n_structures=1,
        crop_pixels=64,
    )
    assert file == tmp_path / "preview.png"
    assert [path.name for path in tmp_path.iterdir()] == ["preview.png"]


@pytest.mark.parametrize("name", ["field_bf", "field_haadf", "particle_masks_bf", "particle_masks_haadf"])
def test_fields_are_previewed_by_their_experiments(tmp_path, name):
    from nanonet.configuration import compose

    plain, sheet = (
        compose("simulate", [*words, f"experiment={name}", f"output={tmp_path}"])
        for words in ([], ["make=preview"])
    )
    assert plain.simulate._target_ == "simulate.fields.generate_fields"
    assert sheet.simulate._target_ == "simulate.preview.preview_fields"
    assert sheet.simulate.recipe == plain.simulate.recipe
    assert sheet.simulate.imaging == plain.simulate.imaging


def test_a_sheet_of_fields_outlines_every_particle(tmp_path):
    from nanonet.records import MaskSample
    from simulate.preview.fields import draw_field_sheet

    instances = np.zeros((40, 60), int)
    instances[5:15, 5:15], instances[5:15, 15:25], instances[30:, :] = 1, 2, -1
    sample = MaskSample(
        image=np.zeros((40, 60), np.float32), instances=instances, structure=0, settings={"counts": 7.0}
    )
    seen, truth = (axes for axes in draw_field_sheet([sample]).axes if axes.images)
    assert "2 outlines" in truth.get_title()
    assert "7 counts" in seen.get_title()
    outline = np.asarray(truth.images[-1].get_array())[..., 3] > 0
    # Where the two touch, the border between them is drawn, and nothing inside them.
    assert outline[10, [14, 15]].all()
    assert not outline[[10, 35], [8, 30]].any()
