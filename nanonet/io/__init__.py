"""Reading and writing: microscope files to lazy series; images, tables, volumes and atoms to files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanonet.io.read import read_series

__all__ = ["read_series"]


def __getattr__(name: str) -> Any:
    """Import the readers when they are first asked for (PEP 562), so that ``--help`` stays quick."""
    if name == "read_series":
        from nanonet.io.read import read_series

        return read_series
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
