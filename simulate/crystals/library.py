"""The crystals that come built in."""

from __future__ import annotations

from collections.abc import Mapping

from nanonet.records import InputError
from simulate.crystals.crystal import Crystal
from simulate.crystals.prototypes import prototype


def _fcc(element: str, lattice_constant: float, energy_100: float) -> Crystal:
    return prototype(
        structure="fcc",
        elements=[element],
        cell=lattice_constant,
        surface_energies={"111": 1.0, "100": energy_100, "110": 1.2},
    )


_ALLOY = {"111": 1.0, "100": 1.15, "110": 1.2}
_TETRAGONAL = {**_ALLOY, "001": 1.15, "101": 1.2}  # as the cubic ones, whose families it splits

# Lattice constants at room temperature. CeO2: B of about 0.25 Å² (Ce) and 0.45 Å² (O) from neutron powder
# diffraction, its facet energies in the order {111} < {110} < {100} of Nolan et al., Surf. Sci. 576 (2005)
# 217. MgO: {100} is by far the cheapest. TiO2: {110} < {100} < {101} < {001}, Ramamoorthy, Vanderbilt &
# King-Smith, Phys. Rev. B 49 (1994) 16721. Ordered Pt-Ni: to 0.02 Å, as it varies
# with composition and order.
CRYSTALS: Mapping[str, Crystal] = {
    crystal.name: crystal
    for crystal in (
        _fcc("Au", 4.0782, 1.10),
        _fcc("Pt", 3.9242, 1.18),
        _fcc("Pd", 3.8907, 1.14),
        _fcc("Ag", 4.0853, 1.12),
        _fcc("Cu", 3.6149, 1.11),
        _fcc("Ni", 3.5240, 1.12),
        prototype(
            structure="L1_0", elements=["Pt", "Ni"], cell=[3.82, 3.82, 3.59], surface_energies=_TETRAGONAL
        ),
        prototype(structure="L1_2", elements=["Pt", "Ni"], cell=3.836, surface_energies=_ALLOY),
        prototype(structure="L1_2", elements=["Ni", "Pt"], cell=3.646, name="PtNi3", surface_energies=_ALLOY),
        prototype(
            structure="fluorite",
            elements=["Ce", "O"],
            cell=5.4113,
            surface_energies={"111": 1.0, "110": 1.25, "100": 1.40},
            thermal_displacements={"Ce": 0.056, "O": 0.075},
        ),
        prototype(
            structure="rocksalt",
            elements=["Mg", "O"],
            cell=4.2117,
            surface_energies={"100": 1.0, "110": 1.4, "111": 1.7},
            thermal_displacements={"Mg": 0.063, "O": 0.067},
        ),
        prototype(
            structure="rutile",
            elements=["Ti", "O"],
            cell=[4.5937, 4.5937, 2.9587],
            surface_energies={"110": 1.0, "100": 1.25, "101": 1.57, "001": 1.85},
            thermal_displacements={"Ti": 0.075, "O": 0.067},
        ),
    )
}


def crystal(name: str) -> Crystal:
    """Return the crystal of a formula.

    Raises
    ------
    InputError
        If there is none, listing those that there are.
    """
    if name not in CRYSTALS:
        raise InputError(f"there is no crystal '{name}'; known: {', '.join(sorted(CRYSTALS))}, or a cif file")
    return CRYSTALS[name]
