"""The lattice of atoms, found from their bonds: whatever way the particle lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from nanonet.atoms.crystal import Crystal

_TRIALS = 200
_BONDS = 600
_LIKE = 0.25
"""Share of a bond's length within which it is one of the lattice."""
_SCALES = (0.8, 1.25)
"""Bond lengths over that in bulk which are looked at."""
_LEAST = 8
_CRYSTAL = 0.5
"""Share of the bonds that a lattice has to explain."""


@dataclass(frozen=True, kw_only=True)
class LatticeFit:
    """A lattice r = origin + node · vectors, and the node of each atom.

    Parameters
    ----------
    vectors
        Those of the crystal's fine lattice as rows [Å], fitted without constraint: strain and shear of the
        whole are in them.
    nodes
        (n, 3) whole numbers; of atoms that are not ``on`` the lattice without meaning.
    crystal
        What it is a lattice of.
    covariance
        (3, 3, 3) of the ``vectors``' x, of their y and of their z [Å²], which are independent.
    """

    origin: Float[np.ndarray, " 3"]
    vectors: Float[np.ndarray, "3 3"]
    nodes: Int[np.ndarray, "n 3"]
    on: Bool[np.ndarray, " n"]
    crystal: Crystal
    covariance: Float[np.ndarray, "3 3 3"]

    @property
    def lattice_constant(self) -> float:
        """Edge of a cube of the cell's volume [Å]."""
        return float(abs(np.linalg.det(np.linalg.solve(self.crystal.primitive, self.vectors))) ** (1 / 3))

    @property
    def lattice_constant_error(self) -> float:
        """Standard deviation of the lattice constant [Å]: δa / a = tr(V⁻¹ δV) / 3."""
        slopes = np.linalg.inv(self.vectors)
        return float(
            self.lattice_constant / 3 * np.sqrt(np.einsum("ci,cij,cj->", slopes, self.covariance, slopes))
        )

    @property
    def bond_length(self) -> float:
        """Mean distance of nearest neighbours [Å]."""
        return float(np.linalg.norm(self.crystal.steps @ self.vectors, axis=1).mean())

    @property
    def cutoff(self) -> float:
        """Å up to which atoms are neighbours: half way from the first to the second shell."""
        return float(np.mean(self.crystal.shells) * self.lattice_constant)

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """Turns the crystal's cubic axes into the map's (column vectors): the polar part of the fit."""
        cubic = np.linalg.solve(self.crystal.primitive, self.vectors).T
        left, _, right = np.linalg.svd(cubic)
        return np.asarray(left @ right)

    @property
    def c_over_a(self) -> float:
        """Of hcp, as fitted; the crystal's own of others."""
        if self.crystal.structure != "hcp":
            return self.crystal.c_over_a
        length = np.linalg.norm(np.linalg.solve(self.crystal.primitive, self.vectors), axis=1)
        return float(self.crystal.c_over_a * length[2] / length[:2].mean())

    @property
    def coordination(self) -> Int[np.ndarray, " n"]:
        """Nearest neighbours of each atom's site in bulk; of atoms off the lattice the crystal's most."""
        bulk = np.full(len(self.on), self.crystal.bulk_coordination)
        bulk[self.on] = self.crystal.coordination(self.nodes[self.on])
        return bulk

    def among(self, count: int, which: Int[np.ndarray, " n"]) -> LatticeFit:
        """Return the lattice of ``count`` atoms, of which these are those that it was fitted to."""
        nodes, on = np.zeros((count, 3), dtype=np.int64), np.zeros(count, dtype=bool)
        nodes[which], on[which] = self.nodes, self.on
        return replace(self, nodes=nodes, on=on)

    def sites(self) -> Float[np.ndarray, "n 3"]:
        """Return the lattice points of the atoms, (x, y, z) in Å."""
        return np.asarray(self.origin + self.nodes @ self.vectors)


def fit_lattice(
    positions: Float[np.ndarray, "n 3"], crystal: Crystal, *, near: LatticeFit | None = None, seed: int = 0
) -> LatticeFit | None:
    """Return the lattice that explains the most bonds of atoms; None where it explains less than half.

    Rotations are tried that bring two bonds of an atom onto two of the crystal; the best is refined over all
    bonds, then every atom gets its node along chains of bonds, and the lattice is fitted to the positions.

    Parameters
    ----------
    positions
        (x, y, z) in Å.
    near
        A lattice that is nearly right already: no rotations are tried.
    """
    bonds = _bonds(positions, crystal)
    if len(bonds.vectors) < 2 * _LEAST:
        return None
    if near is None:
        template = crystal.steps @ crystal.primitive * crystal.lattice_constant
        rotation = _nearest_to_axes(_best_rotation(bonds, template, np.random.default_rng(seed)), crystal)
    else:
        rotation = near.rotation
    vectors = _refined(bonds.vectors, rotation, crystal)
    if vectors is None:
        return None
    return _on_positions(positions, bonds, vectors, crystal)


def _nearest_to_axes(rotation: Float[np.ndarray, "3 3"], crystal: Crystal) -> Float[np.ndarray, "3 3"]:
    """Return, of the rotations that the crystal's symmetry makes equal, the smallest: axes as in the map."""
    equal = rotation @ Rotation.create_group(crystal.rotations).as_matrix()
    return np.asarray(equal[np.trace(equal, axis1=1, axis2=2).argmax()])


@dataclass(frozen=True)
class _Bonds:
    """Pairs of atoms both ways, and the vectors from the first to the second."""

    first: Int[np.ndarray, " b"]
    second: Int[np.ndarray, " b"]
    vectors: Float[np.ndarray, "b 3"]


def _bonds(positions: Float[np.ndarray, "n 3"], crystal: Crystal) -> _Bonds:
    low, high = (scale * crystal.bond_length for scale in _SCALES)
    if len(positions) < 2:
        return _Bonds(np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3)))
    pairs = cKDTree(positions).query_pairs(high, output_type="ndarray")
    both = np.concatenate([pairs, pairs[:, ::-1]])
    vectors = positions[both[:, 1]] - positions[both[:, 0]]
    kept = np.linalg.norm(vectors, axis=1) > low
    return _Bonds(both[kept, 0], both[kept, 1], vectors[kept])


def _best_rotation(
    bonds: _Bonds, template: Float[np.ndarray, "k 3"], rng: np.random.Generator
) -> Float[np.ndarray, "3 3"]:
    """Return the rotation (column vectors) that lays the most bonds onto the template's."""
    sample = bonds.vectors[rng.permutation(len(bonds.vectors))[:_BONDS]]
    order = np.argsort(bonds.first, kind="stable")
    starts = np.searchsorted(bonds.first[order], bonds.first)
    ends = np.searchsorted(bonds.first[order], bonds.first, side="right")
    angles = np.arccos(np.clip(_unit(template) @ _unit(template).T, -1, 1))
    best, found = -1.0, np.eye(3)
    for one in rng.integers(len(bonds.first), size=_TRIALS):
        other = order[rng.integers(starts[one], ends[one])]
        pair = bonds.vectors[[one, other]]
        angle = float(np.arccos(np.clip(_unit(pair[:1]) @ _unit(pair[1:]).T, -1, 1))[0, 0])
        if not 0.5 < angle < np.pi - 0.5:  # lines fix no rotation
            continue
        # Bonds of a crystal need not all be alike: any may be the one that was measured.
        first = int(rng.integers(len(template)))
        like = int(np.abs(angles[first] - angle).argmin())
        if not 0.5 < angles[first, like] < np.pi - 0.5:
            continue
        rotation = _frame(*pair) @ _frame(*template[[first, like]]).T
        off = np.min(np.linalg.norm(sample[:, None] - template @ rotation.T, axis=2), axis=1)
        score = float(np.exp(-((off / (0.12 * np.linalg.norm(template[0]))) ** 2)).sum())
        if score > best:
            best, found = score, rotation
    return found


def _frame(one: Float[np.ndarray, " 3"], other: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Return unit vectors as columns: the sum of two directions, their difference, and across both."""
    one, other = one / np.linalg.norm(one), other / np.linalg.norm(other)
    along, aside = one + other, one - other
    along, aside = along / np.linalg.norm(along), aside / np.linalg.norm(aside)
    return np.stack([along, aside, np.cross(along, aside)], axis=1)


def _unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _refined(
    measured: Float[np.ndarray, "b 3"], rotation: Float[np.ndarray, "3 3"], crystal: Crystal
) -> Float[np.ndarray, "3 3"] | None:
    """Return primitive vectors fitted to the bonds, None where too few are the lattice's."""
    vectors = crystal.primitive * crystal.lattice_constant @ rotation.T
    for _ in range(8):
        step, like = _steps_of(measured, vectors, crystal)
        if like.mean() < _CRYSTAL:
            return None
        vectors = np.linalg.lstsq(crystal.steps[step[like]].astype(float), measured[like], rcond=None)[0]
    return np.asarray(vectors)


def _steps_of(
    measured: Float[np.ndarray, "b 3"], vectors: Float[np.ndarray, "3 3"], crystal: Crystal
) -> tuple[Int[np.ndarray, " b"], Bool[np.ndarray, " b"]]:
    """Return which step of the lattice each bond is nearest to, and whether it is near enough."""
    template = crystal.steps @ vectors
    off, step = cKDTree(template).query(measured)
    return step, off < _LIKE * float(np.linalg.norm(template, axis=1).mean())


def _on_positions(
    positions: Float[np.ndarray, "n 3"], bonds: _Bonds, vectors: Float[np.ndarray, "3 3"], crystal: Crystal
) -> LatticeFit | None:
    nodes, on = _on_sites(*_along_bonds(len(positions), bonds, vectors, crystal), crystal)
    if on.sum() < _LEAST:
        return None
    origin = np.zeros(3)
    near = _LIKE * crystal.bond_length
    design = np.zeros((0, 4))
    fitted = on
    for _ in range(3):
        design = np.column_stack([np.ones(int(fitted.sum())), nodes[fitted]])
        if np.linalg.matrix_rank(design) < 4:
            return None
        solution = np.linalg.lstsq(design, positions[fitted], rcond=None)[0]
        origin, vectors = solution[0], solution[1:]
        # Far from the middle a strained particle may run away from its mean lattice: its chains hold.
        fitted = on & (np.linalg.norm(positions - origin - nodes @ vectors, axis=1) < 2 * near)
        if fitted.sum() < _LEAST:
            return None
    left = positions[fitted] - origin - nodes[fitted] @ vectors
    design = np.column_stack([np.ones(int(fitted.sum())), nodes[fitted]])
    spread = np.linalg.inv(design.T @ design)[1:, 1:]
    variance = (left**2).sum(axis=0) / max(len(left) - 4, 1)
    return LatticeFit(
        origin=origin,
        vectors=vectors,
        nodes=nodes,
        on=_one_each(nodes, fitted, positions - origin - nodes @ vectors),
        crystal=crystal,
        covariance=variance[:, None, None] * spread,
    )


def _along_bonds(
    count: int, bonds: _Bonds, vectors: Float[np.ndarray, "3 3"], crystal: Crystal
) -> tuple[Int[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """Return the node of each atom that a chain of bonds leads to from the best bonded one."""
    step, like = _steps_of(bonds.vectors, vectors, crystal)
    first, second, step = bonds.first[like], bonds.second[like], crystal.steps[step[like]]
    start = int(np.bincount(first, minlength=count).argmax())
    graph = coo_matrix((np.arange(1, len(first) + 1), (first, second)), shape=(count, count)).tocsr()
    order, before = breadth_first_order(graph, start, return_predecessors=True)
    nodes = np.zeros((count, 3), dtype=np.int64)
    taken = np.asarray(graph[before[order[1:]], order[1:]]).ravel() - 1
    for atom, bond in zip(order[1:], taken, strict=True):
        nodes[atom] = nodes[before[atom]] + step[bond]
    on = np.zeros(count, dtype=bool)
    on[order] = True
    return nodes, on


def _on_sites(
    nodes: Int[np.ndarray, "n 3"], on: Bool[np.ndarray, " n"], crystal: Crystal
) -> tuple[Int[np.ndarray, "n 3"], Bool[np.ndarray, " n"]]:
    """Return nodes counted from the point that puts most atoms onto sites, and which are on one."""
    shifts = np.stack(np.meshgrid(*[np.arange(n) for n in crystal.period], indexing="ij"), -1).reshape(-1, 3)
    counts = [int(crystal.allowed(nodes[on] + shift).sum()) for shift in shifts]
    nodes = nodes + shifts[int(np.argmax(counts))]
    return nodes, on & crystal.allowed(nodes)


def _one_each(
    nodes: Int[np.ndarray, "n 3"], on: Bool[np.ndarray, " n"], off: Float[np.ndarray, "n 3"]
) -> Bool[np.ndarray, " n"]:
    """Return which atoms are on the lattice, of several at one node the nearest."""
    order = np.argsort(np.linalg.norm(off, axis=1) + 1e6 * ~on, kind="stable")
    _, unique = np.unique(nodes[order], axis=0, return_index=True)
    kept = np.zeros(len(nodes), dtype=bool)
    kept[order[unique]] = True
    return on & kept
