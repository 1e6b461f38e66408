"""Movies of particles that grow, dissolve, drift, wander, touch and coalesce, with the truth of each frame.

A particle is a sphere, one that coalesces several spheres that move into each other; what is seen of it is
its outline in projection. `tracking_mistakes` is what a segmentation makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

RASTER = 48
"""Points along the longer side of a body whose area is counted."""
SMALLEST = 1.5
"""Diameter below which a particle has dissolved, and at which new ones are first seen [nm]."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What happens in a movie: lengths in nm, times in frames of 1 s.

    Parameters
    ----------
    count
        Particles in the area of the field at the start.
    side
        Edge of the field.
    median, spread
        Of the diameters at the start, and the standard deviation of their logarithm.
    growth, growth_spread
        Mean and standard deviation over particles of the rate at which diameters grow [nm a frame].
    ripening
        K of dD/dt = K (1/D* - 1/D) / D with D* the mean diameter [nm³ a frame]: small ones dissolve.
    wander
        Standard deviation of a step along an axis of a particle of the median size; it goes with 1/√D.
    drift
        Standard deviation of a step of the stage along an axis.
    sticking
        Chance that two particles that touch coalesce; others stay two and part again.
    fusion
        Frames in which the distance of two that coalesce falls to a third.
    nucleation
        Particles that appear in a frame.
    """

    count: int = 60
    side: float = 200.0
    frames: int = 60
    median: float = 8.0
    spread: float = 0.2
    growth: float = 0.0
    growth_spread: float = 0.0
    ripening: float = 0.0
    wander: float = 0.2
    drift: float = 0.5
    sticking: float = 0.5
    fusion: float = 4.0
    nucleation: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spot:
    """What is true of a body in a frame, in the field's own frame of reference.

    Parameters
    ----------
    owners
        Particles that it is made of.
    lobes, parts
        (n, 3) spheres as y, x, radius [nm], and the particles that each is made of.
    y, x, area
        Centroid [nm] and area [nm²] of what the field shows of it.
    area_whole
        Of all of it [nm²].
    border
        Whether the field cuts it.
    """

    frame: int
    owners: frozenset[int]
    lobes: Float[np.ndarray, "n 3"]
    parts: tuple[frozenset[int], ...]
    y: float
    x: float
    area: float
    area_whole: float
    border: bool

    @property
    def diameter(self) -> float:
        """Of the disc of the area of all of it [nm]."""
        return float(np.sqrt(4 * self.area_whole / np.pi))


@dataclass
class _Body:
    """A particle, or some that coalesce: ``apart`` falls from 1 to 0, where they are one sphere."""

    parts: tuple[frozenset[int], ...]
    lobes: np.ndarray
    rate: float
    final: float = 1.0
    apart: float = 0.0

    @property
    def owners(self) -> frozenset[int]:
        """Particles that it is made of."""
        return frozenset().union(*self.parts)

    @property
    def reach(self) -> float:
        """Distance from its middle within which it lies."""
        return float((np.hypot(*(self.lobes[:, :2] - self.middle).T) + self.lobes[:, 2]).max()) * max(
            self.final, 1
        )

    @property
    def volume(self) -> float:
        """Of all spheres at the start, over π/6."""
        return float(((2 * self.lobes[:, 2]) ** 3).sum())

    @property
    def middle(self) -> np.ndarray:
        """Centre of mass (y, x)."""
        weights = self.lobes[:, 2] ** 3
        return np.asarray(weights @ self.lobes[:, :2] / weights.sum())

    @property
    def shown(self) -> np.ndarray:
        """Spheres as they are now: nearer to each other and larger, of the same volume in the end."""
        shown = self.lobes.copy()
        shown[:, :2] = self.middle + self.apart * (shown[:, :2] - self.middle)
        shown[:, 2] *= 1 + (1 - self.apart) * (self.final - 1)
        return shown


def one_sphere(owners: frozenset[int], place: np.ndarray, diameter: float, rate: float) -> _Body:
    return _Body(parts=(owners,), lobes=np.array([[*place, diameter / 2]]), rate=rate)


@dataclass
class Movie:
    """A movie that is being made."""

    life: Life
    rng: np.random.Generator
    bodies: list[_Body] = field(default_factory=list)
    bouncing: set[frozenset[frozenset[int]]] = field(default_factory=set)
    known: int = 0

    @property
    def margin(self) -> float:
        """Width of what lies around the field [nm]."""
        return 3 * self.life.median

    def begin(self) -> None:
        """Put particles into the field and around it, apart from each other."""
        wide = self.life.side + 2 * self.margin
        for _ in range(round(self.life.count * (wide / self.life.side) ** 2)):
            self._appear(self.life.median * float(np.exp(self.life.spread * self.rng.standard_normal())))

    def _appear(self, diameter: float) -> None:
        for _ in range(100):
            place = self.rng.uniform(-self.margin, self.life.side + self.margin, 2)
            if self._free(place, diameter):
                rate = self.life.growth + self.life.growth_spread * float(self.rng.standard_normal())
                self.bodies.append(one_sphere(frozenset([self.known]), place, diameter, rate))
                self.known += 1
                return

    def _free(self, place: np.ndarray, diameter: float) -> bool:
        lobes = [body.shown for body in self.bodies]
        if not lobes:
            return True
        gaps = np.concatenate([np.hypot(*(s[:, :2] - place).T) - s[:, 2] for s in lobes]) - diameter / 2
        return bool(gaps.min() > 0.1 * self.life.median)

    def step(self) -> None:
        """Go on by a frame."""
        self._grow()
        for body in self.bodies:
            size = 2 * np.cbrt(body.volume) / 2
            scale = self.life.wander * np.sqrt(self.life.median / size)
            body.lobes[:, :2] += scale * self.rng.standard_normal(2)
        self._touch()
        for _ in range(int(self.rng.poisson(self.life.nucleation))):
            self._appear(SMALLEST)

    def _grow(self) -> None:
        size = np.array([np.cbrt(body.volume) for body in self.bodies])
        mean = size.mean() if len(size) else 1.0
        left = []
        for body, diameter in zip(self.bodies, size, strict=True):
            change = body.rate + self.life.ripening * (1 / mean - 1 / diameter) / diameter
            if diameter + change < SMALLEST:
                continue
            body.lobes[:, 2] *= (diameter + change) / diameter
            if len(body.lobes) > 1:
                body.apart *= float(np.exp(-1 / self.life.fusion))
                if body.apart < 0.05:
                    body = one_sphere(body.owners, body.middle, diameter + change, body.rate)
            left.append(body)
        self.bodies = left

    def _touch(self) -> None:
        """Let bodies that overlap coalesce, or push them apart."""
        from scipy.spatial import cKDTree

        middles = np.array([body.middle for body in self.bodies]).reshape(-1, 2)
        reach = np.array([body.reach for body in self.bodies])
        far = 0.1 * self.life.median
        pairs = cKDTree(middles).query_pairs(2 * reach.max(initial=0) + far, output_type="ndarray")
        near = np.hypot(*(middles[pairs[:, 0]] - middles[pairs[:, 1]]).T) < reach[pairs].sum(axis=1) + far
        at = list(range(len(self.bodies)))
        for i, j in sorted(pairs[near].tolist()):
            i, j = at[i], at[j]
            if i != j and self._meet(self.bodies[i], self.bodies[j]):
                self.bodies[i] = self._joined(self.bodies[i], self.bodies[j])
                at = [i if k == j else k for k in at]
        self.bodies = [self.bodies[i] for i in sorted(set(at))]

    def _meet(self, one: _Body, other: _Body) -> bool:
        pair = frozenset([one.owners, other.owners])
        gap = gap_between(one.shown, other.shown)
        if gap > 0.1 * self.life.median:
            self.bouncing.discard(pair)
        if gap >= 0:
            return False
        if pair not in self.bouncing:
            if self.rng.random() < self.life.sticking:
                return True
            self.bouncing.add(pair)
        away = one.middle - other.middle
        away *= -gap / 2 / max(float(np.hypot(*away)), 1e-9)
        one.lobes[:, :2] += away
        other.lobes[:, :2] -= away
        return False

    def _joined(self, one: _Body, other: _Body) -> _Body:
        lobes = np.concatenate([one.shown, other.shown])
        whole = one.volume + other.volume
        total = float(((2 * lobes[:, 2]) ** 3).sum())
        lobes[:, 2] *= np.cbrt(whole / total)
        larger = one if one.volume >= other.volume else other
        body = _Body(parts=one.parts + other.parts, lobes=lobes, rate=larger.rate, apart=1.0)
        body.final = float(np.cbrt(whole) / (2 * lobes[:, 2].max()))
        return body


def gap_between(one: Float[np.ndarray, "n 3"], other: Float[np.ndarray, "m 3"]) -> float:
    """Return the distance of the outlines of two sets of spheres; negative where they overlap."""
    apart = np.hypot(*(one[:, None, :2] - other[None, :, :2]).transpose(2, 0, 1))
    return float((apart - one[:, None, 2] - other[None, :, 2]).min())


def film(life: Life, seed: int) -> list[list[Spot]]:
    """Return what the field shows in each frame."""
    rng = np.random.default_rng([seed])
    movie = Movie(life=life, rng=rng)
    movie.begin()
    stage = np.zeros(2)
    frames = []
    for frame in range(life.frames):
        if frame:
            movie.step()
            stage = stage + life.drift * rng.standard_normal(2)
        frames.append(list(_seen(movie, stage, frame)))
    return frames


def _seen(movie: Movie, stage: np.ndarray, frame: int) -> Iterator[Spot]:
    side = movie.life.side
    for body in movie.bodies:
        lobes = body.shown - [*stage, 0]
        low, high = (lobes[:, :2] - lobes[:, 2:]).min(axis=0), (lobes[:, :2] + lobes[:, 2:]).max(axis=0)
        if (high <= 0).any() or (low >= side).any():
            continue
        border = bool((low <= 0).any() or (high >= side).any())
        y, x, area, whole = extent(lobes, side)
        if area >= np.pi / 4 * SMALLEST**2:
            yield Spot(
                frame=frame,
                owners=body.owners,
                lobes=lobes,
                parts=body.parts,
                y=y,
                x=x,
                area=area,
                area_whole=whole,
                border=border,
            )


def extent(lobes: Float[np.ndarray, "n 3"], side: float) -> tuple[float, float, float, float]:
    """Return centroid and area of what lies in the field, and the area of all."""
    low, high = (lobes[:, :2] - lobes[:, 2:]).min(axis=0), (lobes[:, :2] + lobes[:, 2:]).max(axis=0)
    if len(lobes) == 1 and (low >= 0).all() and (high <= side).all():
        area = float(np.pi * lobes[0, 2] ** 2)
        return float(lobes[0, 0]), float(lobes[0, 1]), area, area
    step = float((high - low).max()) / RASTER
    y, x = (np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))
    inside = np.zeros((len(y), len(x)), dtype=bool)
    for cy, cx, radius in lobes:
        inside |= (y[:, None] - cy) ** 2 + (x - cx) ** 2 < radius**2
    shown = inside & ((y >= 0) & (y <= side))[:, None] & ((x >= 0) & (x <= side))
    if not shown.any():
        return 0.0, 0.0, 0.0, float(inside.sum() * step**2)
    rows, columns = np.nonzero(shown)
    return (
        float(y[rows].mean()),
        float(x[columns].mean()),
        float(len(rows) * step**2),
        float(inside.sum() * step**2),
    )
