"""Particles: lattices cut to shapes, on a zone axis or not."""

from simulate.structures.changes import change_end, settle_anions
from simulate.structures.core_shell import CoreShell
from simulate.structures.etched import Etched, Faceted
from simulate.structures.faceted import Cube, RhombicDodecahedron, TruncatedOctahedron, Wulff
from simulate.structures.files import FileRecipe
from simulate.structures.mixture import Mixture
from simulate.structures.orientation import LyingFlat, Orientation, Pose, RandomOrientation, ZoneAxis
from simulate.structures.outliers import Broken, Fused
from simulate.structures.particle import Defect, Particle
from simulate.structures.recipe import ParticleRecipe, make_particle
from simulate.structures.rounded import Plate, Rod, Sphere, Spheroid
from simulate.structures.sites import Sites
from simulate.structures.slabs import FlatSlab, SawToothSlab, SteppedSlab
from simulate.structures.solids import Grain, Shape, Solid
from simulate.structures.star import Star
from simulate.structures.superellipsoid import Superellipsoid
from simulate.structures.twinned import Decahedron, Icosahedron

__all__ = [
    "Broken",
    "CoreShell",
    "Cube",
    "Decahedron",
    "Defect",
    "Etched",
    "Faceted",
    "FileRecipe",
    "FlatSlab",
    "Fused",
    "Grain",
    "Icosahedron",
    "LyingFlat",
    "Mixture",
    "Orientation",
    "Particle",
    "ParticleRecipe",
    "Plate",
    "Pose",
    "RandomOrientation",
    "RhombicDodecahedron",
    "Rod",
    "SawToothSlab",
    "Shape",
    "Sites",
    "Solid",
    "Sphere",
    "Spheroid",
    "Star",
    "SteppedSlab",
    "Superellipsoid",
    "TruncatedOctahedron",
    "Wulff",
    "ZoneAxis",
    "change_end",
    "make_particle",
    "settle_anions",
]
