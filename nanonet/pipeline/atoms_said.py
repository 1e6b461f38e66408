"""What a run says of an atomic model: headline numbers, and what to know before trusting them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree
from scipy.stats import skew

from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detected import Detected
from nanonet.atoms.elements import elements
from nanonet.atoms.statistics import AtomStatistics
from nanonet.records import Estimate

_NINETY = 1.645
"""Standard deviations on either side of a 90 % interval."""
_FEW = 20
_LONE = 0.1
_EMPTY = 0.05
_DARK = -0.3
"""Skewness of the denoised map below which its spots are dark."""


def atom_estimates(found: AtomStatistics, detected: Detected, crystal: Crystal) -> tuple[Estimate, ...]:
    """Return the headline numbers of an atomic model."""
    core = (found.table.data["coordination_number"] >= found.bulk).to_numpy()
    numbers = [
        *_counted(detected),
        Estimate(name="core atoms", value=float(core.mean()), unit="share", note="with all neighbours"),
    ]
    u_iso = found.table.data["u_iso_angstrom2"].to_numpy()[core]
    u_iso = u_iso[np.isfinite(u_iso)]
    if len(u_iso):
        error = _NINETY * float(u_iso.std()) / np.sqrt(len(u_iso))
        middle = float(u_iso.mean())
        numbers.append(
            Estimate(name="U of the core", value=middle, low=middle - error, high=middle + error, unit="Å²")
        )
    if detected.lattice is not None:
        numbers += _lattice_estimates(detected, crystal)
    return tuple(numbers)


def _counted(detected: Detected) -> list[Estimate]:
    """Return number and errors of the atoms; without interval where the detection gives no probabilities."""
    count = float(len(detected.fit.atoms))
    if not np.isfinite(detected.probability).all():
        return [
            Estimate(name="atoms", value=count, note="the detection gives no probabilities and no errors")
        ]
    kept = _sum(detected.probability)
    hidden = _sum(detected.hidden_probability)
    spread = _NINETY * float(np.sqrt(kept[1] + hidden[1]))
    likely = kept[0] + hidden[0]
    rms = float(np.sqrt((detected.fit.position_errors**2).sum(axis=1).mean()))
    return [
        Estimate(
            name="atoms",
            value=count,
            low=min(count, likely - spread),
            high=max(count, likely + spread),
            note="by the probabilities of those kept and of empty sites of the lattice",
        ),
        Estimate(
            name="position error", value=rms, unit="Å", note="root mean square, by the Fisher information"
        ),
    ]


def _sum(p: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Return mean and variance of a number of independent things of probabilities p."""
    return float(p.sum()), float((p * (1 - p)).sum())


def _lattice_estimates(detected: Detected, crystal: Crystal) -> list[Estimate]:
    assert detected.lattice is not None
    edge = detected.lattice.lattice_constant
    error = _NINETY * detected.lattice.lattice_constant_error
    bulk = crystal.lattice_constant
    return [
        Estimate(
            name="lattice constant",
            value=edge,
            low=edge - error,
            high=edge + error,
            unit="Å",
            note=f"{crystal.structure}, of a cube of the fitted cell's volume",
        ),
        Estimate(
            name="lattice strain",
            value=100 * (edge / bulk - 1),
            low=100 * ((edge - error) / bulk - 1),
            high=100 * ((edge + error) / bulk - 1),
            unit="%",
            note=f"relative to {bulk:g} Å in bulk; the voxel size's own error is not in the interval",
        ),
    ]


def atom_warnings(found: AtomStatistics, detected: Detected, crystal: Crystal) -> tuple[str, ...]:
    """Return what the reader must know before trusting an atomic model."""
    said, count = [], len(detected.fit.atoms)
    if detected.lattice is None:
        said.append(
            "the atoms lie on no lattice of this crystal: no strain, and none were sought by their neighbours"
        )
    else:
        off = count - sum(int(grain.on.sum()) for grain in detected.grains)
        if off > 0.1 * count:
            said.append(f"{off} of {count} atoms are on no lattice")
        if len(detected.grains) > 1:
            sizes = " and ".join(str(int(grain.on.sum())) for grain in detected.grains)
            said.append(f"{len(detected.grains)} grains of {sizes} atoms: grains.csv says how they lie")
    if crystal.is_alloy and not elements(detected, crystal).told:
        said.append("the intensities do not tell the elements apart: believe no atom's element")
    if float(skew(detected.denoised, axis=None)) < _DARK:
        said.append("the map has dark spots rather than bright ones: is its contrast inverted?")
    cut = _at_faces(detected, crystal)
    if cut:
        said.append(
            f"{cut} atoms lie on the faces of the map: the particle goes on beyond them, so that it is "
            "larger, and atoms there have more neighbours and are deeper, than is said"
        )
    if crystal.is_alloy and (empty := _empty_inside(detected)) > _EMPTY * count:
        said.append(
            f"{empty} sites inside of the particle seem empty: the lighter element may be too faint to be "
            "seen, and its number too small"
        )
    few = float((found.near.number < found.bulk / 4).mean())
    if few > _LONE:
        said.append(
            f"{100 * few:.0f} % of the atoms have hardly a neighbour: is it the element, or are they noise?"
        )
    if count < _FEW:
        said.append(f"only {count} atoms were found")
    return tuple(said)


def _at_faces(detected: Detected, crystal: Crystal) -> int:
    """Return the number of atoms within half a bond of a face of the map."""
    positions, scene = detected.fit.atoms.positions, detected.scene
    far = (np.array(scene.density.shape)[::-1] - 1) * scene.voxel_size
    near = np.minimum(positions, far - positions).min(axis=1) < crystal.bond_length / 2
    return int(near.sum())


def _empty_inside(detected: Detected) -> int:
    """Return the number of empty sites that have at least half of the bulk's neighbours."""
    if detected.lattice is None or not len(detected.hidden):
        return 0
    tree = cKDTree(detected.fit.atoms.positions)
    near = tree.query_ball_point(detected.hidden, detected.lattice.cutoff, return_length=True)
    return int((near >= detected.lattice.crystal.bulk_coordination / 2).sum())
