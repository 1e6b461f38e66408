"""Find the configs of a command and compose them with the user's overrides."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanonet.configuration.own_files import own_files
from nanonet.configuration.targets import check, listed, suggest
from nanonet.records import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

TEXT_KEYS = (
    "input",
    "output",
    "half1",
    "half2",
    "checkpoint",
    "truth",
    "shards",
    "file",
    "scribbles",
    "scribbled_on",
)
"""Keys whose value is a path: quoted for the user, so that spaces, commas and brackets do no harm."""


def config_folder(command: str) -> Path:
    """Return the folder of a command's shipped configs, in a clone or in an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "configs" / command, package.parent / "configs" / command):
        if folder.is_dir():
            return folder
    raise InputError(f"the configs of '{command}' are missing beside {package}: install nanonet again")


def options(command: str, own: Path | None = None) -> dict[str, list[str]]:
    """Return the variants of every config group of a command: {"segment": ["classical", ...], ...}."""
    found: dict[str, set[str]] = {}
    for folder in [config_folder(command), *own_folders(command, own)]:
        for file in folder.glob("*/**/*.yaml"):
            found.setdefault(file.parent.relative_to(folder).as_posix(), set()).add(file.stem)
    return {group: sorted(names) for group, names in sorted(found.items()) if "hydra" not in group}


def own_folders(command: str, own: Path | None) -> list[Path]:
    """Return where configs of a user's own ``--config-dir`` lie: the folder, and its part for the command."""
    if own is None:
        return []
    if not own.is_dir():
        raise InputError(f"--config-dir {own} is not a folder")
    return [folder for folder in (own / command, own) if folder.is_dir()]


def prepare(overrides: Sequence[str]) -> list[str]:
    """Return overrides as Hydra wants them.

    A key inside a node (``segment.sigma=1``) may be one that no YAML lists, since YAML holds only what
    differs from the code: it is added, and `check` refuses it if the target has no such keyword.
    """
    return [_prepare(override) for override in overrides]


def _prepare(override: str) -> str:
    key, equals, value = override.partition("=")
    if not equals:
        if override.startswith("~"):
            return override
        raise InputError(f"'{override}' is not of the form key=value; --help lists the keys")
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if key in TEXT_KEYS and value not in ("null", "???") and not quoted:
        escaped = re.sub(r"(\\*)'", r"\1\1\\'", re.sub(r"(\\+)$", r"\1\1", value))
        return f"{key}='{escaped}'"
    if "." in key and key[0] not in "+~" and not key.startswith("hydra."):
        return f"++{override}"
    return override


def compose(command: str, overrides: Sequence[str], own: Path | None = None) -> DictConfig:
    """Compose the root config of a command with the user's overrides, and check all of it.

    Parameters
    ----------
    overrides
        ``group=variant``, ``group=my/own.yaml`` (a file of the user's, which may build on a shipped variant
        by ``defaults`` of its own), ``key=value``.

    Raises
    ------
    InputError
        For a typo in a key, a group or a variant (with the list of known ones), a missing value, a target
        that is not trusted, an unknown or ill-typed keyword of a target.
    """
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from omegaconf import OmegaConf

    with (
        own_files(overrides, options(command, own)) as (named, folders),
        _one_line(command, own),
        initialize_config_dir(str(config_folder(command)), version_base="1.3"),
    ):
        search = [f"file://{folder.resolve()}" for folder in [*folders, *own_folders(command, own)]]
        extra = [f"hydra.searchpath=[{','.join(repr(path) for path in search)}]"] if search else []
        words = prepare(named)
        _require_known_roots(command, words, extra, hydra_compose)
        config: DictConfig = hydra_compose("config", [*words, *extra])
        _require_values(config)
        OmegaConf.resolve(config)
    check(config)
    return config


def _require_known_roots(command: str, words: Sequence[str], extra: Sequence[str], composer: Any) -> None:
    """Refuse ``segmnt.sigma=1``: an inner key is added on demand, its node is not."""
    inner = [word for word in words if word.startswith("++")]
    if not inner:
        return
    known = {str(key) for key in composer("config", [*[w for w in words if w not in inner], *extra])}
    for word in inner:
        root = re.split(r"[.=]", word.lstrip("+"))[0]
        if root not in known:
            raise InputError(f"'{root}' is no part of this config{suggest(root, known)}")


def _require_values(config: DictConfig) -> None:
    from omegaconf import OmegaConf

    missing = [str(key) for key in config if OmegaConf.is_missing(config, str(key))]
    # Inner keys only then: those that refer to a missing one raise.
    missing = missing or sorted(OmegaConf.missing_keys(config))
    if missing:
        raise InputError(f"{missing[0]} is missing: give {missing[0]}=… (--help says what it is)")


class _one_line:  # noqa: N801 - a context manager, used like a function
    """Turn what Hydra and OmegaConf raise into an `InputError` of one line."""

    def __init__(self, command: str, own: Path | None) -> None:
        self.command, self.own = command, own

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        if isinstance(error, (HydraException, OmegaConfBaseException)):
            raise InputError(self._explain(error)) from error

    def _explain(self, error: BaseException) -> str:
        text = str(error)
        chosen = re.search(r"Could not (?:find|load) '([^']+)'", text)
        if chosen:
            group, _, name = chosen.group(1).rpartition("/")
            known = options(self.command, self.own).get(group, [])
            if not group:
                return f"there is no config '{name}'"
            return f"there is no {group}={name}{suggest(name, known)}"
        missing = re.search(r"You must specify '([^']+)'", text)
        if missing:
            group = missing.group(1)
            known = options(self.command, self.own).get(group, [])
            return f"{group} is missing: give {group}=NAME; known: {listed(known)}"
        struct = re.search(r"Could not override '([^']+)'", text) or re.search(
            r"Key '([^']+)' is not in struct", text
        )
        if struct:
            key = struct.group(1).split("@")[0]
            known = [*options(self.command, self.own), *_root_keys(self.command)]
            return f"'{key}' is no key of this config{suggest(key, set(known))}"
        return " ".join(text.split("\n")[0].split())


def _root_keys(command: str) -> list[str]:
    from omegaconf import OmegaConf

    loaded = OmegaConf.load(config_folder(command) / "config.yaml")
    return [str(key) for key in loaded if key not in ("defaults", "hydra")]
