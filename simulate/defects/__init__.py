"""What real particles have and ideal ones have not, one kind a file."""

from simulate.defects.choice import OneOf, Sometimes
from simulate.defects.dislocations import Dislocation
from simulate.defects.disorder import StaticDisorder
from simulate.defects.relaxation import SurfaceRelaxation
from simulate.defects.roughness import Roughness
from simulate.defects.stacking_faults import StackingFault
from simulate.defects.strain import CoreShellStrain, StrainField
from simulate.defects.surface import Adatoms, RaggedEnds, Steps
from simulate.defects.twins import Twin
from simulate.defects.vacancies import AnionVacancies, CationVacancies

__all__ = [
    "Adatoms",
    "AnionVacancies",
    "CationVacancies",
    "CoreShellStrain",
    "Dislocation",
    "OneOf",
    "RaggedEnds",
    "Roughness",
    "Sometimes",
    "StackingFault",
    "StaticDisorder",
    "Steps",
    "StrainField",
    "SurfaceRelaxation",
    "Twin",
]
