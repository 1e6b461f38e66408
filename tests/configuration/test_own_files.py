"""A user's own YAML is chosen by its path, of any group of any command."""

from pathlib import Path

import pytest

from nanonet.configuration import compose
from nanonet.records import InputError

BASE = ("pipeline=particles", "input=x.tif")


@pytest.mark.parametrize("name", ["mine.yaml", "my own (2).yml", "a=b,c.yaml"])
def test_a_file_is_a_variant_of_its_group(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("_target_: nanonet.segment.classical.segment\n_partial_: true\nsigma: 3.5\n")
    config = compose("infer", [*BASE, f"segment={file}"])
    assert config.segment.sigma == 3.5
    assert compose("infer", [*BASE, f"segment='{file}'", "segment.sigma=2"]).segment.sigma == 2


def test_a_file_may_build_on_a_shipped_variant(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [classical]\nsigma: 3.5\n")
    config = compose("infer", [*BASE, f"segment={file}"])
    assert config.segment._target_ == "nanonet.segment.classical.segment"
    assert config.segment.sigma == 3.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_target_: nanonet.segment.classical.segment\nsigm: 1\n", "did you mean sigma"),
        ("_target_: os.system\n", "trusted"),
        ("a: [1\n", "no YAML"),
        ("just text\n", "no keys"),
        ("defaults: [clasical]\n", "there is no segment=clasical; did you mean classical"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        compose("infer", [*BASE, f"segment={file}"])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"segment=.*none\.yaml.*No such file"):
        compose("infer", [*BASE, f"segment={tmp_path / 'none.yaml'}"])


def test_other_keys_may_end_like_a_file(tmp_path: Path) -> None:
    assert compose("infer", ["pipeline=particles", "input=x.yaml"]).input == "x.yaml"
