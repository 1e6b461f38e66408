"""What a self-test of the physics measured, and what it should have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was measured, what physics says, and whether they agree within ``tolerance`` (absolute)."""

    name: str
    measured: float
    expected: float
    tolerance: float
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether measured and expected agree."""
        return bool(abs(self.measured - self.expected) <= self.tolerance)
