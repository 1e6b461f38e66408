"""The file of a checkpoint: weights, and in its header what network they are of, as plain data.

A checkpoint is a folder: ``model.safetensors`` (weights; its header holds the network's config, its task
and ranges, and the versions), ``config.yaml`` (the whole training config) and ``card.md``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nanonet.provenance import versions
from nanonet.records import InputError
from nanonet.train.card import NetworkCard, render

if TYPE_CHECKING:
    from torch import nn

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


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and weights of a file, both as plain data; weights as they are stored.

    Raises
    ------
    InputError
        If the file is damaged, or no checkpoint of a format that is known.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
            header = json.loads(text) if text else None
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError, UnicodeDecodeError) as error:
        what = str(error).strip().split("\n")[0]
        raise InputError(f"{path} is damaged or no checkpoint: {what}") from error
    wanted = {"format", "model", "task", "pixel_size", "modality", "trained_range"}
    if not isinstance(header, dict) or not wanted <= set(header):
        raise InputError(
            f"{path} holds weights, but not what network they are of: it is no nanonet checkpoint"
        )
    if header["format"] != FORMAT:
        raise InputError(f"{path} has format {header['format']}, this nanonet reads {FORMAT}: update nanonet")
    return header, weights


def in_single_precision(weights: dict[str, Any]) -> dict[str, Any]:
    """Return weights in float32; what is counted stays as it is."""
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()
    }
