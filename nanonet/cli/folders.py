"""Where a run goes: the folder that the user named, or a new one under outputs/."""

from __future__ import annotations

import sys
from datetime import datetime
from itertools import count
from pathlib import Path


def output_folder(named: str | None, kind: str) -> Path:
    """Return ``named`` as a path, or a folder under outputs/``kind`` that does not exist yet."""
    if named is not None:
        return Path(named).expanduser()
    stem = Path("outputs") / kind / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    tries = (stem if n == 0 else stem.with_name(f"{stem.name}_{n}") for n in count())
    return next(path for path in tries if not path.exists())


def announce(output: Path) -> None:
    """Say where the run goes, so that one who stops it knows what to name to go on."""
    print(f"output={output}", file=sys.stderr)
