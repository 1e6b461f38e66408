"""The console script ``nanonet``: choose the command, keep every failure to one line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nanonet import __version__
from nanonet.cli.usage import COMMANDS, usage

BAD_INPUT = 2
"""Exit code of everything that the user can mend."""
WORDS = {("simulate", "preview"): "make=preview"}
"""Words that a command takes besides ``key=value``, and what they stand for."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A parsed command line; ``words`` are Hydra overrides, ``own`` the user's ``--config-dir``."""

    command: str
    words: tuple[str, ...]
    own: Path | None = None
    sweep: bool = False
    debug: bool = False
    show: bool = False
    physics: bool = False


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 2 with one line on stderr that says what to do."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        print(f"nanonet {__version__}")
        return 0
    if not words or words[0] not in COMMANDS or {"-h", "--help"} & set(words):
        return _help(words)
    debug = "--debug" in words
    return guarded(lambda: _run(parse(words)), debug=debug)


def parse(words: Sequence[str]) -> Call:
    """Split a command line into flags and overrides.

    Raises
    ------
    InputError
        For a flag that is not known or lacks its value.
    """
    from nanonet.records import InputError

    rest = list(words[1:])
    switches = {
        "-m": "sweep",
        "--multirun": "sweep",
        "--debug": "debug",
        "--cfg": "show",
        "--physics": "physics",
    }
    found: dict[str, object] = {}
    overrides = []
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word in switches:
            found[switches[word]] = True
        elif name in ("--config-dir", "--trust"):
            value = value if equals else (rest.pop(0) if rest else "")
            if not value:
                raise InputError(f"{name} needs a value")
            found[name] = value
        elif word.startswith("-"):
            raise InputError(
                f"'{word}' is no option; known: --config-dir, --trust, --debug, --cfg, -m, --help"
            )
        else:
            overrides.append(WORDS.get((words[0], word), word))
    if "--trust" in found:
        # An environment variable, so that worker processes and sweeps inherit it.
        os.environ["NANONET_TRUST"] = str(found.pop("--trust"))
    own = found.pop("--config-dir", None)
    flags = {name: bool(value) for name, value in found.items()}
    return Call(command=words[0], words=tuple(overrides), own=Path(str(own)) if own else None, **flags)


def _run(call: Call) -> None:
    module = importlib.import_module(f"nanonet.cli.{call.command}")
    if call.show:
        from omegaconf import OmegaConf

        from nanonet.configuration import compose

        print(OmegaConf.to_yaml(compose(call.command, call.words, call.own)), end="")
        return
    module.run(call)


def guarded(action: Callable[[], None], *, debug: bool = False) -> int:
    """Run an action; turn whatever it raises into one line on stderr and the exit code 2."""
    try:
        action()
    except KeyboardInterrupt:
        return _fail("stopped; what was finished is kept: the same command goes on from there", debug)
    except BrokenPipeError:
        sys.stderr.close()
        return BAD_INPUT
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    except Exception as error:
        return _fail(_message(error), debug)
    return 0


def _message(error: Exception) -> str:
    """Return what to tell the user: the first cause in the chain that says what is wrong with the input."""
    from nanonet.records import InputError

    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, InputError):
            return str(cause)
        if isinstance(cause, MemoryError):
            return "not enough memory: read fewer frames at a time (chunk=1) or crop the images"
        if isinstance(cause, OSError) and cause.strerror:
            return f"{cause.strerror}: {cause.filename or cause}"
    last = causes[-1]
    return f"{type(last).__name__}: {' '.join(str(last).split())} (unexpected; --debug shows where)"


def _fail(message: str, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    print(f"nanonet: {' '.join(message.split())}", file=sys.stderr)
    return BAD_INPUT


def _help(words: Sequence[str]) -> int:
    command = next((word for word in words if word in COMMANDS), None)
    wanted = not words or bool({"-h", "--help"} & set(words))
    if wanted:
        print(usage(command))
        return 0
    import difflib

    close = difflib.get_close_matches(words[0], list(COMMANDS), n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return _fail(f"there is no command '{words[0]}'{hint} known: {', '.join(COMMANDS)}", debug=False)
