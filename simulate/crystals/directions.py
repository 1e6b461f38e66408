"""Directions and planes of a crystal of any cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import cast

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError
from simulate.crystals.crystal import Crystal, indices
from simulate.crystals.library import CRYSTALS


def direction(zone_axis: Sequence[int], crystal: Crystal | None = None) -> Float[np.ndarray, "3"]:
    """Return the unit vector along [uvw] in the frame of the cell's edges; without crystal, of a cubic one.

    Raises
    ------
    InputError
        If it is [0, 0, 0].
    """
    steps = np.asarray(zone_axis, dtype=float)
    if steps.shape != (3,) or not steps.any():
        raise InputError(f"zone_axis must be a direction [u, v, w], got {list(zone_axis)}")
    vector = steps if crystal is None else steps @ crystal.vectors
    return np.asarray(vector / np.linalg.norm(vector))


def onto_beam(
    zone_axis: Sequence[int], in_plane: float = 0.0, crystal: Crystal | None = None
) -> Float[np.ndarray, "3 3"]:
    """Return the rotation that turns a zone axis onto +z.

    Parameters
    ----------
    zone_axis
        [uvw] of the direction that the beam travels along.
    in_plane
        Rotation about the beam after that [rad].
    crystal
        Whose axis it is; without, of a cubic one.

    Returns
    -------
    rotation
        Acts on column vectors (x, y, z) of the crystal's frame.
    """
    return turn_onto_beam(direction(zone_axis, crystal), in_plane)


def turn_onto_beam(vector: Float[np.ndarray, "3"], in_plane: float = 0.0) -> Float[np.ndarray, "3 3"]:
    """Return the rotation that turns a unit vector onto +z, and then by ``in_plane`` [rad] about it."""
    # The axis that lies flattest to the image plane becomes x, as zone-axis patterns are drawn.
    start = np.eye(3)[np.argmin(np.abs(vector))]
    x = start - vector * (start @ vector)
    x /= np.linalg.norm(x)
    turn = np.array(
        [[np.cos(in_plane), -np.sin(in_plane), 0], [np.sin(in_plane), np.cos(in_plane), 0], [0, 0, 1]]
    )
    return np.asarray(turn @ np.array([x, np.cross(vector, x), vector]))


def zone_axis_along(
    along: Float[np.ndarray, "3"], crystal: Crystal, *, highest: int = 3
) -> tuple[int, int, int] | None:
    """Return the [uvw] of indices up to ``highest`` that lies along a direction, None if there is none."""
    steps = np.stack(np.meshgrid(*[np.arange(-highest, highest + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    steps = steps[np.argsort(np.abs(steps).sum(axis=1), kind="stable")][1:]
    vectors = steps @ crystal.vectors
    aligned = vectors @ along / np.linalg.norm(vectors, axis=1) > 1 - 1e-9
    if not aligned.any():
        return None
    u, v, w = steps[int(np.argmax(aligned))]
    return int(u), int(v), int(w)


def facet_normals(family: Sequence[int] | str, crystal: Crystal | None = None) -> Float[np.ndarray, "n 3"]:
    """Return the unit normals of all facets of a family {hkl}, in the frame of the cell's edges.

    Parameters
    ----------
    family
        Indices, or these as text.
    crystal
        By whose point group facets are alike; without, the full cubic one (m-3m).
    """
    plane = indices(family) if isinstance(family, str) else tuple(int(index) for index in family)
    owner = crystal or CRYSTALS["Au"]
    alike = {tuple(int(index) for index in operation @ plane) for operation in _plane_operations(_key(owner))}
    reciprocal = np.linalg.inv(owner.vectors).T
    normals = np.array(sorted(alike), dtype=float) @ reciprocal
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def plane_spacing(plane: Sequence[int], crystal: Crystal) -> float:
    """Return the distance of neighbouring lattice planes (hkl) [Å], those of a centred cell included."""
    reduced = np.asarray(plane) // np.gcd.reduce(np.asarray(plane))
    phases = _translations(_key(crystal)) @ reduced
    order = next(n for n in range(1, 97) if np.allclose(n * phases, np.rint(n * phases), atol=1e-4))
    return float(1 / (order * np.linalg.norm(reduced @ np.linalg.inv(crystal.vectors).T)))


def facet_energies(crystal: Crystal) -> Mapping[str, float]:
    """Return the crystal's surface energies; where it gives none, those in inverse proportion to the spacing
    of the lattice planes of low indices (Donnay & Harker, Am. Mineral. 22 (1937) 446).
    """  # noqa: D205 - one sentence
    if crystal.surface_energies:
        return crystal.surface_energies
    families: dict[str, float] = {}
    seen: set[tuple[int, ...]] = set()
    for plane in sorted(product((1, 0, -1), repeat=3), key=lambda p: (np.abs(p).sum(), tuple(-np.array(p)))):
        if any(plane) and plane not in seen:
            seen |= {
                tuple(int(i) for i in operation @ plane) for operation in _plane_operations(_key(crystal))
            }
            families["".join(map(str, plane))] = 1 / plane_spacing(plane, crystal)
    lowest = min(families.values())
    return {name: float(value / lowest) for name, value in families.items()}


def repeat_along(crystal: Crystal, zone_axis: Sequence[int]) -> float:
    """Return the mean distance of neighbouring counted atoms along the beam in the densest columns [Å]."""
    steps = np.asarray(zone_axis, dtype=int)
    steps = steps // np.gcd.reduce(steps)
    shared = {symbol for symbol, parts in crystal.mixtures.items() if set(parts) & set(crystal.counted)}
    own = set(crystal.counted) | shared
    points = np.array([p for s, p in zip(crystal.symbols, crystal.scaled_positions, strict=True) if s in own])
    axis = int(np.argmax(np.abs(steps)))
    most = max(_on_line(points - point, steps, axis) for point in points)
    return float(np.linalg.norm(steps @ crystal.vectors) / most)


def _on_line(away: Float[np.ndarray, "n 3"], steps: Int[np.ndarray, "3"], axis: int) -> int:
    """Count the sites, at ``away`` from one of them, on the line along [uvw] through it within a period."""
    total = 0
    for turn in range(abs(int(steps[axis]))):
        share = (away[:, axis] % 1.0 + turn) / steps[axis]
        rest = away - share[:, None] * steps
        total += int((np.abs(rest - np.rint(rest)) < 1e-4).all(axis=1).sum())
    return total


def _key(crystal: Crystal) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[str, ...]]:
    """Return what the symmetry of a crystal follows from, in a form that can be looked up."""
    return (
        tuple(cast("Sequence[float]", crystal.cell)),
        tuple(tuple(point) for point in crystal.scaled_positions),
        tuple(crystal.symbols),
    )


@cache
def _symmetry(
    key: tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[str, ...]],
) -> tuple[Int[np.ndarray, "n 3 3"], Float[np.ndarray, "n 3"]]:
    """Return rotations and translations of the space group, which act on positions in units of the edges."""
    import spglib
    from ase.data import atomic_numbers
    from ase.geometry import cellpar_to_cell

    cell, positions, symbols = key
    numbers = [atomic_numbers[symbol] for symbol in symbols]
    found = spglib.get_symmetry((cellpar_to_cell(cell), positions, numbers), symprec=1e-3)
    if found is None:
        raise InputError("a crystal's symmetry cannot be found: are two of its sites at one place?")
    return np.asarray(found["rotations"], dtype=int), np.asarray(found["translations"], dtype=float)


@cache
def _plane_operations(
    key: tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[str, ...]],
) -> Int[np.ndarray, "n 3 3"]:
    """Return the point group as matrices that act on the indices of planes (the inverse transposed)."""
    rotations = np.unique(_symmetry(key)[0], axis=0)
    return np.asarray(np.rint(np.linalg.inv(rotations).transpose(0, 2, 1)), dtype=int)


@cache
def _translations(
    key: tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[str, ...]],
) -> Float[np.ndarray, "n 3"]:
    """Return the pure translations of the space group: more than one of a centred cell."""
    rotations, translations = _symmetry(key)
    return np.asarray(translations[(rotations == np.eye(3, dtype=int)).all(axis=(1, 2))])
