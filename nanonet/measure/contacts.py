"""Which tracks become one or come apart, and which contacts are over at once.

A segmentation takes two neighbours for one now and then, and cuts one in two. That lasts for a frame or
two: what lies between tells nothing of coalescence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from nanonet.measure.absorption import SURE, Absorptions, absorptions
from nanonet.measure.spots import NONE, Spots, following, preceding, rows_of


@dataclass(frozen=True, kw_only=True)
class Contact:
    """A track that becomes part of another, or comes out of it.

    Parameters
    ----------
    part
        Row of the track that ends or begins there, next to the contact.
    apart, whole
        Rows of the other next to the contact: by itself, and with the part in it.
    gap
        Distance of the outlines of the two by themselves.
    evidence
        Of the areas next to the contact; see `nanonet.measure.absorption.Absorptions`.
    chance
        That the one is the two.
    """

    part: int
    apart: int
    whole: int
    gap: float
    evidence: float
    chance: float


@dataclass(frozen=True, kw_only=True)
class Contacts:
    """All contacts of the tracks of a movie.

    Parameters
    ----------
    merges
        Tracks that end in another, and stay part of it as far as the movie shows.
    splits
        Tracks that begin out of another, and stay apart from it.
    brief
        Pairs of a contact and the frames that it lasted: the two parted again, as themselves or at once.
    mixed
        (n,) whether a row shows more, or less, than the particle of its track.
    joined
        Frames in which each track was part of a neighbour that it parted from again.
    """

    merges: tuple[Contact, ...]
    splits: tuple[Contact, ...]
    brief: tuple[tuple[Contact, int], ...]
    mixed: Bool[np.ndarray, " n"]
    joined: dict[int, int]


def contacts(
    spots: Spots,
    track: Int[np.ndarray, " n"],
    *,
    max_gap: int,
    reach: float,
    lasting: int,
    least: float = SURE,
) -> Contacts:
    """Return which tracks become one or come apart.

    Parameters
    ----------
    spots, max_gap, reach
        As of `nanonet.measure.absorption.absorptions`.
    track
        (n,) of each row.
    lasting
        Frames that two must be one, or one two, to have become so.
    least
        Chance from which a contact is among ``merges`` and ``splits``.
    """
    after = following(spots.frame, track)
    before = preceding(after)
    met = list(_listed(absorptions(spots, after, max_gap=max_gap, reach=reach)))
    left = list(_listed(absorptions(spots.backwards(), before, max_gap=max_gap, reach=reach)))
    ends = _once(contact for contact in met if after[contact.part] == NONE and contact.chance >= least)
    begins = _once(contact for contact in left if before[contact.part] == NONE and contact.chance >= least)
    film = _Film(spots=spots, track=track)
    brief = [
        (contact, film.show(contact, int(after[contact.part])))
        for contact in met
        if after[contact.part] != NONE and contact.chance >= SURE
    ]
    for end, begin in _cuts(film, ends, begins, lasting):
        film.cut(begin, end)
        ends.remove(end)
        begins.remove(begin)
    for end, begin in _touches(film, ends, begins, lasting):
        brief.append((end, film.show(end, begin.part)))
        ends.remove(end)
        begins.remove(begin)
    return Contacts(
        merges=tuple(ends),
        splits=tuple(begins),
        brief=tuple(brief),
        mixed=film.mixed,
        joined=dict(film.joined),
    )


def _listed(found: Absorptions) -> Iterator[Contact]:
    for index in np.argsort(found.row, kind="stable"):
        yield Contact(
            part=int(found.row[index]),
            apart=int(found.host_before[index]),
            whole=int(found.host_after[index]),
            gap=float(found.gap[index]),
            evidence=float(found.evidence[index]),
            chance=float(found.chance[index]),
        )


def _once(found: Iterable[Contact]) -> list[Contact]:
    """Return contacts, of two that say the same of either of two tracks the first one."""
    seen: dict[tuple[int, frozenset[int]], Contact] = {}
    for contact in found:
        seen.setdefault((contact.whole, frozenset([contact.part, contact.apart])), contact)
    return list(seen.values())


class _Film:
    """Keeps book of the rows that show something else than the particle of their track."""

    def __init__(self, spots: Spots, track: Int[np.ndarray, " n"]) -> None:
        self.frame, self.track = spots.frame, track
        self.mixed = np.zeros(len(track), dtype=bool)
        self.joined: dict[int, int] = defaultdict(int)
        self.rows = rows_of(spots.frame, track)

    def show(self, contact: Contact, again: int) -> int:
        """Take down that a track was part of another until a row where it is seen again; return how long."""
        first, last = self.frame[contact.whole], self.frame[again]
        rows = self.rows[int(self.track[contact.whole])]
        inside = rows[(self.frame[rows] >= first) & (self.frame[rows] < last)]
        self.mixed[inside] = True
        self.joined[int(self.track[contact.part])] += len(inside)
        return int(last - first)

    def cut(self, begin: Contact, end: Contact) -> None:
        """Take down that a piece was cut off a track for a while."""
        first, last = self.frame[begin.part], self.frame[end.part]
        for track in (begin.part, end.whole):
            rows = self.rows[int(self.track[track])]
            self.mixed[rows[(self.frame[rows] >= first) & (self.frame[rows] <= last)]] = True


def _cuts(
    film: _Film, ends: list[Contact], begins: list[Contact], lasting: int
) -> list[tuple[Contact, Contact]]:
    """Return the pieces that come out of a track and go back into it at once."""
    born = {int(film.track[begin.part]): begin for begin in begins}
    found = []
    for end in ends:
        begin = born.get(int(film.track[end.part]))
        if begin is None or film.track[begin.whole] != film.track[end.whole]:
            continue
        if film.frame[end.part] - film.frame[begin.part] + 1 < lasting:
            found.append((end, begin))
    return found


def _touches(
    film: _Film, ends: list[Contact], begins: list[Contact], lasting: int
) -> list[tuple[Contact, Contact]]:
    """Return the tracks that end in another which one comes out of at once."""
    of: dict[int, list[Contact]] = defaultdict(list)
    for begin in sorted(begins, key=lambda each: int(film.frame[each.part])):
        of[int(film.track[begin.whole])].append(begin)
    found = []
    for end in sorted(ends, key=lambda each: int(film.frame[each.whole])):
        since = film.frame[end.whole]
        for begin in of[int(film.track[end.whole])]:
            if 0 < film.frame[begin.part] - since < lasting:
                of[int(film.track[end.whole])].remove(begin)
                found.append((end, begin))
                break
    return found
