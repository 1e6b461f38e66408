"""Straight dislocations: edge, screw and mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.defects.drawing import Range, noted
from simulate.defects.elasticity import poisson_ratio, straight_dislocation
from simulate.defects.filling import refilled
from simulate.defects.planes import bond_vectors, levels_of
from simulate.defects.stacking_faults import partial_shifts
from simulate.defects.surroundings import crowded, uncrowded
from simulate.ranges import drawn, require_range
from simulate.structures.particle import Particle

CHARACTERS = ("edge", "mixed", "screw")


@dataclass(frozen=True, kw_only=True)
class Dislocation:
    """A straight dislocation with Burgers vector a/2 <110> through the whole particle.

    Displacements are those of isotropic elasticity without end: the pull of the particle's surface is left
    out. Atoms that the core would crush are taken out. Clusters of several grains, faulted crystals and
    lattices other than fcc are left as they are.

    Parameters
    ----------
    characters
        Of ``edge``, ``mixed`` and ``screw``, one is drawn of those that the line can have: along [110] edges
        (Lomer's in metals, the glide dislocation of fluorite) and 60° dislocations on {111}.
    offset
        How far the line is from the middle, in the particle's radii, along and across its slip plane.
    dissociation
        Distance between the two Shockley partials [Å], a stacking fault between them, in metals and where
        the slip plane is {111}: wide in silver and gold, narrow in platinum, by the energy of their faults.
    end_on
        Whether the line runs along the beam where that is a zone axis, so that columns stay columns.
    """

    characters: Sequence[str] = CHARACTERS
    offset: Range = (-0.4, 0.4)
    dissociation: Range = (0.0, 15.0)
    end_on: bool = True

    def __post_init__(self) -> None:
        if not self.characters or not set(self.characters) <= set(CHARACTERS):
            raise InputError(f"characters must be some of {', '.join(CHARACTERS)}, got {self.characters}")
        require_range("offset", self.offset, "of the half width", low=-1, high=1)
        require_range("dissociation", self.dissociation, "Å", low=0)

    def apply(self, particle: Particle, rng: np.random.Generator) -> Particle:
        """Return the particle with a dislocation."""
        vectors = bond_vectors(particle.sites)
        choices = [] if vectors is None else self._choices(particle, vectors)
        if vectors is None or not choices:
            return noted(particle, "Dislocation", burgers=None)
        line, burgers = choices[int(rng.integers(len(choices)))]
        frame = _frame(line, burgers, vectors)
        parts = _partials(particle, frame, burgers, vectors, drawn(self.dissociation, rng))
        place = self._place(particle, frame, rng)
        moved = _least_crowded(particle, frame, parts, place, float(np.linalg.norm(burgers)))
        kept = replace(moved, occupied=uncrowded(moved))
        return noted(
            refilled(kept, kept.occupied, "Dislocation"),
            "Dislocation",
            burgers=burgers.tolist(),
            line=line.tolist(),
            character=character(line, burgers),
            plane=frame[1].tolist(),
            through=(place @ frame[:2]).tolist(),
            width=parts[-1][1] - parts[0][1],
        )

    def _choices(
        self, particle: Particle, vectors: Float[np.ndarray, "12 3"]
    ) -> list[tuple[Float[np.ndarray, " 3"], Float[np.ndarray, " 3"]]]:
        """Return the lines and Burgers vectors to choose from; lines off the beam slip on {111} or {001}."""
        if self.end_on and (particle.sites.columns >= 0).any():
            lines, least = [np.array([0.0, 0.0, 1.0])], 0
        else:
            lines, least = _directions(vectors), 4
        return [
            (line, burgers)
            for line in lines
            for burgers in vectors
            if character(line, burgers) in self.characters
            and _in_plane(vectors, _frame(line, burgers, vectors)[1]) >= least
        ]

    def _place(
        self, particle: Particle, frame: Float[np.ndarray, "3 3"], rng: np.random.Generator
    ) -> Float[np.ndarray, " 2"]:
        """Return where the line runs, along and across the slip plane [Å]: across it, in the widest gap."""
        places = particle.sites.positions[particle.occupied] @ frame[:2].T
        middle, radius = places.mean(axis=0), np.ptp(places, axis=0) / 2
        aim = middle + radius * [drawn(self.offset, rng), drawn(self.offset, rng)]
        levels = levels_of(places[:, 1])
        if len(levels) < 2:
            return np.asarray(aim)
        gaps = np.diff(levels)
        wide = np.flatnonzero(gaps > 0.9 * gaps.max())
        between = levels[wide] + gaps[wide] / 2
        aim[1] = between[np.abs(between - aim[1]).argmin()]
        return np.asarray(aim)


def character(line: Float[np.ndarray, " 3"], burgers: Float[np.ndarray, " 3"]) -> str:
    """Return the character of a dislocation, given its line (a unit vector) and Burgers vector."""
    along = abs(float(line @ burgers)) / float(np.linalg.norm(burgers))
    return "edge" if along < 0.05 else "screw" if along > 0.999 else "mixed"


def _directions(vectors: Float[np.ndarray, "12 3"]) -> list[Float[np.ndarray, " 3"]]:
    """Return the unit vectors along <110>, <112> and <100>, one of two that are opposite."""
    found: list[Float[np.ndarray, " 3"]] = []
    for total in (vectors[:, None] + vectors).reshape(-1, 3):
        length = float(np.linalg.norm(total))
        if length > 0.1 and all(abs(each @ total) < 0.999 * length for each in found):
            found.append(total / length)
    return found


def _in_plane(vectors: Float[np.ndarray, "12 3"], normal: Float[np.ndarray, " 3"]) -> int:
    """Return how many neighbours of an atom lie in its plane: 6 in {111}, 4 in {001}, 2 in {110}."""
    return int((np.abs(vectors @ normal) < 0.05 * np.linalg.norm(vectors[0])).sum())


def _frame(
    line: Float[np.ndarray, " 3"], burgers: Float[np.ndarray, " 3"], vectors: Float[np.ndarray, "12 3"]
) -> Float[np.ndarray, "3 3"]:
    """Return as rows: in the slip plane across the line, the normal of that plane, the line."""
    across = burgers - (burgers @ line) * line
    if np.linalg.norm(across) < 1e-3 * np.linalg.norm(burgers):  # a screw: any plane that holds it; of {111}
        others = vectors - np.outer(vectors @ line, line)
        at_60 = np.abs(np.abs(vectors @ burgers) / (burgers @ burgers) - 0.5) < 0.05
        across = others[np.flatnonzero(at_60)[0]]
    across = across / np.linalg.norm(across)
    return np.array([across, np.cross(line, across), line])


def _partials(
    particle: Particle,
    frame: Float[np.ndarray, "3 3"],
    burgers: Float[np.ndarray, " 3"],
    vectors: Float[np.ndarray, "12 3"],
    width: float,
) -> list[tuple[Float[np.ndarray, " 3"], float]]:
    """Return each Burgers vector and its place along the slip plane: two partials on {111} of metals."""
    if width <= 0 or _in_plane(vectors, frame[1]) < 6 or not particle.sites.counted.all():
        return [(burgers, 0.0)]
    shifts = partial_shifts(vectors, frame[1])
    # Between the lines only the second has slipped the crystal: it must go to the other hollows.
    second = shifts[(shifts @ burgers).argmax()]
    return [(burgers - second, -width / 2), (second, width / 2)]


def _least_crowded(
    particle: Particle,
    frame: Float[np.ndarray, "3 3"],
    parts: Sequence[tuple[Float[np.ndarray, " 3"], float]],
    place: Float[np.ndarray, " 2"],
    size: float,
) -> Particle:
    """Return the particle displaced, the line shifted along its slip plane so that fewest atoms clash."""
    poisson = poisson_ratio(particle.sites.crystal.name)
    x, y = (particle.sites.positions @ frame[:2].T - place).T
    best, fewest = particle, np.inf
    for phase in size * np.arange(8) / 8:
        field = sum(
            straight_dislocation(
                x - phase - at,
                y,
                edge=float(part @ frame[0]),
                screw=float(part @ frame[2]),
                poisson=poisson,
                core=size / 2,
            )
            for part, at in parts
        )
        moved = np.asarray(field) @ frame
        moved = moved - moved[particle.occupied].mean(axis=0)
        candidate = replace(particle, displacements=particle.displacements + moved)
        clashes = len(crowded(candidate))
        if clashes < fewest:
            best, fewest = candidate, clashes
        if not clashes:
            break
    return best
