"""Atoms completed by their lattice: its sites are judged, what is there is fitted, until nothing is added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

from nanonet.atoms.crystal import POWERS, Crystal, atomic_number
from nanonet.atoms.errors import with_usual_errors
from nanonet.atoms.existence import Chance, highest_near, occupation, score_of
from nanonet.atoms.fit import Fit, fit, typical_spread
from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.grains import fit_grains
from nanonet.atoms.lattice import LatticeFit
from nanonet.atoms.scene import Scene, template_information, values_at
from nanonet.atoms.sites import sites_about

_ROUNDS = 3
_SURE = 5.5
"""Score of an atom off the lattice that noise does not reach anywhere in a map."""
_OUT_OF_SIGHT = -5.0
"""Score of a site beyond the faces of the map."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """What sites are judged by: the map, the U [Å²] of the matched filter, what noise alone reaches.

    Parameters
    ----------
    likely
        Probability above which an atom is kept.
    """

    scene: Scene
    u_iso: float
    chance: Chance
    likely: float
    crystal: Crystal


@dataclass(frozen=True)
class _Verdict:
    """Atoms that are kept, then those that are new, with probabilities; the sites left empty, with theirs."""

    atoms: GaussianAtoms
    probability: Float[np.ndarray, " n"]
    new: int
    hidden: Float[np.ndarray, "h 3"]
    hidden_probability: Float[np.ndarray, " h"]


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The fit of all atoms that are likely and the probability of each; the sites that were left empty.

    Parameters
    ----------
    hidden, hidden_probability
        (h, 3) sites [Å], and the chance of each that there is an atom all the same.
    """

    fit: Fit
    probability: Float[np.ndarray, " n"]
    hidden: Float[np.ndarray, "h 3"]
    hidden_probability: Float[np.ndarray, " h"]


def completed(judge: Judge, atoms: GaussianAtoms, grains: Sequence[LatticeFit]) -> Completed | None:
    """Return the atoms that map and lattice together make likely, None where they lose their lattice.

    Parameters
    ----------
    atoms
        Those that were found without the lattice.
    grains
        Lattices fitted to them.
    """
    for _ in range(_ROUNDS):
        verdict = _judged(judge, atoms, grains, grow=True)
        atoms = _fitted(judge, verdict.atoms, grains[0].cutoff, rounds=3, enough=0.02).atoms
        grains = fit_grains(atoms.positions, judge.crystal, near=grains)
        if not grains:
            return None
        if not verdict.new:
            break
    last = _judged(judge, atoms, grains, grow=False)
    cutoff = grains[0].cutoff
    found = _fitted(judge, last.atoms, cutoff, rounds=6, enough=0.003)
    near = _neighbours(found.atoms, cutoff)
    return Completed(
        fit=with_usual_errors(judge.scene, found, near, typical_spread(found.atoms, near)),
        probability=last.probability,
        hidden=last.hidden,
        hidden_probability=last.hidden_probability,
    )


def _fitted(judge: Judge, atoms: GaussianAtoms, cutoff: float, *, rounds: int, enough: float) -> Fit:
    """Return the fit of atoms whose U scatters about a line over their numbers of neighbours."""
    spread = typical_spread(atoms, _neighbours(atoms, cutoff))
    return fit(judge.scene, atoms, spread, rounds=rounds, enough=enough)


def _neighbours(atoms: GaussianAtoms, cutoff: float) -> Float[np.ndarray, " n"]:
    tree = cKDTree(atoms.positions)
    return np.asarray(tree.query_ball_point(atoms.positions, cutoff, return_length=True) - 1.0)


def _levels(crystal: Crystal) -> tuple[float, ...]:
    """Return how bright atoms at one kind of site may be, over the brightest: of an alloy, by element.

    What power of the atomic number intensity rises with is that of potentials or of HAADF.
    """
    if not crystal.is_alloy:
        return (1.0,)
    numbers = atomic_number(crystal.elements)
    ratio = np.sort(numbers / numbers.max())
    return tuple(float(one**power) for one in ratio[:-1] for power in POWERS) + (1.0,) * len(POWERS)


def _judged(judge: Judge, atoms: GaussianAtoms, grains: Sequence[LatticeFit], *, grow: bool) -> _Verdict:
    scene = judge.scene
    sites = sites_about(atoms.positions, grains)
    left = scene.scores(scene.residual(atoms), judge.u_iso)
    own = score_of(atoms, scene, judge.u_iso) + values_at(left, atoms.positions, scene.voxel_size)
    best = highest_near(left, sites.predicted, scene.voxel_size)
    held = sites.atom >= 0
    far = (np.array(scene.density.shape)[::-1] - 1) * scene.voxel_size
    inside = ((sites.predicted > 0) & (sites.predicted < far)).all(axis=1)
    scores = np.where(held, own[sites.atom], np.where(inside, best.scores, _OUT_OF_SIGHT))
    chances = occupation(scores, np.where(held, 0.95, 0.05), sites, judge.chance, _levels(judge.crystal))
    probability = np.where(own > _SURE, 0.99, 0.0)
    probability[sites.atom[held]] = chances[held]
    half = scene.voxel_size / 2
    seen = ((atoms.positions > -half) & (atoms.positions < far + half)).all(axis=1)
    kept = (probability > judge.likely) & seen
    new = ~held & inside & (chances > judge.likely) & grow
    # What was dropped just now is empty as well; what would grow but may not is counted as hidden.
    empty = inside & ~new & ~(held & kept[sites.atom])
    weights = np.maximum(best.scores[new], 1) / np.sqrt(template_information(scene.noise, judge.u_iso))
    added = GaussianAtoms(
        positions=best.positions[new], weights=weights, u_iso=np.full(len(weights), judge.u_iso)
    )
    return _Verdict(
        atoms=atoms.subset(kept).joined(added),
        probability=np.concatenate([probability[kept], chances[new]]),
        new=int(new.sum()),
        hidden=sites.predicted[empty],
        hidden_probability=chances[empty],
    )
