"""The crystals that an element has: their lattices, and what they are in bulk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError

Structure = Literal["fcc", "bcc", "sc"]
_PRIMITIVE = {
    "fcc": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "bcc": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "sc": np.eye(3),
}
_NEIGHBOURS = {"fcc": 12, "bcc": 8, "sc": 6}


@dataclass(frozen=True, kw_only=True)
class Crystal:
    """A crystal of one atom a lattice point.

    Parameters
    ----------
    structure
        fcc (also the cations of rocksalt and fluorite), bcc, or sc (all ions of rocksalt, a half as long).
    lattice_constant
        Edge of the cubic cell in bulk [Å].
    """

    structure: Structure
    lattice_constant: float

    @property
    def primitive(self) -> Float[np.ndarray, "3 3"]:
        """Primitive vectors as rows, in units of the cubic cell's edge."""
        return np.asarray(_PRIMITIVE[self.structure])

    @property
    def bulk_coordination(self) -> int:
        """Nearest neighbours of an atom inside."""
        return _NEIGHBOURS[self.structure]

    @property
    def steps(self) -> np.ndarray:
        """Vectors to the nearest neighbours (k, 3) as whole numbers of primitive vectors."""
        grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        length = np.linalg.norm(grid @ self.primitive, axis=1)
        return np.asarray(grid[np.abs(length - np.unique(np.round(length, 9))[1]) < 1e-6])

    @property
    def bond_length(self) -> float:
        """Distance of nearest neighbours in bulk [Å]."""
        return float(np.linalg.norm(self.steps[0] @ self.primitive) * self.lattice_constant)

    @property
    def shells(self) -> tuple[float, float]:
        """Distances of nearest and second neighbours over the lattice constant."""
        grid = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        length = np.unique(np.round(np.linalg.norm(grid @ self.primitive, axis=1), 9))
        return float(length[1]), float(length[2])


def crystal_of(element: str, structure: str | None = None, lattice_constant: float | None = None) -> Crystal:
    """Return the crystal that an element has in bulk, or the one that is said.

    Parameters
    ----------
    structure
        "fcc", "bcc" or "sc"; None takes the element's own.
    lattice_constant
        Å; None takes the element's own.

    Raises
    ------
    InputError
        If there is no such element, or its own crystal is none of these and none is said.
    """
    from ase.data import atomic_numbers, reference_states

    if element not in atomic_numbers or element == "X":
        raise InputError(f"element={element} is no chemical element; give its symbol, as element=Pt")
    if structure is not None and structure not in get_args(Structure):
        raise InputError(f"structure must be one of {', '.join(get_args(Structure))}, got {structure}")
    number = atomic_numbers[element]
    known = (reference_states[number] if number < len(reference_states) else None) or {}
    own = known.get("symmetry")
    if structure is None and own not in get_args(Structure):
        raise InputError(
            f"{element} is {own or 'no crystal'} in bulk, which is not fitted yet: say what the particle is, "
            "as structure=fcc lattice_constant=3.92 (Å)"
        )
    if lattice_constant is None and structure not in (None, own):
        raise InputError(f"{element} is {own} in bulk: with structure={structure} give lattice_constant= (Å)")
    edge = float(known["a"] if lattice_constant is None else lattice_constant)
    if not (np.isfinite(edge) and edge > 0):
        raise InputError(f"lattice_constant must be positive, got {edge} Å")
    chosen: Structure = structure or own  # type: ignore[assignment]
    return Crystal(structure=chosen, lattice_constant=edge)
