"""Counting on drawn crystals whose columns add the same intensity an atom."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nanonet.atomic_columns.counting import count_columns
from nanonet.atomic_columns.link import link_columns
from nanonet.atomic_columns.mixture_model import MixtureModel, usual_response
from nanonet.atomic_columns.time.table import probabilities_of
from nanonet.configuration import build, compose
from nanonet.metrics.columns import match_columns
from nanonet.records import InputError

WIDTH = 2.2  # px
EVEN = tuple(range(1, 7))


@pytest.fixture
def crystal(points_of, draw, shoot):
    """Return a micrograph of columns of 1 to 6 atoms, thicker towards the middle, and what is true of it."""

    def make(counts_an_atom, *, sign=1, background=2.0, response=EVEN, **fields):
        shape = (170, 170)
        points, _ = points_of([[11.0, 1.0], [-4.0, 12.0]], shape=shape, disc=70)
        away = np.hypot(*(points - (np.array(shape) - 1) / 2).T)
        jitter = np.random.default_rng(4).integers(-1, 2, len(points))
        depths = np.clip(np.rint(6 * (1 - (away / 85) ** 2)).astype(int) + jitter, 1, 6)
        height = counts_an_atom * np.array(response)[depths - 1] / (2 * np.pi * WIDTH**2)
        mean = background + sign * draw(points, height, WIDTH, shape)
        return replace(shoot(mean), **fields), points, depths

    return make


def matched(micrograph, points, depths, **choices):
    result = count_columns(micrograph, **choices)
    data = result.tables[0].data
    found = data[["y_angstrom", "x_angstrom"]].to_numpy() / micrograph.pixel_size
    pairs = match_columns(found, points, 2.5)
    return result, data.iloc[pairs[:, 0]], depths[pairs[:, 1]]


def test_atoms_are_counted_where_counts_are_many(crystal):
    micrograph, points, depths = crystal(3000.0)
    result, data, true = matched(micrograph, points, depths)
    assert len(true) >= 0.99 * len(points)
    assert len(result.tables[0]) == len(true)
    assert np.mean(data.depth.to_numpy(int) == true) > 0.97
    assert ((data.depth_low <= data.depth) & (data.depth <= data.depth_high)).all()
    assert data.confidence.between(0, 1).all()


def test_channelling_is_usual_in_haadf_only(crystal):
    """Columns that grow evenly: told to be those of an image of another kind, or told to be even."""
    micrograph, points, depths = crystal(3000.0)
    _, data, true = matched(replace(micrograph, modality="SEM"), points, depths)
    _, told, same = matched(micrograph, points, depths, model=MixtureModel(response=[1, 2]))
    assert np.mean(data.depth.to_numpy(int) == true) > 0.97
    assert np.mean(told.depth.to_numpy(int) == same) > 0.97
    assert usual_response("HAADF")[4] > 6
    assert usual_response("HRTEM")[4] < 4
    assert usual_response("SEM")[4] == 5


def test_dark_columns_are_counted_by_how_dark_they_are(crystal):
    saturating = usual_response("HRTEM")
    micrograph, points, depths = crystal(
        4000.0, sign=-1, background=1200.0, response=saturating, modality="HRTEM"
    )
    _, data, true = matched(micrograph, points, depths)
    assert len(true) >= 0.94 * len(points)
    assert np.mean(data.depth.to_numpy(int) == true) > 0.9


def test_few_counts_are_said_to_be_few_and_a_known_step_helps(crystal):
    micrograph, points, depths = crystal(25.0, background=0.05)
    result, _, _ = matched(micrograph, points, depths)
    assert any("atoms a column are uncertain" in line for line in result.warnings)
    model = MixtureModel(step=25.0, response=[1, 2])
    _, data, true = matched(micrograph, points, depths, model=model)
    assert np.mean(np.abs(data.depth.to_numpy(int) - true) <= 1) > 0.75
    inside = (data.depth_low.to_numpy(int) <= true) & (true <= data.depth_high.to_numpy(int))
    assert inside.mean() > 0.75


def test_the_probabilities_of_every_depth_go_with_the_columns(crystal):
    micrograph, _, _ = crystal(3000.0)
    columns, depths = count_columns(micrograph, max_depth=9).tables
    chances = probabilities_of(depths)
    assert chances.shape == (len(columns), 10)
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(chances[:, 1:].argmax(axis=1) + 1, columns.data.depth.to_numpy(int))
    np.testing.assert_allclose(chances[:, 1:].max(axis=1), columns.data.confidence, rtol=1e-4)


def test_a_movie_is_followed_by_its_probabilities(crystal):
    """What the pipeline does with a network's, with the variant of the config."""
    config = compose("infer", ["pipeline=columns", "input=unused", "columns=gaussian_mixture"])
    stage, follow = build(config.columns), build(config.follow)
    micrograph, points, depths = crystal(900.0, modality="SEM")
    images = np.random.default_rng(2).poisson(np.maximum(micrograph.image, 0), (3, *micrograph.image.shape))
    frames = [
        replace(micrograph, image=image.astype(np.float32), frame=frame) for frame, image in enumerate(images)
    ]
    parts = zip(*(stage(frame).tables for frame in frames), strict=True)
    columns, chances = (
        tables[0].with_data(pd.concat([table.data for table in tables], ignore_index=True))
        for tables in parts
    )
    linked = link_columns(columns)
    field = tuple(length * micrograph.pixel_size for length in micrograph.image.shape)
    sites = next(table for table in follow(linked, chances, field=field) if table.stem == "sites").data
    first = sites[(sites.frame == 0) & (sites.depth > 0)]
    pairs = match_columns(first[["y_angstrom", "x_angstrom"]].to_numpy() / micrograph.pixel_size, points, 2.5)
    assert len(pairs) > 0.95 * len(points)
    assert np.mean(first.depth.to_numpy(int)[pairs[:, 0]] == depths[pairs[:, 1]]) > 0.9


def test_vacuum_gives_empty_tables(shoot):
    result = count_columns(shoot(np.full((96, 96), 4.0)))
    assert [len(table) for table in result.tables] == [0, 0]


def test_no_atoms_at_most_is_refused(shoot):
    with pytest.raises(InputError, match="max_depth must be at least 1"):
        count_columns(shoot(np.full((32, 32), 4.0)), max_depth=0)
