"""Cut the particle out of the frames, and take off what is not the particle.

The film, the liquid's slow unevenness and the spots of a support that does not turn are of the frames, not of
the particle. A support's lattice stands still while the particle's turns: in the power that is left beside
the particle, meaned over all frames, it stands out as sharp spots, which are brought down to what is around.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import median_filter

from nanonet.records import InputError, Series
from nanonet.tumbling.boxes import LEFT, Boxes
from nanonet.tumbling.radial import radial_density
from nanonet.tumbling.track import Track

_ROOM = 2.1
"""Side of a first box over the diameter of the spot (four of its deviations)."""
_FIRST = 300
"""Frames whose mean tells the radius."""
_BOX = 1.36
"""Side of a box over the particle's diameter."""
_BESIDE = 1.12
"""Radius, over the particle's, from which there is background."""
_SOFT = 5.0
"""Pixels over which a window rises."""
_SPOT = 6.0
"""Deviations by which a spot stands out of the power around it."""
_SPOTS_OF = 60
"""Frames whose power beside the particle tells the support's spots."""
_LEAST = 24


def cut(
    series: Series, track: Track, pixel_size: float, store: Path, *, least_side: int = _LEAST
) -> tuple[Boxes, tuple[str, ...]]:
    """Return the boxes, kept in a file, and what to know of them.

    Parameters
    ----------
    store
        .npy that the pictures are written to.

    Raises
    ------
    InputError
        If the particle is cut by the edge of most frames, or fills them.
    """
    shape = series.stacks[0].shape[1:]
    first_side = _even(min(_ROOM * 4 * track.size, *shape))
    mean = track.sign * _mean_around(series, track, first_side)
    seen = radial_density(mean, pixel_size)
    radius = (seen.radius + seen.width) / pixel_size
    side = _even(min(max(2 * _BOX * radius, least_side), *shape))
    if side < 2 * _BESIDE * radius:
        raise InputError(
            f"the particle, {2 * radius * pixel_size / 10:.1f} nm wide, fills the frame of "
            f"{min(shape) * pixel_size / 10:.1f} nm: some background must be seen around it"
        )
    kept = _inside(track, shape, side)
    said = []
    if track.lost:
        said.append(f"{track.lost} frames show the particle elsewhere or not at all and were left out")
    if len(kept) < len(track.frames):
        said.append(
            f"{len(track.frames) - len(kept)} frames were left out: their edge cuts the box around it"
        )
    filtered = _support(series, track, kept, radius, shape)
    if filtered is not None:
        said.append(f"{int((filtered < 1).sum())} Fourier pixels of a support's lattice were brought down")
    pictures = np.lib.format.open_memmap(store, mode="w+", dtype=np.float32, shape=(len(kept), side, side))
    ring = _beside(side, _BESIDE * radius)
    window = _softly_beside(side, _BESIDE * radius)
    scale = 0.0
    power = np.zeros((side, side // 2 + 1))
    for row, index in enumerate(kept):
        image = series[int(track.frames[index])].image.astype(np.float64)
        if filtered is not None:
            image = np.fft.irfft2(np.fft.rfft2(image) * filtered, s=image.shape)
        box = track.sign * _levelled(_box(image, track.places[index], side), ring)
        pictures[row] = box
        power += np.abs(np.fft.rfft2(box * window)) ** 2
        scale += float((window**2).sum())
    pictures.flush()
    left = None if filtered is None else transmission(filtered, shape, side, radius)
    boxes = Boxes(
        pictures=pictures,
        rows=np.arange(len(kept)),
        frames=track.frames[kept],
        centres=np.stack([_corner(shape, place, side) for place in track.places[kept]]) + side // 2,
        pixel_size=pixel_size,
        noise=_by_shell(power / scale, None if left is None else left[::2, ::2] > LEFT),
        transmission=left,
    )
    return boxes, tuple(said)


def _even(length: float) -> int:
    return int(length) // 2 * 2


def _inside(track: Track, shape: tuple[int, int], side: int) -> Int[np.ndarray, " n"]:
    """Return which boxes lie within the frame; one as large as it may lie beside it by a few pixels."""
    corner = np.round(track.places).astype(int) - side // 2
    room = np.array(shape) - side
    slack = np.where(room < _ROOM_TO_MOVE, _ROOM_TO_MOVE, 0)
    return np.flatnonzero(((corner >= -slack) & (corner <= room + slack)).all(1))


_ROOM_TO_MOVE = 4
"""Pixels by which a box may lie beside a frame that is no larger than it."""


def _mean_around(series: Series, track: Track, side: int) -> Float[np.ndarray, "s s"]:
    """Return the mean of boxes around the particle, each pixel over the frames that show it."""
    total, number = np.zeros((side, side)), np.zeros((side, side))
    for index in np.linspace(0, len(track.frames) - 1, min(_FIRST, len(track.frames))).astype(int):
        image = series[int(track.frames[index])].image
        corner = np.round(track.places[index]).astype(int) - side // 2
        first, last = np.clip(-corner, 0, side), np.clip(np.array(image.shape) - corner, 0, side)
        there = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        total[there] += image[tuple(slice(a, b) for a, b in zip(corner + first, corner + last, strict=True))]
        number[there] += 1
    edge = np.zeros((side, side), dtype=bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    seen = number > 0
    mean = total / np.maximum(number, 1)
    return np.asarray(np.where(seen, mean - np.median(mean[edge & seen]), 0.0))


def _box(
    image: Float[np.ndarray, "y x"], place: Float[np.ndarray, "2"], side: int
) -> Float[np.ndarray, "s s"]:
    corner = _corner(image.shape, place, side)
    return np.asarray(image[corner[0] : corner[0] + side, corner[1] : corner[1] + side], dtype=np.float64)


def _corner(shape: tuple[int, ...], place: Float[np.ndarray, "2"], side: int) -> Int[np.ndarray, "2"]:
    return np.asarray(np.clip(np.round(place).astype(int) - side // 2, 0, np.array(shape) - side))


def _beside(side: int, radius: float) -> Bool[np.ndarray, "s s"]:
    ticks = np.arange(side) - side // 2
    return np.asarray(np.hypot(ticks[:, None], ticks) > radius)


def _softly_beside(side: int, radius: float) -> Float[np.ndarray, "s s"]:
    """Return a window that rises beyond the radius and falls to the edges, so that waves do not leak."""
    ticks = np.arange(side) - side // 2
    out = np.hypot(ticks[:, None], ticks) - radius
    edge = side / 2 - np.maximum(np.abs(ticks)[:, None], np.abs(ticks))
    return np.asarray(np.clip(out / _SOFT, 0, 1) * np.clip(edge / _SOFT, 0, 1))


def _levelled(box: Float[np.ndarray, "y x"], beside: Bool[np.ndarray, "y x"]) -> Float[np.ndarray, "y x"]:
    """Return a picture less the plane that fits what is beside the particle."""
    y, x = np.indices(box.shape) / max(box.shape) - 0.5
    columns = np.stack([np.ones_like(x), x, y], axis=-1)
    plane, *_ = np.linalg.lstsq(columns[beside], box[beside], rcond=None)
    return np.asarray(box - columns @ plane)


def _support(
    series: Series, track: Track, kept: Int[np.ndarray, " n"], radius: float, shape: tuple[int, int]
) -> Float[np.ndarray, "y h"] | None:
    """Return the filter that brings the support's spots down; None where there are none."""
    rows = kept[np.linspace(0, len(kept) - 1, min(_SPOTS_OF, len(kept))).astype(int)]
    power = np.zeros((shape[0], shape[1] // 2 + 1))
    y, x = np.indices(shape)
    for index in rows:
        frame = series[int(track.frames[index])].image.astype(np.float64)
        centre = track.places[index]
        distance = np.hypot(y - centre[0], x - centre[1])
        window = np.clip((distance - radius) / (0.15 * radius), 0, 1)
        power += np.abs(np.fft.rfft2(_levelled(frame, distance > radius) * window)) ** 2
    power /= len(rows)
    # Noise of a liquid falls steeply with frequency: what is around is sought in what is left of that.
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1]))
    level = power / np.maximum(_falling(power, np.round(frequency * max(shape)).astype(int)), 1e-12)
    ratio = level / np.maximum(median_filter(level, size=15, mode="nearest"), 1e-12)
    # The mean of m powers of noise scatters by 1 / √m.
    spots = ratio > 1 + _SPOT / np.sqrt(len(rows))
    spots &= frequency > 1.0 / radius
    if not spots.any():
        return None
    return np.asarray(np.where(spots, 1.0 / np.sqrt(ratio), 1.0))


def _falling(power: Float[np.ndarray, "y h"], shell: Int[np.ndarray, "y h"]) -> Float[np.ndarray, "y h"]:
    """Return the median of the shell that each value of a power spectrum is in."""
    levels = np.array([np.median(power[shell == one]) for one in range(int(shell.max()) + 1)])
    return np.asarray(levels[shell])


def transmission(
    filtered: Float[np.ndarray, "y h"], shape: tuple[int, int], side: int, radius: float
) -> Float[np.ndarray, "t k"]:
    """Return what a filter of frames leaves of the waves within a disc, at half cycles a side of a box.

    A disc holds no wave more sharply than its own transform is: the filter is blurred by the square of that.
    """
    kernel = np.fft.fftshift(np.fft.irfft2(filtered, s=shape))
    y, x = (np.arange(length) - length // 2 for length in shape)
    apart = np.clip(np.hypot(y[:, None], x) / (2 * radius), 0, 1)
    # What two discs have in common.
    kernel *= (2 / np.pi) * (np.arccos(apart) - apart * np.sqrt(1 - apart**2))
    rows = np.exp(-2j * np.pi * np.fft.fftfreq(2 * side)[:, None] * y)
    columns = np.exp(-2j * np.pi * x[:, None] * np.fft.rfftfreq(2 * side))
    return np.asarray((rows @ kernel @ columns).real)


def _by_shell(
    power: Float[np.ndarray, "s h"], left: Bool[np.ndarray, "s h"] | None
) -> Float[np.ndarray, " k"]:
    """Return the mean of what is left of a power spectrum by shell, the unsure first ones as the next."""
    side = len(power)
    radius = np.hypot(np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side))
    shell = np.round(radius).astype(int)
    kept = np.ones_like(power) if left is None else left.astype(float)
    number = np.bincount(shell.ravel(), kept.ravel())[: side // 2 + 1]
    total = np.bincount(shell.ravel(), (power * kept).ravel())[: side // 2 + 1]
    some = np.flatnonzero(number)
    found = np.interp(np.arange(len(number)), some, total[some] / number[some])
    found[:2] = found[2]
    return np.asarray(found)
