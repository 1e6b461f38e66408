"""The shape of each atom's image: U tensors, freed of what noise adds, and the degree of isotropy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from nanonet.atoms.fit import Fit
from nanonet.atoms.gaussian_atoms import read_second
from nanonet.atoms.information import pair_kernel
from nanonet.atoms.scene import Scene

_TRACELESS = (
    np.array(
        [
            [[1, 0, 0], [0, -1, 0], [0, 0, 0]],
            [[-1, 0, 0], [0, -1, 0], [0, 0, 2]],
            [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
            [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
            [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
        ]
    )
    / np.sqrt(np.array([2.0, 6.0, 2.0, 2.0, 2.0]))[:, None, None]
)
_MOST = 0.8
"""Of U: what the anisotropic part of a tensor may take off along one direction."""


@dataclass(frozen=True, kw_only=True)
class Displacements:
    """U of each atom [Å²]: ``u_iso`` (n,), its standard deviation, tensors (n, 3, 3) in the map's axes."""

    u_iso: Float[np.ndarray, " n"]
    sigma_u_iso: Float[np.ndarray, " n"]
    tensors: Float[np.ndarray, "n 3 3"]


def of_likelihood(scene: Scene, found: Fit) -> Displacements:
    """Return U as it was fitted together with weights and positions, under the noise of the map."""
    return Displacements(
        u_iso=found.atoms.u_iso,
        sigma_u_iso=np.sqrt(found.covariances[:, 4, 4]),
        tensors=u_tensors(scene, found),
    )


def u_tensors(scene: Scene, found: Fit) -> Float[np.ndarray, "n 3 3"]:
    """Return U of each atom [Å²] in the axes of the map.

    One Newton step from the isotropic fit gives the five traceless parts, with variance 15 / (2 a² ∂²K/∂s²).
    Noise makes any atom look anisotropic. How unlike the atoms are in truth is what the parts of all of
    them scatter by beyond the noise, and each is drawn to the mean of all by as much as its noise has in its
    variance (James and Stein, 1961; Efron and Morris, 1973); and so is the mean to 0.
    """
    atoms = found.atoms
    slopes = read_second(scene.weighed(scene.residual(atoms)), atoms, scene.voxel_size)
    slopes = np.einsum("mij,nij->nm", _TRACELESS, slopes)
    bend = pair_kernel(scene.noise, np.zeros(len(atoms)), 2 * atoms.u_iso).ss
    variance = 15 / (2 * np.maximum(atoms.weights**2 * bend, 1e-300))
    relative = slopes * (variance / atoms.u_iso)[:, None]
    noise = variance / atoms.u_iso**2
    # Weighted by what each atom tells, so that faint ones do not hide the true scatter.
    weight = 1 / (noise + np.median(noise)) ** 2
    mean = weight @ relative / weight.sum()
    doubt = len(mean) * float(weight**2 @ noise) / float(weight.sum() ** 2 * max(mean @ mean, 1e-300))
    mean = mean * max(0.0, 1 - doubt)
    unlike = relative - mean
    true = float((weight * ((unlike**2).mean(axis=1) - noise)).sum() / weight.sum())
    share = max(true, 0.0) / (max(true, 0.0) + noise)
    part = np.einsum("nm,mij->nij", mean + unlike * share[:, None], _TRACELESS)
    lowest = np.linalg.eigvalsh(part)[:, 0]
    part *= np.minimum(1.0, _MOST / np.maximum(-lowest, 1e-9))[:, None, None]
    return np.asarray(atoms.u_iso[:, None, None] * (np.eye(3) + part))


def principal(
    tensors: Float[np.ndarray, "n 3 3"],
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 3"]]:
    """Return the eigenvalues of each U, largest first, and the direction of the largest.

    They are mean square displacements along the axes of the thermal ellipsoid [Å²], not their roots; NaN
    where U is.
    """
    known = np.isfinite(tensors).all(axis=(1, 2))
    values, long = np.full((len(tensors), 3), np.nan), np.full((len(tensors), 3), np.nan)
    values[known], vectors = np.linalg.eigh(tensors[known])
    long[known] = vectors[:, :, 2] * np.where(vectors[:, 2:3, 2] < 0, -1, 1)
    return values[:, ::-1], long


def degree_of_isotropy(tensors: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, " n"]:
    """Return the smallest over the largest eigenvalue of each U: 1 is a ball."""
    values, _ = principal(tensors)
    return np.asarray(values[:, 2] / values[:, 0])
