"""The crystals that elements form: which points of a fine lattice hold atoms, and what they are in bulk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError

Structure = Literal["fcc", "bcc", "sc", "hcp", "diamond", "rocksalt", "fluorite"]
IDEAL_C_OVER_A = float(np.sqrt(8 / 3))
POWERS = (0.7, 1.7)
"""Of the atomic number that an atom's intensity may rise with: in potentials, and in HAADF."""
_ONE_SHELL = 1.12
"""Distances that differ by less are one shell: hcp has two that are nearly alike, bcc's next is at 1.155."""
_FACES = ((0, 0, 0), (0, 2, 2), (2, 0, 2), (2, 2, 0))
_TETRAHEDRA = ((1, 1, 1), (1, 3, 3), (3, 1, 3), (3, 3, 1))
_QUARTERS = np.eye(3) / 4


@dataclass(frozen=True)
class _Prototype:
    """A fine lattice (rows, over the lattice constant), its period, its sites and the species of each."""

    primitive: Float[np.ndarray, "3 3"]
    period: tuple[int, int, int] = (1, 1, 1)
    sites: tuple[tuple[int, ...], ...] = ((0, 0, 0),)
    species: tuple[int, ...] = (0,)


_PROTOTYPES = {
    "fcc": _Prototype(np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2),
    "bcc": _Prototype(np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2),
    "sc": _Prototype(np.eye(3)),
    "hcp": _Prototype(
        np.array([[1 / 3, 0, 0], [-1 / 6, np.sqrt(3) / 6, 0], [0, 0, IDEAL_C_OVER_A / 2]]),
        (3, 3, 2),
        ((0, 0, 0), (1, 2, 1)),
        (0, 0),
    ),
    "diamond": _Prototype(_QUARTERS, (4, 4, 4), _FACES + _TETRAHEDRA, (0,) * 8),
    "rocksalt": _Prototype(
        np.eye(3) / 2,
        (2, 2, 2),
        tuple(product(range(2), repeat=3)),
        tuple(sum(site) % 2 for site in product(range(2), repeat=3)),
    ),
    "fluorite": _Prototype(
        _QUARTERS, (4, 4, 4), _FACES + tuple(product((1, 3), repeat=3)), (0,) * 4 + (1,) * 8
    ),
}
_OF_IONS = ("rocksalt", "fluorite")


@dataclass(frozen=True, kw_only=True)
class Crystal:
    """A crystal: atoms on some points, "sites", of a lattice that is fine enough to hold all of them.

    Parameters
    ----------
    structure
        fcc (also the cations of rocksalt and fluorite alone), bcc, sc, hcp, diamond; rocksalt and fluorite
        with all ions.
    lattice_constant
        Edge a of the cubic cell, or of the hexagon, in bulk [Å].
    elements
        Chemical symbols: none where no matter; one; cation and anion of rocksalt and fluorite; or the
        elements of an alloy, any of which may be at any site.
    c_over_a
        Of hcp.
    """

    structure: Structure
    lattice_constant: float
    elements: tuple[str, ...] = ()
    c_over_a: float = IDEAL_C_OVER_A

    @property
    def of_ions(self) -> bool:
        """Whether the site tells the element."""
        return self.structure in _OF_IONS

    @property
    def is_alloy(self) -> bool:
        """Whether any of several elements may be at a site."""
        return len(self.elements) > 1 and not self.of_ions

    @property
    def rotations(self) -> Literal["D6", "O"]:
        """Point group of the rotations that bring its lattice onto itself."""
        return "D6" if self.structure == "hcp" else "O"

    @property
    def _prototype(self) -> _Prototype:
        return _PROTOTYPES[self.structure]

    @cached_property
    def primitive(self) -> Float[np.ndarray, "3 3"]:
        """Vectors of the fine lattice as rows, over the lattice constant."""
        stretch = self.c_over_a / IDEAL_C_OVER_A if self.structure == "hcp" else 1.0
        return np.asarray(self._prototype.primitive * [1.0, 1.0, stretch])

    @property
    def period(self) -> tuple[int, int, int]:
        """Points of the fine lattice after which the sites come again."""
        return self._prototype.period

    @cached_property
    def _table(self) -> Int[np.ndarray, "a b c"]:
        """Number of the site at each point of a period, -1 where there is none."""
        table = np.full(self.period, -1)
        for number, site in enumerate(self._prototype.sites):
            table[site] = number
        return table

    def site(self, nodes: Int[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
        """Return which site of the cell each point is, -1 where there is none."""
        inside = np.mod(nodes, self.period)
        return np.asarray(self._table[tuple(np.moveaxis(inside, -1, 0))])

    def allowed(self, nodes: Int[np.ndarray, "*n 3"]) -> Bool[np.ndarray, "*n"]:
        """Return which points of the fine lattice are sites."""
        return np.asarray(self.site(nodes) >= 0)

    def species(self, nodes: Int[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
        """Return which of the elements each site holds in rocksalt and fluorite, else 0."""
        return np.asarray(np.array(self._prototype.species)[self.site(nodes)])

    def coordination(self, nodes: Int[np.ndarray, "*n 3"]) -> Int[np.ndarray, "*n"]:
        """Return the number of nearest neighbours of each site in bulk."""
        return np.asarray(np.array([len(steps) for steps in self._steps])[self.site(nodes)])

    @cached_property
    def _around(self) -> tuple[Int[np.ndarray, "g 3"], Float[np.ndarray, " g"]]:
        grid = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        length = np.linalg.norm(grid @ self.primitive, axis=1)
        return grid[length > 1e-9], length[length > 1e-9]

    @cached_property
    def _distances(self) -> Float[np.ndarray, " d"]:
        """Distances between sites over the lattice constant, rising."""
        grid, length = self._around
        found = [length[self.allowed(grid + site)] for site in np.array(self._prototype.sites)]
        return np.unique(np.round(np.concatenate(found), 9))

    @cached_property
    def _steps(self) -> tuple[Int[np.ndarray, "k 3"], ...]:
        """Vectors to the nearest neighbours of each site of the cell, in points of the fine lattice."""
        grid, length = self._around
        near = length < _ONE_SHELL * self._distances[0]
        return tuple(grid[near & self.allowed(grid + site)] for site in np.array(self._prototype.sites))

    @cached_property
    def steps(self) -> Int[np.ndarray, "k 3"]:
        """Vectors to nearest neighbours, those of all kinds of sites together."""
        return np.asarray(np.unique(np.concatenate(self._steps), axis=0))

    @property
    def bulk_coordination(self) -> int:
        """Nearest neighbours of an atom inside; the largest of those of different sites."""
        return max(len(steps) for steps in self._steps)

    @property
    def shells(self) -> tuple[float, float]:
        """Distances of nearest (their mean) and second neighbours over the lattice constant."""
        distances = self._distances
        first = distances < _ONE_SHELL * distances[0]
        near = np.concatenate([np.linalg.norm(steps @ self.primitive, axis=1) for steps in self._steps])
        return float(near.mean()), float(distances[~first][0])

    @property
    def atom_volume(self) -> float:
        """Volume that each atom has in bulk [Å³]."""
        cell = abs(float(np.linalg.det(self.primitive))) * float(np.prod(self.period))
        return cell * self.lattice_constant**3 / int((self._table >= 0).sum())

    @property
    def bond_length(self) -> float:
        """Mean distance of nearest neighbours in bulk [Å]."""
        return self.shells[0] * self.lattice_constant


def elements_of(formula: str) -> dict[str, int]:
    """Return the elements of a formula with their numbers: CeO2 is {"Ce": 1, "O": 2}.

    Raises
    ------
    InputError
        If it is no formula of chemical elements.
    """
    from ase.data import atomic_numbers

    parts = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    if not parts or "".join(symbol + number for symbol, number in parts) != formula:
        raise InputError(
            f"element={formula} is no chemical element; give its symbol or a formula, as element=Pt"
        )
    for symbol, _ in parts:
        if symbol not in atomic_numbers or symbol == "X":
            raise InputError(f"element={symbol} is no chemical element; give its symbol, as element=Pt")
    return {symbol: int(number or 1) for symbol, number in parts}


def crystal_of(element: str, structure: str | None = None, lattice_constant: float | None = None) -> Crystal:
    """Return the crystal that an element has in bulk, or the one that is said.

    Parameters
    ----------
    element
        Chemical symbol, or a formula: of ions, cation first (CeO2), or of an alloy (PtNi3).
    structure
        One of `Structure`; None takes the element's own.
    lattice_constant
        Å; None takes the element's own, of an alloy the mean by numbers of atoms (Vegard's law).

    Raises
    ------
    InputError
        If there is no such element, or its crystal is none of these and none is said.
    """
    numbers = elements_of(element)
    if structure is not None and structure not in get_args(Structure):
        raise InputError(f"structure must be one of {', '.join(get_args(Structure))}, got {structure}")
    if structure in _OF_IONS and len(numbers) != 2:
        raise InputError(
            f"structure={structure} has two elements, cation first, as element=CeO2; got {element}"
        )
    known = {symbol: _in_bulk(symbol) for symbol in numbers}
    if structure is None:
        own = {str(k.get("symmetry") or "no crystal") for k in known.values()}
        if len(own) > 1 or not own < set(get_args(Structure)):
            raise InputError(
                f"{element} is {' and '.join(sorted(own))} in bulk: say what the particle is, as "
                "structure=fcc lattice_constant=3.92 (Å)"
            )
        structure = own.pop()
    fitting = all(k.get("symmetry") == structure for k in known.values())
    if lattice_constant is None and not fitting:
        raise InputError(
            f"{element} is not {structure} in bulk: with structure={structure} give lattice_constant= (Å)"
        )
    edge = _mean("a", known, numbers) if lattice_constant is None else float(lattice_constant)
    if not (np.isfinite(edge) and edge > 0):
        raise InputError(f"lattice_constant must be positive, got {edge} Å")
    return Crystal(
        structure=structure,  # type: ignore[arg-type]
        lattice_constant=edge,
        elements=tuple(numbers),
        c_over_a=_mean("c/a", known, numbers) if structure == "hcp" and fitting else IDEAL_C_OVER_A,
    )


def _in_bulk(symbol: str) -> dict[str, float | str]:
    from ase.data import atomic_numbers, reference_states

    number = atomic_numbers[symbol]
    return dict((reference_states[number] if number < len(reference_states) else None) or {})


def _mean(name: str, known: dict[str, dict[str, float | str]], numbers: dict[str, int]) -> float:
    total = sum(float(known[symbol][name]) * count for symbol, count in numbers.items())
    return total / sum(numbers.values())


def atomic_number(symbols: Sequence[str]) -> Float[np.ndarray, " e"]:
    """Return the atomic number of each element."""
    from ase.data import atomic_numbers

    return np.array([float(atomic_numbers[symbol]) for symbol in symbols])
