"""Checkpoints that describe themselves: one safetensors file rebuilds its network.

A checkpoint is a folder: ``model.safetensors`` (weights; its header holds the network's config, its task
and ranges, and the versions), ``config.yaml`` (the whole training config) and ``card.md``. Weights from
others are loaded as data only. Lightning's own files, pickles, are read in one place: `read_own_state`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nanonet.configuration import build, locate
from nanonet.provenance import hash_file, versions
from nanonet.records import (
    InputError,
    TrainedNetwork,
    calibration_from,
    familiarity_from,
    particle_confidence_from,
)
from nanonet.train.card import NetworkCard, render
from nanonet.train.predictor import Predictor

if TYPE_CHECKING:
    from torch import nn

Told = TypeVar("Told")

WEIGHTS = "model.safetensors"
HEADER = "nanonet"
FORMAT = 1
"""Raised when the header changes so that older programs cannot read it."""
ZOO = Path(__file__).resolve().parents[1] / "zoo"


def save_checkpoint(
    folder: str | Path,
    network: nn.Module,
    *,
    model: Mapping[str, Any],
    card: NetworkCard,
    config: Mapping[str, Any],
) -> Path:
    """Write a checkpoint; it is whole or absent, and replaces one that is there.

    Weights are written as float16, which halves the file and changes no reading that matters
    (`round_weights`).

    Parameters
    ----------
    folder
        Where to; its name is the network's.
    network
        Whose weights are written.
    model
        Its config node, ``_target_`` and keywords.
    card
        What it is for and how good it is.
    config
        The whole config that it was trained with.
    """
    import yaml
    from safetensors.torch import save

    folder, weights = Path(folder), _weights(network)
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    # Not `save_file`: it makes a file that nobody else may read.
    (unfinished / WEIGHTS).write_bytes(save(weights, {HEADER: _header(model, card)}))
    (unfinished / "config.yaml").write_text(
        yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    (unfinished / "card.md").write_text(render(card), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)
    return folder


def round_weights(network: nn.Module) -> None:
    """Round a network's weights as a checkpoint will, so that what is measured of it is what is shipped."""
    for weight in network.parameters():
        weight.data = weight.data.half().to(weight.dtype)


def _weights(network: nn.Module) -> dict[str, Any]:
    """Return the state: weights in float16, averages of normalisation, which may be beyond its range, as is.

    Raises
    ------
    InputError
        If a weight is not finite, or beyond that range.
    """
    import torch

    learnt = {name for name, _ in network.named_parameters()}
    state = {
        name: (tensor.half() if name in learnt else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    if wrong := [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]:
        raise InputError(f"the weights {wrong[0]} are not finite: training has diverged")
    return state


def _header(model: Mapping[str, Any], card: NetworkCard) -> str:
    told = {
        "format": FORMAT,
        "model": dict(model),
        "task": card.task,
        "pixel_size": card.pixel_size,
        "modality": card.modality,
        "trained_range": {name: list(ends) for name, ends in card.trained_range.items()},
        "metrics": [asdict(estimate) for estimate in card.metrics],
        "calibration": None if card.calibration is None else asdict(card.calibration),
        "told_calibration": None if card.told_calibration is None else asdict(card.told_calibration),
        "familiarity": None if card.familiarity is None else card.familiarity.plain(),
        "confidence": None if card.confidence is None else asdict(card.confidence),
        "versions": versions(),
    }
    return json.dumps(told, sort_keys=True)


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
        network.load_state_dict(at_rest | _single(weights))
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


def find_weights(checkpoint: str | Path) -> Path:
    """Return the weights file that a checkpoint's name stands for."""
    name = str(checkpoint)
    path = ZOO / name.removeprefix("zoo:") if name.startswith("zoo:") else Path(name)
    for file in (path, path / WEIGHTS, path / "checkpoint" / WEIGHTS):
        if file.is_file():
            return file
    if name.startswith("zoo:"):
        known = sorted(file.parent.name for file in ZOO.glob(f"*/{WEIGHTS}"))
        raise InputError(f"there is no network '{name}'; known: {', '.join(known) or 'none'}")
    what = f"holds no {WEIGHTS}" if path.exists() else "does not exist"
    raise InputError(f"checkpoint {name} {what}: give a folder that training wrote, or zoo:NAME")


def _read_for(checkpoint: str | Path, task: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and weights of a checkpoint that was trained for a task, None for any."""
    header, weights = _read(find_weights(checkpoint))
    if task is not None and header["task"] != task:
        raise InputError(f"{checkpoint} was trained for '{header['task']}', this needs one for '{task}'")
    return header, weights


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and weights of a file, both as plain data."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
            header = json.loads(text) if text else None
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged or no checkpoint: {_first_line(error)}") from error
    wanted = {"format", "model", "task", "pixel_size", "modality", "trained_range"}
    if not isinstance(header, dict) or not wanted <= set(header):
        raise InputError(
            f"{path} holds weights, but not what network they are of: it is no nanonet checkpoint"
        )
    if header["format"] != FORMAT:
        raise InputError(f"{path} has format {header['format']}, this nanonet reads {FORMAT}: update nanonet")
    return header, weights


def _rebuild(path: Path, model: Any, weights: dict[str, Any]) -> nn.Module:
    import torch

    _require_network(path, model)
    network: nn.Module = build(model)
    single = _single(weights)
    try:
        network.load_state_dict(single)
    except RuntimeError as error:
        raise InputError(f"the weights in {path} are not those of its {model['_target_']}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in single.values()):
        raise InputError(f"{path} has weights that are not finite")
    return network.eval().requires_grad_(False)


def _single(weights: dict[str, Any]) -> dict[str, Any]:
    """Return weights in float32; what is counted stays as it is."""
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()
    }


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


def read_own_state(path: Path) -> dict[str, Any]:
    """Return what Lightning saved of a run of our own, as plain data.

    Raises
    ------
    InputError
        If the file is damaged, or holds anything but plain data.
    """
    import pickle

    import torch
    from safetensors import SafetensorError

    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # Torch hands a file named .safetensors to that library, whose error is none of Python's kinds.
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, SafetensorError) as error:
        raise InputError(f"{path} is damaged ({_first_line(error)}): remove it to start anew") from error
    return state


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
