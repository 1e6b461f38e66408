"""Raw counts to contrast, inside the network: training and inference can never differ in it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn import functional

from nanonet.records import InputError


class InputNormalisation(nn.Module):
    """Raw counts to planes for the first layer.

    Attributes
    ----------
    takes_counts_per_atom
        Whether a plane of the counts an atom may come behind the frames (`told_planes`).
    """

    takes_counts_per_atom = False

    def planes(self, frames: int) -> int:
        """Return how many planes it makes of that many frames."""
        return frames


class ContrastNormalisation(InputNormalisation):
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


class StandardNormalisation(InputNormalisation):
    """Intensities to mean 0 and variance 1, per image: for pictures of any origin, gain and contrast.

    What lies far out is cut, as one bright speck or a scale bar must not decide for all. An image of one
    value is 0 everywhere; a pixel that is NaN or infinite says nothing, and becomes 0.

    Parameters
    ----------
    farthest
        Standard deviations beyond which values are cut.
    """

    def __init__(self, farthest: float = 4.0) -> None:
        super().__init__()
        if not farthest > 0:
            raise InputError(f"farthest of a normalisation must be positive, got {farthest}")
        self.farthest = farthest

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b c y x"]:
        """Return the standard scores, float32."""
        counts = counts.float()
        good = counts.isfinite()
        known = torch.where(good, counts, 0.0)
        number = good.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
        off = torch.where(good, known - known.sum(dim=(-2, -1), keepdim=True) / number, 0.0)
        spread = (off.square().sum(dim=(-2, -1), keepdim=True) / number).sqrt()
        score = off / torch.where(spread > 0, spread, 1.0)
        return score.clamp(-self.farthest, self.farthest)


class IntensityNormalisation(InputNormalisation):
    """One frame of counts to intensity in units that depth can be read in: for HAADF, where vacuum is dark.

    Where it is told how many counts an atom adds, in a second plane of the input (`told_planes`), the unit is
    ``atoms_per_pixel`` of them. Where it is not (no second plane, or 0 there) the unit is the mean of the
    local intensity, weighted with its square: unlike the mean of the image it does not depend on how much
    vacuum there is. The local intensity is a Gaussian mean over some columns, so that counting noise adds
    little. Behind the intensity come its Gaussian means over a column and over some columns, which say more
    than pixels where electrons are few, and a plane of ones where the counts were told, else of zeros.

    Where the mean is not positive the intensity is 0; a pixel that is NaN or infinite counts as 0.

    Parameters
    ----------
    smoothing
        Standard deviation of the local mean [px].
    column
        Standard deviation of the mean over a column [px].
    atoms_per_pixel
        What the intensity 1 stands for where the counts an atom are told: some atoms a column, over its area.

    Raises
    ------
    InputError
        If a number is not positive.
    """

    takes_counts_per_atom = True

    def __init__(self, smoothing: float = 5.0, column: float = 2.0, atoms_per_pixel: float = 0.04) -> None:
        super().__init__()
        numbers = {"smoothing": smoothing, "column": column, "atoms_per_pixel": atoms_per_pixel}
        for name, value in numbers.items():
            if not value > 0:
                raise InputError(f"{name} of a normalisation must be positive, got {value}")
        self.smoothing = smoothing
        self.column = column
        self.atoms_per_pixel = atoms_per_pixel

    def planes(self, frames: int) -> int:
        """Return how many planes it makes of that many frames.

        Raises
        ------
        InputError
            If frames are to be read together.
        """
        if frames != 1:
            raise InputError(f"intensity is normalised one frame at a time, not {frames} in a row")
        return 4

    def forward(self, counts: Num[Tensor, "b c y x"]) -> Float[Tensor, "b 4 y x"]:
        """Return the intensity, its two means, and whether its unit was told, float32."""
        image = counts[:, :1].float()
        known = torch.where(image.isfinite(), image, 0.0)
        told = counts[:, 1:2].float().amax(dim=(-2, -1), keepdim=True)
        told = told if counts.shape[1] > 1 else torch.zeros_like(known[..., :1, :1])
        local = _smooth(known, self.smoothing)
        unit = torch.where(told > 0, told * self.atoms_per_pixel, self._own_unit(local))
        lit = (known.mean(dim=(-2, -1), keepdim=True) > 0) & (unit > 0)
        counted = torch.cat([known, _smooth(known, self.column), local], dim=1)
        intensity = torch.where(lit, counted / torch.where(unit > 0, unit, 1.0), 0.0)
        return torch.cat([intensity, (told > 0).float().expand_as(known)], dim=1)

    def _own_unit(self, local: Float[Tensor, "b 1 y x"]) -> Float[Tensor, "b 1 1 1"]:
        """Return the mean of the local intensity, weighted with its square."""
        weight = local.square() / local.square().amax(dim=(-2, -1), keepdim=True).clamp(min=1e-30)
        total = weight.sum(dim=(-2, -1), keepdim=True)
        return (local * weight).sum(dim=(-2, -1), keepdim=True) / torch.where(total > 0, total, 1.0)


def _smooth(image: Float[Tensor, "b 1 y x"], width: float) -> Float[Tensor, "b 1 y x"]:
    """Return the Gaussian mean; beyond the border there is what lies at it."""
    reach = round(3 * width)
    places = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (places / width) ** 2)
    kernel = kernel / kernel.sum()
    for shape, padding in (((1, 1, -1, 1), (0, 0, reach, reach)), ((1, 1, 1, -1), (reach, reach, 0, 0))):
        padded = functional.pad(image, padding, mode="replicate")
        image = functional.conv2d(padded, kernel.reshape(shape))
    return image
