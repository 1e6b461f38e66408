"""What publishers burn into pictures: scale bars, letters, strips of text. None of it is a particle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

_LETTERS = "abcdefghABCDEFGH"


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Chances, between 0 and 1, of what is drawn onto a picture.

    Parameters
    ----------
    bar
        A scale bar with its length.
    letter
        A letter in a corner, perhaps in a box.
    strip
        A strip of text along the lower edge, as microscopes' programs add it.
    """

    bar: float = 0.3
    letter: float = 0.2
    strip: float = 0.05

    def draw(self, image: Float[np.ndarray, "y x"], rng: np.random.Generator) -> Float32[np.ndarray, "y x"]:
        """Return the picture with what was drawn onto it, in its own darkest and brightest values."""
        from PIL import Image, ImageDraw, ImageFont

        height, width = image.shape
        low, high = (float(value) for value in np.percentile(image, [0.2, 99.8]))
        ink, paper = (high, low) if rng.random() < 0.5 else (low, high)
        picture = Image.fromarray(np.asarray(image, np.float32), mode="F")
        pen = ImageDraw.Draw(picture)
        font = ImageFont.load_default(size=float(rng.uniform(0.03, 0.07) * height))
        if rng.random() < self.strip:
            top = height - int(rng.uniform(0.06, 0.12) * height)
            pen.rectangle((0, top, width, height), fill=paper)
            pen.text((0.05 * width, top), f"{rng.integers(50, 400)} kV  x{rng.integers(10, 900)}k", ink, font)
        if rng.random() < self.bar:
            long, thick = rng.uniform(0.1, 0.35) * width, rng.uniform(0.006, 0.02) * height
            x = rng.uniform(0.03, 0.95 - long / width) * width
            y = (rng.uniform(0.85, 0.95) if rng.random() < 0.8 else rng.uniform(0.05, 0.12)) * height
            if rng.random() < 0.2:
                pen.rectangle((x - 6, y - 0.1 * height, x + long + 6, y + thick + 6), fill=paper)
            pen.rectangle((x, y, x + long, y + thick), fill=ink)
            label = f"{rng.choice([1, 2, 5, 10, 20, 50, 100, 200, 500])} nm"
            pen.text((x + 0.3 * long, y - 0.08 * height), label, ink, font)
        if rng.random() < self.letter:
            x, y = rng.choice([0.02, 0.88]) * width, rng.choice([0.02, 0.88]) * height
            if rng.random() < 0.5:
                pen.rectangle((x, y, x + 0.1 * width, y + 0.1 * height), fill=paper)
            letter = _LETTERS[int(rng.integers(len(_LETTERS)))]
            pen.text((x + 4, y), f"({letter})" if rng.random() < 0.5 else letter, ink, font)
        return np.asarray(picture, np.float32)
