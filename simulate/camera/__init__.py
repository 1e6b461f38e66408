"""Cameras: pixels, transfer of signal and noise, dose, counting, faults."""

from simulate.camera.camera import Camera

__all__ = ["Camera"]
