"""Configs come from strangers: only trusted targets are called, typos are refused."""

import sys
from types import ModuleType

import pytest

from nanonet.configuration import build, check, locate
from nanonet.records import InputError


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "nanonet.provenance.subprocess.run",
        "nanonet.provenance.os.system",
        "nanonet.provenance.Path",
        "nanonetx.thing",
        "torch.load",
        "torch.hub.load",
        "pickle.loads",
        "hydra.utils.get_method",
    ],
)
def test_a_target_outside_the_trusted_packages_is_refused(target: str) -> None:
    with pytest.raises(InputError, match=r"trusted package"):
        build({"_target_": target})


def test_a_private_target_is_refused() -> None:
    with pytest.raises(InputError, match="private"):
        locate("nanonet.provenance._git")


def test_a_target_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match=r"nanonet\.provenance\.nothing does not exist"):
        locate("nanonet.provenance.nothing")


def test_an_unknown_keyword_is_refused_with_the_known_ones() -> None:
    node = {"stage": {"_target_": "nanonet.provenance.hash_file", "pth": "x"}}
    with pytest.raises(InputError, match=r"stage\.pth is no keyword of .*did you mean path\? known: path"):
        check(node)


@pytest.mark.parametrize(
    ("value", "ok"), [("abc", False), (True, False), (2, True), (2.5, True), (None, True)]
)
def test_a_scalar_of_the_wrong_type_is_refused(value: object, ok: bool) -> None:
    node = {"_target_": "nanonet.records.Estimate", "name": "n", "value": 1.0, "low": value}
    if ok:
        assert build(node).low == value
    else:
        with pytest.raises(InputError, match="low must be a number or null"):
            check(node)


def test_build_calls_the_target_with_inner_nodes_built_first() -> None:
    column = {"_target_": "nanonet.records.Column", "name": "a", "unit": "", "meaning": ""}
    made = build({"_target_": "nanonet.records.Column", "name": column, "unit": "", "meaning": ""})
    assert made.name.name == "a"


def test_trust_admits_a_package_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = ModuleType("mine")

    def double(x: int) -> int:
        return 2 * x

    double.__module__ = "mine"
    mine.double = double
    monkeypatch.setitem(sys.modules, "mine", mine)
    with pytest.raises(InputError, match="--trust mine"):
        build({"_target_": "mine.double", "x": 3})
    monkeypatch.setenv("NANONET_TRUST", "mine")
    assert build({"_target_": "mine.double", "x": 3}) == 6
