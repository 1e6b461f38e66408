"""Check and build config nodes: trusted targets only, unknown keys refused with the list of known ones."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from nanonet.records import InputError

TRUSTED = ("nanonet", "simulate", "torch.nn", "torch.optim", "pytorch_lightning", "torchmetrics")
"""Packages whose functions and classes a config may name; ``--trust PACKAGE`` adds the user's own."""
TRUST_VARIABLE = "NANONET_TRUST"
_SPECIAL = {"_target_", "_partial_", "_recursive_", "_convert_", "_args_"}


def check(config: Any, where: str = "") -> None:
    """Check every node of a config that has a ``_target_``: that it is trusted, and that its keys are known.

    Raises
    ------
    InputError
        Naming the key, the target and the keywords that it has.
    """
    for path, node in _targets(config, where):
        _check_node(path, node)


def _targets(config: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield where, config
        for key, value in config.items():
            yield from _targets(value, f"{where}.{key}" if where else str(key))
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for index, value in enumerate(config):
            yield from _targets(value, f"{where}[{index}]")


def _check_node(where: str, node: Mapping[str, Any]) -> None:
    target = locate(str(node["_target_"]))
    try:
        parameters = inspect.signature(target).parameters
    except (ValueError, TypeError):
        return
    keys = [str(key) for key in node if key not in _SPECIAL]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for key in keys:
        if key not in known and not takes_any:
            raise InputError(f"{where}.{key} is no keyword of {node['_target_']}{suggest(key, known)}")
    hints = _hints(target)
    for key in keys:
        _check_value(f"{where}.{key}", node[key], hints.get(key))


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target  # type: ignore[misc]
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}


def _check_value(where: str, value: Any, hint: Any) -> None:
    """Compare a scalar with its type hint where that is made of plain scalars; anything else passes."""
    kinds = _scalar_kinds(hint)
    if kinds is None or isinstance(value, Mapping):
        return
    choices = [kind for kind in kinds if not isinstance(kind, type)]
    types_ = tuple(kind for kind in kinds if isinstance(kind, type))
    if float in types_ and isinstance(value, int) and not isinstance(value, bool):
        return
    if value in choices or any(type(value) is kind for kind in types_):
        return
    wanted = " or ".join([*(repr(choice) for choice in choices), *(_type_name(kind) for kind in types_)])
    raise InputError(f"{where} must be {wanted}, got {value!r}")


def _type_name(kind: type) -> str:
    return {
        "NoneType": "null",
        "str": "text",
        "bool": "true or false",
        "int": "a whole number",
        "float": "a number",
    }[kind.__name__]


def _scalar_kinds(hint: Any) -> list[Any] | None:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        parts = [_scalar_kinds(part) for part in typing.get_args(hint)]
        return (
            None if any(part is None for part in parts) else [kind for part in parts for kind in part or ()]
        )
    if origin is typing.Literal:
        return list(typing.get_args(hint))
    return [hint] if hint in (int, float, str, bool, type(None)) else None


def locate(target: str) -> Callable[..., Any]:
    """Return the public function or class that a ``_target_`` names.

    Raises
    ------
    InputError
        If it is not of a trusted package (also when reached through one: ``nanonet.x.os.system``), is
        private, or does not exist.
    """
    trusted = (*TRUSTED, *filter(None, os.environ.get(TRUST_VARIABLE, "").split(",")))
    if not _inside(target, trusted):
        raise InputError(
            f"_target_ {target} is not of a trusted package ({', '.join(trusted)}); "
            f"if it is yours, add --trust {target.split('.')[0]}"
        )
    if any(part.startswith("_") for part in target.split(".")):
        raise InputError(f"_target_ {target} is private: a config may name public functions and classes only")
    found = _import(target)
    home = getattr(found, "__module__", None) or ""
    if not callable(found) or not _inside(home, trusted):
        raise InputError(f"_target_ {target} is no function or class of a trusted package")
    return typing.cast(Callable[..., Any], found)


def _inside(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def _import(target: str) -> object:
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and not target.startswith(error.name):
            raise InputError(
                f"_target_ {target} needs the package {error.name}, which is not installed"
            ) from error
    except (AttributeError, ValueError):
        pass
    try:
        owner = _import(module) if module.count(".") else importlib.import_module(module)
        return getattr(owner, name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"_target_ {target} does not exist") from error


def build(node: Any) -> Any:
    """Build what a config node describes: call its ``_target_`` with its keys, inner nodes first.

    With ``_partial_: true`` the function is returned with its keywords bound. The node is checked first.
    """
    from hydra.utils import instantiate

    check(node)
    return instantiate(node, _convert_="all")


def listed(known: Collection[str]) -> str:
    """Return names as a list for a message."""
    return ", ".join(sorted(known)) or "none"


def suggest(name: str, known: Collection[str]) -> str:
    """Return the end of a message: the nearest known name, and all of them."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return (f"; did you mean {close[0]}?" if close else ";") + f" known: {listed(known)}"
