"""A 3D map becomes an atomic model with statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from nanonet.atoms.compare import compare, model_of
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
from nanonet.pipeline.atoms_compared import (
    comparison_estimates,
    comparison_figures,
    comparison_tables,
    noise_alone,
    read_model,
)
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
    compare
        Earlier models of the particle: folders of runs, atoms.csv, .pdb, .xyz.
    noise_draws
        Times that two maps of the found atoms with new noise are compared, to tell what chance does.

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
    compare: Sequence[str] = ()
    noise_draws: int = 4

    def __post_init__(self) -> None:
        crystal_of(self.element, self.structure, self.lattice_constant)
        for path in self.compare:
            read_model(path)
        if self.noise_draws < 0:
            raise InputError(f"noise_draws must not be negative, got {self.noise_draws}")
        if len([half for half in self.half_maps if half is not None]) == 1:
            raise InputError("one half map tells no noise: give half1= and half2=")

    @cached_property
    def crystal(self) -> Crystal:
        """What the atoms are in bulk."""
        return crystal_of(self.element, self.structure, self.lattice_constant)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The half maps, and the models that are compared with."""
        halves = [Path(half) for half in self.half_maps if half is not None]
        models = [Path(model).expanduser() for model in self.compare]
        return (*halves, *(model / "atoms.csv" if model.is_dir() else model for model in models))

    def frame(self, micrograph: Micrograph) -> FrameResult:
        """Return nothing: a section alone tells nothing of atoms."""
        return FrameResult(frame=micrograph.frame)

    def conclude(self, found: Found) -> Conclusion:
        """Find the atoms of the map, and say what they are like."""
        volume = volume_of(found.series, self._halves(found.series))
        detected = self.detected(volume)
        beside = self._compared(detected)
        own = self.concluded(detected, volume)
        return replace(
            own,
            tables=(*own.tables, *beside.tables),
            estimates=(*own.estimates, *beside.estimates),
            figures=(*own.figures, *beside.figures),
            sections=True,
        )

    def detected(self, volume: Volume) -> Detected:
        """Return the atoms of a map, whatever it was made of."""
        return with_lighter_sites_told(self.detect(volume, self.crystal), self.crystal)

    def concluded(self, detected: Detected, volume: Volume) -> Conclusion:
        """Return what the atoms of a map are like."""
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
        )

    def write_model(self, detected: Detected, folder: Path) -> None:
        """Write the atoms of a map, with what they are like, into a folder that is there."""
        write_models(atom_statistics(detected, self.crystal, self.displacements), detected, folder)

    def _compared(self, detected: Detected) -> Conclusion:
        """Return what comparisons with earlier models add."""
        if not self.compare:
            return Conclusion(tables=())
        earlier = [read_model(path) for path in self.compare]
        model = model_of(detected, "this")
        comparisons = [compare(model, one, self.crystal) for one in earlier]
        noise = noise_alone(detected, self.detect, self.crystal, self.noise_draws)
        models, atoms = comparison_tables(model, earlier, comparisons, noise)
        return Conclusion(
            tables=(models, atoms),
            estimates=comparison_estimates(models, atoms),
            figures=comparison_figures(atoms),
        )

    def _halves(self, series: Series) -> tuple[Series, Series] | None:
        first, second = self.half_maps
        if first is None or second is None:
            return None
        size = series.pixel_size
        return read_map(first, pixel_size=size), read_map(second, pixel_size=size)
