"""Errors of fitted atoms, taken where atoms like them usually are rather than where noise has put each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from nanonet.atoms.fit import Fit, Spread, fit
from nanonet.atoms.gaussian_atoms import GaussianAtoms
from nanonet.atoms.scene import Scene

_ROUNDS = 5
_TIMES = 3


def with_usual_errors(scene: Scene, found: Fit, neighbours: Float[np.ndarray, " n"], spread: Spread) -> Fit:
    """Return a fit with the covariances of atoms of likely weights and U.

    Where noise makes a faint atom sharp and bright, the Fisher information at its own weight and U says that
    it is placed well, just where it is not. Weights and ln U are therefore drawn to a line over the number
    of neighbours, by as much as their errors have in their scatter about it (James and Stein, 1961), once the
    weights are freed of what they gain because positions follow the noise.
    """
    atoms, covariances = found.atoms, found.covariances
    if len(atoms) < _ROUNDS:
        return found
    likely = atoms
    for _ in range(_TIMES):
        errors = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
        weights = drawn_to_line(atoms.weights - _boost(likely, errors[:, 0]), errors[:, 0], neighbours)
        u_iso = np.exp(drawn_to_line(np.log(atoms.u_iso), errors[:, 4] / likely.u_iso, neighbours))
        likely = replace(atoms, weights=np.maximum(weights, 0.1 * np.median(weights)), u_iso=u_iso)
        covariances = _covariances(scene, likely, spread)
    return replace(found, covariances=covariances)


def _boost(atoms: GaussianAtoms, errors: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return what weights gain where three coordinates were fitted: half a unit of likelihood for each."""
    return np.asarray(
        np.minimum(1.5 * errors**2 / np.maximum(atoms.weights, errors), 0.5 * np.abs(atoms.weights))
    )


def _covariances(scene: Scene, atoms: GaussianAtoms, spread: Spread) -> Float[np.ndarray, "n 5 5"]:
    return fit(scene, atoms, spread, rounds=0).covariances


def drawn_to_line(
    values: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], x: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return values drawn to a straight line over x, by as much as errors have in their scatter about it."""
    flat = np.ptp(x) < 1
    design = np.column_stack([np.ones(len(x)), np.zeros(len(x)) if flat else x - x.mean()])
    scatter = 0.0
    left = values
    for _ in range(_ROUNDS):
        weight = 1 / (scatter + errors**2 + 1e-12 * np.var(values) + 1e-30)
        normal = design.T @ (design * weight[:, None]) + np.diag([0.0, float(flat) * weight.sum()])
        line = design @ np.linalg.solve(normal, design.T @ (weight * values))
        left = values - line
        # Each term has the mean scatter + error²: a fixed point is its estimate.
        scatter = max(float((weight**2 * (left**2 - errors**2)).sum() / (weight**2).sum()), 0.0)
    return np.asarray(values - left * errors**2 / (scatter + errors**2 + 1e-30))
