"""Training images of fields of particles: dose, detector and what is burnt in drawn afresh each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from nanonet.records import InputError, MaskSample
from simulate.fields.annotation import Annotation
from simulate.fields.generate import read_field
from simulate.ranges import Range, drawn, log_drawn, require_range

_BRIGHT = 99.0
"""Percentile of an HAADF image that the counts are told of."""


class FieldSampler:
    """Draws images of the fields in folders that `nanonet simulate experiment=field_bf` and others wrote.

    Parameters
    ----------
    fields
        Folders.
    counts
        [lowest, highest] electrons in a pixel of the vacuum (bright field) or of the brightest hundredth
        (HAADF), drawn uniformly in its logarithm.
    readout
        [lowest, highest] readout noise, as a share of the counting noise.
    blur
        [lowest, highest] standard deviation of the detector's blur [px].
    annotation
        What is burnt in; None for nothing.

    Raises
    ------
    InputError
        If a folder holds no fields.
    """

    def __init__(
        self,
        fields: str | list[str],
        counts: Range = (10.0, 3000.0),
        readout: Range = (0.0, 0.5),
        blur: Range = (0.0, 0.8),
        annotation: Annotation | None = None,
    ) -> None:
        require_range("counts", counts, "electrons", low=1e-3)
        require_range("readout", readout, "of the counting noise", low=0.0)
        require_range("blur", blur, "px", low=0.0)
        folders = [Path(fields)] if isinstance(fields, str | Path) else [Path(folder) for folder in fields]
        self.files: list[Path] = []
        for folder in folders:
            found = sorted(folder.glob("field_*.npz"))
            if not found:
                raise InputError(f"{folder} holds no fields: run `nanonet simulate experiment=field_bf`")
            self.files += found
        self.structures = range(len(self.files))
        self.counts = counts
        self.readout = readout
        self.blur = blur
        self.annotation = annotation

    def __len__(self) -> int:
        return len(self.files)

    def draw(self, structure: int, rng: np.random.Generator) -> MaskSample:
        """Draw an image of a field."""
        field = read_field(self.files[structure])
        about = field["about"]
        clean = field["intensity"].astype(np.float32)
        counts = log_drawn(self.counts, rng)
        brightest = float(np.percentile(clean, _BRIGHT)) if about["modality"] == "HAADF" else 1.0
        image = self._exposed(clean * np.float32(counts / max(brightest, 1e-9)), rng)
        if self.annotation is not None:
            image = self.annotation.draw(image, rng)
        settings = {name: float(value) for name, value in about["settings"].items()}
        return MaskSample(
            image=image,
            instances=field["labels"],
            structure=structure,
            pixel_size=float(about["pixel_size"]),
            settings={**settings, "counts": counts},
        )

    def _exposed(
        self, electrons: Float[np.ndarray, "y x"], rng: np.random.Generator
    ) -> Float32[np.ndarray, "y x"]:
        from scipy.ndimage import gaussian_filter

        blurred = gaussian_filter(electrons, drawn(self.blur, rng), mode="nearest")
        expected = np.maximum(blurred, 0)
        noise = drawn(self.readout, rng) * np.sqrt(float(expected.mean()))
        grain = noise * rng.standard_normal(expected.shape)
        return np.asarray(rng.poisson(expected) + grain, np.float32)
