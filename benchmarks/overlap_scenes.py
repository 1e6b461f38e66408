"""Particles that overlap by a known degree, drawn: whole outlines, a mask with a ragged edge, an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

BLUR = 1.0
"""Standard deviation [px] of what rounds necks, in masks as in images."""
CORRELATION = 2.0
"""Of the raggedness along an outline: standard deviation [px] of the Gaussian that smooths it."""
TRIES = 200
GAP = 8.0
"""Pixels between groups of particles."""

Box = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A convex particle.

    Parameters
    ----------
    corners
        (n, 2) of its outline, (y, x) from its centre [px].
    centre
        (y, x) [px].
    """

    corners: Float[np.ndarray, "n 2"]
    centre: Float[np.ndarray, "2"]

    @cached_property
    def sides(self) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
        """Normals that point outwards, and how far the sides are from the centre [px]."""
        along = np.roll(self.corners, -1, axis=0) - self.corners
        normals = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None]
        offsets = np.sum(normals * self.corners, axis=1)
        return normals * np.sign(offsets)[:, None], np.abs(offsets)

    @cached_property
    def diameter(self) -> float:
        """Of the disc of the same area [px]."""
        (y, x), (v, u) = self.corners.T, np.roll(self.corners, -1, axis=0).T
        return float(np.sqrt(2 / np.pi * abs(np.sum(y * u - x * v))))

    def reach(self, direction: Float[np.ndarray, "2"]) -> float:
        """Return the distance from the centre to the outline along a unit vector [px]."""
        normals, offsets = self.sides
        along = normals @ direction
        return float((offsets[along > 0] / along[along > 0]).min())

    def width(self, direction: Float[np.ndarray, "2"]) -> float:
        """Return the length of the line through the centre that lies inside [px]."""
        return self.reach(direction) + self.reach(-direction)

    def box(self, shape: tuple[int, int]) -> Box:
        """Return the part of a frame that holds it."""
        low, high = (self.centre + end for end in (self.corners.min(axis=0), self.corners.max(axis=0)))
        y, x = (
            slice(max(int(np.floor(a)), 0), min(int(np.ceil(b)) + 1, size))
            for a, b, size in zip(low, high, shape, strict=True)
        )
        return y, x

    def depth(self, box: Box) -> Float[np.ndarray, "h w"]:
        """Return 1 in the centre, 0 on the outline, negative outside, linear along every ray."""
        points = np.stack(np.mgrid[box], axis=-1) - self.centre
        normals, offsets = self.sides
        return np.asarray(1.0 - (points @ normals.T / offsets).max(axis=-1))


def drawn(diameter: float, rng: np.random.Generator) -> Drawn:
    """Draw a disc, an ellipse or a polygon of 3 to 6 corners, each as often, turned by any angle."""
    kind = rng.choice(["disc", "ellipse", "polygon"])
    number = int(rng.integers(3, 7)) if kind == "polygon" else 72
    stretch = {"disc": 1.0, "ellipse": rng.uniform(1.1, 1.8), "polygon": rng.uniform(1.0, 1.3)}[kind]
    turns = 2 * np.pi * (np.arange(number) + rng.random()) / number
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = Drawn(
        corners=np.stack([np.sin(turns), stretch * np.cos(turns)], axis=1) @ turn, centre=np.zeros(2)
    )
    return replace(shape, corners=shape.corners * diameter / shape.diameter)


def degree(one: Drawn, other: Drawn) -> float:
    """Return how far two overlap along the line of their centres, over the width of the smaller one there.

    0 is a touch, negative a gap. For discs that is the overlap over the smaller diameter.
    """
    apart = other.centre - one.centre
    distance = float(np.linalg.norm(apart))
    direction = apart / max(distance, 1e-9)
    smaller = min(one, other, key=lambda each: each.diameter)
    return (one.reach(direction) + other.reach(-direction) - distance) / smaller.width(direction)


def against(new: Drawn, partner: Drawn, overlap: float, angle: float) -> Drawn:
    """Return a particle moved to where it overlaps a partner by a degree, seen from there at an angle."""
    direction = np.array([np.sin(angle), np.cos(angle)])
    smaller = min(new, partner, key=lambda each: each.diameter)
    distance = partner.reach(direction) + new.reach(-direction) - overlap * smaller.width(direction)
    return replace(new, centre=partner.centre + distance * direction)


def group(diameters: Sequence[float], overlap: float, rng: np.random.Generator) -> list[Drawn]:
    """Return particles of which each overlaps one before it by a degree, and none of them by more."""
    placed = [drawn(diameters[0], rng)]
    for diameter in diameters[1:]:
        for _ in range(TRIES):
            partner = placed[int(rng.integers(len(placed)))]
            new = against(drawn(diameter, rng), partner, overlap, rng.uniform(0, 2 * np.pi))
            if all(degree(new, each) <= overlap for each in placed if each is not partner):
                placed.append(new)
                break
    return placed


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A frame of particles, the first of which lies on top.

    Parameters
    ----------
    shape
        (y, x) pixels.
    displacement
        (y, x) by how much the outline of the union is moved outwards [px].
    """

    particles: tuple[Drawn, ...]
    shape: tuple[int, int]
    displacement: Float[np.ndarray, "y x"]

    @cached_property
    def whole(self) -> list[tuple[Box, Bool[np.ndarray, "h w"]]]:
        """Where each particle is, with its pixels there, also those that others hide."""
        boxes = [each.box(self.shape) for each in self.particles]
        return [(box, each.depth(box) >= 0) for each, box in zip(self.particles, boxes, strict=True)]

    @cached_property
    def visible(self) -> Int[np.ndarray, "y x"]:
        """The uppermost particle on every pixel, 1 for the first, 0 for none."""
        labels = np.zeros(self.shape, dtype=np.int32)
        for number in range(len(self.whole), 0, -1):
            box, mask = self.whole[number - 1]
            labels[box][mask] = number
        return labels

    @cached_property
    def mask(self) -> Bool[np.ndarray, "y x"]:
        """What a segmentation that tells particle from background makes of it."""
        from scipy.ndimage import distance_transform_edt, gaussian_filter

        union = self.visible > 0
        signed = distance_transform_edt(union) - distance_transform_edt(~union)
        return np.asarray(gaussian_filter(signed, BLUR) + self.displacement > 0)

    def image(self, rng: np.random.Generator, *, dose: float = 100.0) -> Float[np.ndarray, "y x"]:
        """Return a bright-field image of round bodies: darker where two overlap.

        Parameters
        ----------
        dose
            Electrons a pixel of the background.
        """
        from scipy.ndimage import gaussian_filter

        thickness = np.zeros(self.shape)
        for each, (box, _) in zip(self.particles, self.whole, strict=True):
            inside = np.clip(each.depth(box), 0, 1)
            thickness[box] += each.diameter * np.sqrt(inside * (2 - inside))
        usual = float(np.mean([each.diameter for each in self.particles]))
        return rng.poisson(dose * gaussian_filter(np.exp(-thickness / usual), BLUR)).astype(np.float32)


def scene(
    sizes: Callable[[], Sequence[float]],
    *,
    groups: int,
    overlap: float,
    noise: float,
    rng: np.random.Generator,
) -> Scene:
    """Return groups of particles, apart from each other, in a frame that holds them.

    Parameters
    ----------
    sizes
        Draws the diameters of the particles of one group [px].
    overlap
        Degree of overlap, see `degree`.
    noise
        Standard deviation of what the outline of the mask is off by [px].
    """
    from scipy.ndimage import gaussian_filter

    found = [group(sizes(), overlap, rng) for _ in range(groups)]
    ends = [np.concatenate([each.corners + each.centre for each in some]) for some in found]
    cell = max(float(np.ptp(end, axis=0).max()) for end in ends) + GAP
    columns = int(np.ceil(np.sqrt(groups)))
    placed: list[Drawn] = []
    for index, (some, end) in enumerate(zip(found, ends, strict=True)):
        middle = (end.min(axis=0) + end.max(axis=0)) / 2
        home = cell * (np.array(divmod(index, columns)) + 0.5) + rng.random(2) - middle
        placed += [replace(each, centre=each.centre + home) for each in some]
    shape = int(cell * -(-groups // columns)) + 2, int(cell * columns) + 2
    ragged = gaussian_filter(rng.standard_normal(shape), CORRELATION)
    return Scene(
        particles=tuple(placed[i] for i in rng.permutation(len(placed))),
        shape=shape,
        displacement=noise * ragged / ragged.std(),
    )
