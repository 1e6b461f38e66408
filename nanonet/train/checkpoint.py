"""Trained networks from their checkpoints: one safetensors file rebuilds its network.

Weights from others are loaded as data only, and a checkpoint may name nothing but networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nanonet.configuration import build, locate
from nanonet.provenance import hash_file
from nanonet.records import (
    InputError,
    TrainedNetwork,
    calibration_from,
    familiarity_from,
    particle_confidence_from,
)
from nanonet.train.card import NetworkCard
from nanonet.train.predictor import Predictor
from nanonet.train.weights_file import find_weights, in_single_precision, read_weights

if TYPE_CHECKING:
    from torch import nn

Told = TypeVar("Told")


def load_network(checkpoint: str | Path | None, *, task: str | None = None) -> TrainedNetwork:
    """Rebuild a trained network from its own file, ready to be applied.

    Parameters
    ----------
    checkpoint
        A checkpoint's folder, its ``.safetensors`` file, a training run's folder, or ``zoo:NAME``.
    task
        The task that it must have been trained for; None takes any.

    Raises
    ------
    InputError
        If the file is missing, damaged, no checkpoint of ours, of another task, or of a network whose code
        is not trusted.
    """
    import torch

    if checkpoint is None:
        raise InputError("this needs a trained network: give checkpoint=FOLDER or checkpoint=zoo:NAME")
    header, weights = _read_for(checkpoint, task)
    path = find_weights(checkpoint)
    network = _rebuild(path, header["model"], weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return TrainedNetwork(
        predict=Predictor(network, device),
        task=header["task"],
        pixel_size=None if header["pixel_size"] is None else float(header["pixel_size"]),
        modality=header["modality"],
        trained_range={name: (ends[0], ends[1]) for name, ends in header["trained_range"].items()},
        name=str(checkpoint),
        sha256=hash_file(path).removeprefix("sha256:"),
        frames=int(getattr(network, "frames", 1)),
        takes_counts_per_atom=_takes_counts_per_atom(network),
        calibration=_told(header, "calibration", calibration_from),
        told_calibration=_told(header, "told_calibration", calibration_from),
        familiarity=_told(header, "familiarity", familiarity_from),
        confidence=_told(header, "confidence", particle_confidence_from),
    )


def load_weights(network: nn.Module, checkpoint: str | Path, *, task: str) -> None:
    """Give a new network the weights of a trained one, to train it further.

    Parameters
    ----------
    network
        Of the same architecture, or with a global context besides, which adds nothing as long as it is
        untrained; changed in place.
    checkpoint
        As `load_network` takes it.
    task
        The task that it must have been trained for.

    Raises
    ------
    InputError
        As `load_network`, and if the architectures differ otherwise.
    """
    from nanonet.models.context import GlobalContext

    _, weights = _read_for(checkpoint, task)
    known = network.state_dict()
    at_rest = {name: known[name] for name in _names_of(network, GlobalContext) if name not in weights}
    try:
        network.load_state_dict(at_rest | in_single_precision(weights))
    except RuntimeError as error:
        raise InputError(
            f"pretrained={checkpoint} is another network than model=…: give the model of its config.yaml"
        ) from error


def _names_of(network: nn.Module, kind: type[nn.Module]) -> list[str]:
    """Return the names of all weights that lie in modules of a kind."""
    return [
        f"{name}.{weight}"
        for name, module in network.named_modules()
        if isinstance(module, kind)
        for weight in module.state_dict()
    ]


def trained_network(network: nn.Module, card: NetworkCard, name: str) -> TrainedNetwork:
    """Return a network that was just trained, ready to be applied where it is."""
    return TrainedNetwork(
        predict=Predictor(network, next(network.parameters()).device.type),
        task=card.task,
        pixel_size=card.pixel_size,
        modality=card.modality,
        trained_range=card.trained_range,
        name=name,
        sha256="",
        frames=int(getattr(network, "frames", 1)),
        takes_counts_per_atom=_takes_counts_per_atom(network),
        calibration=card.calibration,
        told_calibration=card.told_calibration,
        familiarity=card.familiarity,
        confidence=card.confidence,
    )


def _takes_counts_per_atom(network: nn.Module) -> bool:
    from nanonet.models.normalise import InputNormalisation

    normalise = getattr(network, "normalise", None)
    return isinstance(normalise, InputNormalisation) and normalise.takes_counts_per_atom


def _told(header: Mapping[str, Any], name: str, read: Callable[[Any], Told]) -> Told | None:
    plain = header.get(name)
    return None if plain is None else read(plain)


def _read_for(checkpoint: str | Path, task: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and weights of a checkpoint that was trained for a task, None for any."""
    header, weights = read_weights(find_weights(checkpoint))
    if task is not None and header["task"] != task:
        raise InputError(f"{checkpoint} was trained for '{header['task']}', this needs one for '{task}'")
    return header, weights


def _rebuild(path: Path, model: Any, weights: dict[str, Any]) -> nn.Module:
    import torch

    _require_network(path, model)
    network: nn.Module = build(model)
    single = in_single_precision(weights)
    try:
        network.load_state_dict(single)
    except RuntimeError as error:
        raise InputError(f"the weights in {path} are not those of its {model['_target_']}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in single.values()):
        raise InputError(f"{path} has weights that are not finite")
    return network.eval().requires_grad_(False)


def _require_network(path: Path, node: Any) -> None:
    """Refuse a checkpoint that names anything but networks: building calls what it names."""
    import inspect

    from torch import nn

    if not isinstance(node, Mapping) or "_target_" not in node:
        raise InputError(f"{path} does not say what network it is of")
    for target in _targets(node):
        found = locate(target)
        if not (inspect.isclass(found) and issubclass(found, nn.Module)):
            raise InputError(f"{path} names {target}, which is no network")


def _targets(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        own = [str(node["_target_"])] if "_target_" in node else []
        return own + [target for value in node.values() for target in _targets(value)]
    if isinstance(node, list):
        return [target for value in node for target in _targets(value)]
    return []
