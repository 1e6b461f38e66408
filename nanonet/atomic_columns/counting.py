"""Count the atoms of every column without a network: peaks, joint Gaussian fits, a mixture of even steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanonet.atomic_columns.classical import Found, Search, locate
from nanonet.atomic_columns.depth_reading import column_reading
from nanonet.atomic_columns.mixture_choice import Counts, Criterion, count_atoms
from nanonet.atomic_columns.mixture_model import MixtureModel, usual_response
from nanonet.atomic_columns.readout import Reading
from nanonet.atomic_columns.volumes import Volumes, measure_volumes
from nanonet.records import FrameResult, InputError, Micrograph

ONE_A_PERIOD = Search(least_height=1.0)
"""Columns of one kind: the heaviest of each period of the lattice."""
NEARLY_EVEN = MixtureModel(widths="poisson", bend=0.1)
"""Steps that change by a tenth from one atom to the next, and the scatter of independent atoms."""
_WIDTHS = (0.4, 1.4)  # of the filter's: where the profile of the columns is looked for
_CLEAR = 6.0  # of ICL: the next best number of components is then 20 times less probable
_SHARP = 0.25  # of a step: strengths known to worse do not show the steps
_FEW = 20  # columns


def count_columns(
    micrograph: Micrograph,
    *,
    search: Search = ONE_A_PERIOD,
    model: MixtureModel = NEARLY_EVEN,
    max_depth: int = 12,
    criterion: Criterion = "evidence",
) -> FrameResult:
    """Find the columns of one frame and count the atoms in each by how strong it is.

    The strength of a column is the volume of its Gaussian, fitted together with all others: in HAADF the
    scattering cross-section (Van Aert et al., Phys. Rev. B 87 (2013) 064107; De Backer et al.,
    Ultramicroscopy 171 (2016) 104), in HRTEM that of its peak, positive for the contrast that columns have in
    the frame. The strengths of all columns follow a mixture with a step an atom
    (`nanonet.atomic_columns.mixture`), of a number of components that the frame decides
    (`nanonet.atomic_columns.mixture_choice`).

    The columns must be of one kind. Phase contrast is no count: it saturates, in ceria at 300 kV beyond five
    or six cations, and turns round with the optics, so that deep columns are taken for shallower ones.

    Parameters
    ----------
    micrograph
        The frame.
    search
        How columns are looked for.
    model
        What the mixture is allowed to be; without a ``response`` it has that of the modality
        (`usual_response`).
    max_depth
        Most atoms that a column may hold.
    criterion
        How sure of the number of components: "evidence", or "icl" for the published method.

    Returns
    -------
    FrameResult
        The columns; the probabilities of every depth; a warning where the frame does not decide the number of
        components.

    Raises
    ------
    InputError
        If ``max_depth`` is below 1, or the image holds NaN.
    """
    if max_depth < 1:
        raise InputError(f"columns.max_depth must be at least 1, got {max_depth}")
    found = locate(micrograph, search)
    if not len(found.positions) or found.width is None:
        nothing = Reading(
            positions=np.empty((0, 2)), presence=np.empty(0), posterior=np.empty((0, max_depth))
        )
        return FrameResult(
            frame=micrograph.frame, tables=column_reading(nothing, micrograph), warnings=found.warnings
        )
    widths = (_WIDTHS[0] * found.width, _WIDTHS[1] * found.width)
    volumes = measure_volumes(micrograph.image, found.positions, widths=widths)
    strengths = found.sign * volumes.values
    if model.response is None:
        model = replace(model, response=usual_response(micrograph.modality))
    counts = count_atoms(strengths, volumes.errors, most=max_depth, model=model, criterion=criterion)
    reading = Reading(positions=found.positions, presence=found.confidence, posterior=counts.posterior)
    return FrameResult(
        frame=micrograph.frame,
        tables=column_reading(reading, micrograph),
        warnings=(*found.warnings, *_doubts(found, volumes, counts)),
    )


def _doubts(found: Found, volumes: Volumes, counts: Counts) -> tuple[str, ...]:
    """Return what makes the number of components doubtful."""
    best = counts.components_icl
    others = np.delete(counts.icl, best - 1)
    step = float(counts.mixtures.step[counts.components - 1])
    error = float(np.median(volumes.errors)) / step
    said = []
    if len(others) and others.min() - counts.icl[best - 1] < _CLEAR:
        next_best = int(np.flatnonzero(counts.icl == others.min())[0]) + 1
        said.append(f"ICL has no clear minimum: {best} or {next_best} components")
    elif best != counts.components:
        said.append(f"ICL prefers {best} components, the probability of all strengths {counts.components}")
    if error > _SHARP:
        said.append(f"strengths are known to {error:.2f} of an atom's step, which does not show the steps")
    if len(found.positions) < _FEW:
        said.append(f"{len(found.positions)} columns are few for a mixture")
    if not said:
        return ()
    return (f"atoms a column are uncertain: {'; '.join(said)} (columns.model.step=… tells the step)",)
