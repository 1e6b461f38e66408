"""The user's overrides: typos name the nearest key, awkward file names need no quoting."""

from pathlib import Path

import pytest

from nanonet.configuration import compose, options
from nanonet.records import InputError

BASE = ("pipeline=particles", "input=x.tif")


@pytest.mark.parametrize(
    "name",
    [
        "plain.tif",
        "My movie (1).dm4",
        "a,b=c.tif",
        "it's.tif",
        "50% [x] {y}.tif",
        r"C:\data\new.tif",
        "ünïcode µ.tif",
        "run#1.tif",
        "a: b.tif",
        " space .tif",
        '"quoted.tif',
        "true",
        "12",
        "~home.tif",
    ],
)
def test_a_file_name_reaches_the_reader_as_it_is(name: str) -> None:
    config = compose("infer", ["pipeline=particles", f"input={name}"])
    assert config.input == name
    assert config.read.input == name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pipeline=particels", "input=x"], r"no pipeline=particels; did you mean particles\?"),
        ([*BASE, "segment=clasical"], r"no segment=clasical; did you mean classical\? known: classical"),
        ([*BASE, "inptu=y"], r"'inptu' is no key of this config; did you mean input\?"),
        ([*BASE, "segmnt.sigma=1"], r"'segmnt' is no part of this config; did you mean segment\?"),
        ([*BASE, "segment.sgima=1"], r"segment\.sgima is no keyword of .*known: "),
        ([*BASE, "read.pixel_sise=2"], r"did you mean pixel_size\?"),
        (["pipeline=particles"], r"input is missing: give input="),
        (["input=x.tif"], r"pipeline is missing: give pipeline=NAME; known: atoms, columns, particles"),
        ([*BASE, "segment"], r"'segment' is not of the form key=value"),
        ([*BASE, "chunk=[1"], r"."),
        ([*BASE, "read.pixel_size=abc"], r"read\.pixel_size must be"),
    ],
)
def test_a_slip_is_one_line_that_names_the_known(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        compose("infer", words)
    assert "\n" not in str(caught.value)


def test_a_keyword_that_no_yaml_lists_can_be_set() -> None:
    assert compose("infer", [*BASE, "read.pixel_size=0.2"]).read.pixel_size == 0.2
    assert compose("infer", [*BASE, "read.pixel_size=px"]).read.pixel_size == "px"


@pytest.mark.parametrize("inner", ["", "infer"])
def test_own_configs_are_found_and_listed(tmp_path: Path, inner: str) -> None:
    folder = tmp_path / inner / "segment"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("_target_: nanonet.segment.classical.segment\n_partial_: true\n")
    assert "mine" in options("infer", tmp_path)["segment"]
    config = compose("infer", [*BASE, "segment=mine"], tmp_path)
    assert config.segment._target_ == "nanonet.segment.classical.segment"
    with pytest.raises(InputError, match="did you mean mine"):
        compose("infer", [*BASE, "segment=mien"], tmp_path)


def test_a_config_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        compose("infer", BASE, tmp_path / "nowhere")
