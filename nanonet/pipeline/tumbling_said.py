"""What a run says of the map of a tumbling particle: tables, headline numbers, and what to know first."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial.transform import Rotation

from nanonet.atoms.off_lattice import OffLattice
from nanonet.reconstruct.coverage import coverage
from nanonet.reconstruct.shell_correlation import resolution
from nanonet.records import Column, Estimate, Table
from nanonet.report.content import Figure
from nanonet.report.tumbling_figures import (
    agreement_figure,
    directions_figure,
    frames_figure,
    margins_figure,
    powder_figure,
    turning_figure,
)
from nanonet.tumbling.boxes import Boxes
from nanonet.tumbling.shown import shown
from nanonet.tumbling.solved import Solved

_NINETY = 1.645
_ALIKE = 0.4
"""Likeness of halves that found the same particle; chance, being the best of 48, reaches 0.2."""
_SURE = 0.3
_CHANCE = 0.001
_MISFIT = 0.05

POSE_COLUMNS = (
    Column(name="frame", unit="", meaning="index of the frame, from 0"),
    Column(name="y_angstrom", unit="Å", meaning="place of the particle in the frame, down"),
    Column(name="x_angstrom", unit="Å", meaning="to the right"),
    *(
        Column(
            name=f"quaternion_{name}",
            unit="",
            meaning=f"{name} of the rotation that turns the map as the frame shows it, on (x, y, z)",
        )
        for name in "wxyz"
    ),
    Column(
        name="turned_degrees",
        unit="°",
        meaning="from the frame before to this one; empty where either pose is not believed",
    ),
    Column(name="gain_nats", unit="nat", meaning="log likelihood of the pose over that of noise alone"),
    Column(
        name="margin_nats", unit="nat", meaning="of the pose over the next that is really another; 50 is none"
    ),
    Column(
        name="odds_nats",
        unit="nat",
        meaning="log odds against the poses that the crystal's symmetry brings it to; 50 is none",
    ),
    Column(name="believed", unit="", meaning="whether the map is made of this frame among others"),
    Column(name="half", unit="", meaning="1 or 2: the half map that the frame is in"),
)
SHELL_COLUMNS = (
    Column(name="frequency_per_angstrom", unit="1/Å", meaning="spatial frequency of the shell"),
    Column(
        name="fsc", unit="", meaning="correlation of the half maps in a soft mask, without the mask's part"
    ),
    Column(name="fsc_masked", unit="", meaning="the same with the mask's part"),
    Column(name="fsc_randomised", unit="", meaning="the mask's part"),
)


class PoseTable(Table):
    """poses.csv: where the particle is in each frame, and how it is turned."""

    stem = "poses"


class ShellTable(Table):
    """fsc.csv: Fourier shell correlation of the half maps."""

    stem = "fsc"


def pose_table(boxes: Boxes, solved: Solved) -> PoseTable:
    """Return poses.csv."""
    beliefs = solved.beliefs
    rotations = Rotation.from_matrix(beliefs.rotations.astype(float))
    x, y, z, w = rotations.as_quat(canonical=True).T
    turned = np.full(len(beliefs), np.nan)
    between = np.degrees((rotations[1:] * rotations[:-1].inv()).magnitude())
    sure = solved.believed[1:] & solved.believed[:-1] & (np.diff(boxes.frames) == 1)
    turned[1:][sure] = between[sure]
    places = (boxes.centres + beliefs.shifts[:, ::-1]) * boxes.pixel_size
    data = pd.DataFrame(
        {
            "frame": boxes.frames,
            "y_angstrom": places[:, 0],
            "x_angstrom": places[:, 1],
            "quaternion_w": w,
            "quaternion_x": x,
            "quaternion_y": y,
            "quaternion_z": z,
            "turned_degrees": turned,
            "gain_nats": beliefs.gains.astype(float),
            "margin_nats": beliefs.margins.astype(float),
            "odds_nats": solved.odds.astype(float),
            "believed": solved.believed,
            "half": solved.halves + 1,
        }
    )
    return PoseTable(data=data, columns=POSE_COLUMNS)


def shell_table(solved: Solved) -> ShellTable:
    """Return fsc.csv."""
    curves = solved.agreement
    data = pd.DataFrame(
        {
            "frequency_per_angstrom": curves.fsc.frequency,
            "fsc": curves.fsc.correlation,
            "fsc_masked": curves.masked.correlation,
            "fsc_randomised": curves.randomised.correlation,
        }
    )
    return ShellTable(data=data, columns=SHELL_COLUMNS)


def tumbling_estimates(
    solved: Solved, agreement: OffLattice, poses: PoseTable, frame_time: float | None
) -> tuple[Estimate, ...]:
    """Return the headline numbers of the map."""
    known = solved.known
    lines = known.lines
    edge, error = (
        known.lattice_constant,
        _NINETY * lines.stretch_error * known.lattice_constant / lines.stretch,
    )
    used = int(solved.believed.sum())
    found = [
        Estimate(
            name="frames with a known pose",
            value=used / len(solved.believed),
            unit="share",
            note=f"{used} of {len(solved.believed)}: the map is made of these",
        ),
        Estimate(
            name="resolution",
            value=resolution(solved.agreement.fsc, 0.143),
            unit="Å",
            note="FSC of half maps, solved each from nothing, at 0.143",
        ),
        Estimate(
            name="likelihood of a frame",
            value=float(solved.beliefs.gains.mean()),
            unit="nat",
            note=f"mean gain over noise, by a map that the frame is not in; the lattice without any data, "
            f"filled as the radius says, gains {solved.control_gain:.0f}",
        ),
        Estimate(
            name="likeness of the halves",
            value=solved.likeness,
            note="correlation of how full the sites are, less what the crystal's symmetry leaves alike",
        ),
        Estimate(
            name="off-lattice correlation",
            value=agreement.correlation,
            note=f"of the displacements of {agreement.atoms} atoms from the lattice in both half maps; "
            f"p = {agreement.p_value:.2g} by shuffles; a lattice without data has 0",
        ),
        Estimate(
            name="lattice constant of the powder pattern",
            value=edge,
            low=edge - error,
            high=edge + error,
            unit="Å",
            note="of the frames' mean power, without any orientation",
        ),
        Estimate(name="diameter", value=known.radial.radius / 5, unit="nm", note="of the mean of all frames"),
    ]
    turned = poses.data["turned_degrees"].dropna().to_numpy()
    if len(turned):
        low, middle, high = np.quantile(turned, [0.05, 0.5, 0.95])
        each = 1.0 if frame_time is None else frame_time
        found.append(
            Estimate(
                name="turned from frame to frame",
                value=middle / each,
                low=low / each,
                high=high / each,
                unit="°/frame" if frame_time is None else "°/s",
                note="median and middle 90 %; errors of the poses are in it",
            )
        )
    return tuple(found)


def tumbling_warnings(solved: Solved, agreement: OffLattice) -> tuple[str, ...]:
    """Return what to know before trusting the map."""
    said = ["projections do not tell a particle from its mirror image: the map is of either hand"]
    used = float(solved.believed.mean())
    if solved.likeness < _ALIKE:
        said.append(
            f"the two halves of the frames found different particles (likeness {solved.likeness:.2f}, "
            f"{_ALIKE} or more is usual): do not believe this map"
        )
    if used < _SURE:
        said.append(f"only {100 * used:.0f} % of the frames have a pose that is known: the map may be wrong")
    if solved.beliefs.gains.mean() <= solved.control_gain:
        said.append("the map explains the frames no better than a lattice without data: do not believe it")
    if solved.alike > 1:
        said.append(
            f"the frames do not tell {solved.alike} of the poses that the crystal's symmetry brings to each "
            "other: where the particle itself has not that symmetry, displacements are means over its atoms"
        )
    if agreement.p_value >= _CHANCE:
        said.append(
            "the half maps do not show the same displacements from the lattice "
            f"(p = {agreement.p_value:.2g}): believe no strain and no displacement"
        )
    if solved.known.radial.misfit > _MISFIT:
        said.append(
            "the mean of the frames is not that of a particle seen from everywhere "
            f"(misfit {100 * solved.known.radial.misfit:.0f} %): it may turn about one axis alone"
        )
    return tuple(said)


def tumbling_figures(
    boxes: Boxes, solved: Solved, poses: PoseTable, frame_time: float | None
) -> tuple[Figure, ...]:
    """Return what shows how far to believe the map."""
    lines, beliefs = solved.known.lines, solved.beliefs
    sure = beliefs.rotations[solved.believed]
    found = [
        frames_figure(shown(boxes, solved), boxes.side * boxes.pixel_size / 10),
        agreement_figure(solved.agreement.fsc, solved.agreement.randomised),
        margins_figure(beliefs.margins, solved.believed),
        directions_figure(sure[:, 2], coverage(sure, "C1").largest_gap),
        turning_figure(boxes.frames, poses.data["turned_degrees"].to_numpy(dtype=float), frame_time),
        powder_figure(lines.frequency, lines.power, lines.fitted),
    ]
    return tuple(found)
