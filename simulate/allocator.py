"""Memory that is freed stays with the process: images are drawn one after the other, and need it again."""

from __future__ import annotations

import ctypes
import sys

# glibc's malloc.h. Both must be set, or each moves with the sizes that are freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
KEPT, LARGEST = 2**28, 2**25
"""Bytes of free memory that are kept, and the largest block that comes from them."""


def keep_freed_memory() -> None:
    """Keep freed memory, where the C library is glibc; elsewhere this does nothing.

    By default it goes back to the system after each image and is faulted in again page by page, which takes
    a fifth of the time of drawing one.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT)
        mallopt(_MMAP_THRESHOLD, LARGEST)
