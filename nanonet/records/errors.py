"""What went wrong on the user's side."""

from __future__ import annotations


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one line that says what to do about it."""
