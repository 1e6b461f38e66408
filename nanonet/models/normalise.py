"""Raw counts to contrast, inside the network: training and inference can never differ in it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.records import InputError


class ContrastNormalisation(nn.Module):
    """Counts to contrast: image / mean - 1, per image, so that dose and detector gain drop out.

    Where the mean is not positive (an empty frame) the contrast is 0. A pixel that is NaN or infinite says
    nothing: it is left out of the mean and its contrast is 0.
    """

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        """Return the contrast, float32."""
        counts = counts.float()
        total = counts.sum(dim=(-2, -1), keepdim=True)
        if bool((total.isfinite() & (total > 0)).all()):  # all pixels are known, and there is light: the rule
            return counts / (total / (counts.shape[-2] * counts.shape[-1])) - 1.0
        good = counts.isfinite()
        known = torch.where(good, counts, 0.0)
        mean = known.sum(dim=(-2, -1), keepdim=True) / good.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
        lit = (mean > 0) & good
        return torch.where(lit, known / torch.where(mean > 0, mean, 1.0) - 1.0, 0.0)


class IntensityNormalisation(nn.Module):
    """Counts to intensity in units of what the specimen gives: for HAADF, where vacuum is dark.

    The unit is the mean of the local intensity, weighted with its square: unlike the mean of the image it
    does not depend on how much vacuum there is. The local intensity is a Gaussian mean over some columns, so
    that counting noise adds little. Where the mean is not positive the result is 0; a pixel that is NaN or
    infinite counts as 0.

    Parameters
    ----------
    smoothing
        Standard deviation of the local mean [px].

    Raises
    ------
    InputError
        If the smoothing is not positive.
    """

    def __init__(self, smoothing: float = 5.0) -> None:
        super().__init__()
        if not smoothing > 0:
            raise InputError(f"smoothing of a normalisation must be positive, got {smoothing} px")
        self.smoothing = smoothing

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        """Return the intensity, float32."""
        counts = counts.float()
        known = torch.where(counts.isfinite(), counts, 0.0)
        local = self._smooth(known)
        lit = known.mean(dim=(-2, -1), keepdim=True) > 0
        weight = local.square() / local.square().amax(dim=(-2, -1), keepdim=True).clamp(min=1e-30)
        unit = (local * weight).sum(dim=(-2, -1), keepdim=True) / weight.sum(dim=(-2, -1), keepdim=True)
        return torch.where(lit & (unit > 0), known / torch.where(unit > 0, unit, 1.0), 0.0)

    def _smooth(self, image: Tensor) -> Tensor:
        """Return the Gaussian mean; beyond the border there is what lies at it."""
        reach, planes = round(3 * self.smoothing), image.flatten(0, 1)[:, None]
        places = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (places / self.smoothing) ** 2)
        kernel = kernel / kernel.sum()
        for shape, padding in (
            ((1, 1, -1, 1), (0, 0, reach, reach)),
            ((1, 1, 1, -1), (reach, reach, 0, 0)),
        ):
            padded = functional.pad(planes, padding, mode="replicate")
            planes = functional.conv2d(padded, kernel.reshape(shape))
        return planes[:, 0].reshape(image.shape)
