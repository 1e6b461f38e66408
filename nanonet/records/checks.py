"""What records check of their own values."""

from __future__ import annotations

import numpy as np

from nanonet.records.errors import InputError


def require_positive(record: object, name: str, unit: str) -> None:
    """Raise an `InputError` if a value of a record is known, and not positive and finite."""
    value = getattr(record, name)
    if value is not None and not (np.isfinite(value) and value > 0):
        raise InputError(f"{name} must be positive and finite, got {value} {unit}")
