"""How the atoms of a particle come and go: at the ends of columns, and anions after their cations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from simulate.structures.sites import Sites

NEXT = 1.2
"""Sites are neighbours up to this many times the nearest distance: between the first shell of a cubic lattice
and its second (1.41 in fcc, 1.63 for the next unlike ions of fluorite)."""


def change_end(
    sites: Sites,
    occupied: Bool[np.ndarray, " n"],
    column: int,
    *,
    gain: bool,
    at_exit: bool,
    deepest: int | None = None,
) -> bool:
    """Fill the next counted site at an end of a column, or empty its last one, in place.

    Other sites of the column, such as anions that share it, are left alone: see `follow`.

    Parameters
    ----------
    occupied
        Changed in place.
    gain
        Whether a counted atom comes (or goes).
    at_exit
        Whether at the exit face (larger z).
    deepest
        Counted atoms that a column may hold.

    Returns
    -------
    changed
        False where there is no such site.
    """
    bounds = sites.bounds(column)
    own = bounds.start + np.flatnonzero(sites.counted[bounds])
    filled = np.flatnonzero(occupied[own])
    if not len(filled) or (gain and deepest is not None and len(filled) >= deepest):
        return False
    end = int(filled[-1] if at_exit else filled[0])
    site = end + (1 if at_exit else -1) if gain else end
    if not 0 <= site < len(own):
        return False
    occupied[own[site]] = gain
    return True


def settle_anions(
    sites: Sites, occupied: Bool[np.ndarray, " n"], vacancies: float = 0.0
) -> Bool[np.ndarray, " n"]:
    """Return which sites are filled once the anions have followed the cations.

    An anion stays with more than half of its cations (3 of the 4 in fluorite), and with just half of them
    every other time, which leaves surfaces close to stoichiometric; where all elements are counted nothing
    changes.

    Parameters
    ----------
    vacancies
        Fraction of the anion sites that is empty beyond that.

    Returns
    -------
    occupied
        A new array; the counted sites as they were.
    """
    anions = np.flatnonzero(~sites.counted)
    if not len(anions):
        return occupied.copy()
    pairs = bonds(sites)
    most = int(np.bincount(pairs[:, 0]).max(initial=0))
    held = np.bincount(pairs[:, 0], weights=occupied[pairs[:, 1]], minlength=len(sites))[anions]
    luck = sites.luck[anions]
    # Another part of the same number, so that this toss and the vacancies do not go together.
    tossed = luck * 7919 % 1 < 0.5
    settled = occupied.copy()
    settled[anions] = (luck >= vacancies) & ((2 * held > most) | ((2 * held == most) & tossed & (held > 0)))
    return np.asarray(settled)


def follow(
    sites: Sites, before: Bool[np.ndarray, " n"], after: Bool[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Return ``after`` with the anions put right: those whose cations did not change stay as they were.

    Anion vacancies of ``before`` stay empty.

    Parameters
    ----------
    before
        Before counted atoms came or went.
    after
        With the counted atoms as they are now; its anions are not looked at.
    """
    anions = np.flatnonzero(~sites.counted)
    if not len(anions):
        return after.copy()
    pairs = bonds(sites)
    changed = np.zeros(len(sites), dtype=bool)
    changed[pairs[before[pairs[:, 1]] != after[pairs[:, 1]], 0]] = True
    missing = settle_anions(sites, before) & ~before
    settled = settle_anions(sites, after) & ~missing
    settled[anions] = np.where(changed[anions], settled[anions], before[anions])
    return np.asarray(settled)


def neighbours(sites: Sites) -> Int[np.ndarray, "pairs 2"]:
    """Return the pairs of counted sites next to each other, filled or not, each pair once."""
    from scipy.spatial import cKDTree

    own = np.flatnonzero(sites.counted)
    if len(own) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    reach = NEXT * nearest_distance(sites.positions[own], sites.positions[own])
    pairs = cKDTree(sites.positions[own]).query_pairs(reach, output_type="ndarray")
    return np.asarray(own[pairs].reshape(-1, 2), dtype=np.int64)


def bonds(sites: Sites) -> Int[np.ndarray, "pairs 2"]:
    """Return the pairs (anion, counted site) that are bonded, filled or not."""
    from scipy.spatial import cKDTree

    anions, cations = np.flatnonzero(~sites.counted), np.flatnonzero(sites.counted)
    if not len(anions) or not len(cations):
        return np.zeros((0, 2), dtype=np.int64)
    reach = NEXT * nearest_distance(sites.positions[anions], sites.positions[cations])
    others = cKDTree(sites.positions[cations])
    found = cKDTree(sites.positions[anions]).sparse_distance_matrix(others, reach, output_type="coo_matrix")
    return np.stack([anions[found.row], cations[found.col]], axis=1).astype(np.int64)


def nearest_distance(these: Float[np.ndarray, "n 3"], those: Float[np.ndarray, "m 3"]) -> float:
    """Return how far the nearest of ``those`` is from one of ``these``, itself aside: the median [Å]."""
    from scipy.spatial import cKDTree

    found = cKDTree(those).query(these, k=min(2, len(those)))[0].reshape(len(these), -1)
    own = found[:, 0] < 1e-6
    return float(np.median(np.where(own, found[:, -1], found[:, 0])))


def coordination(sites: Sites, occupied: Bool[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Return how many filled counted sites are next to each counted site, filled or not; 0 for the others."""
    first, second = neighbours(sites).T
    number = np.bincount(first, weights=occupied[second], minlength=len(sites))
    number += np.bincount(second, weights=occupied[first], minlength=len(sites))
    return np.asarray(number, dtype=np.int64)
