"""Test images of gold and platinum in HAADF: PRISM with frozen phonons, counted by electrons an atom."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from column_depth_exposures import KnownMovie
from column_depth_particles import SEED, Pillar

if TYPE_CHECKING:
    from ase import Atoms

    from simulate.stem.haadf import PrismHAADF
    from simulate.stem.microscope import ScanSetting

CASES = (("Au", (1, 1, 0)), ("Pt", (1, 1, 0)), ("Au", (1, 0, 0)), ("Pt", (1, 0, 0)))
SHAPES = "faceted pillar on end, rhombic dodecahedron"
"""Told by the files of a test set."""
PIXEL_SIZE = 0.2
"""Å."""


@dataclass(frozen=True, kw_only=True)
class HAADFPlan:
    """What the test set consists of.

    Parameters
    ----------
    particles
        How many; the materials and zone axes of `CASES` in turn.
    configurations
        Of frozen phonons.
    views
        Images of each, turned by quarters, mirrored, shifted.
    frame_pixels
        Edge of the images.
    diameter
        Of the particles [Å].
    interpolation
        Of PRISM: each that many'th plane wave. 3 leaves windows of 8 Å; cross-sections of columns then differ
        by 0.5 % rms, without bias, from those of 12 Å, and 16 phonon configurations scatter by 3 to 4 %.
    """

    particles: int = 4
    configurations: int = 16
    views: int = 4
    frame_pixels: int = 112
    diameter: float = 13.0
    interpolation: int = 3


def imaging(plan: HAADFPlan) -> PrismHAADF:
    """Return how the clean images are calculated."""
    from simulate.stem.haadf import PrismHAADF

    return PrismHAADF(frozen_phonons=1, interpolation=plan.interpolation, padding=5.0)


def boxed(plan: HAADFPlan, particle: int) -> tuple[Atoms, dict[str, float]]:
    """Return a particle in its box, and its thermal displacements [Å].

    Faceted pillars on end and rhombic dodecahedra, which the training has not, along [110] and [100].
    """
    from simulate.defects.surface import RaggedEnds, Steps
    from simulate.shards.box import bounds, enclose
    from simulate.structures import ParticleRecipe, RhombicDodecahedron, ZoneAxis

    material, axis = CASES[particle % len(CASES)]
    pillar = Pillar(axis=axis)
    recipe = ParticleRecipe(
        materials=(material,),
        shapes=(pillar if (particle + particle // 2) % 2 == 0 else RhombicDodecahedron(),),
        orientation=ZoneAxis(axes=(axis,), mistilt=0.5),
        diameter=(plan.diameter, 1.15 * plan.diameter),
        depth=None,
        defects=(Steps(), RaggedEnds(chance=0.25)),
    )
    specimen = recipe.draw(np.random.default_rng([SEED, particle, 20]))
    ends = bounds(specimen.atoms)
    side = imaging(plan).side(float((ends[1] - ends[0])[:2].max()))
    return enclose(specimen.atoms, side, ends), dict(specimen.thermal_displacements)


def prepare(folder: Path, plan: HAADFPlan, workers: int) -> None:
    """Calculate what the folder lacks, one phonon configuration of one particle at a time.

    Raises
    ------
    InputError
        If the folder holds another test set.
    """
    from nanonet.io.atomic import atomic_path
    from nanonet.records import InputError
    from nanonet.workers.cluster import run
    from nanonet.workers.local import Local

    about = {"seed": SEED, "shapes": SHAPES, **asdict(plan), "particles": None}
    text, path = json.dumps(about, indent=2), folder / "plan.json"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{folder} holds another test set: choose another --log")
    with atomic_path(path) as hidden:
        hidden.write_text(text, encoding="utf-8")
    count = plan.particles * plan.configurations
    missing = [index for index in range(count) if not _file(folder, plan, index).exists()]
    if missing:
        run(
            partial(_calculate, folder, plan),
            missing,
            cluster=Local(workers=workers),
            title="phonon configurations by PRISM",
        )


def _file(folder: Path, plan: HAADFPlan, index: int) -> Path:
    particle, configuration = divmod(index, plan.configurations)
    return folder / f"{particle:02d}_{configuration:02d}.npy"


def _calculate(folder: Path, plan: HAADFPlan, index: int) -> None:
    from nanonet.io.atomic import atomic_path
    from nanonet.workers.local import one_thread
    from simulate.stem.haadf import IMAGES

    particle, configuration = divmod(index, plan.configurations)
    atoms, displacements = boxed(plan, particle)
    with one_thread():
        stored = imaging(plan).calculate(atoms, displacements, (SEED, particle, 21, configuration))
    with atomic_path(_file(folder, plan, index)) as hidden:
        np.save(hidden, stored[IMAGES])


def scan_setting(particle: int) -> ScanSetting:
    """Return the setting of a particle's images: of the shipped microscope, its probe without astigmatism."""
    from nanonet.configuration import build, compose

    node = compose("simulate", ["microscope=stem_200kv", "imaging=haadf_prism", "output=unused"]).microscope
    fixed = {"semiangle_cutoff": 23.0, "Cs": 0.0, "astigmatism": 0.0, "coma": 0.0, "drift": 0.0}
    microscope = replace(build(node), **fixed, pixel_size=PIXEL_SIZE, dose=1.0, turned=False)
    setting: ScanSetting = microscope.draw(200e3, np.random.default_rng([SEED, particle, 22]))
    return setting


def read_images(folder: Path, plan: HAADFPlan, particle: int) -> KnownMovie:
    """Return the images of a particle, scaled so that a dose of 1 gives one detected electron an atom.

    That is the mean over all atoms of the particle, whatever the depth of their column.
    """
    from simulate.stem.haadf import IMAGES
    from simulate.truth import columns_of

    start = particle * plan.configurations
    files = [_file(folder, plan, index) for index in range(start, start + plan.configurations)]
    mean = np.mean([np.load(file) for file in files], axis=0).astype(np.float32)
    atoms, _ = boxed(plan, particle)
    setting, how = scan_setting(particle), imaging(plan)
    side, columns = float(atoms.cell[0, 0]), columns_of(atoms).counted()
    rng = np.random.default_rng([SEED, particle, 23])
    shape = (plan.frame_pixels, plan.frame_pixels)
    views = [setting.view(side, shape, rng) for _ in range(plan.views)]
    images = [how.expected({IMAGES: mean}, side, setting, view).numpy() for view in views]
    # A view may cut off vacuum, never atoms: any of them holds all electrons.
    dose = len(atoms) / float(np.mean([image.sum() for image in images]))
    material, axis = CASES[particle % len(CASES)]
    return KnownMovie(
        name=f"{material} {list(axis)} {particle}",
        crystal=f"{material.lower()}_{''.join(map(str, axis))}",
        modality="HAADF",
        energy=setting.probe.energy,
        expected=dose * np.stack(images),
        positions=np.stack([view.to_image(columns.positions) for view in views]),
        depths=np.tile(columns.depths, (plan.views, 1)),
        setting=replace(setting, dose=dose),
    )
