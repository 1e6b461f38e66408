"""All atoms of a map fitted together: maximum likelihood of weights, positions and U under coloured noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.sparse import diags
from scipy.sparse.linalg import LinearOperator, cg

from nanonet.atoms.gaussian_atoms import GaussianAtoms, read_along
from nanonet.atoms.information import PARAMETERS, Information, covariances, information
from nanonet.atoms.scene import Scene

_REACH = 4.5
"""Å between atoms that are taken to share information."""
_STEP, _STRETCH = 0.15, 0.25
"""Å, and of ln U, that one round may change."""
_AS_MUCH = 0.1
"""Å of a move that a change of ln U by 1 counts as."""
_TYPICAL = 0.5
"""How ln U scatters among atoms of equal neighbours: a factor of 1.6."""
_FEW = 20
_FIRST, _HARDER, _TRIES = 0.3, 4.0, 4
"""Of damping: over each parameter's own information, by how much it grows, and how often."""
_ROUNDING = 1e-6
"""Share of the cost that is nothing."""
_SMALLEST, _LARGEST = 0.02, 2.0
"""U [Å²] of anything that is an atom."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How ln U scatters about ``centre`` (n,) by ``deviation``: all that is known beforehand."""

    centre: Float[np.ndarray, " n"]
    deviation: float


def typical_spread(atoms: GaussianAtoms, neighbours: Float[np.ndarray, " n"] | None = None) -> Spread:
    """Return how ln U scatters: about the median of heavy atoms, or a line over numbers of neighbours."""
    logarithm = np.log(atoms.u_iso)
    if neighbours is None or len(atoms) < _FEW or np.ptp(neighbours) < 2:
        heavy = atoms.weights >= np.median(atoms.weights) if len(atoms) else slice(None)
        centre = float(np.median(logarithm[heavy])) if len(atoms) else 0.0
        return Spread(centre=np.full(len(atoms), centre), deviation=_TYPICAL)
    slope, level = np.polyfit(neighbours, logarithm, 1, w=np.maximum(atoms.weights, 0))
    return Spread(centre=level + slope * neighbours, deviation=_TYPICAL)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Fitted atoms, and covariances (n, 5, 5) of weight, x, y, z and U by the Fisher information."""

    atoms: GaussianAtoms
    covariances: Float[np.ndarray, "n 5 5"]

    @property
    def position_errors(self) -> Float[np.ndarray, "n 3"]:
        """Standard deviations of x, y and z [Å]."""
        return np.asarray(np.sqrt(np.diagonal(self.covariances, axis1=1, axis2=2)[:, 1:4]))


def fit(scene: Scene, atoms: GaussianAtoms, spread: Spread, *, rounds: int, enough: float = 0.003) -> Fit:
    """Return the atoms of largest likelihood, by Gauss-Newton steps from where they are.

    The gradient is exact; the matrix is the Fisher information of pairs of atoms that are near (Bell et al.'s
    normal equations with the noise's spectrum as weight). No atom is drawn towards a lattice: of the
    positions nothing is known beforehand; of U the spread of all atoms'. Where long waves are hardly noisy,
    far atoms share information that the matrix lacks, and a step can go too far: then it is damped (Levenberg
    and Marquardt) until the likelihood rises.

    Parameters
    ----------
    rounds
        Steps at most; fewer once no atom moves by more than ``enough`` [Å], nor its ln U by ten times that.
    """
    here, damping = _Reached.by(scene, atoms, spread), 0.0
    for _ in range(rounds if len(atoms) else 0):
        shared = information(atoms, scene.noise, reach=_REACH)
        slopes = read_along(here.weighed, atoms, scene.voxel_size)
        wanted = _with_spread(shared, slopes, atoms, spread)
        for _ in range(_TRIES):
            moved, tried = _stepped(atoms, _solve(shared, *wanted, damping))
            there = _Reached.by(scene, tried, spread)
            if there.cost <= here.cost * (1 + _ROUNDING):
                break
            damping = max(_HARDER * damping, _FIRST)
        else:
            break
        atoms, here = tried, there
        damping = damping / _HARDER if damping > _FIRST / 2 else 0.0
        if moved < enough:
            break
    shared = information(atoms, scene.noise, reach=_REACH)
    _, ridge = _with_spread(shared, np.zeros((len(atoms), PARAMETERS)), atoms, spread)
    return Fit(atoms=atoms, covariances=covariances(shared, ridge))


@dataclass(frozen=True)
class _Reached:
    """Negative log likelihood of atoms, less a constant, and what they leave over the noise's spectrum."""

    cost: float
    weighed: Float[np.ndarray, "z y x"]

    @staticmethod
    def by(scene: Scene, atoms: GaussianAtoms, spread: Spread) -> _Reached:
        residual = scene.residual(atoms)
        weighed = scene.weighed(residual)
        left = 0.5 * scene.voxel_size**3 * float(np.sum(residual * weighed, dtype=np.float64))
        unusual = (np.log(atoms.u_iso) - spread.centre) / spread.deviation
        return _Reached(left + 0.5 * float(unusual @ unusual), weighed)


def _with_spread(
    shared: Information, slopes: Float[np.ndarray, "n 5"], atoms: GaussianAtoms, spread: Spread
) -> tuple[Float[np.ndarray, "n 5"], Float[np.ndarray, "n 5"]]:
    """Return gradient and diagonal of the spread of ln U added, with a small damping."""
    slopes = slopes.copy()
    precision = 1 / (spread.deviation * atoms.u_iso) ** 2
    slopes[:, 4] -= precision * atoms.u_iso * (np.log(atoms.u_iso) - spread.centre)
    ridge = np.zeros_like(slopes)
    ridge[:, 4] = precision
    # An atom of no weight has no position: the ridge of a deviation of 1 Å holds it where it is.
    ridge[:, 1:4] = 1.0
    return slopes, ridge


def _solve(
    shared: Information, slopes: Float[np.ndarray, "n 5"], ridge: Float[np.ndarray, "n 5"], damping: float
) -> Float[np.ndarray, "n 5"]:
    ridge = ridge + damping * np.diagonal(shared.own, axis1=1, axis2=2)
    own = shared.own + ridge[:, :, None] * np.eye(PARAMETERS)
    scale = 1 / np.sqrt(np.maximum(np.diagonal(own, axis1=1, axis2=2), 1e-300))
    unit = own * scale[:, :, None] * scale[:, None, :] + 1e-6 * np.eye(PARAMETERS)
    inverse = np.linalg.inv(unit)
    by = diags(scale.ravel())
    matrix = (by @ (shared.matrix() + diags(ridge.ravel())) @ by).tocsr()
    before = LinearOperator(
        matrix.shape,
        matvec=lambda v: (inverse @ v.reshape(-1, PARAMETERS, 1)).ravel(),
    )
    found, _ = cg(matrix, (slopes * scale).ravel(), rtol=1e-3, maxiter=60, M=before)
    return np.asarray(found.reshape(-1, PARAMETERS) * scale)


def _stepped(atoms: GaussianAtoms, step: Float[np.ndarray, "n 5"]) -> tuple[float, GaussianAtoms]:
    move = step[:, 1:4]
    length = np.linalg.norm(move, axis=1)
    # Where U shrinks a lot its weight goes with it: the whole step of an atom is cut, not a part of it.
    share = np.minimum(1.0, _STEP / np.maximum(length, 1e-9))
    share = np.minimum(share, _STRETCH / np.maximum(np.abs(step[:, 4]) / atoms.u_iso, 1e-9))
    cut = step * share[:, None]
    u_iso = np.clip(atoms.u_iso * np.exp(cut[:, 4] / atoms.u_iso), _SMALLEST, _LARGEST)
    stretched = np.abs(cut[:, 4]) / atoms.u_iso
    moved = float(np.maximum(length * share, _AS_MUCH * stretched).max(initial=0.0))
    return moved, replace(
        atoms,
        positions=atoms.positions + cut[:, 1:4],
        weights=atoms.weights + cut[:, 0],
        u_iso=u_iso,
    )
