"""Ways of grouping particles by scikit-learn: K-means, Gaussian mixture, DBSCAN, OPTICS, HDBSCAN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from nanonet.cluster.partition import Setting

_SEED = 0
"""Of the starts of K-means and mixtures: the same features give the same groups."""


@dataclass(frozen=True, kw_only=True)
class KMeans:
    """Groups around means; every particle belongs to one. ``counts`` of groups are tried."""

    counts: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)

    def settings(self, values: Float[np.ndarray, "n f"]) -> Iterator[Setting]:
        """Yield a setting for each number of groups that there are particles for."""
        for count in self.counts:
            if count <= len(values):
                yield Setting(name=f"K-means, {count} groups", group=partial(_k_means, count=count))


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Gaussians of any shape, regularised; every particle belongs to one."""

    counts: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)

    def settings(self, values: Float[np.ndarray, "n f"]) -> Iterator[Setting]:
        """Yield a setting for each number of Gaussians that there are particles for."""
        for count in self.counts:
            if 2 * count <= len(values):
                yield Setting(name=f"mixture, {count} Gaussians", group=partial(_mixture, count=count))


@dataclass(frozen=True, kw_only=True)
class DBSCAN:
    """Dense regions; what lies alone belongs nowhere (Ester et al., KDD 1996).

    Parameters
    ----------
    quantiles
        The reach is set to these quantiles of the distances to the ``neighbours``-th neighbour.
    """

    neighbours: int = 10
    quantiles: Sequence[float] = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)

    def settings(self, values: Float[np.ndarray, "n f"]) -> Iterator[Setting]:
        """Yield a setting for each reach."""
        from sklearn.neighbors import NearestNeighbors

        number = min(self.neighbours, len(values) - 1)
        if number < 1:
            return
        distance = NearestNeighbors(n_neighbors=number + 1).fit(values).kneighbors(values)[0][:, -1]
        for reach in np.unique(np.quantile(distance, self.quantiles)):
            if reach > 0:
                group = partial(_dbscan, reach=float(reach), neighbours=self.neighbours)
                yield Setting(name=f"DBSCAN, reach {reach:.3g}", group=group)


@dataclass(frozen=True, kw_only=True)
class OPTICS:
    """Dense regions of any density, by how steeply it falls (Ankerst et al., SIGMOD 1999)."""

    neighbours: int = 10
    steepness: Sequence[float] = (0.03, 0.05, 0.1)
    smallest: Sequence[int] = (20, 40)

    def settings(self, values: Float[np.ndarray, "n f"]) -> Iterator[Setting]:
        """Yield a setting for each steepness and least size."""
        for xi in self.steepness:
            for size in self.smallest:
                group = partial(_optics, neighbours=self.neighbours, xi=xi, smallest=size)
                yield Setting(name=f"OPTICS, steepness {xi:g}, at least {size}", group=group)


@dataclass(frozen=True, kw_only=True)
class HDBSCAN:
    """Dense regions that persist over densities (Campello et al., PAKDD 2013)."""

    smallest: Sequence[int] = (10, 20, 30, 45, 70, 100)
    neighbours: Sequence[int] = (5, 15)

    def settings(self, values: Float[np.ndarray, "n f"]) -> Iterator[Setting]:
        """Yield a setting for each least size of a group."""
        for size in self.smallest:
            for near in self.neighbours:
                if size < len(values):
                    group = partial(_hdbscan, smallest=size, neighbours=near)
                    yield Setting(name=f"HDBSCAN, at least {size}, {near} neighbours", group=group)


def _k_means(values: Float[np.ndarray, "n f"], count: int) -> Int[np.ndarray, " n"]:
    from sklearn import cluster

    return np.asarray(cluster.KMeans(count, n_init=10, random_state=_SEED).fit_predict(values))


def _mixture(values: Float[np.ndarray, "n f"], count: int) -> Int[np.ndarray, " n"]:
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(count, reg_covar=1e-3, n_init=3, random_state=_SEED)
    return np.asarray(model.fit_predict(values))


def _dbscan(values: Float[np.ndarray, "n f"], reach: float, neighbours: int) -> Int[np.ndarray, " n"]:
    from sklearn import cluster

    return np.asarray(cluster.DBSCAN(eps=reach, min_samples=neighbours).fit_predict(values))


def _optics(
    values: Float[np.ndarray, "n f"], neighbours: int, xi: float, smallest: int
) -> Int[np.ndarray, " n"]:
    from sklearn import cluster

    near, least = min(neighbours, len(values)), min(smallest, len(values))
    return np.asarray(cluster.OPTICS(min_samples=near, xi=xi, min_cluster_size=least).fit_predict(values))


def _hdbscan(values: Float[np.ndarray, "n f"], smallest: int, neighbours: int) -> Int[np.ndarray, " n"]:
    from sklearn import cluster

    model = cluster.HDBSCAN(
        min_cluster_size=smallest, min_samples=neighbours, copy=True, allow_single_cluster=True
    )
    return np.asarray(model.fit_predict(values))
