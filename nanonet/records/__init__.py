"""What passes between stages: frozen records that carry their units.

Lengths are in Å, energies in eV, angles of optics in mrad, times in s, doses in e/Å². Unknown is
``None``, never 0. Where the user measures in pixels (``read.pixel_size=px``) ``pixel_size`` is ``None``
and tables name their lengths ``_px``. Axes, centres and signs are in docs/conventions.md.
"""

from __future__ import annotations

from nanonet.records.calibration import (
    Calibration,
    ReadColumns,
    Reliability,
    calibration_from,
)
from nanonet.records.confidence import ParticleConfidence, particle_confidence_from
from nanonet.records.errors import (
    InputError,
)
from nanonet.records.familiarity import (
    Familiarity,
    familiarity_from,
)
from nanonet.records.images import (
    ADDS_UP,
    Frames,
    Micrograph,
    Modality,
    Series,
    Stack,
)
from nanonet.records.networks import (
    ColumnSample,
    MaskSample,
    PopulationSample,
    TrainedNetwork,
    told_planes,
)
from nanonet.records.results import (
    FrameResult,
    LabelMap,
    Orientations,
    ParticleImages,
    Probabilities,
    Provenance,
    ShellCorrelation,
    Volume,
)
from nanonet.records.tables import (
    AtomTable,
    ClassTable,
    Column,
    ColumnTable,
    Estimate,
    FrameTable,
    ImageTable,
    LatticeTable,
    ParticleTable,
    SummaryTable,
    Table,
)

__all__ = [
    "ADDS_UP",
    "AtomTable",
    "Calibration",
    "ClassTable",
    "Column",
    "ColumnSample",
    "ColumnTable",
    "Estimate",
    "Familiarity",
    "FrameResult",
    "FrameTable",
    "Frames",
    "ImageTable",
    "InputError",
    "LabelMap",
    "LatticeTable",
    "MaskSample",
    "Micrograph",
    "Modality",
    "Orientations",
    "ParticleConfidence",
    "ParticleImages",
    "ParticleTable",
    "PopulationSample",
    "Probabilities",
    "Provenance",
    "ReadColumns",
    "Reliability",
    "Series",
    "ShellCorrelation",
    "Stack",
    "SummaryTable",
    "Table",
    "TrainedNetwork",
    "Volume",
    "calibration_from",
    "familiarity_from",
    "particle_confidence_from",
    "told_planes",
]
