"""Images of many particles: how they lie, what is true of them, and physics that is cheap enough for them."""

from simulate.fields.bright_field import FieldBrightField
from simulate.fields.field import Field, FieldTruth
from simulate.fields.film import CarbonFilm, Film
from simulate.fields.generate import FieldSample, draw_field, generate_fields, read_field
from simulate.fields.haadf import FieldHAADF
from simulate.fields.imaging import FieldImage, FieldImaging
from simulate.fields.particle import FieldParticle, Outline
from simulate.fields.placing import Crowding
from simulate.fields.recipe import FieldRecipe, LogNormal, Population
from simulate.fields.support import OxideSupport

__all__ = [
    "CarbonFilm",
    "Crowding",
    "Field",
    "FieldBrightField",
    "FieldHAADF",
    "FieldImage",
    "FieldImaging",
    "FieldParticle",
    "FieldRecipe",
    "FieldSample",
    "FieldTruth",
    "Film",
    "LogNormal",
    "Outline",
    "OxideSupport",
    "Population",
    "draw_field",
    "generate_fields",
    "read_field",
]
