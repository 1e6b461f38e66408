"""How far to look is read from the movie: near where particles are dense, far where they are fast."""

import numpy as np
import pytest
from particle_rows import Row, table

from nanonet.measure.assign import Search, assigned, search_for
from nanonet.measure.spots import NONE, Spots, numbered, spots_of


def grid(spacing: float, step: float, frames: int = 20) -> Spots:
    """Return 49 particles of 10 nm on a grid, that walk by a step a frame."""
    rng = np.random.default_rng([3])
    home = spacing * np.stack(np.divmod(np.arange(49), 7), axis=1)
    walk = np.cumsum(rng.normal(0, step, (frames, 49, 2)), axis=0)
    rows: list[Row] = [
        (t, *(home[i] + walk[t, i]).tolist(), 78.5 * float(np.exp(0.03 * rng.standard_normal())))
        for t in range(frames)
        for i in range(49)
    ]
    return spots_of(table(rows).data, "nm", 10.0)


@pytest.mark.parametrize(("spacing", "step"), [(13.0, 0.3), (40.0, 1.0), (100.0, 4.0), (200.0, 12.0)])
def test_the_radius_holds_the_steps_and_not_the_neighbours(spacing: float, step: float) -> None:
    spots = grid(spacing, step)
    search = search_for(spots, 10.0, fixed=False)
    assert 2 * step < search.radius < spacing
    track = numbered(spots.frame, assigned(spots, search, max_gap=1))
    assert len(np.unique(track)) <= 49 * 1.05


def test_a_radius_that_is_given_is_kept() -> None:
    assert search_for(grid(40.0, 1.0), 7.0, fixed=True).radius == 7.0


def test_areas_tell_apart_what_places_do_not() -> None:
    # Each comes nearer to where the other was than to where it was itself.
    rows: list[Row] = [(0, 0.0, 0.0, 50.0), (0, 0.0, 4.0, 200.0), (1, 0.0, 2.5, 50.0), (1, 0.0, 1.5, 200.0)]
    spots = spots_of(table(rows).data, "nm", 10.0)
    by_place = assigned(spots, Search(radius=10.0))
    by_both = assigned(spots, Search(radius=10.0, area_weight=3.0))
    assert by_place.tolist() == [3, 2, NONE, NONE]
    assert by_both.tolist() == [2, 3, NONE, NONE]
