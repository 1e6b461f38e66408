"""Test movies of particles that change: waves calculated once into a folder, then the frames that follow."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from column_depth_exposures import FRAME_TIME, KnownMovie
from column_depth_particles import SEED, SHAPES, Places, draw, places_of, tilted
from column_depth_waves import Fineness, direct_image, exit_waves, packed, sobol_nodes, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from simulate.movies.film import Film, Scene
    from simulate.tem.microscope import Setting

PIXEL_SIZE = 0.25
"""Å."""
MARGIN = 4.0
"""By which the box is larger than a frame [Å]: room for drift and shake."""
DEFOCUS_ERROR, TILT, SUPPORT = 20.0, 2.0, 30.0
"""Of the robustness section: Å off the focus that readers are told, degrees off axis, Å of carbon."""
WAVE_VARIANTS = ("tilted", "supported")
"""Changes that need waves of their own, of the state in the middle only."""
VARIANTS = ("plain", "under", "over", *WAVE_VARIANTS)
"""How the state in the middle is seen: as it is, farther under focus, farther over it, tilted, on carbon."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the test set consists of.

    Parameters
    ----------
    particles
        How many; the shapes of `column_depth_particles.recipe` in turn.
    states
        Of each.
    frames_per_state
        Frames of the movie from one state to the next.
    frame_pixels
        Edge of the frames.
    scale
        Of the particles' diameter.
    materials
        In turn.
    variants
        Of `VARIANTS`, that the state in the middle is seen in besides.
    """

    particles: int = 10
    states: int = 5
    frames_per_state: int = 4
    frame_pixels: int = 160
    scale: float = 1.0
    materials: tuple[str, ...] = ("CeO2",)
    variants: tuple[str, ...] = VARIANTS
    fineness: Fineness = field(default_factory=Fineness)

    @property
    def frames(self) -> int:
        """Of a movie."""
        return self.states * self.frames_per_state

    def material(self, particle: int) -> str:
        """Return what a particle is made of."""
        return self.materials[particle % len(self.materials)]


def microscope_setting(particle: int) -> Setting:
    """Return the setting of a particle's movie: of the shipped corrected microscope, at 1 e/Å²."""
    from nanonet.configuration import build, compose

    node = compose("simulate", ["microscope=corrected_300kv", "output=unused"]).microscope
    microscope = replace(build(node), pixel_size=PIXEL_SIZE, dose=1.0)
    setting: Setting = microscope.draw(300e3, np.random.default_rng([SEED, particle, 6]))
    return setting


def film_of(plan: Plan, particle: int, side: float) -> Film:
    """Return where each frame of a particle's movie lies: drifting by 0.2 Å/s, shaking by 0.1 Å."""
    from simulate.movies.film import MovieRecipe, plan_film

    recipe = MovieRecipe(
        states=plan.states,
        frames_per_state=plan.frames_per_state,
        frame_time=FRAME_TIME,
        frame_pixels=plan.frame_pixels,
        focus_drift=0.0,
    )
    return plan_film(recipe, microscope_setting(particle), side, SEED + particle)


def prepare(folder: Path, plan: Plan, workers: int) -> None:
    """Calculate what the folder lacks: waves of all states, images, frames; a stopped run goes on.

    Raises
    ------
    InputError
        If the folder holds another test set.
    """
    from nanonet.workers.cluster import run
    from nanonet.workers.local import Local

    _claim(folder, plan)
    jobs = list(_wave_jobs(plan))
    missing = [index for index, job in enumerate(jobs) if not _wave_file(folder, *job).exists()]
    if missing:
        run(
            partial(_make_waves, folder, plan),
            missing,
            cluster=Local(workers=workers),
            title=f"exit waves, {plan.fineness.configurations} phonon configurations each",
        )
    for particle in range(plan.particles):
        if not _movie_file(folder, particle).exists():
            _make_movie(folder, plan, particle)


def read_movie(folder: Path, particle: int, variant: str = "") -> KnownMovie:
    """Return the movie of a particle; with a ``variant`` of `VARIANTS` the frames of its middle state."""
    with np.load(_movie_file(folder, particle)) as stored:
        prefix = f"{variant}/" if variant else ""
        arrays = {name: stored[prefix + name] for name in ("expected", "positions", "depths")}
        name, crystal = f"{stored['shape']} {particle}", str(stored["crystal"])
    setting = microscope_setting(particle)
    energy = setting.optics.energy
    return KnownMovie(name=name, crystal=crystal, modality="HRTEM", energy=energy, setting=setting, **arrays)


def _claim(folder: Path, plan: Plan) -> None:
    from nanonet.io.atomic import atomic_path
    from nanonet.records import InputError

    # A set may grow by particles: each depends on its own number only.
    about = {"seed": SEED, "shapes": SHAPES, **asdict(plan), "particles": None}
    text = json.dumps(about, indent=2)
    path = folder / "plan.json"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{folder} holds another test set: choose another --log")
    with atomic_path(path) as hidden:
        hidden.write_text(text, encoding="utf-8")


def _wave_jobs(plan: Plan) -> list[tuple[int, str]]:
    """Return particle and state of everything that waves are needed of."""
    names = [*map(str, range(plan.states)), *_wave_variants(plan)]
    return [(particle, name) for particle in range(plan.particles) for name in names]


def _wave_variants(plan: Plan) -> list[str]:
    return [name for name in WAVE_VARIANTS if name in plan.variants]


def _wave_file(folder: Path, particle: int, state: str) -> Path:
    return folder / "waves" / f"{particle:02d}_{state}.npz"


def _movie_file(folder: Path, particle: int) -> Path:
    return folder / "movies" / f"{particle:02d}.npz"


def _make_waves(folder: Path, plan: Plan, index: int) -> None:
    """Calculate the exit waves of a state, or of the middle one with something changed."""
    from nanonet.io.atomic import atomic_path
    from nanonet.workers.local import one_thread

    particle, state = _wave_jobs(plan)[index]
    atoms, displacements = boxed(plan, particle, state)
    with one_thread():
        spectra = exit_waves(atoms, displacements, plan.fineness, (SEED, particle, index))
    with atomic_path(_wave_file(folder, particle, state)) as hidden:
        np.savez(hidden, spectra=packed(spectra), side=float(atoms.cell[0, 0]))


def boxed(plan: Plan, particle: int, state: str) -> tuple[Atoms, dict[str, float]]:
    """Return the atoms of a state in the box of all states, and their thermal displacements [Å].

    Parameters
    ----------
    state
        Its number, or one of `WAVE_VARIANTS`: the middle state with that change.
    """
    from simulate.environments.amorphous_carbon import AmorphousCarbon
    from simulate.movies.states import reach
    from simulate.shards.box import bounds, enclose
    from simulate.tem.exit_wave import Multislice
    from simulate.tem.hrtem import HRTEM

    grown, track = draw(particle, plan.states, plan.scale, plan.material(particle))
    facts, ends = grown.specimen(), reach(track)
    multislice = Multislice(sampling=plan.fineness.sampling)
    grid = HRTEM(multislice=multislice, least_side=plan.frame_pixels * PIXEL_SIZE + MARGIN)
    side = grid.side(float((ends[1] - ends[0])[:2].max()))
    displacements = dict(facts.thermal_displacements)
    if state == "tilted":
        turned = tilted(grown, track, TILT)
        return enclose(turned.atoms(plan.states // 2), side, reach(turned)), displacements
    if state == "supported":
        facts = replace(facts, atoms=track.atoms(plan.states // 2))
        film = AmorphousCarbon(thickness=SUPPORT, face="exit")
        rng = np.random.default_rng([SEED, particle, 8])
        both = film.surround(facts, side, rng)
        whole = bounds(both.atoms)
        whole = np.stack([np.minimum(ends[0], whole[0]), np.maximum(ends[1], whole[1])])
        return enclose(both.atoms, side, ends, whole), {**displacements, **both.thermal_displacements}
    return enclose(track.atoms(int(state)), side, ends), displacements


def _make_movie(folder: Path, plan: Plan, particle: int) -> None:
    """Write the frames of a particle: all of its movie, and those of its middle state under each variant."""
    from nanonet.io.atomic import atomic_path

    images, side = _images(folder, plan, particle)
    film, middle = film_of(plan, particle, side), plan.states // 2
    places = places_of([boxed(plan, particle, str(state))[0] for state in range(plan.states)])
    scenes = [film[frame] for frame in range(plan.frames)]
    arrays = _seen(scenes, [images[str(scene.moment)] for scene in scenes], places, side)
    own = [replace(scene, moment=0) for scene in scenes if scene.moment == middle]
    still = Places(positions=places.positions[[middle]], depths=places.depths[[middle]])
    for variant in plan.variants:
        image = images[str(middle) if variant == "plain" else variant]
        places = places_of([boxed(plan, particle, variant)[0]]) if variant == "tilted" else still
        seen = _seen(own, [image] * len(own), places, side)
        arrays |= {f"{variant}/{key}": value for key, value in seen.items()}
    material = plan.material(particle)
    arrays["shape"] = np.array(draw(particle, 1, plan.scale, material)[0].about["shape"])
    arrays["crystal"] = np.array(f"{material.lower()}_110")
    with atomic_path(_movie_file(folder, particle)) as hidden:
        np.savez(hidden, allow_pickle=False, **arrays)


def _images(folder: Path, plan: Plan, particle: int) -> tuple[dict[str, np.ndarray], float]:
    """Return the image of every state and variant on its periodic grid, and the edge of the box [Å]."""
    setting, images, side = microscope_setting(particle), {}, 0.0
    nodes = sobol_nodes(plan.fineness.configurations, plan.fineness.nodes, SEED + particle)
    foci = {"under": DEFOCUS_ERROR, "over": -DEFOCUS_ERROR}
    for state in [*map(str, range(plan.states)), *_wave_variants(plan)]:
        with np.load(_wave_file(folder, particle, state)) as stored:
            spectra, side = unpacked(stored["spectra"]), float(stored["side"])
        images[state] = direct_image(spectra, side, setting.optics, nodes)
        if state == str(plan.states // 2):
            for variant in foci.keys() & set(plan.variants):
                moved = replace(setting.optics, defocus=float(setting.optics.defocus) + foci[variant])
                images[variant] = direct_image(spectra, side, moved, nodes)
    return images, side


def _seen(
    scenes: Sequence[Scene], images: Sequence[np.ndarray], places: Places, side: float
) -> dict[str, np.ndarray]:
    """Return what a `KnownMovie` holds of scenes, each with its image and the places of its moment."""
    import torch

    from simulate.camera.sampling import sample_periodic

    expected, positions = [], []
    for scene, image in zip(scenes, images, strict=True):
        pixels = sample_periodic(
            torch.from_numpy(image),
            side / image.shape[-1],
            scene.view,
            scene.setting.detector.response,
        )
        expected.append(pixels.clamp_min(0.0).numpy() * PIXEL_SIZE**2)
        positions.append(scene.view.to_image(places.positions[scene.moment]))
    return {
        "expected": np.stack(expected).astype(np.float32),
        "positions": np.stack(positions),
        "depths": places.depths[[scene.moment for scene in scenes]],
    }
