"""Files of the scenes, and a way to run a command as a user does."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scenes import discs

from nanonet.cli.main import main
from nanonet.io.writers.images import write_tif

PIXEL_SIZE = 2.0


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "movie.tif"
    write_tif(path, discs()[0], pixel_size=PIXEL_SIZE)
    return path


@pytest.fixture
def infer(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs ``nanonet infer`` and returns exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["infer", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
