"""The whole way from images of two kinds of particles to their maps, stopped and gone on with."""

from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest

from nanonet.io.writers.images import write_tif

PIXEL = 2.0
RADII = {"small and dense": (11.0, 9.0), "large and light": (17.0, 4.0)}
"""Pixels, and counts a pixel of thickness."""


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Eight images of balls that are squeezed a little, ten in each, and which of them lie where."""
    folder, rng = tmp_path_factory.mktemp("mixture") / "images", np.random.default_rng(0)
    folder.mkdir()
    y, x = np.mgrid[:260, :260]
    truth = []
    for number in range(8):
        mean = np.full(y.shape, 30.0)
        for place in range(9):
            kind = list(RADII)[(place + number) % 2]
            radius, density = RADII[kind]
            cy, cx = 44 + 86 * np.array(divmod(place, 3)) + rng.uniform(-5, 5, 2)
            squeezed = rng.uniform(0.96, 1.04)
            square = radius**2 - ((y - cy) / squeezed) ** 2 - ((x - cx) * squeezed) ** 2
            mean += 2 * density * np.sqrt(np.maximum(square, 0))
            truth.append((f"{number}.tif", cy * PIXEL / 10, cx * PIXEL / 10, kind))
        write_tif(folder / f"{number}.tif", [rng.poisson(mean).astype(np.uint16)], pixel_size=PIXEL)
    return folder, pd.DataFrame(truth, columns=["image", "y_nm", "x_nm", "kind"])


def words(folder: Path, output: Path) -> list[str]:
    few = ["reconstruct.settings.starts=1", "pipeline.pixels=32", "reconstruct.point_group=O"]
    return ["pipeline=population", "segment=classical", f"input={folder}", f"output={output}", *few]


@pytest.fixture(scope="module")
def stopped_run(mixture, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[int]]:
    """A run that was stopped after its first map and went on: its folder, what was stored, the exit codes."""
    from nanonet.cli.main import main
    from nanonet.pipeline import population

    output = tmp_path_factory.mktemp("population") / "run"
    saved: list[str] = []
    real = population.save_record

    def save(path, record):
        if saved == ["look_1_class_01.npz"]:
            saved.append("stopped")
            raise KeyboardInterrupt
        saved.append(path.name)
        real(path, record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population, "save_record", save)
        first = main(["infer", *words(mixture[0], output)])
        assert (output / ".unfinished" / "workspace" / "look_1_class_01.npz").exists()
        second = main(["infer", *words(mixture[0], output)])
    return output, saved, [first, second]


@pytest.mark.slow
def test_maps_that_were_made_before_a_stop_are_not_made_again(stopped_run) -> None:
    output, saved, codes = stopped_run
    assert codes == [2, 0]
    assert saved == ["look_1_class_01.npz", "stopped", "look_1_class_02.npz"]
    assert not (output / ".unfinished").exists()


@pytest.mark.slow
def test_two_kinds_become_two_maps(mixture, stopped_run) -> None:
    truth, output = mixture[1], stopped_run[0]
    names = {path.name for path in output.iterdir()}
    assert {
        "classes.csv",
        "maps.csv",
        "fsc.csv",
        "grouping.csv",
        "orientations.star",
        "particles.mrcs",
    } <= names
    classes = pd.read_csv(output / "classes.csv")
    rows = pd.read_csv(output / "particles.csv").merge(classes, on=["image", "frame", "particle_id"])
    away = np.hypot(
        *(rows[axis].to_numpy()[:, None] - truth[axis].to_numpy() for axis in ("y_nm", "x_nm"))
    ) + 1e3 * (rows["image"].to_numpy()[:, None] != truth["image"].to_numpy())
    kind = truth["kind"].to_numpy()[away.argmin(axis=1)]
    assert len(rows) == 72
    assert away.min(axis=1).max() < 0.5
    assert classes["kind_id"].nunique() == 2
    assert pd.crosstab(kind, rows["kind_id"]).gt(0).sum().sum() == 2
    assert rows["class_id_x"].equals(rows["class_id_y"])  # particles.csv says the same
    assert rows["probability"].min() > 0.9

    sizes = []
    for number in (1, 2):
        with mrcfile.open(output / "volumes" / f"class_{number:02d}.mrc") as mrc:
            density, voxel = mrc.data.copy(), float(mrc.voxel_size.x)
        assert (output / "volumes" / f"class_{number:02d}_half2.mrc").exists()
        sizes.append(voxel * (3 / (4 * np.pi) * (density > density.max() / 2).sum()) ** (1 / 3))
    radius = [RADII[kind[rows["kind_id"] == k][0]][0] * PIXEL for k in (1, 2)]
    assert sizes == pytest.approx(radius, rel=0.12)
    assert rows["correlation"].min() > 0.9
    shells = pd.read_csv(output / "fsc.csv")
    assert (shells.groupby("class_id")["fsc"].first() > 0.95).all()
    with mrcfile.open(output / "particles.mrcs") as mrc:
        assert mrc.data.shape[0] == 72
    star = (output / "orientations.star").read_text()
    assert star.count("@particles.mrcs") == 72
    # RELION refuses an optics table without these.
    assert all(
        f"_{label} " in star for label in ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
    )
    assert rows["size_over_map"].between(0.8, 1.25).all()
    assert rows["intensity_over_map"].between(0.6, 1.6).all()
    assert (output / "volumes" / "class_01_local_agreement.mrc").exists()
    page = (output / "report.html").read_text()
    assert "Map of class 2" in page


@pytest.mark.parametrize(
    "word", ["pipeline.pixels=0", "pipeline.pixels=17", "pipeline.largest=3", "pipeline.looks=-1"]
)
def test_numbers_that_cannot_be_are_refused_before_any_work(
    mixture, tmp_path: Path, infer, word: str
) -> None:
    code, _, err = infer(*words(mixture[0], tmp_path / "run"), word)
    assert code == 2
    assert word.split("=")[0] in err
    assert err.count("\n") <= 3


def test_images_without_a_pixel_size_are_refused_in_one_line(tmp_path: Path, infer) -> None:
    y, x = np.mgrid[:120, :120]
    write_tif(
        tmp_path / "a.tif", [(200.0 * (np.hypot(y - 60, x - 60) < 20)).astype(np.float32)], pixel_size=None
    )
    code, _, err = infer(*words(tmp_path / "a.tif", tmp_path / "run"), "read.pixel_size=px")
    assert code == 2
    assert "pixel size" in err
    assert err.count("\n") <= 3
