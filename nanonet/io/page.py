"""An image as it lies in files: compressed once, where it was made, and copied from there on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

_LEVEL = 2  # 6 takes nine times as long for 10 % less


@dataclass(frozen=True, kw_only=True)
class Page:
    """An image and how it is to be read.

    Parameters
    ----------
    data
        The rows one after the other, compressed (zlib).
    shape
        (y, x).
    dtype
        As of `numpy.dtype.str`, with the order of bytes.
    """

    data: bytes
    shape: tuple[int, ...]
    dtype: str

    @classmethod
    def of(cls, image: Shaped[np.ndarray, "*s"]) -> Page:
        """Return an image, compressed.

        Raises
        ------
        ValueError
            If it holds objects.
        """
        if image.dtype.hasobject:
            raise ValueError(f"an image of {image.dtype} cannot be stored")
        return cls(data=zlib.compress(image.tobytes(), _LEVEL), shape=image.shape, dtype=image.dtype.str)

    def image(self) -> Shaped[np.ndarray, "*s"]:
        """Return the image.

        Raises
        ------
        ValueError
            If the data are damaged, or not of that shape.
        """
        try:
            data = zlib.decompress(self.data)
        except zlib.error as error:
            raise ValueError(f"a stored image is damaged: {error}") from error
        return np.frombuffer(bytearray(data), dtype=np.dtype(self.dtype)).reshape(self.shape)
