"""The context of a frame: the same for each of its pixels, and nothing before it is learnt."""

import pytest
import torch

from nanonet.models.context import GlobalContext
from nanonet.models.unet import UNet


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(2, 16, 12, 10, generator=torch.Generator().manual_seed(0))


def learnt(seed: int = 0) -> GlobalContext:
    torch.manual_seed(seed)
    context = GlobalContext(16).eval()
    torch.nn.init.normal_(context.expand.weight)
    return context


def test_at_first_it_adds_nothing(features: torch.Tensor) -> None:
    assert torch.equal(GlobalContext(16)(features), features)


def test_it_adds_the_same_to_every_pixel_of_an_image_and_other_things_to_another(
    features: torch.Tensor,
) -> None:
    added = learnt()(features) - features
    assert torch.allclose(added, added[..., :1, :1].expand_as(added), atol=1e-5)
    assert not torch.allclose(added[0], added[1], atol=1e-2)


def test_where_pixels_are_does_not_matter(features: torch.Tensor) -> None:
    context = learnt()
    turned = torch.flip(features, (-1,))
    assert torch.allclose(context(turned), torch.flip(context(features), (-1,)), atol=1e-5)


def test_vacuum_that_scores_low_does_not_dilute_what_columns_say(features: torch.Tensor) -> None:
    """Around the particle comes nine times its area; a score of its own keeps it out of the mean."""
    context = learnt()
    with torch.no_grad():
        context.score.weight.zero_()
        context.score.weight[0, 0] = 20.0
    particle = features.clone()
    particle[:, 0] = 1.0
    wide = torch.nn.functional.pad(particle, (10, 10, 12, 12))
    inside = context(wide)[..., 12:-12, 10:-10]
    assert torch.allclose(inside, context(particle), atol=1e-3)


def test_a_network_with_it_starts_as_one_without() -> None:
    counts = torch.poisson(torch.full((1, 1, 32, 32), 9.0), generator=torch.Generator().manual_seed(1))
    made = []
    for context in (False, True):
        torch.manual_seed(3)
        network = UNet(width=4, depth=2, context=context).eval()
        made.append(network)
    shared = made[0].state_dict()
    made[1].load_state_dict(shared, strict=False)
    with torch.inference_mode():
        assert torch.allclose(made[0](counts), made[1](counts))
