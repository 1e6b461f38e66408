"""Ways to run one network on a processor: how long each takes, and what it changes in what is read."""

from __future__ import annotations

import copy
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import safe_open
from scipy.spatial import cKDTree
from torch import Tensor, nn

from nanonet.atomic_columns.readout import Reading, read_columns
from nanonet.configuration import build
from nanonet.models.tiled import ImageNetwork
from nanonet.train.predictor import Predictor
from nanonet.train.weights_file import find_weights

Run = Callable[[Tensor], Tensor]
"""From contrast (1, frame, y, x) to logits (1, class, y, x)."""
OURS = "torch bfloat16, last layer float32"
"""What nanonet does where the processor multiplies bfloat16."""
_NEAR = 2.0
"""Pixels within which a column is the same one."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """How one way of running a network does.

    Parameters
    ----------
    seconds
        Of the processor for a frame, the least of several; None where what it needs is not installed.
    start
        Seconds of the processor until it is ready.
    changed
        Share of the columns whose depth differs from that in float32, or that are missed.
    presence
        Largest difference of the chance of a column.
    """

    name: str
    seconds: float | None = None
    start: float = 0.0
    changed: float = 0.0
    presence: float = 0.0


class _Logits(nn.Module):
    """Its forward is the network from contrast on, which is what can be exported."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, contrast: Tensor) -> Tensor:
        return cast(ImageNetwork, self.network).logits(contrast)


def compare(checkpoint: str, counts: np.ndarray, *, repeats: int, compiled: bool) -> list[Timed]:
    """Return how each runtime does on frames (1, frame, y, x), in turns, with one thread."""
    torch.set_num_threads(1)
    network = trained(checkpoint)
    with torch.inference_mode():
        contrast = cast(ImageNetwork, network).normalise(torch.from_numpy(counts))
        ready: dict[str, tuple[Run, float] | None] = {}
        for name, prepare in WAYS.items():
            if name.startswith("torch.compile") and not compiled:
                continue
            start = time.process_time()
            try:
                run = prepare(network, contrast)
                run(contrast)  # the first is slower: memory and kernels are made ready
                ready[name] = (run, time.process_time() - start)
            except ImportError:
                ready[name] = None
        seconds: dict[str, list[float]] = {name: [] for name in ready}
        found: dict[str, Reading] = {}
        for _ in range(repeats):
            for name, entry in ready.items():
                if entry is not None:
                    start = time.process_time()
                    logits = entry[0](contrast)
                    seconds[name].append(time.process_time() - start)
                    found[name] = _read(logits)
    reference = found[next(iter(WAYS))]
    return [
        Timed(name=name)
        if entry is None
        else Timed(
            name=name,
            seconds=min(seconds[name]),
            start=entry[1],
            **_differences(reference, found[name]),
        )
        for name, entry in ready.items()
    ]


def trained(checkpoint: str) -> nn.Module:
    """Return the network of a checkpoint as it was trained, in float32."""
    with safe_open(find_weights(checkpoint), framework="pt") as file:
        header = json.loads(file.metadata()["nanonet"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    network = cast(nn.Module, build(header["model"]))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _read(logits: Tensor) -> Reading:
    chances = logits[0].float().softmax(0).numpy()
    return read_columns(chances, smoothing=1.2, separation=4.0, radius=2.4, min_probability=0.02)


def _differences(reference: Reading, other: Reading) -> dict[str, float]:
    sure = reference.where(reference.presence >= 0.5)
    distance, nearest = cKDTree(other.positions).query(sure.positions, distance_upper_bound=_NEAR)
    met = np.isfinite(distance)
    pairs = nearest[met]
    same = int((sure.depth[met] == other.depth[pairs]).sum())
    presence = float(np.abs(sure.presence[met] - other.presence[pairs]).max(initial=0.0))
    return {"changed": 1 - same / max(len(sure.presence), 1), "presence": presence}


def _eager(network: nn.Module, _: Tensor) -> Run:
    return _Logits(network)


def _automatic(network: nn.Module, _: Tensor) -> Run:
    def run(contrast: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return cast(ImageNetwork, network).logits(contrast)

    return run


def _all_bfloat16(network: nn.Module, _: Tensor) -> Run:
    reduced = copy.deepcopy(network).to(torch.bfloat16)
    return lambda contrast: cast(ImageNetwork, reduced).logits(contrast.bfloat16())


def _ours(network: nn.Module, _: Tensor) -> Run:
    predictor = Predictor(network, "cpu", dtype=torch.bfloat16)
    return lambda contrast: predictor.logits(contrast.bfloat16())


def _traced(network: nn.Module, contrast: Tensor) -> Run:
    example = contrast.bfloat16()
    predictor = Predictor(network, "cpu", dtype=torch.bfloat16)
    frozen = torch.jit.freeze(
        torch.jit.trace(_Logits(predictor.network).eval(), (example,), check_trace=False)
    )
    return lambda contrast: frozen(contrast.bfloat16())


def _compiled(network: nn.Module, _: Tensor) -> Run:
    predictor = Predictor(network, "cpu", dtype=torch.bfloat16)
    compiled = torch.compile(_Logits(predictor.network))
    return lambda contrast: compiled(contrast.bfloat16())


def _onnxruntime(network: nn.Module, contrast: Tensor) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = _exported(network, contrast)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda contrast: torch.from_numpy(session.run(None, {"contrast": contrast.numpy()})[0])


def _openvino(precision: str) -> Callable[[nn.Module, Tensor], Run]:
    def prepare(network: nn.Module, contrast: Tensor) -> Run:
        import openvino

        core = openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        model = core.read_model(_exported(network, contrast), b"")
        compiled: Any = core.compile_model(model, "CPU", settings)
        return lambda contrast: torch.from_numpy(np.array(compiled(contrast.numpy())[0]))

    return prepare


def _exported(network: nn.Module, contrast: Tensor) -> bytes:
    """Return the network as ONNX."""
    import onnx  # noqa: F401 - the exporter needs it

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        names = {"input_names": ["contrast"], "output_names": ["logits"]}
        torch.onnx.export(
            _Logits(network).eval(), (contrast,), str(path), dynamo=False, opset_version=17, **names
        )
        return path.read_bytes()


WAYS: dict[str, Callable[[nn.Module, Tensor], Run]] = {
    "torch float32": _eager,
    "torch bfloat16, autocast": _automatic,
    "torch bfloat16, all layers": _all_bfloat16,
    OURS: _ours,
    "torch.jit, frozen, bfloat16": _traced,
    "torch.compile, bfloat16": _compiled,
    "onnxruntime float32": _onnxruntime,
    "openvino float32": _openvino("f32"),
    "openvino bfloat16": _openvino("bf16"),
}
"""The first is what the others are compared with."""


def print_runtimes(rows: list[Timed]) -> None:
    """Print a table; speeds are those of one core."""
    slowest = rows[0].seconds or 1.0
    print(
        f"\n{'runtime':36} {'s a frame':>9} {'ratio':>6} {'start s':>8} {'depth changed':>14} {'presence':>9}"
    )
    for row in rows:
        if row.seconds is None:
            print(f"{row.name:36} not installed")
            continue
        ratio = slowest / row.seconds
        print(
            f"{row.name:36} {row.seconds:9.3f} {ratio:6.2f} {row.start:8.1f} "
            f"{100 * row.changed:12.3f} % {row.presence:9.4f}"
        )
