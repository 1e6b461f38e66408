"""A 3D map becomes an atomic model with statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nanonet.atoms.crystal import Crystal, crystal_of
from nanonet.atoms.detect import Detected
from nanonet.atoms.statistics import AtomStatistics, atom_statistics, particle_statistics
from nanonet.io.read_map import read_map, volume_of
from nanonet.io.writers.atoms import write_extxyz, write_pdb
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.records import Estimate, FrameResult, InputError, Micrograph, Series, Volume
from nanonet.report.atom_figures import atom_figures

if TYPE_CHECKING:
    from ase import Atoms as AseAtoms

_NINETY = 1.645
"""Standard deviations on either side of a 90 % interval."""
_FEW = 20


@dataclass(frozen=True, kw_only=True)
class Atoms:
    """read -> (the whole map: detect -> statistics) -> report.

    Parameters
    ----------
    detect
        Finds the atoms of a map.
    element
        Chemical symbol.
    structure, lattice_constant
        fcc, bcc or sc, and Å; None takes what the element is in bulk.
    half_maps
        Two files that the noise is taken of; None without.

    Raises
    ------
    InputError
        If there is no such element, its crystal is not known, or only one half map is given.
    """

    name: ClassVar[str] = "atoms"
    detect: Callable[[Volume, Crystal], Detected]
    element: str
    structure: str | None = None
    lattice_constant: float | None = None
    half_maps: Sequence[str | None] = (None, None)

    def __post_init__(self) -> None:
        crystal_of(self.element, self.structure, self.lattice_constant)
        if len([half for half in self.half_maps if half is not None]) == 1:
            raise InputError("one half map tells no noise: give half1= and half2=")

    @cached_property
    def crystal(self) -> Crystal:
        """What the atoms are in bulk."""
        return crystal_of(self.element, self.structure, self.lattice_constant)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The half maps."""
        return tuple(Path(half) for half in self.half_maps if half is not None)

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return nothing: a section alone tells nothing of atoms."""
        return FrameResult(frame=micrograph.frame)

    def conclude(self, found: Found) -> Conclusion:
        """Find the atoms of the map, and say what they are like."""
        volume = volume_of(found.series, self._halves(found.series))
        detected = self.detect(volume, self.crystal)
        statistics = atom_statistics(detected, self.crystal, self.element)
        particle = particle_statistics(statistics, detected, self.crystal)
        return Conclusion(
            tables=(statistics.table, particle),
            estimates=_estimates(statistics, detected, self.crystal),
            figures=atom_figures(statistics.table, volume, self.crystal.bulk_coordination),
            warnings=_warnings(detected),
            writers=(partial(_write_models, self.element, statistics, detected),),
            sections=True,
        )

    def _halves(self, series: Series) -> tuple[Series, Series] | None:
        first, second = self.half_maps
        if first is None or second is None:
            return None
        size = series.pixel_size
        return read_map(first, pixel_size=size), read_map(second, pixel_size=size)


def _write_models(element: str, statistics: AtomStatistics, detected: Detected, folder: Path) -> None:
    """Write atoms.extxyz with all statistics, and atoms.pdb with B and U, at the positions of atoms.csv."""
    model = _model(element, detected)
    write_extxyz(folder / "atoms.extxyz", model, statistics.table)
    u = statistics.tensors
    six = np.stack([u[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], axis=1)
    write_pdb(folder / "atoms.pdb", model, 8 * np.pi**2 * detected.fit.atoms.u_iso, six)


def _model(element: str, detected: Detected) -> AseAtoms:
    from ase import Atoms as AseAtoms

    return AseAtoms(element * len(detected.fit.atoms), positions=detected.fit.atoms.positions)


def _estimates(found: AtomStatistics, detected: Detected, crystal: Crystal) -> tuple[Estimate, ...]:
    data, p = found.table.data, detected.probability
    spread = _NINETY * float(np.sqrt((p * (1 - p)).sum()))
    count = float(len(p))
    core = data["coordination_number"] >= crystal.bulk_coordination
    numbers = [
        Estimate(
            name="atoms",
            value=count,
            low=float(p.sum()) - spread,
            high=max(count, float(p.sum()) + spread),
            note="by the probability of each that is kept; those that the noise hides are not counted",
        ),
        Estimate(
            name="position error",
            value=float(np.sqrt((detected.fit.position_errors**2).sum(axis=1).mean())),
            unit="Å",
            note="root mean square, by the Fisher information",
        ),
        Estimate(name="core atoms", value=float(core.mean()), unit="share", note="with all neighbours"),
    ]
    if core.any():
        u_iso = detected.fit.atoms.u_iso[core.to_numpy()]
        error = _NINETY * float(u_iso.std()) / np.sqrt(len(u_iso))
        middle = float(u_iso.mean())
        numbers.append(
            Estimate(name="U of the core", value=middle, low=middle - error, high=middle + error, unit="Å²")
        )
    if detected.lattice is not None:
        numbers += _lattice_estimates(detected, crystal)
    return tuple(numbers)


def _lattice_estimates(detected: Detected, crystal: Crystal) -> list[Estimate]:
    assert detected.lattice is not None
    edge = detected.lattice.lattice_constant
    error = _NINETY * float(np.sqrt((detected.lattice.errors**2).mean()) / crystal.shells[0])
    bulk = crystal.lattice_constant
    return [
        Estimate(
            name="lattice constant",
            value=edge,
            low=edge - error,
            high=edge + error,
            unit="Å",
            note=f"{crystal.structure}, of a cube of the fitted cell's volume",
        ),
        Estimate(
            name="lattice strain",
            value=100 * (edge / bulk - 1),
            low=100 * ((edge - error) / bulk - 1),
            high=100 * ((edge + error) / bulk - 1),
            unit="%",
            note=f"relative to {bulk:g} Å in bulk; the voxel size's own error is not in the interval",
        ),
    ]


def _warnings(detected: Detected) -> tuple[str, ...]:
    said = []
    if detected.lattice is None:
        said.append(
            "the atoms lie on no lattice of this crystal: no strain, and none were sought by their neighbours"
        )
    elif (off := int((~detected.lattice.on).sum())) > 0.1 * len(detected.probability):
        said.append(f"{off} of {len(detected.probability)} atoms are not on the lattice: a second grain?")
    if len(detected.probability) < _FEW:
        said.append(f"only {len(detected.probability)} atoms were found")
    return tuple(said)
