"""The learned embedding of the box, on bodies that it was not trained on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from nanonet.cluster.embedding import both, embedding
from nanonet.measure.properties import measure
from nanonet.records import LabelMap, Micrograph, PopulationSample
from nanonet.train.checkpoint import load_network
from simulate.bodies import Bodies
from simulate.draw_bodies import BodySampler, PopulationRanges
from simulate.structures import Cube, Rod, Shape, Star


class Known(Bodies):
    """Kinds that are given: none of them is of the families that the network learnt from."""

    KINDS: tuple[Shape, ...] = (
        Cube(truncation=(0.05, 0.15)),
        Star(etching=(0.3, 0.5)),
        Rod(aspect=(2.0, 2.4)),
    )

    def shape(self, kind: int) -> Shape:
        return self.KINDS[kind]


@pytest.fixture(scope="module")
def network():
    return load_network("zoo:particle_embedding", task="particle_embedding")


@pytest.fixture(scope="module")
def population() -> PopulationSample:
    ranges = PopulationRanges(diameter=120.0, sizes=2.0, scattering=3e-4, matter=0.0, dose=200.0, blur=2.0)
    sampler = BodySampler(Known(number=3, views=12, misfits=1), ranges, shown=12, strange=1, edge=48)
    return sampler.draw([0, 1, 2], np.random.default_rng(0))


def rows_of(population: PopulationSample) -> pd.DataFrame:
    """Measure the particles, each in its cut."""
    cuts, tables = population.particles, []
    for image in cuts.images:
        labels = (gaussian_filter(image, 1.0) > 0.15 * image.max()).astype(np.int32)
        frame = Micrograph(image=image, name="cut", pixel_size=cuts.pixel_size)
        one = LabelMap(labels=labels, separated=np.zeros(1, bool), confidence=np.ones(1))
        tables.append(measure(frame, one).data)
    return pd.concat(tables, ignore_index=True)


def test_kinds_of_one_matter_and_of_all_sizes_lie_apart(network, population):
    """None of them is of the families that the network learnt from."""
    values = embedding(rows_of(population), population.particles, network=network).values
    means = np.stack([values[population.kinds == kind].mean(axis=0) for kind in range(3)])
    nearest = np.linalg.norm(values[:, None] - means, axis=2).argmin(axis=1)
    whole = population.kinds >= 0
    assert np.mean(nearest[whole] == population.kinds[whole]) > 0.9


def test_the_unit_of_the_detector_and_the_order_of_particles_change_nothing(network, population):
    cuts = population.particles
    first = embedding(rows_of(population), cuts, network=network).values
    brighter = replace(cuts, images=7.0 * cuts.images, noise=7.0 * cuts.noise)
    np.testing.assert_allclose(
        embedding(rows_of(population), brighter, network=network).values, first, atol=0.02
    )
    turned = replace(cuts, images=np.rot90(cuts.images, axes=(1, 2)).copy())
    np.testing.assert_allclose(
        embedding(rows_of(population), turned, network=network).values, first, atol=0.02
    )


def test_properties_stand_beside_the_vectors_with_their_weight(network, population):
    rows = rows_of(population)
    learned = embedding(rows, population.particles, network=network)
    found = both(rows, population.particles, network=network, names=("equivalent_diameter",), weight=0.2)
    np.testing.assert_allclose(found.values[:, :-1], learned.values)
    assert found.values[:, -1].std() == pytest.approx(0.2)
    assert found.names[-1] == "equivalent_diameter"
