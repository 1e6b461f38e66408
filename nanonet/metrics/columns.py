"""Found columns against true ones: positions are matched one to one, then depths are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from nanonet.records import InputError

Pairs = Int[np.ndarray, "pair 2"]


@dataclass(frozen=True, kw_only=True)
class ColumnScore:
    """How columns were found and their depths read; scores of several frames add up with ``+``.

    Shares are None where they are undefined (no true column, nothing found).

    Parameters
    ----------
    n_true
        True columns.
    n_found
        Columns found.
    n_matched
        Pairs of a found and a true column, one to one, within the tolerance.
    n_exact
        Pairs of equal depth.
    n_within_one
        Pairs whose depths differ by at most one atom.
    depth_error
        Sum over pairs of found less true depth [atoms].
    """

    n_true: int
    n_found: int
    n_matched: int
    n_exact: int
    n_within_one: int
    depth_error: float

    def __add__(self, other: ColumnScore) -> ColumnScore:
        return ColumnScore(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    @property
    def recall(self) -> float | None:
        """Share of true columns that were found."""
        return _share(self.n_matched, self.n_true)

    @property
    def precision(self) -> float | None:
        """Share of found columns that are true."""
        return _share(self.n_matched, self.n_found)

    @property
    def exact(self) -> float | None:
        """Share of all true columns that were found with the right depth: a missed column is wrong."""
        return _share(self.n_exact, self.n_true)

    @property
    def within_one(self) -> float | None:
        """Share of all true columns that were found with a depth right within one atom."""
        return _share(self.n_within_one, self.n_true)

    @property
    def exact_matched(self) -> float | None:
        """Share of the matched columns that have the right depth."""
        return _share(self.n_exact, self.n_matched)

    @property
    def within_one_matched(self) -> float | None:
        """Share of the matched columns whose depth is right within one atom."""
        return _share(self.n_within_one, self.n_matched)

    @property
    def bias(self) -> float | None:
        """Mean of found less true depth over the matched columns [atoms]."""
        return _share(self.depth_error, self.n_matched)


def score_columns(
    found: Float[np.ndarray, "n 2"],
    found_depth: Float[np.ndarray, " n"] | Int[np.ndarray, " n"],
    true: Float[np.ndarray, "m 2"],
    true_depth: Int[np.ndarray, " m"],
    tolerance: float = 0.5,
) -> ColumnScore:
    """Return how found columns agree with the true ones.

    Parameters
    ----------
    found, true
        Positions (y, x) [Å].
    found_depth, true_depth
        Atoms in each column; a fractional found depth counts as its nearest whole number.
    tolerance
        Distance up to which a found column can be a true one [Å].

    Raises
    ------
    InputError
        If positions and depths differ in number, or the tolerance is not positive.
    """
    for name, places, depths in (("found", found, found_depth), ("true", true, true_depth)):
        if len(places) != len(depths):
            raise InputError(f"each {name} column needs a depth: {len(places)} columns, {len(depths)} depths")
    pairs = match_columns(found, true, tolerance)
    error = np.rint(np.asarray(found_depth, float)[pairs[:, 0]]) - np.asarray(true_depth, float)[pairs[:, 1]]
    return ColumnScore(
        n_true=len(true),
        n_found=len(found),
        n_matched=len(pairs),
        n_exact=int(np.sum(error == 0)),
        n_within_one=int(np.sum(np.abs(error) <= 1)),
        depth_error=float(error.sum()),
    )


def match_columns(
    found_yx: Float[np.ndarray, "n 2"], true_yx: Float[np.ndarray, "m 2"], tolerance: float = 0.5
) -> Pairs:
    """Return index pairs (found, true) of columns that are one and the same, sorted by the found index.

    Each column is in at most one pair, no pair is further apart than ``tolerance`` [Å], there are as many
    pairs as can be, and of all such choices it is the one with the smallest sum of distances.
    """
    if not tolerance > 0:
        raise InputError(f"the tolerance must be positive, got {tolerance} Å")
    if not len(found_yx) or not len(true_yx):
        return np.empty((0, 2), int)
    pairs = [pair for group in _groups(found_yx, true_yx, tolerance) for pair in _assign(*group)]
    return np.array(sorted(pairs), int).reshape(-1, 2)


Group = tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"], Float[np.ndarray, "n m"], float]


def _groups(found: np.ndarray, true: np.ndarray, tolerance: float) -> Iterator[Group]:
    """Yield what can be matched apart from the rest: indices of both sides, distances, the tolerance."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree
    from scipy.spatial.distance import cdist

    near = cKDTree(found).query_ball_point(true, tolerance)
    ends = [(i, len(found) + j) for j, row in enumerate(near) for i in row]
    if not ends:
        return
    rows, columns = np.array(ends).T
    size = len(found) + len(true)
    _, label = connected_components(
        coo_array((np.ones(len(ends)), (rows, columns)), shape=(size, size)), False
    )
    touched = np.unique(np.concatenate([rows, columns]))
    order = touched[np.argsort(label[touched], kind="stable")]
    for members in np.split(order, np.flatnonzero(np.diff(label[order])) + 1):
        left, right = members[members < len(found)], members[members >= len(found)] - len(found)
        yield left, right, cdist(found[left], true[right]), tolerance


def _assign(
    left: np.ndarray, right: np.ndarray, distance: np.ndarray, tolerance: float
) -> list[tuple[int, int]]:
    """Return the best pairs of one group."""
    from scipy.optimize import linear_sum_assignment

    # One pair too far apart costs more than all near ones together: the number of pairs comes first.
    far = (min(distance.shape) + 1) * tolerance
    near = distance <= tolerance
    i, j = linear_sum_assignment(np.where(near, distance, far))
    return [(int(left[a]), int(right[b])) for a, b in zip(i, j, strict=True) if near[a, b]]


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None
