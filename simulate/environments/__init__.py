"""What lies around a particle: amorphous carbon, an oxide, a liquid between graphene sheets."""

from simulate.environments.amorphous_carbon import AmorphousCarbon
from simulate.environments.liquid_cell import LiquidCell
from simulate.environments.oxide import OxideSupport

__all__ = ["AmorphousCarbon", "LiquidCell", "OxideSupport"]
