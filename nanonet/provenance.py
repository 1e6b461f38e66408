"""Where a result comes from: versions, commit, seed, config and hashes of the inputs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from nanonet.records import Provenance

PACKAGES = (
    "nanonet",
    "torch",
    "pytorch-lightning",
    "abtem",
    "ase",
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "laptrack",
    "hydra-core",
    "rosettasciio",
    "tifffile",
    "zarr",
)
WHOLE_FILE_LIMIT = 256 * 2**20
"""Bytes up to which a file is hashed whole; of a longer one its length, head and tail are."""
_SAMPLE = 8 * 2**20


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Return what kind of machine this is."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def commit() -> str | None:
    """Return the commit of the clone that this package runs from, with "+changes" where it was edited."""
    folder = Path(__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def hash_file(path: str | Path) -> str:
    """Return the SHA-256 of a file; above `WHOLE_FILE_LIMIT` of its length, head and tail, marked so."""
    path = Path(path)
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE_FILE_LIMIT:
            for block in iter(lambda: file.read(2**20), b""):
                digest.update(block)
            return f"sha256:{digest.hexdigest()}"
        digest.update(str(size).encode())
        digest.update(file.read(_SAMPLE))
        file.seek(-_SAMPLE, os.SEEK_END)
        digest.update(file.read(_SAMPLE))
    return f"sha256-of-length-head-tail:{digest.hexdigest()}"


def fingerprint(config: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Return a hash that two runs share just when config, inputs and versions are the same."""
    text = json.dumps([config, dict(inputs), versions()], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def collect(
    *,
    config: Mapping[str, Any],
    inputs: Iterable[str | Path] = (),
    seed: int | None = None,
    command: str = "",
) -> Provenance:
    """Return the provenance of a run that starts now; ``inputs`` are files that it reads."""
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        versions=versions(),
        commit=commit(),
        seed=seed,
        machine=machine(),
        config=config,
        inputs=_hashes([Path(path) for path in inputs]),
    )


def _hashes(paths: Sequence[Path]) -> dict[str, str]:
    """Return the hash of each file under its name, or under its path where several have that name."""
    common = Counter(path.name for path in set(paths))
    return {path.name if common[path.name] == 1 else path.as_posix(): hash_file(path) for path in paths}


def to_json(provenance: Provenance) -> str:
    """Return the provenance as the text of provenance.json."""
    return json.dumps(asdict(provenance), indent=2, ensure_ascii=False, default=str) + "\n"
