import time

import inference_memory as memory
import inference_runtimes as runtimes
import inference_stages as stages
import numpy as np
import pytest
import torch
from inference_movie import PIXEL_SIZE, write_movie

from nanonet.io.read import read_series
from nanonet.models.unet import UNet
from nanonet.records import Series, Stack
from nanonet.train.card import NetworkCard
from nanonet.train.weights_file import save_checkpoint

MODEL = {"_target_": "nanonet.models.unet.UNet", "in_channels": 3, "classes": 4, "width": 4, "depth": 1}


@pytest.fixture
def one():
    """A movie of three frames in which a square is brighter than its surroundings."""
    rng = np.random.default_rng(0)
    mean = np.full((40, 40), 50.0)
    mean[18:23, 18:23] = 90.0
    frames = rng.poisson(mean, (3, 40, 40)).astype(np.float32)
    return Series(name="one", stacks=(Stack(frames=frames, shape=frames.shape, name="one"),))


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    network = UNet(in_channels=3, classes=4, width=4, depth=1).eval()
    card = NetworkCard(task="column_depth", pixel_size=PIXEL_SIZE, modality="HRTEM", trained_range={})
    return str(save_checkpoint(tmp_path / "net", network, model=MODEL, card=card, config={}))


def test_a_full_frame_holds_copies_whose_noise_differs(one, tmp_path):
    movie = read_series(write_movie(tmp_path / "m.mrcs", one, frames=5, side=100, copies=True))
    assert len(movie) == 5
    assert movie.pixel_size == pytest.approx(PIXEL_SIZE)
    image = movie[0].image
    assert image.shape == (100, 100)
    assert image[18:23, 58:63].mean() == pytest.approx(45, abs=4)  # half of the counts are kept
    assert not np.array_equal(image[:40, :40], image[:40, 40:80])
    assert not np.array_equal(image, movie[4].image)  # a frame that is shown again has new noise


def test_one_particle_lies_amid_vacuum_of_its_own(one, tmp_path):
    image = read_series(write_movie(tmp_path / "m.mrcs", one, frames=1, side=100, copies=False))[0].image
    assert image[48:53, 48:53].mean() == pytest.approx(45, abs=4)
    around = np.concatenate([image[:30].ravel(), image[70:].ravel()])
    assert around.mean() == pytest.approx(25, abs=0.5)
    assert around.var() == pytest.approx(25, rel=0.1)


def test_a_movie_that_is_there_is_kept(one, tmp_path):
    path = write_movie(tmp_path / "m.mrcs", one, frames=1, side=40, copies=True)
    before = path.stat().st_mtime_ns
    write_movie(path, one, frames=2, side=40, copies=True)
    assert path.stat().st_mtime_ns == before


def cost(**values):
    return memory.Cost(**({"frames": 1, "columns": 1.0, "wall": 1.0, "processor": 1.0, "peak": 1.0} | values))


def test_what_every_run_takes_is_left_out_of_a_frame_more():
    short, long = cost(frames=10, wall=15.0, processor=25.0), cost(frames=30, wall=25.0, processor=45.0)
    assert memory.further(short, long) == (0.5, 1.0)


def test_the_slope_of_memory_is_that_of_a_line():
    rows = [cost(frames=n, peak=700 + 0.02 * n) for n in (250, 1000, 5000)]
    assert memory.slope(rows) == pytest.approx(20)


def test_a_stage_within_another_is_not_counted_twice(monkeypatch):
    class Work:
        def outer(self):
            spin(0.02)
            self.inner()

        def inner(self):
            spin(0.04)

    def spin(seconds):
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    inner = Work.inner
    monkeypatch.setattr(stages, "STAGES", {"outer": ("x:Work.outer",), "inner": ("x:Work.inner",)})
    monkeypatch.setattr(stages, "_place", lambda path: (Work, path.rpartition(".")[2]))
    with stages._watched() as spent:
        Work().outer()
    assert spent["outer"] == pytest.approx(0.02, abs=0.01)
    assert spent["inner"] == pytest.approx(0.04, abs=0.01)
    assert Work.inner is inner


def test_the_functions_of_the_stages_exist():
    found = [stages._place(name) for names in stages.STAGES.values() for name in names]
    missing = [name for owner, name in found if not hasattr(owner, name)]
    assert not missing


def test_what_is_compared_is_the_network_as_trained(checkpoint):
    counts = np.random.default_rng(0).poisson(30, (1, 3, 32, 32)).astype(np.float32)
    network = runtimes.trained(checkpoint)
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    rows = {row.name: row for row in runtimes.compare(checkpoint, counts, repeats=1, compiled=False)}
    single, ours = rows["torch float32"], rows[runtimes.OURS]
    assert single.changed == single.presence == 0
    assert ours.seconds is not None
    assert ours.seconds > 0
    assert "torch.compile, bfloat16" not in rows


def test_a_column_that_is_missed_counts_as_changed():
    from nanonet.atomic_columns.readout import Reading

    ours = Reading(
        positions=np.array([[5.0, 5.0], [5.0, 20.0]]),
        presence=np.array([0.9, 0.9]),
        posterior=np.array([[0.8, 0.2], [0.3, 0.7]]),
    )
    assert runtimes._differences(ours, ours) == {"changed": 0.0, "presence": 0.0}
    other = ours.where(np.array([True, False]))
    assert runtimes._differences(ours, other)["changed"] == 0.5
