"""Intensity in units of what the specimen gives, whatever the gain, the dose and the vacuum around."""

import pytest
import torch
from scipy import ndimage

from nanonet.models.normalise import IntensityNormalisation
from nanonet.models.unet import UNet
from nanonet.records import InputError, told_planes


def particle(size, dose=100.0, noisy=False):
    """A disc of 20 px of one intensity in vacuum that is not quite dark."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    counts = dose * (0.01 + 1.0 * (torch.hypot(y - size / 2, x - size / 2) < 20))
    if noisy:
        counts = torch.poisson(counts, generator=torch.Generator().manual_seed(0))
    return counts[None, None].float()


def inside(image):
    size = image.shape[-1]
    return float(image[0, 0, size // 2 - 5 : size // 2 + 5, size // 2 - 5 : size // 2 + 5].mean())


def test_a_particle_has_about_the_same_intensity_in_any_vacuum_at_any_dose():
    normalise = IntensityNormalisation()
    reference = inside(normalise(particle(64)))
    assert 1.0 < reference < 1.3
    assert inside(normalise(particle(256))) == pytest.approx(reference, rel=0.02)
    assert inside(normalise(particle(64, dose=1e4))) == pytest.approx(reference, rel=1e-4)
    assert inside(normalise(particle(256, dose=0.3, noisy=True))) == pytest.approx(reference, rel=0.15)


def test_the_unit_is_the_mean_of_the_local_intensity_weighted_with_its_square():
    image = torch.rand(1, 1, 40, 50)
    local = torch.from_numpy(ndimage.gaussian_filter(image[0, 0].numpy(), 4.0, mode="nearest", truncate=3.0))
    unit = local.pow(3).sum() / local.square().sum()
    assert torch.allclose(IntensityNormalisation(4.0)(image)[:, :1], image / unit, rtol=1e-4)


def test_images_are_taken_one_by_one():
    images = torch.rand(2, 1, 20, 20) * torch.tensor([1.0, 7.0])[:, None, None, None]
    together = IntensityNormalisation()(images)
    assert torch.allclose(together[1:], IntensityNormalisation()(images[1:]), rtol=1e-5)


def test_the_unit_can_be_told_for_some_images_and_not_for_others():
    normalise = IntensityNormalisation(atoms_per_pixel=0.05)
    image = particle(64)
    told = torch.from_numpy(told_planes(image[0].numpy(), 25.0))[None]
    both = normalise(torch.cat([told, torch.from_numpy(told_planes(image[0].numpy(), None))[None]]))
    assert torch.allclose(both[0, 0], image[0, 0] / (25.0 * 0.05))
    assert torch.allclose(both[1:], normalise(image))
    assert both[0, 3].eq(1).all()
    assert both[1, 3].eq(0).all()


def test_depth_that_is_read_of_a_told_image_does_not_go_with_the_gain():
    network = UNet(width=4, normalise=IntensityNormalisation()).eval()
    image = particle(64, noisy=True)[0].numpy()
    once, eight = (torch.from_numpy(told_planes(gain * image, 5.0 * gain))[None] for gain in (1.0, 8.0))
    with torch.inference_mode():
        assert torch.allclose(network(once), network(eight), rtol=1e-3, atol=1e-4)


def test_frames_in_a_row_are_refused():
    with pytest.raises(InputError, match="one frame at a time, not 7"):
        UNet(in_channels=7, width=4, normalise=IntensityNormalisation())


@pytest.mark.parametrize("value", [0.0, -2.0, torch.nan])
def test_an_empty_image_stays_empty(value):
    assert IntensityNormalisation()(torch.full((1, 1, 8, 8), value)).eq(0).all()


def test_a_pixel_that_is_not_finite_says_nothing():
    counts = particle(64)
    counts[0, 0, 32, 32] = torch.nan
    assert IntensityNormalisation()(counts).isfinite().all()


def test_it_is_chosen_by_config():
    assert isinstance(UNet(width=4, normalise=IntensityNormalisation()).normalise, IntensityNormalisation)
    with pytest.raises(InputError, match="must be positive, got 0"):
        IntensityNormalisation(0.0)
