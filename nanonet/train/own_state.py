"""What Lightning keeps of a run of our own, a pickle: the one place where such a file is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nanonet.records import InputError


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
        what = str(error).strip().split("\n")[0]
        raise InputError(f"{path} is damaged ({what}): remove it to start anew") from error
    return state
