"""Kinds of bodies drawn from broad families: what a network learns bodies in general from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulate.structures.etched import Etched, Faceted
from simulate.structures.rounded import Plate
from simulate.structures.solids import Shape
from simulate.structures.superellipsoid import Superellipsoid

_FACETS = {"100": 1.0, "110": 1.0, "111": 1.0, "210": 1.06, "311": 1.05}
"""Facet families, with distances from which all are seen."""


def faceted(rng: np.random.Generator) -> Faceted:
    """Draw convex bodies of one to five facet families: cubes, octahedra, and what lies between."""
    names = ["100", "110", "111", *[name for name in ("210", "311") if rng.random() < 0.3]]
    some = rng.permutation(names)[: int(rng.integers(1, len(names) + 1))]
    middle = {str(name): _FACETS[str(name)] * np.exp(rng.uniform(-0.3, 0.3)) for name in some}
    spread = rng.uniform(0.0, 0.08)
    ranges = {name: (m * (1 - spread), m * (1 + spread)) for name, m in middle.items()}
    return Faceted(distances=ranges, jitter=rng.uniform(0.0, 0.04))


def round_box(rng: np.random.Generator) -> Superellipsoid:
    """Draw balls, ellipsoids, round rods, boxes and octahedra."""
    power = 2.0 if rng.random() < 0.3 else float(np.exp(rng.uniform(np.log(1.2), np.log(8.0))))
    ratio = 1.0 if rng.random() < 0.4 else float(rng.uniform(1.0, 3.0))
    middle = (0.0, 0.1) if rng.random() < 0.5 else tuple(np.sort(rng.uniform(0.0, 1.0, 2)).tolist())
    return Superellipsoid(
        power=(power, power * rng.uniform(1.0, 1.25)),
        elongation=(ratio, ratio * rng.uniform(1.0, 1.35)),
        middle=middle,
    )


def prism(rng: np.random.Generator) -> Plate:
    """Draw plates and prisms of three to eight sides, and cylinders, as high as wide at most."""
    thickness = float(np.exp(rng.uniform(np.log(0.25), 0.0)))
    return Plate(
        thickness=(thickness, min(1.0, thickness * rng.uniform(1.0, 1.35))),
        edges=int(rng.choice([0, 3, 4, 5, 6, 8])),
        jitter=rng.uniform(0.0, 0.06),
    )


def etched(rng: np.random.Generator) -> Etched:
    """Draw bodies with hollow facets, more or less deep."""
    depth, width = rng.uniform(0.05, 0.45), rng.uniform(0.4, 1.5)
    return Etched(
        whole=faceted(rng),
        depth=(depth, depth + rng.uniform(0.02, 0.35)),
        width=(width, width * rng.uniform(1.0, 1.2)),
    )


FAMILIES: dict[str, Callable[[np.random.Generator], Shape]] = {
    "faceted": faceted,
    "round_box": round_box,
    "prism": prism,
    "etched": etched,
}
