"""The two-dimensional lattice of a projected crystal, fitted to its columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from nanonet.atomic_columns.reciprocal import period_vectors, reduced
from nanonet.atomic_columns.scale import binned
from nanonet.atomic_columns.table import LengthUnit, lattice_columns, positions_of, symbol_of
from nanonet.records import ColumnTable, Estimate, LatticeTable, Micrograph

_SAMPLES = 6.0  # px a spacing of columns that the power spectrum is taken at
_MARGIN = 6.0  # spacings around the columns, where nothing is left of the frame
_BOND = 0.22  # of the shorter period: how far a column may lie off the place its neighbour predicts
_OUTLIER = 4.0  # robust standard deviations
_BLOCKS = 4  # a side: columns are left out in blocks, because distortions move neighbours alike
_FEWEST = 8
_CAVEAT = "scatter of the columns only: an error of the pixel size, drift and scan distortion come on top"


def fit_lattice(micrograph: Micrograph, columns: ColumnTable) -> LatticeTable:
    """Fit the lattice of the projection to the columns of one frame.

    The period is that of the image: where the columns differ, as Sr and Ti in SrTiO3 [001], the chemical
    order counts. It starts from the spots of the power spectrum around the columns; columns are then joined
    to those one period away, which gives each its indices and lets every sublattice keep its own origin, and
    the two vectors are fitted by least squares without outliers. The cell is the reduced one (Lagrange and
    Gauss): a <= b, and gamma, taken obtuse, is between 90° and 120°.

    The 90 % intervals come from the jackknife over 4 x 4 blocks of the frame, with Student's t. They hold
    the scatter of the columns and smooth distortions, not what stretches or shears the whole frame: an error
    of the pixel size, linear drift, unequal scan gains.

    Parameters
    ----------
    micrograph
        The frame.
    columns
        Its columns.

    Returns
    -------
    LatticeTable
        One row; NaN where no lattice was found.
    """
    positions, unit = positions_of(columns)
    scale = 1.0 if unit == "px" else micrograph.pixel_size or 1.0
    fitted = _fit(micrograph, positions / scale)
    cells, n = (np.full((3, 3), np.nan), 0) if fitted is None else (_cell_interval(fitted), len(fitted.index))
    cells[:2] *= scale
    described = lattice_columns(unit)
    row = [micrograph.frame, *cells.ravel(), n]
    data = pd.DataFrame({column.name: [value] for column, value in zip(described, row, strict=True)})
    return LatticeTable(data=data, columns=described)


@dataclass(frozen=True)
class _Indexed:
    """Columns in their lattice: ``position`` = origin of the sublattice + ``index`` @ vectors."""

    position: Float[np.ndarray, "n 2"]
    index: Int[np.ndarray, "n 2"]
    sublattice: Int[np.ndarray, " n"]

    def __getitem__(self, keep: Bool[np.ndarray, " n"]) -> _Indexed:
        _, sublattice = np.unique(self.sublattice[keep], return_inverse=True)
        return _Indexed(self.position[keep], self.index[keep], sublattice)


def _fit(micrograph: Micrograph, positions: Float[np.ndarray, "n 2"]) -> _Indexed | None:
    """Return the columns that follow one lattice, indexed in its reduced basis, or None."""
    if len(positions) < _FEWEST:
        return None
    start = _start(micrograph, positions)
    if start is None:
        return None
    indexed = _index(positions, start)
    for _ in range(5):
        if len(indexed.index) < _FEWEST or np.linalg.matrix_rank(indexed.index - indexed.index.mean(0)) < 2:
            return None
        off = np.hypot(*_residuals(indexed, _vectors(indexed)).T)
        outlier = off > _OUTLIER * max(float(np.median(off)) / 1.1774, 1e-6)
        if not outlier.any():
            break
        indexed = indexed[~outlier]
    return indexed


def _start(micrograph: Micrograph, positions: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "2 2"] | None:
    """Return the first vectors [px], from the frame binned to what its columns need."""
    from scipy.spatial import cKDTree

    spacing = float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1]))
    binning = max(1, int(spacing / _SAMPLES))
    low = np.maximum(np.floor(positions.min(0) - _MARGIN * spacing).astype(int), 0)
    high = np.ceil(positions.max(0) + _MARGIN * spacing).astype(int) + 1
    image = binned(micrograph.image[low[0] : high[0], low[1] : high[1]], binning)
    crystal = _crystal(image, (positions - low - (binning - 1) / 2) / binning, spacing / binning)
    vectors = period_vectors(crystal, micrograph.pixel_size and micrograph.pixel_size * binning)
    return None if vectors is None else vectors * binning


def _crystal(
    image: Float[np.ndarray, "y x"], positions: Float[np.ndarray, "n 2"], spacing: float
) -> Float[np.ndarray, "y x"]:
    """Return the frame with all that is far from columns faded to the local mean: vacuum, other material."""
    there = np.zeros(image.shape, dtype=np.float32)
    corner = np.clip(np.rint(positions).astype(int), 0, np.array(image.shape) - 1)
    np.add.at(there, tuple(corner.T), 1.0)
    density = _smooth(there, 1.5 * spacing)
    mask = np.clip(density / max(0.5 * float(np.median(density[tuple(corner.T)])), 1e-12), 0, 1)
    return np.asarray((image - _smooth(image, 1.5 * spacing)) * mask)


def _smooth(image: Float[np.ndarray, "y x"], width: float) -> Float[np.ndarray, "y x"]:
    """Return an image convolved with a Gaussian, by Fourier transforms: ``width`` is many pixels."""
    from scipy import fft

    reach = int(4 * width + 0.5)
    padded = np.pad(image.astype(np.float32), reach, mode="edge")
    shape = tuple(fft.next_fast_len(n, real=True) for n in padded.shape)
    along_y, along_x = (
        np.exp(-2 * (np.pi * width * k) ** 2) for k in (fft.fftfreq(shape[0]), fft.rfftfreq(shape[1]))
    )
    spectrum = fft.rfft2(padded, shape)
    spectrum *= along_y.astype(np.float32)[:, None]
    spectrum *= along_x.astype(np.float32)
    smooth = fft.irfft2(spectrum, shape)
    return np.asarray(smooth[reach : reach + image.shape[0], reach : reach + image.shape[1]])


def _index(positions: Float[np.ndarray, "n 2"], vectors: Float[np.ndarray, "2 2"]) -> _Indexed:
    """Join columns that lie one period apart, and count the periods along the joints."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components
    from scipy.spatial import cKDTree

    tree = cKDTree(positions)
    steps: dict[tuple[int, int], Int[np.ndarray, " 2"]] = {}
    for axis in range(2):
        distance, target = tree.query(positions + vectors[axis])
        for i in np.flatnonzero(distance < _BOND * np.hypot(*vectors[0])):
            steps[int(i), int(target[i])] = np.eye(2, dtype=int)[axis]
    n = len(positions)
    if not steps:
        return _Indexed(np.empty((0, 2)), np.empty((0, 2), dtype=int), np.empty(0, dtype=int))
    graph = coo_array((np.ones(len(steps)), tuple(zip(*steps, strict=True))), shape=(n, n)).tocsr()
    n_parts, part = connected_components(graph, directed=False)
    index = np.zeros((n, 2), dtype=int)
    for label in range(n_parts):
        first = int(np.flatnonzero(part == label)[0])
        order, before = breadth_first_order(graph, first, directed=False)
        for node in order[1:]:
            parent = int(before[node])
            forward = steps.get((parent, int(node)))
            index[node] = index[parent] + (forward if forward is not None else -steps[int(node), parent])
    large = np.isin(part, np.flatnonzero(np.bincount(part) >= 4))
    return _Indexed(positions, index, part)[large]


def _vectors(indexed: _Indexed) -> Float[np.ndarray, "2 2"]:
    """Return the least-squares lattice vectors (rows), each sublattice with its own origin."""
    index, position = _centred(indexed)
    return np.asarray(np.linalg.lstsq(index, position, rcond=None)[0])


def _centred(indexed: _Indexed) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """Return indices and positions less their means over each sublattice."""
    count = np.bincount(indexed.sublattice)

    def less_mean(values: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        mean = np.stack([np.bincount(indexed.sublattice, part) for part in values.T], axis=1) / count[:, None]
        return np.asarray(values - mean[indexed.sublattice])

    return less_mean(indexed.index.astype(float)), less_mean(indexed.position)


def _residuals(indexed: _Indexed, vectors: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, "n 2"]:
    index, position = _centred(indexed)
    return np.asarray(position - index @ vectors)


def _cell_interval(indexed: _Indexed) -> Float[np.ndarray, "3 3"]:
    """Return a, b, gamma (rows), each with the ends of its 90 % interval, by the block jackknife."""
    from scipy import stats

    vectors = _vectors(indexed)
    turn = np.rint(reduced(vectors) @ np.linalg.inv(vectors))  # to the reduced basis, for all blocks the same
    cell = _cell(turn @ vectors)
    place = _block(indexed.position)
    left_out = [indexed[place != block] for block in np.unique(place)]
    cells = np.array([_cell(turn @ _vectors(part)) for part in left_out if _is_plane(part)])
    n = len(cells)
    if n < 2:
        return np.stack([cell, np.full(3, np.nan), np.full(3, np.nan)], axis=1)
    error = np.sqrt((n - 1) / n * np.sum((cells - cells.mean(0)) ** 2, axis=0))
    half = stats.t.ppf(0.95, n - 1) * error
    return np.stack([cell, cell - half, cell + half], axis=1)


def _is_plane(indexed: _Indexed) -> bool:
    return len(indexed.index) >= 4 and np.linalg.matrix_rank(_centred(indexed)[0]) == 2


def _block(positions: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Return which of the blocks that cover the columns each is in, with about as many in every block."""
    row = _quantile_class(positions[:, 0])
    column = np.zeros(len(positions), dtype=int)
    for i in range(_BLOCKS):
        column[row == i] = _quantile_class(positions[row == i, 1])
    return np.asarray(row * _BLOCKS + column)


def _quantile_class(values: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    rank = np.argsort(np.argsort(values))
    return np.asarray(rank * _BLOCKS // max(len(values), 1))


def _cell(vectors: Float[np.ndarray, "2 2"]) -> Float[np.ndarray, " 3"]:
    """Return the lengths of both vectors and the angle between them [°]."""
    a, b = np.hypot(*vectors.T)
    return np.array([a, b, np.degrees(np.arccos(vectors[0] @ vectors[1] / (a * b)))])


def summarise(table: LatticeTable) -> tuple[Estimate, ...]:
    """Return the lattice over all frames: the mean of each value and its 90 % interval.

    One frame has its own interval. Of several, the interval is the wider of that of the mean over the frames
    (Student's t) and of the frames' own intervals, since frames of one movie share their distortion.
    """
    from scipy import stats

    unit: LengthUnit = "px" if "a_px" in table.data else "angstrom"
    found = table.data.dropna()
    if not len(found):
        return ()
    estimates = []
    for name, suffix, sign in (
        ("a", unit, symbol_of(unit)),
        ("b", unit, symbol_of(unit)),
        ("gamma", "degree", "°"),
    ):
        values, low, high = (found[f"{name}{end}_{suffix}"].to_numpy(float) for end in ("", "_low", "_high"))
        half = float(np.mean(high - low)) / 2
        if len(values) > 1:
            spread = stats.t.ppf(0.95, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            half = max(half, float(spread))
        mean = float(values.mean())
        estimates.append(
            Estimate(
                name=f"lattice {name}", value=mean, unit=sign, low=mean - half, high=mean + half, note=_CAVEAT
            )
        )
    return tuple(estimates)
