"""What every writer does on a full disk: it says so in one line and leaves no half-written file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

WRITERS = """
import numpy as np, pandas as pd
from ase import Atoms
from nanonet.io.chunks import ChunkStore
from nanonet.io.writers.dm import write_dm
from nanonet.io.writers.atoms import write_extxyz, write_pdb
from nanonet.io.writers.emd import write_emd
from nanonet.io.writers.images import write_hspy, write_mrc_stack, write_npy, write_tif
from nanonet.io.writers.star import write_star
from nanonet.io.writers.tables import write_csv, write_data_dictionary, write_workbook
from nanonet.io.writers.volumes import write_mrc
from nanonet.records import Column, FrameResult, Orientations, ParticleTable, Volume

g = np.random.default_rng(0)
frames = g.integers(0, 60000, (40, 64, 64)).astype(np.uint16)
table = ParticleTable(
    data=pd.DataFrame({"a": g.random(40000)}), columns=(Column(name="a", unit="nm", meaning="m" * 400_000),)
)
atoms = Atoms("Au8000", positions=100 * g.random((8000, 3)))
poses = Orientations(
    rotations=np.tile(np.eye(3), (8000, 1, 1)), shifts=np.zeros((8000, 2)),
    particle_ids=np.arange(8000), class_ids=np.ones(8000, int),
)
volume = Volume(density=g.random((48, 48, 48)).astype(np.float32), voxel_size=0.3)
def chunk(folder):
    ChunkStore(folder, "print").write(0, [FrameResult(frame=0, maps={"m": frames})])
writers = {
    "csv": lambda p: write_csv(p, table),
    "dictionary.csv": lambda p: write_data_dictionary(p, [table]),
    "xlsx": lambda p: write_workbook(p, [table]),
    "tif": lambda p: write_tif(p, frames, pixel_size=0.2),
    "hspy": lambda p: write_hspy(p, frames, pixel_size=0.2),
    "emd": lambda p: write_emd(p, frames, pixel_size=0.2),
    "mrcs": lambda p: write_mrc_stack(p, frames, pixel_size=0.2),
    "npy": lambda p: write_npy(p, frames),
    "mrc": lambda p: write_mrc(p, volume),
    "extxyz": lambda p: write_extxyz(p, atoms),
    "pdb": lambda p: write_pdb(p, atoms),
    "star": lambda p: write_star(p, poses, 0.2, ["1@a.mrcs"] * 8000),
    "dm3": lambda p: write_dm(p, frames, frames.shape, "uint16", pixel_size=0.2),
    "dm4": lambda p: write_dm(p, frames, frames.shape, "uint16", pixel_size=0.2),
    "chunks": chunk,
}
"""
NAMES = [line.split('"')[1] for line in WRITERS.splitlines() if line.startswith('    "') and "lambda" in line]

REPORT = """
import sys
from pathlib import Path
from nanonet.records import InputError
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
def allow(size):
    if limit >= 0:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))
for kind, write in writers.items():
    path = folder / f"out.{kind}"
    if kind != "chunks":
        path.write_text("older")
    try:
        allow(limit)
        write(path)
        verdict = "written"
    except InputError as error:
        verdict = f"InputError {len(str(error).splitlines())} {error}"
    except BaseException as error:
        verdict = f"{type(error).__name__} {error}"
    finally:
        allow(-1)
    kept = kind == "chunks" or path.read_text(errors="replace") == "older"
    expected = (path, path / "store.json")
    others = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p not in expected)
    print(kind, "|", verdict, "|", kept, "|", others, flush=True)
    for p in others:
        (folder / p).unlink(missing_ok=True)
    if kind != "chunks":
        path.unlink()
"""


def run(folder: Path, limit: int = -1) -> dict[str, list[str]]:
    """Let every writer write in a process of its own, where no file may pass ``limit`` bytes."""
    done = subprocess.run(
        [sys.executable, "-c", WRITERS + REPORT, str(folder), str(limit)],
        capture_output=True, text=True, timeout=120, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    return {row[0]: row[1:] for row in rows}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 128 kB."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine lets nothing be mounted")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def check(found: dict[str, list[str]]) -> None:
    assert len(found) == len(NAMES) + 1
    for kind, (verdict, kept, others) in found.items():
        assert verdict.startswith("InputError 1 disk full:"), (kind, verdict)
        assert "choose another output=" in verdict, kind
        assert kept == "True", f"{kind}: the older file did not survive"
        assert others == "[]", f"{kind}: a half-written file stayed"


def test_a_full_disk_is_one_line_and_leaves_the_older_file(small_disk: Path) -> None:
    check(run(small_disk))


@pytest.mark.parametrize("limit", [0, 3_000, 100_000])
def test_a_limit_on_file_size_is_taken_for_a_full_disk(tmp_path: Path, limit: int) -> None:
    pytest.importorskip("resource")
    check(run(tmp_path, limit))


def test_all_of_them_write_where_there_is_room(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert {verdict for verdict, _, _ in found.values()} == {"written"}
