"""How far particles are believed: right about what it was measured on, and the same from a checkpoint."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from nanonet.records import (
    InputError,
    MaskSample,
    Micrograph,
    ParticleConfidence,
    TrainedNetwork,
    particle_confidence_from,
)
from nanonet.segment.candidates import FEATURES, candidates
from nanonet.segment.heights import separate
from nanonet.segment.network import segment
from nanonet.train.particle_confidence import measure_confidence, overlap


def cones(places: list[tuple[float, float, float]], edge: int = 128) -> np.ndarray:
    y, x = np.indices((edge, edge))
    relief = [1 - np.hypot(y - at, x - on) / radius for at, on, radius in places]
    return np.clip(np.max(relief, axis=0), 0, None).astype(np.float32)


def blind(frames: np.ndarray) -> np.ndarray:
    """Take an image for the heights; flat patches, of one height, are wrongly taken for particles, too."""
    image = frames[0, 0]
    height = np.clip(image, 1e-4, 1 - 1e-4)
    return np.stack([np.where(image > 0.05, 4.0, -4.0), np.log(height / (1 - height))])[None].astype("f4")


NETWORK = TrainedNetwork(
    predict=blind,
    task="particle_mask",
    pixel_size=None,
    modality=None,
    trained_range={},
    name="blind",
    sha256="",
)


def sample(rng: np.random.Generator) -> MaskSample:
    """Return a picture with true particles, whose heights are cones, and a flat patch that is none."""
    places = [(a + rng.uniform(-6, 6), b + rng.uniform(-6, 6), rng.uniform(12, 20)) for a, b in GRID]
    image = cones(places)
    truth = np.zeros(image.shape, dtype=np.int32)
    y, x = np.indices(image.shape)
    for number, (at, on, radius) in enumerate(places, start=1):
        truth[np.hypot(y - at, x - on) < 0.95 * radius] = number
    at = 88 + int(rng.integers(6))
    image[at : at + 28, at : at + 28] = 0.5
    return MaskSample(image=image, instances=truth, structure=0)


GRID = [(30, 30), (30, 96), (96, 30)]


def test_true_particles_are_believed_and_false_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    confidence = measure_confidence(NETWORK, [sample(rng) for _ in range(12)])
    assert confidence.features == FEATURES
    trained = replace(NETWORK, confidence=confidence)
    for _ in range(4):
        new = sample(rng)
        found = segment(Micrograph(image=new.image, name="new"), network=trained)
        assert found.labels.max() == 3
        assert (found.confidence > 0.7).all()
        everything = segment(Micrograph(image=new.image, name="new"), network=trained, minimum_confidence=0.0)
        patch = everything.labels[102, 102] - 1
        assert everything.confidence[patch] < 0.3


def test_the_overlap_is_that_of_the_best_true_particle_and_unknown_pixels_say_nothing() -> None:
    image = cones([(40, 40, 20), (90, 90, 20)])
    inside = np.where(image > 0, 0.9, 0.1).astype(np.float32)
    look = candidates(inside, image, separate=separate, min_probability=0.5, smallest=4.0)
    truth = np.zeros(image.shape, dtype=np.int32)
    truth[:, :40] = 7 * (image[:, :40] > 0)
    assert overlap(look, truth) == pytest.approx([0.49, 0.0], abs=0.03)
    truth[80:] = -1
    assert np.isnan(overlap(look, truth)).tolist() == [False, True]


def test_nothing_to_see_gives_a_confidence_that_says_nothing() -> None:
    empty = MaskSample(
        image=np.zeros((64, 64), np.float32), instances=np.zeros((64, 64), np.int32), structure=0
    )
    confidence = measure_confidence(NETWORK, [empty])
    assert confidence.expected(np.zeros((2, len(FEATURES)))) == pytest.approx([0.5, 0.5])


def test_a_confidence_survives_its_file_and_a_damaged_one_is_refused() -> None:
    confidence = measure_confidence(NETWORK, [sample(np.random.default_rng(1))])
    plain = json.loads(json.dumps(asdict(confidence)))
    assert particle_confidence_from(plain) == confidence
    with pytest.raises(InputError, match="do not fit its features"):
        particle_confidence_from({**plain, "weights": plain["weights"][:-1]})
    with pytest.raises(InputError, match="numbers that cannot be"):
        particle_confidence_from({**plain, "mean": [float("nan"), *plain["mean"][1:]]})
    with pytest.raises(InputError, match="numbers that cannot be"):
        ParticleConfidence(features=("a",), mean=(0.0,), deviation=(0.0,), weights=(0.0, 0.0, 0.0))


def test_what_lies_far_beyond_all_that_was_measured_is_no_surer_than_its_edge() -> None:
    one = ParticleConfidence(features=("a",), mean=(0.0,), deviation=(1.0,), weights=(0.0, 1.0, 0.5))
    assert one.expected(np.array([[3.0], [300.0]])) == pytest.approx([0.9994] * 2, abs=1e-3)
