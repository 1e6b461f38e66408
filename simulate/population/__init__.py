"""Populations of mixed particles: many HAADF images of several kinds, with the truth of every particle."""

from simulate.population.generate import generate_population, read_fields, read_truth
from simulate.population.haadf import FocusedHAADF, particle_image
from simulate.population.mean_shape import kind_shape, mean_shape
from simulate.population.preview import preview_population
from simulate.population.recipe import Kind, PopulationRecipe

__all__ = [
    "FocusedHAADF",
    "Kind",
    "PopulationRecipe",
    "generate_population",
    "kind_shape",
    "mean_shape",
    "particle_image",
    "preview_population",
    "read_fields",
    "read_truth",
]
