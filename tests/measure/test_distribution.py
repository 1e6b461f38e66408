"""Shares of sizes: they add up, their intervals cover, and corrections bring back what the border cuts."""

import numpy as np
import pandas as pd
import pytest
from particle_sizes import frames, planted, sample

from nanonet.measure.distribution import size_distribution


def test_shares_add_up_and_leave_out_what_the_summary_does() -> None:
    diameters = np.random.default_rng(0).normal(10, 2, 300)
    border, clump = np.arange(300) < 20, (np.arange(300) >= 20) & (np.arange(300) < 30)
    found = size_distribution(sample(diameters, touches_border=border, confidence=np.where(clump, 0.0, 1.0)))
    data = found.data
    assert found.stem == "size_distribution"
    assert data["particles"].sum() == 270
    assert data["share"].sum() == pytest.approx(1)
    assert data["diameter_low_nm"].iloc[0] == diameters[30:].min()
    assert data["diameter_high_nm"].iloc[-1] == diameters[30:].max()
    assert (data["diameter_high_nm"].to_numpy()[:-1] == data["diameter_low_nm"].to_numpy()[1:]).all()
    assert (data["share_low"] <= data["share"]).all()
    assert (data["share"] <= data["share_high"]).all()
    assert data["share_corrected"].equals(data["share"])


def test_intervals_of_shares_cover_what_they_say() -> None:
    """Particles are of 10 or of 20 nm: the first and the last class hold all."""
    covered = []
    for seed in range(60):
        sizes = np.where(np.random.default_rng(seed).random(60) < 0.3, 20.0, 10.0)
        data = size_distribution(sample(sizes)).data
        assert data["share"].iloc[[0, -1]].sum() == pytest.approx(1)
        last = data.iloc[-1]
        covered.append(last["share_low"] <= 0.3 <= last["share_high"])
    assert 0.8 <= np.mean(covered) <= 0.98


def test_what_the_border_cuts_is_put_back() -> None:
    """One in three is of 40 nm, in frames of 100: they are often cut."""
    table = planted(100.0, np.random.default_rng(2))
    data = size_distribution(table, frames([f"{image}.tif" for image in range(60)], 100.0)).data
    last = data.iloc[-1]
    assert last["share_high"] < 1 / 3
    assert last["share_corrected_low"] < 1 / 3 < last["share_corrected_high"]


def test_none_and_one() -> None:
    assert len(size_distribution(sample(np.array([])))) == 0
    one = size_distribution(sample(np.array([5.0]))).data
    assert one["particles"].sum() == 1
    assert one["share_low"].isna().all()
    again = pd.DataFrame({"frame": np.repeat(np.arange(4), 3)})
    unlinked = size_distribution(sample(np.tile([4.0, 5.0, 6.0], 4), frame=again["frame"]))
    assert unlinked.data["share_high"].isna().all()
