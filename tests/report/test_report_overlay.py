"""What the page draws over a frame: true to the labels, and small."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from nanonet.report.history import UNKNOWN
from nanonet.report.overlay import encode_previews, outlines
from nanonet.report.preview import Preview
from nanonet.report.shown_columns import EMPTY, SEEN, ShownColumns


def _polygons(entry: list) -> list[np.ndarray]:
    """Return the rings of one particle as (x, y) corners in pixels."""
    return [np.cumsum(np.reshape(ring, (-1, 2)), axis=0) / 4 for ring in entry[1:]]


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _disks(side: int, *disks: tuple[float, float, float]) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), dtype=np.int32)
    for index, (cy, cx, radius) in enumerate(disks, start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = index
    return labels


@pytest.mark.parametrize("radius", [1.2, 4, 12, 60])
def test_an_outline_encloses_its_particle(radius):
    labels = _disks(200, (80, 120, radius))
    ((index, *_),) = found = outlines(labels)
    (ring,) = _polygons(found[0])
    assert index == 1
    np.testing.assert_allclose(ring.mean(axis=0), (120, 80), atol=0.6)
    distance = np.hypot(*(ring - (120, 80)).T)
    assert abs(distance - radius).max() < 1.0
    if radius > 3:
        assert _area(ring) == pytest.approx(labels.sum(), rel=0.02 + 0.3 / radius)


def test_outlines_carry_the_ids_of_the_labels_and_their_holes():
    labels = _disks(100, (30, 30, 20), (70, 70, 15))
    labels[(labels == 1) & (_disks(100, (30, 30, 8)) == 1)] = 0
    labels[labels == 2] = 9
    found = outlines(labels)
    assert [entry[0] for entry in found] == [1, 9]
    assert [len(entry) - 1 for entry in found] == [2, 1]


def test_a_particle_at_the_border_has_a_closed_outline():
    labels = np.ones((40, 60), dtype=np.int32)
    (ring,) = _polygons(outlines(labels)[0])
    assert ring.min() >= -0.75
    assert ring[:, 0].max() <= 59.75
    assert _area(ring) == pytest.approx(40 * 60, rel=0.03)


def test_a_frame_without_particles_has_no_outlines():
    assert outlines(np.zeros((20, 20), dtype=np.int32)) == []


def _columns(**values) -> ShownColumns:
    n = len(values["positions"])
    none = {name: np.full(n, UNKNOWN) for name in ("column_id", "track", "depth", "low", "high", "read")}
    known = none | {"state": np.full(n, SEEN), "confidence": np.full(n, np.nan)} | values
    return ShownColumns(**known)


def test_points_are_x_y_and_what_is_not_known_becomes_null():
    preview = Preview(
        image=np.zeros((10, 20), dtype=np.uint8),
        name="m",
        frame=4,
        pixel_size=0.2,
        columns=_columns(
            positions=np.array([[1.04, 2.0], [3.0, 4.0]]),
            depth=np.array([5, UNKNOWN]),
            column_id=np.array([1, 2]),
            confidence=np.array([0.987, np.nan]),
        ),
    )
    (encoded,) = encode_previews([preview])
    assert encoded["columns"] == {
        "xy": [2.0, 1.0, 4.0, 3.0],
        "depth": [5, None],
        "id": [1, 2],
        "confidence": [0.99, None],
    }
    assert (encoded["width"], encoded["height"], encoded["frame"]) == (20, 10, 4)
    json.dumps(encoded, allow_nan=False)


def test_what_no_column_has_is_left_out():
    preview = Preview(
        image=np.zeros((10, 20), dtype=np.uint8),
        name="m",
        frame=0,
        columns=_columns(
            positions=np.ones((2, 2)),
            track=np.array([3, 4]),
            depth=np.array([5, 6]),
            read=np.array([5, 6]),
            state=np.array([SEEN, EMPTY]),
        ),
    )
    (encoded,) = encode_previews([preview])
    assert set(encoded["columns"]) == {"xy", "track", "depth", "state"}
    assert "mean" not in encoded


def test_the_mean_is_held_to_the_same_budget():
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (200, 200)).astype(np.uint8) for _ in range(12)]
    previews = [Preview(image=image, name="m", frame=i, mean=image) for i, image in enumerate(noise)]
    encoded = encode_previews(previews, budget=150_000)
    assert len(json.dumps(encoded, separators=(",", ":"))) < 153_000
    assert all(drawing["mean"] == drawing["image"] for drawing in encoded)
    assert [drawing["frame"] for drawing in encoded][:1] == [0]
    assert encoded[-1]["frame"] == 11


def test_the_image_is_what_was_seen():
    image = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    (encoded,) = encode_previews([Preview(image=image, name="m", frame=0)])
    data = base64.b64decode(encoded["image"].removeprefix("data:image/jpeg;base64,"))
    shown = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(shown.astype(int) - image).max() <= 4


@pytest.mark.parametrize("budget", [1_000_000, 200_000])
def test_noise_is_squeezed_into_the_budget(budget):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (400, 400)).astype(np.uint8) for _ in range(10)]
    labels = _disks(400, *((40 * i, 200, 15) for i in range(1, 10)))
    previews = [Preview(image=image, name="m", frame=i, labels=labels) for i, image in enumerate(noise)]
    encoded = encode_previews(previews, budget=budget)
    assert encoded
    assert len(json.dumps(encoded, separators=(",", ":"))) < budget * 1.02
    if budget == 1_000_000:
        assert [drawing["frame"] for drawing in encoded] == list(range(10))


def test_one_frame_is_always_shown():
    image = np.random.default_rng(0).integers(0, 256, (200, 200)).astype(np.uint8)
    assert len(encode_previews([Preview(image=image, name="m", frame=0)] * 3, budget=10)) == 1
    assert encode_previews([]) == []
