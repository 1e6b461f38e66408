"""What columns of each depth look like under a setting that is known: the library of an informed reader."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import Bool, Float, Int

from nanonet.records import InputError
from simulate.imaging import Imaging, Setting
from simulate.in_plane import neighbours, turn_between, turned
from simulate.movies.settings import has_value, value_of, with_value
from simulate.photon_transfer import DetectorNoise, measured_detector
from simulate.shards.manifest import read_manifest, recipe_part
from simulate.template_particles import LibraryParticle, library_particles
from simulate.told_setting import told_setting
from simulate.view import View

MODES = 12
"""Independent variations that are kept of each depth: beyond, they say nothing about it."""
_EXAMPLES = 250  # of each depth
_FEWEST = 8  # of a depth that is in the library
_BORROWED = 25.0  # examples' worth of the variation of the neighbouring depths
_FINER = 2  # samples a pixel
_ROUNDING = 0.25  # degrees: templates serve frames that are turned by less than this
_LEAST_LEVEL = 1.0  # electrons a pixel


@dataclass(frozen=True, kw_only=True)
class Templates:
    """The images of columns of 0..D atoms; see `nanonet.atomic_columns.likelihood.Templates`.

    Parameters
    ----------
    mean
        (D + 1, g, g) quanta a pixel around a column, the middle sample at its place.
    modes
        (D + 1, k, g, g) independent variations around it, of one standard deviation each.
    step
        Distance of the samples [Å].
    radius
        Of the disc that is compared [Å].
    gain, offset
        Quanta of counts c: gain · c + offset.
    """

    mean: Float[np.ndarray, "depth g g"]
    modes: Float[np.ndarray, "depth k g g"]
    step: float
    radius: float
    gain: float = 1.0
    offset: float = 0.0


class TemplateLibrary:
    """Particles of a crystal on a zone axis whose images under any optics are templates for columns.

    A column's template is the mean image of columns of its depth in these particles, which are as ragged as
    they were drawn: deep columns have deep neighbours, with steps, vacancies and rough ends. What remains of
    differences between columns of one depth are the modes. Depth 0 is a place of the lattice beside columns
    that holds none.

    Parameters
    ----------
    shards
        Folder of shards that `nanonet simulate` made of the crystal. Those of a test must not be among them.
    setting
        Of microscope and detector, as told: a `Setting`, or the folder of a simulated movie, whose manifest
        holds it.
    particles
        Structures at most, the first ones.
    radius
        Of the disc around a column that is compared [Å]; None takes half the spacing of columns: what is
        nearer to this column than to any other.

    Raises
    ------
    InputError
        If the folder holds no shards on one zone axis, or the setting cannot be read.
    """

    def __init__(
        self,
        shards: str | Path,
        setting: str | Path | Setting,
        particles: int = 120,
        radius: float | None = None,
    ) -> None:
        if particles < 1:
            raise InputError(f"a library needs at least 1 particle, got {particles}")
        if radius is not None and not radius > 0:
            raise InputError(f"the radius of templates must be positive, got {radius} Å")
        folder = Path(shards).expanduser()
        manifest = read_manifest(folder)
        self.imaging: Imaging = recipe_part(manifest, "imaging")
        self.setting = told_setting(setting) if isinstance(setting, str | Path) else setting
        self.particles, self.pattern, unit = library_particles(folder, manifest.get("states", 1), particles)
        self.radius = radius or unit / 2
        self._held: dict[int, Templates] = {}
        self._detectors: dict[float, DetectorNoise] = {}
        self._lock = Lock()

    def under(self, setting: Setting) -> TemplateLibrary:
        """Return the library of the same particles under another setting."""
        other = copy.copy(self)
        other.setting, other._held, other._detectors, other._lock = setting, {}, {}, Lock()
        return other

    def __call__(
        self, positions: Float[np.ndarray, "n 2"], *, pixel_size: float, dose: float | None = None
    ) -> Templates:
        """Return the templates of a crystal as it lies in a frame.

        Parameters
        ----------
        positions
            (n, 2) of columns (y, x) [Å], which say how the crystal is turned.
        pixel_size
            Of the frame [Å].
        dose
            Of the frame [e/Å²]; None for that of the setting.
        """
        angle, _ = turn_between(neighbours(positions), self.pattern)
        steps = round(float(np.degrees(angle)) / _ROUNDING)
        setting = self.setting
        if abs(pixel_size / setting.pixel_size - 1) > 1e-3:
            raise InputError(
                f"the frame has pixels of {pixel_size:.4g} Å, the told setting {setting.pixel_size:.4g} Å"
            )
        with self._lock:
            if steps not in self._held:
                self._held[steps] = self._make(np.radians(steps * _ROUNDING))
            made = self._held[steps]
            ratio = 1.0 if dose is None else dose / setting.dose
            return _in_quanta(made, ratio, self._detector(float(made.mean[0].mean()) * ratio))

    def _detector(self, electrons: float) -> DetectorNoise:
        """Return what the detector does at about so many electrons a pixel."""
        level = float(f"{max(electrons, _LEAST_LEVEL):.2g}")
        if level not in self._detectors:
            self._detectors[level] = measured_detector(self.setting, level)
        return self._detectors[level]

    def _make(self, angle: float) -> Templates:
        """Return templates in electrons a pixel, of a frame that ``angle`` turns onto the pattern."""
        step = self.setting.pixel_size / _FINER
        half = int(np.ceil((self.radius + 1.5 * self.setting.pixel_size) / step))
        line = step * np.arange(-half, half + 1)
        offsets = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
        examples = self._examples(angle, offsets)
        compared = np.hypot(offsets[..., 0], offsets[..., 1]) <= self.radius
        deepest = _deepest(examples)
        mean = np.stack([examples[depth].mean(axis=0) for depth in range(deepest + 1)])
        rest = [examples[depth] - mean[depth] for depth in range(deepest + 1)]
        modes = np.stack([_modes(rest, depth, compared) for depth in range(deepest + 1)])
        return Templates(mean=mean, modes=modes, step=step, radius=self.radius)

    def _examples(
        self, angle: float, offsets: Float[np.ndarray, "g g 2"]
    ) -> dict[int, Float[np.ndarray, "e g g"]]:
        """Return the images around some columns of each depth, as they would be turned in the frame."""
        chosen = _choose([particle.depths for particle in self.particles])
        found: dict[int, list[np.ndarray]] = {}
        for particle, rows in zip(self.particles, chosen, strict=True):
            if not len(rows):
                continue
            turn = angle - particle.turn
            image, sampling = _fine_image(self.imaging, particle, _turned_setting(self.setting, turn))
            places = particle.positions[rows][:, None, None] + turned(offsets, turn)
            for patch, depth in zip(
                _interpolated(image, places / sampling), particle.depths[rows], strict=True
            ):
                found.setdefault(int(depth), []).append(patch)
        return {depth: np.stack(patches) for depth, patches in found.items()}


def _choose(depths: Sequence[Int[np.ndarray, " n"]]) -> list[Int[np.ndarray, " m"]]:
    """Return which columns of each particle are examples: at most so many of each depth, of all particles."""
    owner = np.repeat(np.arange(len(depths)), [len(part) for part in depths])
    row = np.concatenate([np.arange(len(part)) for part in depths])
    depth = np.concatenate(depths)
    order = np.random.default_rng(0).permutation(len(depth))
    kept = np.concatenate([order[depth[order] == value][:_EXAMPLES] for value in np.unique(depth)])
    return [np.sort(row[kept[owner[kept] == index]]) for index in range(len(depths))]


def _fine_image(
    imaging: Imaging, particle: LibraryParticle, setting: Setting
) -> tuple[Float[np.ndarray, "y x"], float]:
    """Return the expected electrons a pixel, all over the box on a finer grid, and the grid's step."""
    step = setting.pixel_size / _FINER
    points = int(particle.side / step)
    view = View(origin=(0.0, 0.0), pixel_size=step, shape=(points, points))
    return imaging.expected(particle.stored, particle.side, setting, view).numpy().astype(float), step


def _interpolated(
    image: Float[np.ndarray, "y x"], places: Float[np.ndarray, "*n 2"]
) -> Float[np.ndarray, "*n"]:
    from scipy import ndimage

    return np.asarray(ndimage.map_coordinates(image, np.moveaxis(places, -1, 0), order=3, mode="nearest"))


def _turned_setting(setting: Setting, angle: float) -> Setting:
    """Return a setting whose directions are turned [rad, from x towards y]."""
    for name in ("astigmatism_angle", "coma_angle"):
        if has_value(setting, name):
            setting = with_value(setting, name, float(value_of(setting, name)) + angle)
    for name in ("motion", "drift"):
        if has_value(setting, name) and value_of(setting, name) is not None:
            y, x = turned(np.array(value_of(setting, name), dtype=float), angle)
            setting = with_value(setting, name, (float(y), float(x)))
    return setting


def _deepest(examples: dict[int, Float[np.ndarray, "e g g"]]) -> int:
    """Return the deepest column of which, and of all shallower ones, there are examples enough.

    Raises
    ------
    InputError
        If there are too few even of empty places and single atoms.
    """
    deepest = -1
    while len(examples.get(deepest + 1, ())) >= _FEWEST:
        deepest += 1
    if deepest < 1:
        raise InputError("the library holds too few columns of one atom: simulate more particles")
    return deepest


def _modes(
    rest: Sequence[Float[np.ndarray, "e g g"]], depth: int, compared: Bool[np.ndarray, "g g"]
) -> Float[np.ndarray, "k g g"]:
    """Return the principal variations of a depth, largest first, with a little of its neighbours'."""
    own = rest[depth]
    beside = np.concatenate([rest[near] for near in (depth - 1, depth + 1) if 0 <= near < len(rest)])
    together = np.concatenate([own, beside * np.sqrt(_BORROWED / len(beside))])
    together = together.reshape(len(together), -1) / np.sqrt(len(own) + _BORROWED)
    inside = together[:, compared.ravel()]
    values, vectors = np.linalg.eigh(inside @ inside.T)
    largest = np.argsort(values)[::-1][:MODES]
    return np.asarray((vectors[:, largest].T @ together).reshape(-1, *compared.shape))


def _in_quanta(made: Templates, ratio: float, detector: DetectorNoise) -> Templates:
    """Return templates in quanta of a detector, at ``ratio`` times the dose of those in electrons a pixel."""
    return replace(
        made,
        mean=detector.efficiency * ratio * made.mean + detector.floor,
        modes=detector.efficiency * ratio * made.modes,
        gain=detector.gain,
        offset=detector.floor - detector.gain * detector.dark,
    )
