import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import dask.config
import pytest
from stand_in_imaging import Dust, Heap, Shadow, die_once

from nanonet.records import InputError
from nanonet.workers.cluster import completed, run
from nanonet.workers.dask import Dask, distribute, on_worker
from nanonet.workers.local import Local, cores
from nanonet.workers.progress import duration, progress
from nanonet.workers.slurm import Slurm, lifetime
from nanonet.workers.threads import Threads
from simulate.shards.generate import generate
from simulate.shards.store import find_shards

PARTS = {"structures": Heap(), "environment": Dust(), "microscope": Dust(), "seed": 3}


def shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix == ".zip"}


def square(index: int) -> int:
    return index * index


def fail(index: int) -> None:
    raise InputError(f"number {index} is bad")


def die(index: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def slow_note(folder: Path, index: int) -> int:
    time.sleep(0.3)
    (folder / str(index)).touch()
    return os.getpid()


def test_results_keep_their_order_and_progress_goes_to_stderr(capfd):
    assert run(square, [3, 1, 2], cluster=Local(workers=1), title="waves") == [9, 1, 4]
    out, err = capfd.readouterr()
    assert out == ""
    assert "waves: 3 of 3" in err
    assert "an hour" in err


def test_a_log_gets_a_line_now_and_then_with_the_time_left(capfd, monkeypatch):
    monkeypatch.setattr("nanonet.workers.progress.LOG_INTERVAL", 0.0)
    with progress("waves", 10, 7) as advance:
        advance()
        time.sleep(0.05)
        advance()
    first, second, third = capfd.readouterr().err.splitlines()
    assert first == "waves: going on after 7 of 10"
    assert second.startswith("waves: 8 of 10, ")
    assert third.endswith(" left")
    assert "0:00:0" in third


def test_a_terminal_gets_a_bar(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run(square, [3, 1], cluster=Local(workers=1), title="waves") == [9, 1]
    err = capfd.readouterr().err
    assert "━" in err
    assert "an hour" in err


@pytest.mark.parametrize("cluster", [Local(workers=2), Dask(scheduler="tcp://127.0.0.1:9"), Slurm()])
def test_no_jobs_are_done_at_once_and_no_worker_is_asked(cluster):
    assert run(square, [], cluster=cluster, title="waves") == []


@pytest.mark.parametrize("kind", [Threads, Local, Dask])
def test_no_workers_are_refused(kind):
    with pytest.raises(InputError, match="workers must be at least 1"):
        kind(workers=0)


def test_by_default_there_is_one_worker_a_core_that_may_be_used():
    assert cores() == len(os.sched_getaffinity(0))


def test_a_time_is_told_in_hours():
    assert [duration(s) for s in (0.4, 59.6, 3599.6, 100 * 3600)] == [
        "0:00:00",
        "0:01:00",
        "1:00:00",
        "100:00:00",
    ]


@pytest.mark.slow
def test_a_job_that_fails_in_a_worker_says_why():
    with pytest.raises(InputError, match=r"number . is bad"):
        run(fail, [0, 1], cluster=Local(workers=2), title="waves")


@pytest.mark.slow
def test_a_process_that_is_killed_is_told_in_one_line_and_what_is_done_is_kept(tmp_path):
    mark = tmp_path / "killed"
    imaging = Shadow(pause=0.05, kill_once=str(mark))
    with pytest.raises(InputError, match=r"killed.*fewer workers"):
        generate(
            **PARTS, imaging=imaging, output=tmp_path / "shards", n_structures=8, cluster=Local(workers=2)
        )
    done = find_shards(tmp_path / "shards")
    assert len(done) < 8
    generate(**PARTS, imaging=imaging, output=tmp_path / "shards", n_structures=8, cluster=Local(workers=2))
    generate(**PARTS, imaging=Shadow(), output=tmp_path / "serial", n_structures=8, cluster=Local(workers=1))
    assert shards(tmp_path / "shards") == shards(tmp_path / "serial")


@pytest.mark.slow
def test_jobs_that_have_not_begun_are_dropped_when_the_iterator_is_closed(tmp_path):
    results = completed(partial(slow_note, tmp_path), range(50), cluster=Local(workers=2), title="x")
    next(results)
    results.close()
    assert len(list(tmp_path.iterdir())) < 10


@pytest.mark.slow
def test_dask_loses_and_doubles_nothing_when_a_worker_is_killed_half_way(tmp_path):
    mark = tmp_path / "killed"
    imaging = Shadow(pause=0.05, kill_once=str(mark))
    folder = tmp_path / "dask"
    generate(**PARTS, imaging=imaging, output=folder, n_structures=24, cluster=Dask(workers=3))
    assert mark.exists()
    generate(**PARTS, imaging=Shadow(), output=tmp_path / "serial", n_structures=24, cluster=Local(workers=1))
    assert find_shards(folder) == list(range(24))
    assert shards(folder) == shards(tmp_path / "serial")
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".zip") == ["manifest.json"]


@pytest.fixture(scope="module")
def scheduler():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=2, memory_limit=0, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_running_scheduler_is_used_by_its_address_in_several_windows(scheduler):
    from distributed import Client

    address = scheduler.scheduler_address
    assert run(square, range(20), cluster=Dask(scheduler=address), title="x") == [n * n for n in range(20)]
    with Client(scheduler) as client:
        assert dict(distribute(client, square, range(25), ahead=4)) == {n: n * n for n in range(25)}
        with pytest.raises(InputError, match=r"number . is bad"):
            list(distribute(client, fail, range(3)))


@pytest.mark.slow
def test_each_index_comes_once_though_a_worker_dies_after_its_job(scheduler, tmp_path):
    from distributed import Client

    with Client(scheduler) as client:
        found = list(distribute(client, partial(_work_then_die, tmp_path / "mark"), range(30), ahead=8))
    assert sorted(found) == [(n, n) for n in range(30)]
    assert (tmp_path / "mark").exists()


def _work_then_die(mark: Path, index: int) -> int:
    if index == 9:
        die_once(mark)
    return index


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_told_in_one_line():
    once = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with once, pytest.raises(InputError, match="killed one worker after another") as caught:
        run(die, [0], cluster=Dask(workers=1), title="x")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_or_has_no_workers_is_told():
    from distributed import LocalCluster

    with pytest.raises(InputError, match=r"no dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run(square, [1], cluster=Dask(scheduler="tcp://127.0.0.1:9", timeout=1.0), title="x")
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as empty,
        pytest.raises(InputError, match="has no workers"),
    ):
        run(square, [1], cluster=Dask(scheduler=empty.scheduler_address, timeout=1.0), title="x")


def test_a_worker_with_other_versions_is_refused():
    with pytest.raises(InputError, match=r"a worker has numpy .*, this process 1\.0"):
        on_worker(square, {"numpy": "1.0"}, 3)


@pytest.mark.slow
def test_the_job_script_for_slurm_has_what_was_asked_for(tmp_path):
    slurm = Slurm(
        cores=8,
        memory="20 GiB",
        walltime="01:30:00",
        queue="short",
        account="em",
        directives=["--constraint=avx2"],
        prologue=["module load python", "source env/bin/activate"],
        logs=str(tmp_path / "logs"),
    )
    with slurm.cluster() as cluster:
        lines = cluster.job_script().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    wanted = ["-p short", "-A em", "-t 01:30:00", "--cpus-per-task=8", "--mem=20G", "--constraint=avx2"]
    assert {f"#SBATCH {line}" for line in wanted} <= set(lines)
    assert lines.index("module load python") < lines.index("source env/bin/activate") < len(lines) - 1
    command = lines[-1]
    for part in ("--nthreads 1", "--nworkers 8", "--lifetime 5100s", "tcp://"):
        assert part in command


SBATCH = """#!/bin/sh
cp "$1" {jobs}/$$.sh
setsid sh {jobs}/$$.sh > {jobs}/$$.log 2>&1 < /dev/null &
echo $! > {jobs}/$$
echo "Submitted batch job $$"
"""
SCANCEL = """#!/bin/sh
for number in "$@"; do kill -- -$(cat {jobs}/$number) 2> /dev/null; done
true
"""


@pytest.mark.slow
def test_jobs_of_a_queue_do_the_work_and_are_replaced_when_one_ends(tmp_path, monkeypatch):
    """SLURM's commands are played by scripts that run the job script here; all else is as on a cluster."""
    jobs, commands, folder = tmp_path / "jobs", tmp_path / "bin", tmp_path / "shards"
    jobs.mkdir(), commands.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (commands / name).write_text(text.format(jobs=jobs))
        (commands / name).chmod(0o755)
    paths = [str(path) for path in (Path(__file__).parents[1], Path(__file__).parents[2])]
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    slurm = Slurm(jobs=2, cores=1, memory="1 GiB", walltime="00:10:00", logs=str(tmp_path))
    ending = threading.Thread(target=end_a_job, args=(jobs, folder))
    ending.start()
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        generate(**PARTS, imaging=Shadow(pause=0.5), output=folder, n_structures=20, cluster=slurm)
    ending.join()
    assert len(list(jobs.glob("*.log"))) >= 3
    assert find_shards(folder) == list(range(20))
    generate(**PARTS, imaging=Shadow(), output=tmp_path / "serial", n_structures=20, cluster=Local(workers=1))
    assert shards(folder) == shards(tmp_path / "serial")


def end_a_job(jobs: Path, folder: Path) -> None:
    """Kill a whole job, worker and all that watches over it, once some of the work is done."""
    limit = time.monotonic() + 60
    while not (folder.is_dir() and len(find_shards(folder)) >= 3) and time.monotonic() < limit:
        time.sleep(0.05)
    oldest = min(jobs.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    os.killpg(int(oldest.with_suffix("").read_text()), signal.SIGKILL)


def test_workers_leave_before_slurm_ends_their_job():
    assert [lifetime(time) for time in ("00:10:00", "04:00:00")] == [540, 14100]
    with pytest.raises(InputError, match="HH:MM:SS"):
        lifetime("4 hours")
    with pytest.raises(InputError, match="jobs must be at least 1"):
        Slurm(jobs=0)


def test_where_there_is_no_slurm_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no sbatch here"):
        run(square, [1], cluster=Slurm(), title="x")
