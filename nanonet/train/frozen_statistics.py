"""Training a trained network further, with the normalisation that it will be applied with."""

from __future__ import annotations

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nanonet.records import InputError


class FrozenStatistics(Callback):
    """Batch normalisation keeps the averages that the network came with, while its weights are learnt.

    A batch of eight images is eight doses and eight settings of the microscope: its statistics scatter about
    those of training as a whole, and what is learnt against that scatter is not what the network does when it
    is applied. Frozen, the two are the same network (as in detection, Ren et al., 2015, arXiv 1506.01497).

    Raises
    ------
    InputError
        If the network never learnt such averages: it has to begin with trained weights.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a network whose averages are those of no image."""
        layers = _layers(pl_module)
        if layers and all(_untouched(layer) for layer in layers):
            raise InputError(
                "the averages of batch normalisation can be kept only where there are any: "
                "give pretrained=zoo:NAME, or leave callbacks.frozen_statistics out"
            )

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Hold the layers still; Lightning wakes them after each validation."""
        for layer in _layers(pl_module):
            layer.eval()


def _layers(module: LightningModule) -> list[_BatchNorm]:
    network = module.network
    if not isinstance(network, nn.Module):
        raise TypeError(f"{type(module).__name__} has no network")
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]


def _untouched(layer: _BatchNorm) -> bool:
    mean = layer.running_mean
    return mean is not None and not bool(mean.any())
