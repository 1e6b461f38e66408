from __future__ import annotations

import numpy as np
import pytest

from nanonet.atomic_columns.time.observations import UNSEEN, observe
from nanonet.atomic_columns.time.table import DepthTable, probabilities_of
from nanonet.records import ColumnTable, InputError


def without(tables, column_rows, candidate_rows):
    columns, candidates = tables
    return (
        ColumnTable(data=columns.data[~column_rows], columns=columns.columns),
        DepthTable(data=candidates.data[~candidate_rows], columns=candidates.columns),
    )


def test_sites_and_drift_come_out_where_they_were_put(make):
    shown = make.movie(80, radius=16, noise=0.3)
    columns, candidates, drift = make.tables(shown, drift=0.3, strays=0.0)
    found = observe(columns, candidates, evidence=0.5)
    assert found.track.tolist() == list(range(1, len(shown.sites) + 1))
    assert found.unit == "angstrom"
    np.testing.assert_allclose(found.sites, shown.sites + 40.0, atol=0.15)
    np.testing.assert_allclose(found.shift, -drift, atol=0.15)
    np.testing.assert_allclose(found.positions[50], shown.sites + 40.0 + drift[50], atol=0.25)
    assert found.spacing == pytest.approx(np.hypot(5.41, 3.83) / 2, rel=0.05)


def test_the_likelihood_is_what_the_network_said(make):
    shown = make.movie(30, radius=12, noise=0.5)
    columns, candidates, _ = make.tables(shown)
    likelihood = observe(columns, candidates, evidence=0.5).likelihood
    said = likelihood / likelihood.sum(2, keepdims=True)
    seen = shown.chance[..., 0] < 0.98
    np.testing.assert_allclose(said[seen], (0.99 * shown.chance + 0.01 / 11)[seen], atol=1e-4)
    prior = np.linspace(1, 2, 11)
    divided = observe(columns, candidates, evidence=0.5, prior=prior)
    np.testing.assert_allclose(divided.prior, prior / prior.sum())
    expected = 0.01 + (likelihood - 0.01) / (11 * divided.prior)
    np.testing.assert_allclose(divided.likelihood[seen], expected[seen], rtol=1e-4)


def test_strays_are_no_sites_and_columns_that_come_late_are(make):
    shown = make.movie(120, radius=14, noise=0.3, still=True)
    shown.chance[:80, 7] = np.r_[1.0, np.zeros(10)]
    columns, candidates, _ = make.tables(shown, strays=3.0)
    assert columns.data.track_id.nunique() > len(shown.sites) + 200
    found = observe(columns, candidates, evidence=0.5)
    assert found.track.tolist() == list(range(1, len(shown.sites) + 1))


def test_a_site_without_a_candidate_is_probably_empty(make):
    shown = make.movie(40, radius=12, noise=0.3, still=True)
    columns, candidates, _ = make.tables(shown)
    gone = [(t.data.frame >= 20).to_numpy() for t in (columns, candidates)]
    site = shown.sites[4] + 40.0
    at = [
        np.hypot(t.data.y_angstrom - site[0], t.data.x_angstrom - site[1]).to_numpy() < 1.6
        for t in (columns, candidates)
    ]
    found = observe(*without((columns, candidates), gone[0] & at[0], gone[1] & at[1]), evidence=0.5)
    likelihood = found.likelihood[:, 4] / found.likelihood[:, 4].sum(1, keepdims=True)
    assert (likelihood[:20, 0] < 0.05).all()
    np.testing.assert_allclose(likelihood[20:, 0], 1 - UNSEEN, atol=0.02)


def test_improbable_candidates_near_a_site_are_its_evidence(make):
    shown = make.movie(40, radius=12, noise=0.3, still=True)
    shown.chance[30:, 4] = np.r_[0.7, 0.3, np.zeros(9)]
    found = observe(*make.tables(shown)[:2], evidence=0.5)
    np.testing.assert_allclose(
        found.likelihood[30:, 4, 1] / found.likelihood[30:, 4, 0], 0.3 / 0.7, rtol=0.05
    )


def test_sites_outside_of_the_frame_and_blank_frames_say_nothing(make):
    shown = make.movie(40, radius=12, noise=0.3, still=True)
    columns, candidates, _ = make.tables(shown, drift=0.0)
    blank = [(t.data.frame == 13).to_numpy() for t in (columns, candidates)]
    edge = 40.0 + 6.0
    cut = [t.data.x_angstrom.to_numpy() > edge for t in (columns, candidates)]
    late = [(t.data.frame >= 20).to_numpy() for t in (columns, candidates)]
    left = without((columns, candidates), blank[0] | cut[0] & late[0], blank[1] | cut[1] & late[1])
    found = observe(*left, evidence=0.5, field=(80.0, edge))
    beyond = shown.sites[:, 1] > 6.5
    assert not found.inside[13].any()
    assert not found.inside[20:, beyond].any()
    assert found.inside[20:, shown.sites[:, 1] < 4.0].all()
    assert (found.likelihood[~found.inside] == 1.0).all()


def test_frames_keep_their_numbers(make):
    shown = make.movie(12, radius=12, noise=0.3)
    found = observe(*make.tables(shown, first=100)[:2], evidence=0.5)
    assert found.frame.tolist() == list(range(100, 112))


def test_the_table_of_candidates_holds_probabilities(make):
    shown = make.movie(5, radius=8)
    _, candidates, _ = make.tables(shown)
    chance = probabilities_of(candidates)
    np.testing.assert_allclose(chance.sum(1), 1.0, rtol=1e-5)
    low = chance[:, 0] > 0.5
    assert candidates.data.column_id.isna().to_numpy()[low].all()
    assert candidates.data.column_id.notna().to_numpy()[~low].all()


def test_what_cannot_be_followed_is_said(make):
    shown = make.movie(10, radius=8)
    columns, candidates, _ = make.tables(shown)
    with pytest.raises(InputError, match="depths 0 to 10"):
        observe(columns, candidates, evidence=0.5, prior=np.ones(5))
    unlinked = columns.data.assign(track_id=np.nan).astype({"track_id": "Int64"})
    with pytest.raises(InputError, match="linked"):
        observe(ColumnTable(data=unlinked, columns=columns.columns), candidates, evidence=0.5)
    px = candidates.data.rename(columns={"y_angstrom": "y_px", "x_angstrom": "x_px"})
    from nanonet.atomic_columns.time.table import depth_columns

    with pytest.raises(InputError, match="units"):
        observe(columns, DepthTable(data=px, columns=depth_columns(10, "px")), evidence=0.5)
    seldom = columns.data[columns.data.frame == 3]
    with pytest.raises(InputError, match="often enough"):
        observe(ColumnTable(data=seldom, columns=columns.columns), candidates, evidence=0.5)
