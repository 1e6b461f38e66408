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
from nanonet.train.checkpoint import read_own_state, round_weights, save_checkpoint, trained_network
from nanonet.train.folder import RunFolder

if TYPE_CHECKING:
    from pytorch_lightning import LightningDataModule, LightningModule, Trainer

    from nanonet.records import Calibration, Estimate, TrainedNetwork

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
    folder.claim(config)
    if folder.finished:
        log.warning("%s is finished; give another output=FOLDER to train again", folder.path)
        return folder.path
    data: LightningDataModule = build(config["data"])
    module = build_module(config)
    require_fit(data, module)
    trainer = build_trainer(config, folder)
    fit(trainer, module, data, folder.last)
    module.load_state_dict(read_own_state(folder.resume / "best.ckpt")["state_dict"])
    round_weights(module.network)
    save_checkpoint(
        folder.checkpoint,
        module.network,
        model=config["model"],
        card=trusted(describe(config, data, module, command), module, data),
        config={key: value for key, value in config.items() if key != "output"},
    )
    folder.tidy()
    return folder.path


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config as plain dicts and lists."""
    from omegaconf import OmegaConf

    found = OmegaConf.to_container(OmegaConf.create(dict(config)), resolve=True)
    return {str(key): value for key, value in cast(Mapping[str, Any], found).items()}


def build_module(config: Mapping[str, Any]) -> LightningModule:
    """Return the module; its first weights follow from the seed, and no other random number does."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(config["seed"])
        network = build(config["model"])
    module: LightningModule = build(config["module"])(network=network, loss=build(config["loss"]))
    return module


def require_fit(data: LightningDataModule, module: LightningModule) -> None:
    """Raise an `InputError` if the network has not as many classes as the labels."""
    labels, network = data.training.classes, getattr(module.network, "classes", None)
    if network is not None and network != labels:
        raise InputError(
            f"the labels have {labels} classes (max_depth {labels - 1}, and background), the network "
            f"{network}: give model.classes={labels}"
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


def fit(trainer: Trainer, module: LightningModule, data: LightningDataModule, last: Path | None) -> None:
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


def trusted(card: NetworkCard, module: Any, data: Any) -> NetworkCard:
    """Return the card with what tells when the network is to be believed, measured on validation structures.

    That is a calibration, with how good it is, and what frames like those of the training look like.
    """
    from nanonet.train.familiarity import fit_familiarity

    network = trained_network(module.network, card, "the trained network")
    seen = data.validation.telling(0.0) if network.takes_counts_per_atom else data.validation
    calibration, judged = _comes_true(network, seen)
    card = replace(card, calibration=calibration, metrics=(*card.metrics, *judged))
    if network.takes_counts_per_atom:
        calibration, judged = _comes_true(network, data.validation.telling(1.0))
        named = (replace(estimate, name=f"{estimate.name}, told") for estimate in judged)
        card = replace(card, told_calibration=calibration, metrics=(*card.metrics, *named))
    try:
        return replace(card, familiarity=fit_familiarity(network, data.training, data.validation))
    except InputError as error:
        log.warning("the network will not know which images are unlike those of its training: %s", error)
    return card


def _comes_true(network: TrainedNetwork, dataset: Any) -> tuple[Calibration | None, tuple[Estimate, ...]]:
    """Return the calibration of a network on images of known truth, and how good it is."""
    from nanonet.train.calibration import calibrate, calibration_estimates, measure_posteriors

    try:
        read = measure_posteriors(network, dataset)
        return calibrate(read), calibration_estimates(read)
    except InputError as error:
        log.warning("the probabilities of the network stay as it gives them: %s", error)
        return None, ()


def describe(config: Mapping[str, Any], data: Any, module: Any, command: str | None) -> NetworkCard:
    """Return the card of the trained network."""
    from nanonet.data.survey import survey
    from nanonet.provenance import machine

    seen = survey(data.training)
    epochs = config["trainer"].get("max_epochs")
    return NetworkCard(
        task=module.task,
        pixel_size=seen.pixel_size,
        modality=config.get("modality"),
        trained_range=seen.trained_range,
        metrics=module.evaluate(data.validation),
        training=(
            f"{len(data.split.train)} simulated structures, {len(data.training)} images an epoch, "
            f"at most {epochs} epochs, noise and optics drawn anew for each image",
            f"{len(data.split.validation)} other structures kept apart for validation",
            f"{next(module.parameters()).device.type}, {machine()}" + (f": `{command}`" if command else ""),
        ),
    )
