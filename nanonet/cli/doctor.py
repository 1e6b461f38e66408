"""``nanonet doctor``: check whether this installation is sound."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nanonet.cli.main import Call
from nanonet.records import InputError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's report; ``status`` is ok, warning or failed."""

    name: str
    status: str
    detail: str


def run(call: Call) -> None:
    """Print the findings as a table.

    Raises
    ------
    InputError
        If anything failed, so that scripts see it in the exit code.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    colours = {"ok": "green", "warning": "yellow", "failed": "red"}
    failed = []
    for finding in findings(call):
        console.print(
            f"[{colours[finding.status]}]{finding.status:<8}[/] {finding.name:<34} {finding.detail}"
        )
        failed += [finding.name] if finding.status == "failed" else []
    if failed:
        raise InputError(f"{len(failed)} of the checks failed: {', '.join(failed)}")


def findings(call: Call) -> Iterator[Finding]:
    """Yield the findings, the quick ones first."""
    yield from _versions()
    yield _torchvision()
    checks: dict[str, Callable[[], str]] = {
        "torch computes": _torch,
        "abTEM propagates a wave": _abtem,
        "a .dm4 survives writing and reading": lambda: _round_trip("dm4"),
        "a .tif survives writing and reading": lambda: _round_trip("tif"),
        "a .hspy survives writing and reading": lambda: _round_trip("hspy"),
        "a .mrc survives writing and reading": lambda: _round_trip("mrc"),
        "configs compose": _configs,
    }
    for name, action in checks.items():
        yield _attempt(name, action)
    if call.physics:
        yield from _physics(call)


def _attempt(name: str, action: Callable[[], str]) -> Finding:
    try:
        return Finding(name=name, status="ok", detail=action())
    except Exception as error:
        return Finding(name=name, status="failed", detail=f"{type(error).__name__}: {error}".split("\n")[0])


def _versions() -> Iterator[Finding]:
    from nanonet.provenance import PACKAGES, versions

    found = versions()
    for package in ("python", *PACKAGES):
        status = "ok" if package in found else "failed"
        yield Finding(name=package, status=status, detail=found.get(package, "is not installed"))


def _torchvision() -> Finding:
    """Warn of a torchvision: one that was built for another torch breaks the import of Lightning."""
    name = "torchvision"
    if importlib.util.find_spec("torchvision") is None:
        return Finding(name=name, status="ok", detail="absent, as it should be")
    try:
        importlib.import_module("torchvision")
    except Exception as error:
        text = f"does not fit this torch ({error}): training will fail; pip uninstall torchvision"
        return Finding(name=name, status="failed", detail=text.replace("\n", " "))
    return Finding(
        name=name, status="warning", detail="present; not needed, breaks Lightning if torch changes"
    )


def _torch() -> str:
    import torch

    image = torch.ones(1, 1, 8, 8)
    total = torch.nn.functional.conv2d(image, torch.ones(1, 1, 3, 3)).sum().item()
    if total != 9 * 36:
        raise ArithmeticError(f"a convolution of ones gave {total}, not 324")
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU only"
    return f"{device}, {torch.get_num_threads()} threads"


def _abtem() -> str:
    import abtem
    from ase import Atoms

    with abtem.config.set({"device": "cpu"}):
        atoms = Atoms("Au", positions=[(2.0, 2.0, 1.0)], cell=(4.0, 4.0, 2.0))
        potential = abtem.Potential(atoms, sampling=0.1, slice_thickness=1.0)
        wave = abtem.PlaneWave(energy=200e3).multislice(potential, lazy=False)
    intensity = float((abs(wave.array) ** 2).mean())
    if not 0.9 < intensity <= 1.0001:
        raise ArithmeticError(f"the mean intensity of an exit wave is {intensity:.4f}, not 1")
    return f"mean intensity behind one Au atom {intensity:.4f}"


def _round_trip(suffix: str) -> str:
    import numpy as np

    from nanonet.io.read import read_series
    from nanonet.io.writers.dm import write_dm
    from nanonet.io.writers.images import write_hspy, write_mrc_stack, write_tif

    frames = np.arange(2 * 5 * 7, dtype=np.float32).reshape(2, 5, 7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"frames.{suffix}"
        if suffix == "dm4":
            write_dm(path, frames, frames.shape, frames.dtype, pixel_size=0.25)
        else:
            writers: dict[str, Callable[..., None]]
            writers = {"tif": write_tif, "hspy": write_hspy, "mrc": write_mrc_stack}
            writers[suffix](path, frames, pixel_size=0.25)
        series = read_series(path)
        if not np.array_equal(series[1].image, frames[1]):
            raise ArithmeticError("other intensities came back")
        size = series.pixel_size
    if size is None or abs(size - 0.25) > 1e-6:
        raise ArithmeticError(f"pixel size 0.25 Å came back as {size}")
    return "intensities and pixel size agree"


def _configs() -> str:
    from nanonet.configuration import options

    groups = {command: options(command) for command in ("infer", "train", "simulate")}
    return f"{sum(len(names) for found in groups.values() for names in found.values())} variants found"


def _physics(call: Call) -> Iterator[Finding]:
    from nanonet.configuration import build, compose

    for check in build(compose("doctor", call.words, call.own).selftest):
        detail = f"{check.measured:.6g}, expected {check.expected:.6g} within {check.tolerance:.2g}"
        yield Finding(name=check.name, status="ok" if check.passed else "failed", detail=detail)
