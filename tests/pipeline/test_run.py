"""The engine with a pipeline of its own: resuming, warnings, and refusal of what is not its folder."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from nanonet.io.chunks import PackedFrame
from nanonet.io.lock import alone
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.pipeline.run import Run, run
from nanonet.records import (
    Column,
    Estimate,
    FrameResult,
    InputError,
    Micrograph,
    ParticleTable,
    Series,
    Stack,
)
from nanonet.workers.cluster import Cluster
from nanonet.workers.threads import Threads

ALONE = Threads(workers=1)
COLUMNS = (
    Column(name="frame", unit="", meaning="index"),
    Column(name="mean", unit="counts", meaning="mean"),
)


@dataclass
class Means:
    """Writes the mean of each frame; stops at the frames in ``fail_at``."""

    name: ClassVar[str] = "means"
    fail_at: set[int] = field(default_factory=set)
    seen: list[int] = field(default_factory=list)

    def frame(self, micrograph: Micrograph) -> FrameResult:
        if micrograph.frame in self.fail_at:
            raise KeyboardInterrupt
        self.seen.append(micrograph.frame)
        row = pd.DataFrame({"frame": [micrograph.frame], "mean": [float(micrograph.image.mean())]})
        table = ParticleTable(data=row, columns=COLUMNS)
        labels = (micrograph.image > 0).astype(np.int32)
        return FrameResult(frame=micrograph.frame, tables=(table,), maps={"labels": labels})

    def conclude(self, found: Found) -> Conclusion:
        mean = float(found.tables["particles"].data["mean"].mean())
        covered = [float(labels.mean()) for labels in found.maps("labels")]
        return Conclusion(
            tables=tuple(found.tables.values()),
            estimates=(Estimate(name="mean", value=mean), Estimate(name="covered", value=np.mean(covered))),
            writers=(lambda folder: (folder / "more.txt").write_text(f"{len(covered)} frames"),),
        )


def series(count: int = 7) -> Series:
    frames = np.random.default_rng([4]).poisson(3, (count, 12, 10)).astype(np.float32)
    return Series(
        name="a.tif", stacks=(Stack(frames=frames, shape=frames.shape, name="a.tif", pixel_size=1.0),)
    )


@dataclass(frozen=True)
class Backwards:
    """Does the last job first."""

    def map(
        self, job: Callable[[int], PackedFrame], indices: Sequence[int]
    ) -> Generator[tuple[int, PackedFrame], None, None]:
        yield from ((index, job(index)) for index in reversed(indices))


def job(pipeline: Means, output: Path, cluster: Cluster = ALONE, **settings: object) -> Run:
    return Run(
        pipeline=pipeline,
        series=series(),
        output=output,
        settings={"a": 1, **settings},
        chunk=2,
        cluster=cluster,
    )


def test_a_stopped_run_goes_on_after_its_last_chunk(tmp_path: Path) -> None:
    first, second = Means(fail_at={5}), Means()
    with pytest.raises(KeyboardInterrupt):
        run(job(first, tmp_path / "run"))
    assert not (tmp_path / "run" / "provenance.json").exists()
    run(job(second, tmp_path / "run"))
    assert first.seen == [0, 1, 2, 3, 4]
    assert second.seen == [4, 5, 6]
    table = pd.read_csv(tmp_path / "run" / "particles.csv")
    assert table["frame"].tolist() == list(range(7))
    assert not (tmp_path / "run" / ".unfinished").exists()


@pytest.mark.parametrize("cluster", [Threads(workers=2), Threads(workers=5), Backwards()])
def test_the_order_in_which_frames_are_done_changes_no_byte(tmp_path: Path, cluster: Cluster) -> None:
    run(job(Means(), tmp_path / "alone"))
    run(job(Means(), tmp_path / "together", cluster))
    for name in ("particles.csv", "summary.csv", "labels.tif"):
        alone_, together = (tmp_path / folder / name for folder in ("alone", "together"))
        assert alone_.read_bytes() == together.read_bytes()


def test_chunks_are_stored_once_they_are_whole_in_any_order(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(job(Means(fail_at={2}), tmp_path / "run", Backwards()))
    second = Means()
    run(job(second, tmp_path / "run"))
    assert second.seen == [0, 1, 2, 3]


def test_a_run_that_is_stopped_side_by_side_keeps_what_was_whole(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(job(Means(fail_at={5}), tmp_path / "run", Threads(workers=2)))
    second = Means()
    run(job(second, tmp_path / "run"))
    assert second.seen in ([4, 5], [4, 5, 6])  # the last frame is a chunk of its own, and may have been begun


def test_a_run_goes_on_in_another_place(tmp_path: Path) -> None:
    first = replace(job(Means(fail_at={5}), tmp_path / "run"), settings={"a": 1, "workers": 1, "cluster": {}})
    with pytest.raises(KeyboardInterrupt):
        run(first)
    second = Means()
    moved = {"a": 1, "workers": 2, "cluster": {"scheduler": "tcp://here:1"}}
    run(replace(job(second, tmp_path / "run"), settings=moved))
    assert second.seen == [4, 5, 6]


def test_a_damaged_chunk_is_made_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(job(Means(fail_at={4}), tmp_path / "run"))
    chunk = sorted((tmp_path / "run" / ".unfinished").glob("chunk_*"))[0]
    chunk.write_bytes(chunk.read_bytes()[:-40])
    second = Means()
    run(job(second, tmp_path / "run"))
    assert second.seen == [0, 1, 4, 5, 6]


def test_an_unfinished_run_of_other_settings_is_refused_and_kept(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(job(Means(fail_at={4}), tmp_path / "run"))
    kept = sorted(path.name for path in (tmp_path / "run" / ".unfinished").iterdir())
    with pytest.raises(InputError, match="other settings"):
        run(job(Means(), tmp_path / "run", a=2))
    assert sorted(path.name for path in (tmp_path / "run" / ".unfinished").iterdir()) == kept


def test_a_folder_in_which_another_run_is_at_work_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(job(Means(fail_at={4}), tmp_path / "run"))
    with alone(tmp_path / "run" / ".unfinished"), pytest.raises(InputError, match="another run is at work"):
        run(job(Means(), tmp_path / "run"))
    second = Means()
    run(job(second, tmp_path / "run"))
    assert second.seen == [4, 5, 6]
    assert not (tmp_path / "run" / ".unfinished").exists()


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    run(job(Means(), tmp_path / "run"))
    again = Means()
    assert run(job(again, tmp_path / "run")) == tmp_path / "run"
    assert again.seen == []


def test_a_series_of_empty_frames_is_refused(tmp_path: Path) -> None:
    frames = np.zeros((3, 8, 8), np.float32)
    stack = Stack(frames=frames, shape=frames.shape, name="dark.tif", pixel_size=1.0)
    empty = Run(
        pipeline=Means(),
        series=Series(name="dark.tif", stacks=(stack,)),
        output=tmp_path / "run",
        settings={},
    )
    with pytest.raises(InputError, match=r"dark\.tif is empty"):
        run(empty)
    assert not (tmp_path / "run").exists()


def test_a_chunk_of_no_frames_is_refused(tmp_path: Path) -> None:
    empty = Run(pipeline=Means(), series=series(), output=tmp_path, settings={}, chunk=0)
    with pytest.raises(InputError, match="chunk must be at least 1"):
        run(empty)


@dataclass
class Slow(Means):
    """Takes long to conclude, and is stopped there the first time."""

    def conclude(self, found: Found) -> Conclusion:
        found.workspace.mkdir(parents=True, exist_ok=True)
        kept = found.workspace / "half.txt"
        if not kept.exists():
            kept.write_text("half")
            raise KeyboardInterrupt
        return super().conclude(found)


def test_what_takes_long_to_conclude_is_kept_until_the_run_is_whole(tmp_path: Path) -> None:
    pipeline = Slow()
    with pytest.raises(KeyboardInterrupt):
        run(Run(pipeline=pipeline, series=series(), output=tmp_path / "run", settings={}))
    assert (tmp_path / "run" / ".unfinished" / "workspace" / "half.txt").exists()
    run(Run(pipeline=pipeline, series=series(), output=tmp_path / "run", settings={}))
    assert len(pipeline.seen) == 7
    assert (tmp_path / "run" / "more.txt").read_text() == "7 frames"
    assert not (tmp_path / "run" / ".unfinished").exists()
