"""A 3D map becomes an atomic model with statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from nanonet.atoms.crystal import Crystal, crystal_of
from nanonet.atoms.detected import Detected
from nanonet.atoms.displacement import Displacements
from nanonet.atoms.elements import with_lighter_sites_told
from nanonet.atoms.fit import Fit
from nanonet.atoms.hidden import shell_table
from nanonet.atoms.particle_summary import grain_table, particle_statistics
from nanonet.atoms.penetration import penetration_table, penetrations
from nanonet.atoms.scene import Scene
from nanonet.atoms.statistics import atom_statistics
from nanonet.io.read_map import read_map, volume_of
from nanonet.pipeline.atoms_figures import penetration_figures, search_figures
from nanonet.pipeline.atoms_files import write_maps, write_models
from nanonet.pipeline.atoms_said import atom_estimates, atom_warnings
from nanonet.pipeline.conclusion import Conclusion, Found
from nanonet.records import FrameResult, InputError, Micrograph, Series, Volume
from nanonet.report.atom_figures import atom_figures


@dataclass(frozen=True, kw_only=True)
class Atoms:
    """read -> (the whole map: detect -> statistics) -> report.

    Parameters
    ----------
    detect
        Finds the atoms of a map.
    displacements
        Measures U.
    element
        Chemical symbol; of ions the formula, cation first (CeO2), of alloys all elements (PtNi).
    structure, lattice_constant
        fcc, bcc, sc, hcp, diamond, rocksalt or fluorite, and Å; None takes what the element is in bulk.
    half_maps
        Two files that the noise is taken of; None without.

    Raises
    ------
    InputError
        If there is no such element, its crystal is not known, or only one half map is given.
    """

    name: ClassVar[str] = "atoms"
    detect: Callable[[Volume, Crystal], Detected]
    displacements: Callable[[Scene, Fit], Displacements]
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
        detected = with_lighter_sites_told(detected, self.crystal)
        statistics = atom_statistics(detected, self.crystal, self.displacements)
        table = statistics.table
        deep = penetrations(table.data, np.random.default_rng(0))
        shells = shell_table(detected)
        return Conclusion(
            tables=(
                table,
                particle_statistics(statistics, detected, self.crystal),
                grain_table(detected),
                penetration_table(deep),
                shells,
            ),
            estimates=atom_estimates(statistics, detected, self.crystal),
            figures=(
                *atom_figures(table, volume, self.crystal.bulk_coordination),
                *penetration_figures(table.data, deep),
                *search_figures(detected, shells),
            ),
            warnings=atom_warnings(statistics, detected, self.crystal),
            writers=(partial(write_models, statistics, detected), partial(write_maps, detected)),
            sections=True,
        )

    def _halves(self, series: Series) -> tuple[Series, Series] | None:
        first, second = self.half_maps
        if first is None or second is None:
            return None
        size = series.pixel_size
        return read_map(first, pixel_size=size), read_map(second, pixel_size=size)
