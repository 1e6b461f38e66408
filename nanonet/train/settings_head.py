"""A second lesson for a network with a global context: to tell how the image was recorded."""

from __future__ import annotations

from typing import cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nanonet.models.context import GlobalContext
from nanonet.records import InputError


class SettingsHead(nn.Module):
    """Reads settings of the microscope from what a network's global context holds (Caruana, 1997).

    How much contrast an atom gives depends on focus, aberrations and sharpness, which all columns of an image
    share. Depth alone teaches a network that only slowly; told what they were, it learns to look for them.
    The head is for training: it is not part of the network that is kept.

    Parameters
    ----------
    network
        With one `GlobalContext`, that of its last forward pass is read.
    count
        Number of settings.

    Raises
    ------
    InputError
        If the network has no global context.
    """

    def __init__(self, network: nn.Module, count: int) -> None:
        super().__init__()
        contexts = [module for module in network.modules() if isinstance(module, GlobalContext)]
        if not contexts:
            raise InputError("settings are learnt through a global context: give model.context=true")
        self.tell = nn.Linear(contexts[0].width, count)
        self.standard = nn.BatchNorm1d(count, affine=False)
        self._seen: Tensor | None = None
        contexts[0].norm.register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: tuple[Tensor, ...], summary: Tensor) -> None:
        self._seen = summary

    def forward(self, settings: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
        """Return the mean squared error of what is told, in standard deviations of the settings."""
        told = self.tell(functional.relu(cast(Tensor, self._seen).float()))
        self._seen = None
        self.standard.train(self.training and len(settings) > 1)  # a single image has no spread
        return functional.mse_loss(told, self.standard(settings))
