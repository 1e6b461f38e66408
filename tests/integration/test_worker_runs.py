"""A folder analysed in processes and on a dask cluster: the same bytes, whatever ends on the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import psutil
import pytest
from scenes import discs

from nanonet.io.writers.images import write_tif

pytestmark = pytest.mark.slow

COUNT = 24
BEGUN = 120.0
"""How long a run may take to begin [s]."""
COMMAND = [sys.executable, "-m", "nanonet"]


def words(images: Path, output: Path, *more: str) -> list[str]:
    base = ["infer", "pipeline=particles", "segment=classical", "chunk=2", "workers=2"]
    return [*base, f"input={images}", f"output={output}", *more]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("images") / "images"
    folder.mkdir()
    for number in range(COUNT):
        write_tif(folder / f"{number}.tif", discs(count=1, seed=number)[0], pixel_size=2.0)
    return folder


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What threads leave behind."""
    folder = tmp_path_factory.mktemp("threads") / "run"
    subprocess.run([*COMMAND, *words(images, folder)], check=True, capture_output=True)
    found = contents(folder)
    assert len(pd.read_csv(folder / "particles.csv")) == 3 * COUNT
    assert len([name for name in found if name.startswith("labels/")]) == COUNT
    return found


def contents(run: Path) -> dict[str, bytes]:
    """Return every result of a run; report, config and provenance tell where it was made."""
    files = [*run.glob("*.csv"), *run.glob("labels/*.tif")]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def scheduler() -> Iterator[Any]:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=3, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield cluster


class Started:
    """A run in a process group of its own, as a terminal starts it; killed where a test leaves it behind."""

    def __init__(self, images: Path, output: Path, *more: str) -> None:
        self.store = output / ".unfinished"
        self.process = subprocess.Popen(
            [*COMMAND, *words(images, output, *more)], stderr=subprocess.PIPE, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait_for_chunks(self, count: int) -> None:
        limit = time.monotonic() + BEGUN
        while self.chunks() < count and self.process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        assert count <= self.chunks() < COUNT // 2, self.process.poll() is None or self.end()

    def chunks(self) -> int:
        return len(list(self.store.glob("chunk_*.npz")))

    def end(self) -> str:
        """Return what it said in the end; stderr closes when the last process that holds it has ended."""
        return self.process.communicate(timeout=BEGUN)[1].decode()

    def workers(self) -> list[int]:
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


def said(error: str) -> list[str]:
    return [line for line in error.splitlines() if line.startswith("nanonet:")]


@pytest.mark.parametrize("cluster", ["local", "dask"])
def test_processes_find_what_threads_find_to_the_last_byte(
    images: Path, whole: dict[str, bytes], tmp_path: Path, infer: Callable[..., Any], cluster: str
) -> None:
    code, out, err = infer(*words(images, tmp_path / "run", f"cluster={cluster}")[1:])
    assert code == 0, err
    assert out.splitlines()[-1] == str(tmp_path / "run")
    assert f"{COUNT}/{COUNT}" in err
    assert contents(tmp_path / "run") == whole


def test_a_dask_worker_that_is_killed_half_way_loses_and_doubles_nothing(
    images: Path, whole: dict[str, bytes], tmp_path: Path, scheduler: Any
) -> None:
    from distributed import Client

    address = f"cluster.scheduler={scheduler.scheduler_address}"
    with (
        Client(scheduler) as client,
        Started(images, tmp_path / "run", "cluster=dask", address) as run,
    ):
        before = client.run(os.getpid)
        assert len(set(before.values())) == 3
        run.wait_for_chunks(2)
        busy = next(worker for worker, jobs in client.processing().items() if jobs)
        os.kill(before[busy], signal.SIGKILL)
        error = run.end()
        assert run.process.returncode == 0, error
        client.wait_for_workers(3, timeout=60)
        assert before[busy] not in client.run(os.getpid).values()
    assert contents(tmp_path / "run") == whole
    assert not run.store.exists()


def test_a_local_process_that_is_killed_ends_the_run_which_then_goes_on(
    images: Path, whole: dict[str, bytes], tmp_path: Path, infer: Callable[..., Any]
) -> None:
    with Started(images, tmp_path / "run", "cluster=local") as run:
        run.wait_for_chunks(2)
        os.kill(run.workers()[0], signal.SIGKILL)
        error = run.end()
    assert run.process.returncode == 2
    assert len(said(error)) == 1
    assert "a worker process was killed" in said(error)[0]
    done = run.chunks()
    assert done >= 2
    code, _, err = infer(*words(images, tmp_path / "run", "cluster=threads")[1:])
    assert code == 0, err
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize("cluster", ["threads", "local", "dask"])
def test_ctrl_c_leaves_whole_chunks_and_no_process_and_another_place_goes_on(
    images: Path, whole: dict[str, bytes], tmp_path: Path, infer: Callable[..., Any], cluster: str
) -> None:
    with Started(images, tmp_path / "run", f"cluster={cluster}") as run:
        run.wait_for_chunks(2)
        workers = run.workers()
        assert bool(workers) == (cluster != "threads")
        os.killpg(run.process.pid, signal.SIGINT)  # as a terminal does
        error = run.end()
    assert run.process.returncode == 2
    assert said(error) == ["nanonet: stopped; what was finished is kept: the same command goes on from there"]
    assert "Traceback" not in error
    assert not any(psutil.pid_exists(pid) for pid in workers)
    assert 2 <= run.chunks() < COUNT // 2
    assert infer(*words(images, tmp_path / "run", "cluster=threads")[1:])[0] == 0
    assert contents(tmp_path / "run") == whole


@pytest.mark.parametrize("cluster", ["threads", "local", "dask"])
def test_a_bad_image_is_told_in_the_same_line_from_anywhere(
    tmp_path: Path, infer: Callable[..., Any], scheduler: Any, cluster: str
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(7):
        frame = discs(count=1, side=100, seed=number)[0][0].astype(np.float32)
        frame[5, 5] = np.nan if number == 4 else frame[5, 5]
        np.save(folder / f"{number}.npy", frame)
    more = [f"cluster.scheduler={scheduler.scheduler_address}"] if cluster == "dask" else []
    found = words(folder, tmp_path / "run", "read.pixel_size=2", f"cluster={cluster}", *more)
    code, out, err = infer(*found[1:])
    assert code == 2
    assert out == ""
    assert said(err) == ["nanonet: frame 4 of 4.npy has 1 pixels that are NaN or infinite"]
