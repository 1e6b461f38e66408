"""Synthetic maps of platinum particles with exact truth, and the Cramér-Rao bound of what they tell.

Truncated octahedra of fcc platinum (a = 3.92 Å × 1.01), turned and shifted at random. Atoms are Gaussians of
equal integral times an occupancy (0.6 to 1 for atoms of six neighbours or fewer, else 1). U_iso rises from
0.16 Å² in the core to 0.36 Å² where there are six neighbours, static disorder from 0.04 to 0.10 Å. Voxels are
0.358 Å. Of the noise's variance 80 % are white up to 1 / 0.8 Å and 20 % have a correlation of 3.6 Å (a
Gaussian's width at half height). SNR is the ratio of the variances of signal and noise within 2 Å of an atom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy import fft
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from nanonet.atoms.coverage import Coverage, cell_of, coverage_of
from nanonet.atoms.gaussian_atoms import GaussianAtoms, draw
from nanonet.atoms.information import covariances, information
from nanonet.atoms.noise import NoiseSpectrum
from nanonet.records import Volume

VOXEL = 0.358
LATTICE = 3.92 * 1.01
OCTAHEDRA = {201: (7, 2), 405: (9, 3), 586: (10, 3), 711: (11, 4), 5010: (20, 5)}
"""Length and cut of the edges of truncated octahedra, by their atoms."""
BAND, CORRELATION, WHITE = 1 / 0.8, 3.6, 0.8


@dataclass(frozen=True, kw_only=True)
class Truth:
    """The atoms of a map, their coordination numbers, and the noise that was added."""

    atoms: GaussianAtoms
    coordination: Int[np.ndarray, " n"]
    rotation: Float[np.ndarray, "3 3"]
    noise: NoiseSpectrum | None


def particle(count: int, rng: np.random.Generator, side: int, *, disorder: bool = True) -> Truth:
    """Return a particle in the middle of a box of ``side`` voxels, with or without static disorder."""
    from ase.cluster import Octahedron

    length, cut = OCTAHEDRA[count]
    sites = Octahedron("Pt", length, cut, latticeconstant=LATTICE).get_positions()
    sites -= sites.mean(0)
    near = cKDTree(sites).query_pairs(LATTICE * 0.85, output_type="ndarray")
    coordination = np.bincount(near.ravel(), minlength=len(sites))
    outer = np.clip((12 - coordination) / 6, 0, 1)
    rotation = Rotation.random(rng=rng).as_matrix()
    moved = rng.normal(size=sites.shape) * (disorder * (0.04 + 0.06 * outer))[:, None] / np.sqrt(3)
    centre = VOXEL * (side // 2 + rng.uniform(-0.5, 0.5, 3))
    occupancy = np.where(coordination <= 6, rng.uniform(0.6, 1.0, len(sites)), 1.0)
    atoms = GaussianAtoms(
        positions=(sites + moved) @ rotation.T + centre, weights=100.0 * occupancy, u_iso=0.16 + 0.2 * outer
    )
    return Truth(atoms=atoms, coordination=coordination, rotation=rotation, noise=None)


def with_holes(truth: Truth, rng: np.random.Generator) -> Truth:
    """Return a particle that lacks a tenth of its surface and a fiftieth of its core."""
    kept = rng.random(len(truth.atoms)) > np.where(truth.coordination < 12, 0.1, 0.02)
    atoms = truth.atoms.subset(kept)
    near = cKDTree(atoms.positions).query_ball_point(atoms.positions, LATTICE * 0.85, return_length=True)
    return replace(truth, atoms=atoms, coordination=near - 1)


def noisy(
    truth: Truth, snr: float | None, rng: np.random.Generator, side: int, cone: float = 0.0
) -> tuple[Volume, Truth]:
    """Return the map of a particle at an SNR, None without noise, and its truth.

    Parameters
    ----------
    cone
        Degrees from z within which no wave was measured, neither of signal nor of noise.
    """
    shape = (side, side, side)
    clean = draw(truth.atoms, shape, VOXEL)
    if snr is None:
        return Volume(density=clean, voxel_size=VOXEL), truth
    grid = np.stack(np.indices(shape)[::-1], axis=-1).reshape(-1, 3) * VOXEL
    near = np.isfinite(cKDTree(truth.atoms.positions).query(grid, distance_upper_bound=2.0)[0])
    variance = float(clean.ravel()[near].var()) / snr
    k = np.sqrt(sum(part**2 for part in np.meshgrid(*[np.fft.fftfreq(side, VOXEL)] * 3, indexing="ij")))
    white = (k <= BAND).astype(float)
    sigma = (
        CORRELATION / 2.3548 / np.sqrt(2)
    )  # of the kernel, the correlation being twice as wide in variance
    long = np.exp(-((2 * np.pi * k * sigma) ** 2))
    power = WHITE * white / white.mean() + (1 - WHITE) * long / long.mean()
    added = fft.ifftn(fft.fftn(rng.normal(size=shape)) * np.sqrt(variance * power)).real
    fine = np.linspace(0, 0.5 / VOXEL, 2000)
    radial = np.full(len(fine), WHITE / white.mean())  # nothing beyond the band is used
    radial = radial + (1 - WHITE) * np.exp(-((2 * np.pi * fine * sigma) ** 2)) / long.mean()
    spectrum = NoiseSpectrum(frequency=fine, power=variance * radial * VOXEL**3, highest=BAND)
    density = (clean + added).astype(np.float32)
    if cone:
        density = without_cone(density, cone)
        spectrum = replace(spectrum, coverage=outside_cone(cone))
    return (
        Volume(density=density, voxel_size=VOXEL),
        Truth(atoms=truth.atoms, coordination=truth.coordination, rotation=truth.rotation, noise=spectrum),
    )


def without_cone(density: Float[np.ndarray, "z y x"], cone: float) -> Float[np.ndarray, "z y x"]:
    """Return a map without the waves less than ``cone`` degrees from z."""
    z, y, x = np.meshgrid(*[np.fft.fftfreq(n, VOXEL) for n in density.shape], indexing="ij")
    kept = np.abs(z) <= np.cos(np.radians(cone)) * np.sqrt(x**2 + y**2 + z**2)
    return np.asarray(fft.ifftn(fft.fftn(density) * kept).real, dtype=np.float32)


def outside_cone(cone: float) -> Coverage:
    """Return what a missing cone leaves of all directions."""
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 400_000))
    kept = np.abs(z) <= np.cos(np.radians(cone)) * np.sqrt(x**2 + y**2 + z**2)
    return coverage_of(kept.astype(float), cell_of(x, y, z))


def bound(truth: Truth) -> Float[np.ndarray, "n 5 5"]:
    """Return the Cramér-Rao bound of weight, x, y, z and U of each atom, all being fitted together."""
    assert truth.noise is not None
    return covariances(information(truth.atoms, truth.noise, reach=4.5), np.zeros((len(truth.atoms), 5)))
