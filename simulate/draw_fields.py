"""Training images of fields of particles: dose, detector and what is burnt in drawn afresh each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from nanonet.records import InputError, MaskSample
from simulate.fields.annotation import Annotation
from simulate.fields.generate import read_field
from simulate.fields.visibility import visible
from simulate.ranges import Range, drawn, log_drawn, require_range

_UNKNOWN = -1
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
    together
        Fields that count as one structure, of which a draw takes one: so that they are not drawn more often
        than pictures out of other sources.

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
        together: int = 1,
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
        if together < 1:
            raise InputError(f"together must be 1 field or more, got {together}")
        self.together = together
        self.structures = range(-(-len(self.files) // together))
        self.counts = counts
        self.readout = readout
        self.blur = blur
        self.annotation = annotation

    def __len__(self) -> int:
        return len(self.files)

    def draw(self, structure: int, rng: np.random.Generator) -> MaskSample:
        """Draw an image of a field; nothing is known of particles that it hides.

        Those are the ones that do not stand out of the noise (`visible`), and what lies under letters.
        """
        those = self.files[structure * self.together : (structure + 1) * self.together]
        field = read_field(those[int(rng.integers(len(those)))])
        about = field["about"]
        clean = field["intensity"].astype(np.float32)
        counts = log_drawn(self.counts, rng)
        brightest = float(np.percentile(clean, _BRIGHT)) if about["modality"] == "HAADF" else 1.0
        expected = self._blurred(clean * np.float32(counts / max(brightest, 1e-9)), rng)
        readout = drawn(self.readout, rng) * np.sqrt(float(expected.mean()))
        grain = readout * rng.standard_normal(expected.shape)
        image = np.asarray(rng.poisson(expected) + grain, np.float32)
        seen = visible(expected, field["labels"], readout)
        instances = np.where(seen[field["labels"]], field["labels"], _UNKNOWN)
        if self.annotation is not None:
            bare, image = image, self.annotation.draw(image, rng)
            instances[(image != bare) & (instances > 0)] = _UNKNOWN
        settings = {name: float(value) for name, value in about["settings"].items()}
        return MaskSample(
            image=image,
            instances=instances,
            structure=structure,
            pixel_size=float(about["pixel_size"]),
            settings={**settings, "counts": counts},
        )

    def _blurred(
        self, electrons: Float[np.ndarray, "y x"], rng: np.random.Generator
    ) -> Float32[np.ndarray, "y x"]:
        from scipy.ndimage import gaussian_filter

        blurred = gaussian_filter(electrons, drawn(self.blur, rng), mode="nearest")
        return np.asarray(np.maximum(blurred, 0), np.float32)
