"""Is there an atom at a site: what the map shows there, and how many neighbours there are.

A lattice says where atoms may be, never where they are: it proposes sites next to known atoms, and tells
how many neighbours each has. How often sites of so many neighbours are occupied, and how bright their atoms
are, is learnt from the particle itself (empirical Bayes; expectation maximisation over all sites). The
probability of an atom follows from both; its position is fitted to the map alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage
from scipy.special import expit, logsumexp, softmax
from scipy.stats import gumbel_r, norm

from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.information import pair_kernel
from nanonet.atoms.noise import Grid
from nanonet.atoms.scene import Peaks, Scene, template_information
from nanonet.atoms.sites import Sites

_BALL = 0.6
"""Å about a site within which an atom is looked for."""
_CHANCE_SIDE = 64
"""Voxels along each edge of the noise that is drawn."""
_SWEEPS = 12
_FAINTEST = 0.3
"""Score of an atom at a corner, over that of one inside, at least."""
_UNLIKE = 0.25
"""Deviation of the scores of atoms of equal neighbours, over their mean."""
_EVEN = 0.46
"""Share of an inner atom's neighbours with which a site is as often occupied as not: 5.5 of 12."""
_USUAL = (0.0, 24.0)
"""Log odds of an atom there, and their slope over the share: 2 for each of 12 neighbours."""
_HELD = (0.5, 10.0)
"""Variances about them, before a particle is seen."""
_SUREST = 4.0
"""Log odds that no number of neighbours exceeds: one site in fifty may be a vacancy anywhere."""


@dataclass(frozen=True, kw_only=True)
class Chance:
    """The score that noise alone reaches about a site: a Gumbel distribution, by its place and scale."""

    place: float
    scale: float

    def log_density(self, scores: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Return the logarithm of the density of scores where there is no atom."""
        return np.asarray(gumbel_r.logpdf(scores, self.place, self.scale))


def chance_of_noise(scene: Scene, u_iso: float, rng: np.random.Generator) -> Chance:
    """Return what the matched filter reaches within a ball anywhere in noise of the scene's spectrum."""
    grid = Grid(shape=(_CHANCE_SIDE,) * 3, voxel_size=scene.voxel_size, margin=0.0)
    bell = np.exp(-2 * np.pi**2 * u_iso * grid.frequency**2)
    white = grid.transform(rng.normal(size=grid.shape))
    field = grid.back(white * np.sqrt(grid.weights(scene.noise)) * bell)
    highest = ndimage.maximum_filter(field / field.std(), footprint=_ball(scene.voxel_size), mode="wrap")
    step = max(1, round(2 * _BALL / scene.voxel_size))
    found = highest[::step, ::step, ::step].ravel()
    scale = float(np.sqrt(6) / np.pi * found.std())
    return Chance(place=float(found.mean() - 0.5772 * scale), scale=scale)


def occupation(
    scores: Float[np.ndarray, " m"],
    start: Float[np.ndarray, " m"],
    sites: Sites,
    chance: Chance,
    levels: Sequence[float] = (1.0,),
) -> Float[np.ndarray, " m"]:
    """Return the probability of an atom at each site, by its score and the probable number of its neighbours.

    Parameters
    ----------
    scores
        Matched filter at the atom of each site, or the highest about a site that has none.
    start
        Probabilities to begin with.
    chance
        What noise alone reaches.
    levels
        Brightnesses that an atom at any site may have, over the brightest, all as likely before it is seen.
    """
    p = start.copy()
    level = np.array(levels)[:, None]
    kinds = [np.flatnonzero(sites.species == kind) for kind in np.unique(sites.species)]
    brightest = np.zeros(len(p))
    shares = np.where(level == level.max(), 1.0, 0.0) * np.ones(len(p))
    for _ in range(_SWEEPS):
        m = np.minimum(np.append(p, 0.0)[sites.neighbours].sum(axis=1) / sites.full, 1.0)
        for kind in kinds:
            brightest[kind] = _brightness(scores[kind], p[kind] * shares[:, kind], m[kind], level)
        mean = level * brightest
        deviation = np.sqrt(1.0 + (_UNLIKE * mean) ** 2)
        # The ratio of two densities may fall in their tails; that a higher score speaks for an atom is sure.
        told = np.clip(scores, chance.place, np.maximum(mean.max(axis=0), chance.place))
        each = norm.logpdf(told, mean, deviation) - np.log(len(level))
        shares = softmax(each, axis=0)
        evidence = logsumexp(each, axis=0) - chance.log_density(told)
        odds = _prior(p, m)
        p = 0.5 * p + 0.5 * expit(np.clip(odds + evidence, -40, 40))
    return p


def _brightness(
    scores: Float[np.ndarray, " m"],
    p: Float[np.ndarray, "k m"],
    m: Float[np.ndarray, " m"],
    level: Float[np.ndarray, "k 1"],
) -> Float[np.ndarray, " m"]:
    """Return the mean score of the brightest atoms by their share of neighbours: a line, where they are.

    Parameters
    ----------
    p
        Probability that there is an atom of each level of brightness.
    """
    design = np.column_stack([np.ones(len(m)), m])
    weight = (p * level**2).sum(axis=0) + 1e-6
    normal = design.T @ (design * weight[:, None]) + 1e-3 * np.eye(2)
    line = np.linalg.solve(normal, design.T @ ((p * level).sum(axis=0) * scores + 1e-6 * scores))
    return np.asarray(np.clip(design @ line, _FAINTEST * line.sum(), line.sum()))


def _prior(p: Float[np.ndarray, " m"], m: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Return the log odds of an atom by its share of neighbours: logistic regression of p, held by _USUAL."""
    design = np.column_stack([np.ones(len(m)), m - _EVEN])
    line = np.array(_USUAL)
    for _ in range(20):
        fitted = expit(design @ line)
        slope = design.T @ (p - fitted) - (line - _USUAL) / _HELD
        curve = np.maximum(fitted * (1 - fitted), 1e-6)
        bend = design.T @ (design * curve[:, None]) + np.diag(1 / np.array(_HELD))
        line = line + np.clip(np.linalg.solve(bend, slope), -3, 3)
    return np.asarray(np.minimum(design @ line, _SUREST))


def score_of(atoms: GaussianAtoms, scene: Scene, u_iso: float) -> Float[np.ndarray, " n"]:
    """Return the score that a matched filter of U [Å²] has at each atom if it stands alone."""
    seen = pair_kernel(scene.noise, np.zeros(len(atoms)), atoms.u_iso + u_iso).k
    return np.asarray(atoms.weights * seen / np.sqrt(template_information(scene.noise, u_iso)))


def highest_near(
    scores: Float[np.ndarray, "z y x"], places: Float[np.ndarray, "m 3"], voxel_size: float
) -> Peaks:
    """Return the highest score within the ball about each place, and the voxel that has it; not sorted."""
    offsets = np.argwhere(_ball(voxel_size)) - int(np.ceil(_BALL / voxel_size))
    index = np.rint(places / voxel_size).astype(int)[:, None, ::-1] + offsets
    index = np.clip(index, 0, np.array(scores.shape) - 1)
    values = scores[tuple(np.moveaxis(index, -1, 0))]
    best = values.argmax(axis=1)
    every = np.arange(len(places))
    return Peaks(positions=index[every, best, ::-1] * voxel_size, scores=values[every, best].astype(float))


def _ball(voxel_size: float) -> Bool[np.ndarray, "s s s"]:
    half = int(np.ceil(_BALL / voxel_size))
    return np.asarray(
        (((np.indices((2 * half + 1,) * 3) - half) ** 2).sum(axis=0)) <= (_BALL / voxel_size) ** 2
    )
