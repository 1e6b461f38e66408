"""Crystals, alloys, directions in them."""

from simulate.crystals.alloys import SolidSolution, solid_solution
from simulate.crystals.crystal import Crystal, Material
from simulate.crystals.directions import (
    direction,
    facet_energies,
    facet_normals,
    onto_beam,
    plane_spacing,
    repeat_along,
    turn_onto_beam,
    zone_axis_along,
)
from simulate.crystals.displacements import THERMAL_DISPLACEMENTS, thermal_displacement
from simulate.crystals.from_file import from_file, named
from simulate.crystals.library import CRYSTALS, crystal
from simulate.crystals.prototypes import STRUCTURES, prototype

__all__ = [
    "CRYSTALS",
    "STRUCTURES",
    "THERMAL_DISPLACEMENTS",
    "Crystal",
    "Material",
    "SolidSolution",
    "crystal",
    "direction",
    "facet_energies",
    "facet_normals",
    "from_file",
    "named",
    "onto_beam",
    "plane_spacing",
    "prototype",
    "repeat_along",
    "solid_solution",
    "thermal_displacement",
    "turn_onto_beam",
    "zone_axis_along",
]
