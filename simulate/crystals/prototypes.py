"""Crystals of common structure types, from their elements and lattice constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nanonet.records import InputError
from simulate.crystals.crystal import Crystal

_FCC = ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))


def _shifted(by: Sequence[float]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple((x + dx) % 1.0 for x, dx in zip(point, by, strict=True)) for point in _FCC)


def prototype(
    *,
    structure: str,
    elements: Sequence[str],
    cell: float | Sequence[float],
    name: str | None = None,
    counted: Sequence[str] = (),
    surface_energies: Mapping[str, float] | None = None,
    thermal_displacements: Mapping[str, float] | None = None,
) -> Crystal:
    """Return the crystal of a structure type.

    Parameters
    ----------
    structure
        A name of `STRUCTURES`.
    elements
        In the order of the type's formula: [Ce, O] of fluorite, [Pt, Ni] of L1_2 is Pt3Ni.
    cell
        Lattice constants [Å] as in `Crystal`: of the cubic cell; of L1_0 [a, a, c], with four atoms.
    name
        Chemical formula where none is given.
    counted, surface_energies, thermal_displacements
        As in `Crystal`.

    Raises
    ------
    InputError
        If there is no such type, or it has another number of elements.
    """
    if structure not in STRUCTURES:
        raise InputError(f"there is no structure '{structure}'; known: {', '.join(sorted(STRUCTURES))}")
    groups = STRUCTURES[structure]
    if len(elements) != len(groups):
        raise InputError(f"structure {structure} has {len(groups)} elements, got {', '.join(elements)}")
    symbols = [e for e, points in zip(elements, groups, strict=True) for _ in points]
    smallest = min(len(points) for points in groups)
    parts = [(e, len(points) // smallest) for e, points in zip(elements, groups, strict=True)]
    return Crystal(
        name=name or "".join(f"{element}{number if number > 1 else ''}" for element, number in parts),
        cell=cell,
        symbols=symbols,
        scaled_positions=[point for points in groups for point in points],
        counted=counted,
        surface_energies=surface_energies or {},
        thermal_displacements=thermal_displacements or {},
    )


_RUTILE_U = 0.3053
"""Where oxygen lies in TiO2 (Burdett et al., J. Am. Chem. Soc. 109 (1987) 3639)."""

STRUCTURES: Mapping[str, tuple[tuple[tuple[float, ...], ...], ...]] = {
    "fcc": (_FCC,),
    "L1_2": (_FCC[1:], _FCC[:1]),
    "L1_0": ((_FCC[0], _FCC[3]), (_FCC[1], _FCC[2])),
    "rocksalt": (_FCC, _shifted((0.5, 0.5, 0.5))),
    "zincblende": (_FCC, _shifted((0.25, 0.25, 0.25))),
    "fluorite": (_FCC, (*_shifted((0.25, 0.25, 0.25)), *_shifted((0.75, 0.75, 0.75)))),
    "bcc": (((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),),
    "perovskite": (
        ((0.0, 0.0, 0.0),),
        ((0.5, 0.5, 0.5),),
        ((0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5)),
    ),
    "rutile": (
        ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
        (
            (_RUTILE_U, _RUTILE_U, 0.0),
            (1 - _RUTILE_U, 1 - _RUTILE_U, 0.0),
            (0.5 + _RUTILE_U, 0.5 - _RUTILE_U, 0.5),
            (0.5 - _RUTILE_U, 0.5 + _RUTILE_U, 0.5),
        ),
    ),
}
"""Sites of the cell of each structure type, one group for each element."""
