"""What all tests share: checked types and shapes, the real data, and one thread a process."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from jaxtyping import config, install_import_hook

sys.path.insert(0, str(Path(__file__).parent))
install_import_hook(["nanonet", "simulate"], "typechecker.check")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not here")
    return folder


@pytest.fixture
def unlike_shapes() -> Iterator[None]:
    """Let arrays through that break their documented shapes, to see the code itself refuse them."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
