"""Particles that became one for good, and ones that became two: what a movie shows beside false contacts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from nanonet.measure.absorption import area_scatter, fused_area, growth_evidence
from nanonet.measure.contacts import Contact, Contacts
from nanonet.measure.spots import Spots, following, linked_pairs, rows_of, scatter

OWN = 3
"""Frames whose sizes are taken together, next to an event or to the end of a track."""
LEAST = 0.7
"""Confidence from which an event is listed: in drawn movies a quarter of those from 0.5 to 0.7 are real."""
_TOLERANCE = 3.0
"""Scatters of an area by which it may miss what two become."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Two particles that became one, or one that became two.

    Parameters
    ----------
    splits
        Whether one became two.
    frame
        First frame after it.
    contact
        See ``contact_frame`` of particle_events.csv.
    row
        Row of the one next to the event.
    one, two
        Track of the one, and of the two, the larger first.
    area_one, area_two
        Their areas in the unit of the table squared.
    conserved
        Whether the area of the one is what those of the two become.
    gap
        Distance of the outlines of the two.
    confidence
        Probability of the event.
    """

    splits: bool
    frame: int
    contact: int
    row: int
    one: int
    two: tuple[int, int]
    area_one: float
    area_two: tuple[float, float]
    conserved: bool
    gap: float
    confidence: float


def events(
    spots: Spots, track: Int[np.ndarray, " n"], found: Contacts, *, lasting: int, least: float = LEAST
) -> tuple[Event, ...]:
    """Return the events of the tracks of a movie in the order of frames.

    Contacts that were over within ``lasting`` frames are none, and what is seen by itself for fewer than that
    amid the movie is no particle. Where the movie, or a track, ends before it can be told whether two
    stay one, the confidence is less by the share of contacts as long that did last.

    Parameters
    ----------
    track
        (n,) of each row.
    found
        Their contacts.
    least
        Confidence from which an event is listed.
    """
    book = _Book(spots, track, found, lasting)
    listed = [book.event(each, splits=False) for each in found.merges if not book.is_brief(each.part)]
    listed += [book.event(each, splits=True) for each in found.splits if not book.is_brief(each.part)]
    sure = [event for event in listed if event.confidence >= least]
    return tuple(sorted(sure, key=lambda event: (event.frame, event.splits, event.row)))


class _Book:
    """What is known of tracks, to describe their events."""

    def __init__(self, spots: Spots, track: Int[np.ndarray, " n"], found: Contacts, lasting: int) -> None:
        self.spots, self.track, self.found, self.lasting = spots, track, found, lasting
        self.change = scatter(spots, *linked_pairs(spots, following(spots.frame, track)))
        self.rows = rows_of(spots.frame, track)
        self.last = int(spots.frame.max(initial=0))
        ended = [self._left(contact.whole) for contact in found.merges]
        self.stayed = sum(length >= lasting for length in ended)

    def is_brief(self, row: int) -> bool:
        """Return whether the track of a row is too short for a particle, though not for the movie's ends."""
        first, last = self.spots.frame[self.rows[int(self.track[row])][[0, -1]]]
        amid = first >= self.lasting and last <= self.last - self.lasting
        return bool(amid and last - first + 1 < self.lasting)

    def event(self, contact: Contact, *, splits: bool) -> Event:
        later = contact.part if splits else contact.whole
        apart, part = (self._area(row, before=not splits) for row in (contact.apart, contact.part))
        two = sorted(((apart, int(self.track[contact.apart])), (part, int(self.track[contact.part]))))[::-1]
        area_one = self._area(contact.whole, before=splits)
        areas = (two[0][0], two[1][0])
        frame = int(self.spots.frame[later])
        return Event(
            splits=splits,
            frame=frame,
            contact=self._contact(contact, frame, splits=splits),
            row=contact.whole,
            one=int(self.track[contact.whole]),
            two=(two[0][1], two[1][1]),
            area_one=area_one,
            area_two=areas,
            conserved=self._conserved(area_one, areas),
            gap=contact.gap,
            confidence=self._chance(contact, apart, part, area_one) * self._lasts(contact, splits=splits),
        )

    def _left(self, row: int) -> int:
        """Return for how many frames the track of a row goes on, that of the row included."""
        return int(self.spots.frame[self.rows[int(self.track[row])][-1]] - self.spots.frame[row] + 1)

    def _past(self, row: int) -> int:
        """Return for how many frames the track of a row has been, that of the row included."""
        return int(self.spots.frame[row] - self.spots.frame[self.rows[int(self.track[row])][0]] + 1)

    def _area(self, row: int, *, before: bool) -> float:
        """Return the area of a track in the last frames up to a row, or the first from it on."""
        rows = self.rows[int(self.track[row])]
        own = rows[~self.found.mixed[rows] | (rows == row)]
        at = int(np.flatnonzero(own == row)[0])
        near = own[max(at - OWN + 1, 0) : at + 1] if before else own[at : at + OWN]
        return float(np.median(self.spots.area[near]))

    def _chance(self, contact: Contact, apart: float, part: float, whole: float) -> float:
        """Return the chance of a contact by areas over some frames instead of those of single ones."""
        cut = bool(self.spots.border[[contact.part, contact.apart, contact.whole]].any())
        areas = (np.array([area]) for area in (apart, part, whole))
        width = area_scatter(self.change, np.array([cut]))
        evidence = float(growth_evidence(*areas, width=width)[0])
        odds = contact.chance / max(1 - contact.chance, 1e-12) * evidence / contact.evidence
        return odds / (1 + odds)

    def _conserved(self, one: float, two: tuple[float, float]) -> bool:
        slack = np.exp(_TOLERANCE * self.change.growth)
        least = float(fused_area(np.array([two[0]]), np.array([two[1]]))[0])
        return bool(least / slack <= one <= sum(two) * slack)

    def _contact(self, contact: Contact, frame: int, *, splits: bool) -> int:
        pair = {int(self.track[contact.part]), int(self.track[contact.apart])}
        times = [frame]
        for other, lasted in self.found.brief:
            if {int(self.track[other.part]), int(self.track[other.apart])} == pair:
                since = int(self.spots.frame[other.whole])
                times.append(since + lasted if splits else since)
        return max(times) if splits else min(times)

    def _lasts(self, contact: Contact, *, splits: bool) -> float:
        """Return the chance that what is seen too shortly to tell would have lasted."""
        whole = self._past(contact.whole) if splits else self._left(contact.whole)
        if whole >= self.lasting:
            return 1.0
        return _share(self.stayed, sum(lasted >= whole for _, lasted in self.found.brief))


def _share(yes: int, no: int) -> float:
    """Return the share of yes as if one of each had been seen before."""
    return (yes + 1) / (yes + no + 2)
