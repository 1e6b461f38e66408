"""Every shipped config of nanonet simulate composes, builds, and survives the way through a manifest."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nanonet.cli.main import main
from nanonet.configuration import build, compose, options
from nanonet.io.writers.dm import write_dm
from nanonet.records import InputError
from simulate.shards.recipe import as_node
from simulate.specimen import COLUMN

ROOT = Path(__file__).parents[2]
VARIANTS = [(group, name) for group, names in options("simulate").items() for name in names]
PARTS = ("structures", "environment", "imaging", "microscope", "camera", "cluster", "movie")


def gold_cif(folder: Path) -> list[str]:
    from ase.build import bulk

    bulk("Au", cubic=True).write(folder / "own.cif")
    return [f"structures.materials=[{folder / 'own.cif'}]"]


def gold_xyz(folder: Path) -> list[str]:
    from ase.cluster import Octahedron

    Octahedron("Au", 3).write(folder / "own.xyz")
    return [f"structures.path={folder / 'own.xyz'}"]


def gatan_file(folder: Path) -> list[str]:
    write_dm(
        folder / "own.dm4",
        iter(np.ones((1, 8, 8), np.uint16)),
        (1, 8, 8),
        np.uint16,
        pixel_size=0.3,
        energy=3e5,
    )
    return [f"file={folder / 'own.dm4'}"]


NEEDS: dict[tuple[str, str], Callable[[Path], list[str]]] = {
    ("structures", "from_cif"): gold_cif,
    ("structures", "from_atoms"): gold_xyz,
    ("microscope", "from_file"): gatan_file,
}


def composed(folder: Path, *words: str):
    return compose("simulate", [*words, f"output={folder / 'out'}"])


@pytest.mark.parametrize(("group", "name"), VARIANTS)
def test_every_variant_composes_and_builds_and_its_manifest_makes_it_again(group, name, tmp_path):
    needs = NEEDS.get((group, name), lambda folder: [])(tmp_path)
    config = composed(tmp_path, f"{group}={name}", *needs)
    for part in PARTS if group == "experiment" else {group} & set(PARTS):
        built = build(config[part])
        if part not in ("cluster", "camera"):
            node = as_node(built)
            assert as_node(build(json.loads(json.dumps(node)))) == node
    assert config.simulate.output == str(tmp_path / "out")


@pytest.mark.parametrize("name", options("simulate")["structures"])
def test_structures_of_a_manifest_are_drawn_again_to_the_last_bit(name, tmp_path):
    needs = NEEDS.get(("structures", name), lambda folder: [])(tmp_path)
    first = build(composed(tmp_path, f"structures={name}", *needs).structures)
    again = build(json.loads(json.dumps(as_node(first))))
    drawn, redrawn = (recipe.draw(np.random.default_rng([3, 1])) for recipe in (first, again))
    assert as_node(drawn.about) == as_node(redrawn.about)
    assert set(drawn.atoms.arrays) == set(redrawn.atoms.arrays)
    for array in drawn.atoms.arrays:
        assert drawn.atoms.arrays[array].tobytes() == redrawn.atoms.arrays[array].tobytes()


@pytest.mark.parametrize(("group", "name"), VARIANTS)
def test_every_file_says_first_what_it_is(group, name):
    lines = (ROOT / "configs/simulate" / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ")
    assert len(first) > 20


def test_structures_and_imaging_are_enough(tmp_path):
    config = composed(
        tmp_path, "structures=fcc_110", "imaging=hrtem", "n_structures=7", "workers=3", "seed=4"
    )
    node = config.simulate
    assert node._target_ == "simulate.shards.generate.generate"
    assert (node.n_structures, node.seed, node.cluster.workers) == (7, 4, 3)
    assert list(build(node.structures).materials) == ["Au", "Pt"]
    assert node.environment is None


def test_a_movie_is_made_by_the_same_parts(tmp_path):
    config = composed(tmp_path, "experiment=demo_movie")
    assert config.simulate._target_ == "simulate.movies.movie.generate_movie"
    assert "n_structures" not in config.simulate


def test_the_address_of_a_scheduler_needs_no_quotes(tmp_path):
    config = composed(tmp_path, "cluster=dask", "cluster.scheduler=tcp://node1:8786")
    assert build(config.simulate.cluster).scheduler == "tcp://node1:8786"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("structures=fcc_111", "did you mean fcc_110"),
        ("experiment=dmo", "did you mean demo"),
        ("structure=fcc_110", "did you mean structures"),
        ("imaging.paddin=2", "did you mean padding"),
        ("microscop.dose=2", "did you mean microscope"),
        ("cluster.job=2", "workers"),
        ("n_structure=2", "did you mean n_structures"),
    ],
)
def test_a_typo_is_refused_with_what_is_known(word, message, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        composed(tmp_path, word)
    assert "\n" not in str(caught.value)


def test_a_structure_and_a_microscope_of_ones_own_are_yaml_files(tmp_path):
    structure, microscope = tmp_path / "mine.yaml", tmp_path / "titan 2.yaml"
    structure.write_text("defaults: [ceo2_110]\ndiameter: [30, 31]\n")
    microscope.write_text("_target_: simulate.tem.microscope.Microscope\nCs: 5000\n")
    config = composed(tmp_path, f"structures={structure}", f"microscope={microscope}")
    assert list(build(config.simulate.structures).diameter) == [30, 31]
    assert build(config.simulate.structures).defects
    assert build(config.simulate.microscope).Cs == 5000


@pytest.mark.slow
def test_the_command_makes_shards_and_prints_the_folder_last(tmp_path, capfd):
    words = ["n_structures=2", "workers=1", f"output={tmp_path / 'shards'}", "structures.diameter=[12,13]"]
    assert main(["simulate", *words, "structures.depth=[2,3]"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[-1] == str(tmp_path / "shards")
    assert "2 structures" in err
    assert main(["simulate", *words, "structures.depth=[2,4]"]) == 2
    assert "structures.depth [2, 3] there, [2, 4] now" in capfd.readouterr().err


@pytest.mark.parametrize("structures", ["ceo2_110_various", "fcc_110_various", "fcc_zone_axes"])
def test_every_atom_of_a_training_particle_is_in_a_column(structures: str) -> None:
    """A grain off the zone axis shows atoms without labels, and would teach a network to overlook them."""
    recipe = build(compose("simulate", [f"structures={structures}", "output=unused"]).structures)
    for seed in range(12):
        assert (recipe.draw(np.random.default_rng([5, seed])).atoms.arrays[COLUMN] >= 0).all()
