"""A crystal: a cell of any shape, what it holds, and what surfaces of it are known to cost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Float

from nanonet.records import InputError
from simulate.crystals.displacements import thermal_displacement

if TYPE_CHECKING:
    from ase import Atoms

NONMETALS = ("H", "C", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "Te", "I")
"""Elements that are not counted in columns where metals lie beside them."""


@runtime_checkable
class Material(Protocol):
    """Something that crystals are drawn from: a crystal itself, or alloys of a range of compositions."""

    @property
    def name(self) -> str:
        """What it is called."""

    def draw(self, rng: np.random.Generator) -> Crystal:
        """Draw a crystal."""


@dataclass(frozen=True, kw_only=True)
class Crystal:
    """A crystal.

    Parameters
    ----------
    name
        Chemical formula, or another name.
    cell
        Edges a, b, c [Å] and angles α, β, γ [degrees] at room temperature; one number a is a cube.
    symbols
        Element of each site of the cell.
    scaled_positions
        (x, y, z) of each site in units of the edges.
    counted
        Elements whose atoms count for the depth of a column; where none is named, the metals of a compound
        and all atoms of anything else.
    surface_energies
        Energy of each facet family relative to any other, under its indices as text ("111", "1-10",
        "10 1 0"): the Wulff construction puts a facet at a distance from the centre in proportion to it.
        Where none is given, facets lie at distances in inverse proportion to the spacing of their lattice
        planes (Donnay & Harker, Am. Mineral. 22 (1937) 446).
    thermal_displacements
        Root mean square displacement along one axis of each element at room temperature [Å],
        sqrt(B / 8 π²); of elements that are not named, `simulate.crystals.thermal_displacement`.
    mixtures
        Sites that are shared at random: {"Pt": {"Pt": 0.75, "Ni": 0.25}} fills the sites of ``symbols`` Pt
        with these chances.

    Raises
    ------
    InputError
        If the cell, its sites or the facets make no sense.
    """

    name: str
    cell: float | Sequence[float]
    symbols: Sequence[str]
    scaled_positions: Sequence[Sequence[float]]
    counted: Sequence[str] = ()
    surface_energies: Mapping[str, float] = field(default_factory=dict)
    thermal_displacements: Mapping[str, float] = field(default_factory=dict)
    mixtures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = {
            "cell": _cell(self.name, self.cell),
            "symbols": tuple(self.symbols),
            "scaled_positions": tuple((float(x), float(y), float(z)) for x, y, z in self.scaled_positions),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        self._require_sites()
        known = {element: thermal_displacement(element) for element in self.elements}
        object.__setattr__(self, "counted", tuple(self.counted) or _metals(self.elements))
        object.__setattr__(self, "thermal_displacements", {**known, **self.thermal_displacements})
        energies = {_family_name(key): float(value) for key, value in self.surface_energies.items()}
        if any(value <= 0 for value in energies.values()):
            raise InputError(f"surface_energies of {self.name} must be positive, got {energies}")
        object.__setattr__(self, "surface_energies", energies)

    def _require_sites(self) -> None:
        from ase.data import atomic_numbers

        if not self.symbols or len(self.symbols) != len(self.scaled_positions):
            raise InputError(
                f"{self.name} needs one of scaled_positions for each of symbols, "
                f"got {len(self.scaled_positions)} for {len(self.symbols)}"
            )
        unknown = [symbol for symbol in (*self.symbols, *self.elements) if symbol not in atomic_numbers]
        if unknown:
            raise InputError(f"symbols of {self.name} must be chemical elements, got '{unknown[0]}'")
        for site, shares in self.mixtures.items():
            if not np.isclose(sum(shares.values()), 1.0) or min(shares.values()) < 0:
                raise InputError(f"mixtures of {self.name} must add up to 1 at '{site}', got {dict(shares)}")

    def draw(self, rng: np.random.Generator) -> Crystal:
        """Return itself: a crystal is a `Material` of one composition."""
        return self

    @property
    def elements(self) -> tuple[str, ...]:
        """All elements that it may hold."""
        shared = [symbol for shares in self.mixtures.values() for symbol in shares]
        return tuple(dict.fromkeys([*(s for s in self.symbols if s not in self.mixtures), *shared]))

    @property
    def lattice_constant(self) -> float:
        """Edge a of the cell [Å]."""
        return cast("Sequence[float]", self.cell)[0]

    @property
    def vectors(self) -> Float[np.ndarray, "3 3"]:
        """Edges of the cell [Å], one a row: a along x, b in the plane of x and y."""
        from ase.geometry import cellpar_to_cell

        return np.asarray(cellpar_to_cell(self.cell), dtype=float)

    @property
    def atomic_volume(self) -> float:
        """Mean volume of its atoms [Å³]."""
        return float(abs(np.linalg.det(self.vectors)) / len(self.symbols))

    def unit_cell(self) -> Atoms:
        """Return the cell; shared sites hold the element that ``symbols`` names them by."""
        from ase import Atoms

        return Atoms(
            list(self.symbols), scaled_positions=np.array(self.scaled_positions), cell=self.vectors, pbc=True
        )


def _cell(name: str, cell: float | Sequence[float]) -> tuple[float, ...]:
    """Return a, b, c, α, β, γ of a cell that may be given by a alone."""
    values = (cell, cell, cell, 90.0, 90.0, 90.0) if isinstance(cell, int | float) else tuple(cell)
    if len(values) == 3:
        values = (*values, 90.0, 90.0, 90.0)
    if len(values) != 6 or not all(np.isfinite(values)) or min(values) <= 0 or max(values[3:]) >= 180:
        raise InputError(f"cell of {name} must be a, b, c [Å] and α, β, γ [degrees], got {cell}")
    return tuple(float(value) for value in values)


def _metals(elements: Sequence[str]) -> tuple[str, ...]:
    return tuple(element for element in elements if element not in NONMETALS) or tuple(elements)


def _family_name(key: str | int) -> str:
    """Return the indices of a facet family as text; YAML reads an unquoted 111 as a number."""
    text = f"{key:03d}" if isinstance(key, int) else str(key)
    indices(text)
    return text


def indices(text: str) -> tuple[int, int, int]:
    """Return (h, k, l) of "111", "1-10" or "10 -1 0"; of four indices (hkil) the third is left out.

    Raises
    ------
    InputError
        If these are no indices of a plane.
    """
    parts = re.findall(r"-?\d+", text) if re.search(r"[\s,]", text.strip()) else re.findall(r"-?\d", text)
    numbers = [int(part) for part in parts]
    if len(numbers) == 4 and sum(numbers[:3]) == 0:
        del numbers[2]
    if len(numbers) != 3 or not any(numbers):
        raise InputError(f"facets must be indices such as '111', '1-10' or '10 1 0', got '{text}'")
    return numbers[0], numbers[1], numbers[2]
