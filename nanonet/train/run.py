"""The whole story of a training run."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nanonet.configuration import build
from nanonet.records import InputError
from nanonet.train.card import NetworkCard
from nanonet.train.checkpoint import load_weights
from nanonet.train.folder import RunFolder
from nanonet.train.own_state import read_own_state
from nanonet.train.weights_file import round_weights, save_checkpoint

if TYPE_CHECKING:
    from pytorch_lightning import LightningDataModule, Trainer
    from torch import Tensor

    from nanonet.train.dense import DenseModule

log = logging.getLogger(__name__)


def train(config: Mapping[str, Any], output: Path, command: str | None = None) -> Path:
    """Train a network and return the run's folder; a run that was stopped there goes on.

    Parameters
    ----------
    config
        Resolved; each of ``data``, ``model``, ``loss``, ``module``, ``trainer``, ``logger`` and
        ``callbacks`` says what to build.
    output
        The run's folder, see `RunFolder`.
    command
        What the user typed, for the card.

    Raises
    ------
    InputError
        If the folder holds a run of another config, or a part of the config does not fit another.
    """
    config, folder = plain(config), RunFolder(Path(output))
    share = _pretrained_share(config)
    folder.claim(config)
    if folder.finished:
        log.warning("%s is finished; give another output=FOLDER to train again", folder.path)
        return folder.path
    data: LightningDataModule = build(config["data"])
    module = build_module(config)
    if config.get("pretrained"):
        load_weights(module.network, config["pretrained"], task=module.task)
    begun = {name: weight.clone() for name, weight in module.network.state_dict().items()}
    require_fit(data, module)
    trainer = build_trainer(config, folder)
    fit(trainer, module, data, folder.last)
    module.load_state_dict(read_own_state(folder.resume / "best.ckpt")["state_dict"])
    module.network.load_state_dict(between(module.network.state_dict(), begun, share))
    round_weights(module.network)
    save_checkpoint(
        folder.checkpoint,
        module.network,
        model=config["model"],
        card=describe(config, data, module, command),
        config={key: value for key, value in config.items() if key != "output"},
    )
    folder.tidy()
    return folder.path


def between(trained: Mapping[str, Tensor], begun: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return weights on the line from those that training ended with to those that it began with.

    Networks that were trained a little further lie in one valley with where they began; between the two errs
    less than either (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022). Counters stay.
    """
    return {
        name: weight.lerp(begun[name], share) if weight.is_floating_point() else weight
        for name, weight in trained.items()
    }


def _pretrained_share(config: Mapping[str, Any]) -> float:
    share = float(config.get("pretrained_share") or 0.0)
    if not 0.0 <= share < 1.0:
        raise InputError(f"pretrained_share must be from 0 to less than 1, got {share:g}")
    if share and not config.get("pretrained"):
        raise InputError("pretrained_share is of a network to begin with: give pretrained=zoo:NAME as well")
    return share


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as plain dicts and lists."""
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(OmegaConf.create(dict(config)), resolve=True)
    return {str(key): value for key, value in cast(Mapping[str, Any], found).items()}


def build_module(config: Mapping[str, Any]) -> DenseModule:
    """Return the module; its first weights follow from the seed, and no other random number does."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])
        network = build(config["model"])
    module: DenseModule = build(config["module"])(network=network, loss=build(config["loss"]))
    return module


def require_fit(data: LightningDataModule, module: DenseModule) -> None:
    """Raise an `InputError` if the network gives not as many maps as there are to be learnt."""
    wanted, network = data.training.classes, getattr(module.network, "classes", None)
    if network is not None and network != wanted:
        raise InputError(
            f"the data has {wanted} classes to learn, the network {network}: give model.classes={wanted}, "
            "or another data.dataset.max_depth where it is depths"
        )


def build_trainer(config: Mapping[str, Any], folder: RunFolder) -> Trainer:
    """Return the trainer with its loggers and callbacks; it keeps the state of the best and last epoch."""
    from pytorch_lightning.callbacks import ModelCheckpoint

    from nanonet.train.progress import TrainingProgress, quiet_lightning

    keep = {"dirpath": folder.resume, "enable_version_counter": False, "save_on_train_epoch_end": True}
    callbacks = [
        *(build(node) for node in (config.get("callbacks") or {}).values()),
        TrainingProgress(),
        ModelCheckpoint(filename="best", monitor="val/loss", **keep),
        ModelCheckpoint(filename="last", **keep),
    ]
    with quiet_lightning():
        trainer: Trainer = build(config["trainer"])(
            default_root_dir=folder.path,
            callbacks=callbacks,
            logger=[build(node)(save_dir=folder.path) for node in (config.get("logger") or {}).values()],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
    return trainer


def fit(trainer: Trainer, module: DenseModule, data: LightningDataModule, last: Path | None) -> None:
    """Train, from the state of the last whole epoch where there is one.

    Lightning ends the whole program at Ctrl-C and leaves it deaf to another: here it is an exception again.
    """
    from nanonet.train.progress import quiet_lightning

    if last is not None:
        data.first_epoch = read_own_state(last)["epoch"] + 1
        log.warning("going on after epoch %d", data.first_epoch)
    listening = signal.getsignal(signal.SIGINT)
    try:
        with quiet_lightning():
            trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, listening)
        raise KeyboardInterrupt from None


def describe(config: Mapping[str, Any], data: Any, module: DenseModule, command: str | None) -> NetworkCard:
    """Return the card of the trained network, with what tells when it is to be believed."""
    from nanonet.provenance import machine

    epochs, pretrained = config["trainer"].get("max_epochs"), config.get("pretrained")
    share = _pretrained_share(config)
    card = replace(
        module.card(data.training, data.validation),
        modality=config.get("modality"),
        training=(
            f"{len(data.split.train)} structures, {len(data.training)} images an epoch, "
            f"at most {epochs} epochs, noise and optics drawn anew for each image",
            f"{len(data.split.validation)} others kept apart for validation",
            *([f"begun with the weights of {pretrained}"] if pretrained else []),
            *([f"the kept weights are to {share:.0%} those that it began with"] if share else []),
            f"{next(module.parameters()).device.type}, {machine()}" + (f": `{command}`" if command else ""),
        ),
    )
    return module.trusted(card, data.training, data.validation)
