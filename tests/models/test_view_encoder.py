"""The network that turns views of particles into vectors."""

import pytest
import torch

from nanonet.models.view_encoder import ViewEncoder
from nanonet.records import InputError
from nanonet.views import EDGE


@pytest.fixture
def planes():
    views = torch.rand(3, 3, EDGE, EDGE, generator=torch.Generator().manual_seed(0))
    views[:, 1:] = torch.tensor([[0.1, -0.3], [0.2, 0.4], [-0.5, 0.0]])[:, :, None, None]
    return views


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ViewEncoder(size=5, width=8).eval()


@pytest.mark.parametrize("turn", [lambda p: p.rot90(1, (-2, -1)), lambda p: p.flip(-1), lambda p: p.mT])
def test_turned_and_mirrored_views_have_the_same_vector(network, planes, turn):
    torch.testing.assert_close(network(turn(planes)), network(planes), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("plane", [0, 1, 2])
def test_it_sees_the_view_its_density_and_its_length(network, planes, plane):
    other = planes.clone()
    other[:, plane] = planes[:, plane].roll(1, dims=0) + 0.5
    assert (network(other) - network(planes)).abs().max() > 1e-5


def test_its_vectors_are_as_long_as_asked_for(network, planes):
    assert network(planes).shape == (3, 5, 1, 1)
    assert network.train()(planes).shape == (3, 5, 1, 1)


def test_views_do_not_see_each_other(network, planes):
    torch.testing.assert_close(network(planes)[:1], network(planes[:1]), atol=1e-5, rtol=1e-4)


def test_a_vector_of_no_numbers_is_refused():
    with pytest.raises(InputError, match="size"):
        ViewEncoder(size=0)
