"""The whole way from the movie of a tumbling particle to its atoms, and what is refused in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation
from turning_particles import PIXEL, particle, projection

from nanonet.io.writers.volumes import write_mrc
from nanonet.records import Volume

Infer = Callable[..., tuple[int, str, str]]
FRAMES = 320
QUICK = (
    "pipeline.solve.rounds.symmetric=2",
    "pipeline.solve.rounds.breaking=8",
    "pipeline.solve.rounds.whole=1",
)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of a gold particle that turns and wanders."""
    rng = np.random.default_rng(1)
    side, positions = 80, particle()
    rotations = Rotation.random(FRAMES, rng=rng).as_matrix()
    way = np.cumsum(rng.normal(scale=0.4, size=(FRAMES, 2)), axis=0).clip(-4, 4)
    frames = [projection(positions @ r.T, s, side) for r, s in zip(rotations, way, strict=True)]
    noise = rng.normal(scale=np.sqrt(250.0), size=(FRAMES, side, side))
    path = tmp_path_factory.mktemp("movies") / "gold in water.npy"
    np.save(path, (np.stack(frames) + 300.0 + noise).astype(np.float32))
    return path


@pytest.mark.slow
def test_a_movie_becomes_a_map_and_atoms(movie: Path, tmp_path: Path, infer: Infer) -> None:
    output = tmp_path / "run"
    code, _, err = infer(
        "pipeline=tumbling",
        f"input={movie}",
        f"read.pixel_size={PIXEL}",
        "element=Au",
        "parts=2",
        "noise_draws=1",
        f"output={output}",
        *QUICK,
    )
    assert code == 0, err
    poses = pd.read_csv(output / "poses.csv")
    assert len(poses) == FRAMES
    assert np.linalg.norm(poses[[f"quaternion_{name}" for name in "wxyz"]], axis=1) == pytest.approx(1.0)
    assert set(poses["half"]) == {1, 2}
    assert poses["believed"].mean() > 0.6
    assert len(pd.read_csv(output / "atoms.csv")) == pytest.approx(len(particle()), rel=0.1)
    shells = pd.read_csv(output / "fsc.csv")
    assert shells["fsc"].iloc[1] > 0.9
    numbers = pd.read_csv(output / "summary.csv").set_index("name")["value"]
    assert numbers["lattice constant of the powder pattern"] == pytest.approx(4.08, abs=0.05)
    assert {path.name for path in (output / "volumes").iterdir()} == {
        f"{name}{half}.mrc" for name in ("map", "part_1", "part_2") for half in ("", "_half1", "_half2")
    }
    compared = pd.read_csv(output / "compared_models.csv")
    assert "part_1" in set(compared["model"].astype(str))
    known = pd.read_csv(output / "data_dictionary.csv")
    for table in ("poses", "fsc"):
        columns = set(pd.read_csv(output / f"{table}.csv").columns)
        assert columns == set(known.loc[known["file"] == f"{table}.csv", "column"])
    page = (output / "report.html").read_text(encoding="utf-8")
    assert "mirror image" in page
    assert len(page) < 8e6


def test_what_is_no_tumbling_particle_is_refused_in_one_line(
    movie: Path, tmp_path: Path, infer: Infer
) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "noise.npy", rng.normal(size=(220, 48, 48)).astype(np.float32))
    np.save(tmp_path / "short.npy", np.load(movie)[:40])
    write_mrc(tmp_path / "map.mrc", Volume(density=np.load(movie)[:40].astype(np.float32), voxel_size=PIXEL))
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        np.save(folder / f"{number}.npy", np.load(movie)[number])
    scale, gold = f"read.pixel_size={PIXEL}", "element=Au"
    cases = (
        ((f"input={movie}", gold), "pixel size"),
        ((f"input={movie}", scale), "element"),
        ((f"input={movie}", scale, "element=Xx"), "Xx"),
        (
            (f"input={movie}", scale, "element=CeO2", "structure=fluorite", "lattice_constant=5.41"),
            "one element",
        ),
        ((f"input={movie}", scale, "element=Mg"), "symmetry"),
        ((f"input={movie}", scale, gold, "parts=0"), "parts"),
        ((f"input={movie}", "read.pixel_size=0.8", gold), "pixel size"),
        ((f"input={folder}", scale, gold), "movie"),
        ((f"input={tmp_path / 'noise.npy'}", scale, gold), "no particle"),
        ((f"input={tmp_path / 'short.npy'}", scale, gold), "200"),
    )
    for number, (words, said) in enumerate(cases):
        code, _, err = infer("pipeline=tumbling", *words, f"output={tmp_path / str(number)}")
        last = err.strip().splitlines()[-1]
        assert code == 2, (words, err)
        assert said in last, (words, last)
        assert "Traceback" not in err
        assert "unexpected" not in last
