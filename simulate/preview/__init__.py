"""A sheet of samples with their truth, so that a person sees what a network will see."""

from simulate.preview.fields import preview_fields
from simulate.preview.preview import make_preview

__all__ = ["make_preview", "preview_fields"]
