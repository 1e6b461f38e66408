"""The console script: quick help, one line for every failure, exit code 2."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from nanonet.cli.main import guarded, main, parse
from nanonet.records import InputError


@pytest.mark.parametrize("command", ["", "train", "infer", "simulate", "doctor"])
def test_help_lists_the_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*([command] if command else []), "--help"]) == 0
    assert "nanonet" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["train.py", "infer.py"])
def test_help_loads_no_heavy_package(script: str, root: Path) -> None:
    """``--help`` answers in under a second because it imports none of these; a timed test would be noisy."""
    code = (
        "import sys, runpy; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'hydra', 'scipy', 'abtem'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, script], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["infr", "x=1"]) == 2
    assert "did you mean infer?" in capsys.readouterr().err


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(InputError, match="'--fast' is no option"):
        parse(["infer", "--fast"])


def test_flags_and_overrides_are_told_apart() -> None:
    call = parse(["train", "-m", "--config-dir", "mine", "model.width=16,32", "--debug"])
    assert call.sweep
    assert call.debug
    assert call.own == Path("mine")
    assert call.words == ("model.width=16,32",)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("pixel_size must be positive,\n got 0 Å"), "pixel_size must be positive, got 0 Å"),
        (KeyboardInterrupt(), "stopped"),
        (OSError(errno.ENOSPC, "No space left on device", "x.csv"), "No space left on device: x.csv"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("odd\nthing"), "RuntimeError: odd thing (unexpected; --debug shows where)"),
    ],
)
def test_every_failure_is_one_line_and_exit_code_2(
    error: BaseException, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert guarded(fail) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert guarded(fail, debug=True) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_input_error_inside_another_error_is_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        try:
            raise InputError("the file is truncated")
        except InputError as error:
            raise RuntimeError("Error in call to target") from error

    assert guarded(fail) == 2
    assert "nanonet: the file is truncated" in capsys.readouterr().err


def test_a_sweep_is_checked_with_its_first_values() -> None:
    from nanonet.cli.train import first_choice

    assert first_choice("model.width=16,32") == "model.width=16"
    assert first_choice("data.sizes=[1,2]") == "data.sizes=[1,2]"
