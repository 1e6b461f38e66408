"""Orientations as a RELION star file (3.1 and later: an optics table and a particle table).

RELION turns the reference r into the frame of the image by A r, with (Heymann, Chagoyen and Belnap 2005)
A = Rz(-psi) Ry(-tilt) Rz(-rot) in active rotations of column vectors (x, y, z), and projects along z. That is
what a rotation of `Orientations` does, hence A = R and Rᵀ = Rz(rot) Ry(tilt) Rz(psi), intrinsic ZYZ.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
from jaxtyping import Float, Int

from nanonet.io.atomic import atomic_path
from nanonet.records import InputError, Orientations

_MM_PER_ANGSTROM = 1e-7
_USUAL_ENERGY = 200e3


@dataclass(frozen=True, kw_only=True)
class StarOptics:
    """What RELION wants to know of the instrument; None leaves the column out.

    It stops where voltage, aberration or amplitude contrast are missing, though images that show mass
    thickness have no transfer function for them to describe: `for_relion` fills in what is not known.

    Parameters
    ----------
    energy
        Beam energy [eV].
    Cs
        C30 [Å].
    amplitude_contrast
        Fraction of amplitude contrast, 0..1.
    image_size
        Side of the particle images [px].
    """

    energy: float | None = None
    Cs: float | None = None
    amplitude_contrast: float | None = None
    image_size: int | None = None

    @classmethod
    def for_relion(cls, *, energy: float | None, image_size: int) -> StarOptics:
        """Return all that RELION asks for: no aberrations, amplitude contrast alone, 200 keV unless known."""
        return cls(energy=energy or _USUAL_ENERGY, Cs=0.0, amplitude_contrast=1.0, image_size=image_size)


def euler_angles(rotations: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, "n 3"]:
    """Return RELION's rot, tilt (0..180) and psi [degrees] of rotations of column vectors (x, y, z)."""
    from scipy.spatial.transform import Rotation

    with warnings.catch_warnings():
        # At tilt 0 and 180 only the sum or difference of rot and psi is defined; scipy sets psi to 0.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        angles: np.ndarray = Rotation.from_matrix(np.swapaxes(rotations, 1, 2)).as_euler("ZYZ", degrees=True)
    return angles


def write_star(
    path: str | os.PathLike[str],
    orientations: Orientations,
    pixel_size: float,
    image_names: Sequence[str],
    *,
    random_subset: Int[np.ndarray, " n"] | None = None,
    optics: StarOptics | None = None,
) -> None:
    """Write where each particle image looks at its class from.

    Parameters
    ----------
    path
        Where to write, .star.
    orientations
        ``shifts`` (y, x) [Å] say how far the particle lies from the centre of its image; RELION's origins are
        what brings it to the centre, the negative. Class and particle numbers are written as they are.
    pixel_size
        Å.
    image_names
        As in "000001@particles.mrcs", one an orientation.
    random_subset
        Half set of each image, 1 or 2.
    optics
        The instrument, where known.

    Raises
    ------
    ValueError
        If the numbers of orientations, names and half sets differ.
    InputError
        If the pixel size is not positive, or the disk refuses.
    """
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(f"pixel_size must be positive and finite, got {pixel_size} Å")
    columns = _particle_columns(orientations, image_names)
    if random_subset is not None:
        columns["rlnRandomSubset"] = [str(int(half)) for half in random_subset]
    if len({len(values) for values in columns.values()}) > 1:
        raise ValueError(f"columns differ in length: { {k: len(v) for k, v in columns.items()} }")
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        _write_table(file, "optics", _optics_columns(pixel_size, optics or StarOptics()))
        _write_table(file, "particles", columns)


def _optics_columns(pixel_size: float, optics: StarOptics) -> dict[str, list[str]]:
    known: dict[str, Any] = {
        "rlnOpticsGroupName": "opticsGroup1",
        "rlnOpticsGroup": 1,
        "rlnImagePixelSize": f"{pixel_size:.6f}",
        "rlnImageSize": optics.image_size,
        "rlnImageDimensionality": 2,
        "rlnVoltage": None if optics.energy is None else f"{optics.energy / 1e3:.6f}",
        "rlnSphericalAberration": None if optics.Cs is None else f"{optics.Cs * _MM_PER_ANGSTROM:.6f}",
        "rlnAmplitudeContrast": optics.amplitude_contrast,
    }
    return {label: [str(value)] for label, value in known.items() if value is not None}


def _particle_columns(orientations: Orientations, image_names: Sequence[str]) -> dict[str, list[str]]:
    rot, tilt, psi = euler_angles(orientations.rotations).reshape(-1, 3).T
    y, x = -np.asarray(orientations.shifts, dtype=float).reshape(-1, 2).T
    numbers = {
        "rlnAngleRot": rot,
        "rlnAngleTilt": tilt,
        "rlnAnglePsi": psi,
        "rlnOriginXAngst": x + 0.0,  # no -0
        "rlnOriginYAngst": y + 0.0,
    }
    return {
        "rlnImageName": [_word(name) for name in image_names],
        **{label: [f"{value:.6f}" for value in values] for label, values in numbers.items()},
        "rlnClassNumber": [str(int(number)) for number in orientations.class_ids],
        "rlnParticleId": [str(int(number)) for number in orientations.particle_ids],
        "rlnOpticsGroup": ["1"] * len(rot),
    }


def _word(text: str) -> str:
    """Return a star value; one with white space is quoted."""
    if "\n" in text or '"' in text:
        raise InputError(f"an image name in a star file has no quotes or line breaks, got {text!r}")
    return f'"{text}"' if not text or any(letter.isspace() for letter in text) else text


def _write_table(file: TextIO, name: str, columns: Mapping[str, Iterable[str]]) -> None:
    file.write(f"\ndata_{name}\n\nloop_\n")
    file.writelines(f"_{label} #{number}\n" for number, label in enumerate(columns, start=1))
    file.writelines("\t".join(row) + "\n" for row in zip(*columns.values(), strict=True))
    file.write("\n")
