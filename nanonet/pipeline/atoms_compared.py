"""A model of a map compared with earlier models: tables, figures, what noise alone would do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nanonet.atoms.compare import Comparison, Model, by_noise, in_every
from nanonet.atoms.crystal import Crystal
from nanonet.atoms.detected import Detected
from nanonet.io.csv_columns import read_csv_columns
from nanonet.pipeline.progress import progress_bar
from nanonet.records import Column, Estimate, InputError, Table, Volume
from nanonet.report.charts import BLUE, GREY, VERMILION, plain
from nanonet.report.content import Figure

_KINDS = ("common", "displaced", "gained", "lost")
_MEANINGS = {
    "common": "atoms of both within 0.45 lattice constants, one to one",
    "displaced": "of these, farther apart than their errors explain (false-discovery rate 5 %)",
    "gained": "atoms that the earlier model lacks",
    "lost": "atoms of the earlier model that this one lacks",
}
_COLOURS = {"common": GREY, "displaced": "#E69F00", "gained": BLUE, "lost": VERMILION}
_PLACES = ("x_angstrom", "y_angstrom", "z_angstrom")

MODEL_COLUMNS = (
    Column(name="model", unit="", meaning="the earlier model"),
    Column(name="atoms", unit="", meaning="its atoms"),
    *(Column(name=kind, unit="", meaning=_MEANINGS[kind]) for kind in _KINDS),
    Column(name="rmsd_angstrom", unit="Å", meaning="root mean square distance of common atoms, once docked"),
    Column(
        name="rotation_degrees", unit="°", meaning="by how much the earlier model was turned to lie on this"
    ),
    *(
        Column(
            name=f"{kind}_by_noise_{end}",
            unit="",
            meaning=f"{text} number of {kind} atoms of two maps of this model that differ by noise alone",
        )
        for kind in _KINDS[1:]
        for end, text in (("mean", "mean"), ("most", "largest"))
    ),
    Column(name="rmsd_by_noise_angstrom", unit="Å", meaning="rmsd of such maps, their mean"),
)


class ComparedModelTable(Table):
    """compared_models.csv: a row for each earlier model."""

    stem = "compared_models"


COMPARED_COLUMNS = (
    Column(name="model", unit="", meaning="the earlier model"),
    Column(name="kind", unit="", meaning="common, displaced, gained or lost, as in compared_models.csv"),
    Column(name="atom", unit="", meaning="row of atoms.csv, from 0; -1 of lost atoms"),
    Column(name="other_atom", unit="", meaning="row of the earlier model, from 0; -1 of gained atoms"),
    *(
        Column(
            name=name,
            unit="Å",
            meaning=f"{name[0]} of the atom, of a lost one where it would lie in this map",
        )
        for name in _PLACES
    ),
    Column(name="distance_angstrom", unit="Å", meaning="between the two"),
    Column(name="p_value", unit="", meaning="chance that errors alone put them as far apart"),
    Column(name="in_every_model", unit="", meaning="whether all earlier models have the atom"),
)


class ComparedAtomTable(Table):
    """compared_atoms.csv: a row for each atom of either model, by earlier model."""

    stem = "compared_atoms"


def read_model(path: str) -> Model:
    """Return the atoms of an earlier run (its folder, or atoms.csv), or of a .pdb or .xyz file.

    Raises
    ------
    InputError
        If it cannot be read, or holds no atoms.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        place = place / "atoms.csv"
    if place.suffix.lower() == ".csv":
        table = read_csv_columns(str(place), _PLACES, "compare")
        positions = table[list(_PLACES)].to_numpy(dtype=float)
        errors = table.reindex(columns=[f"sigma_{name}" for name in _PLACES]).to_numpy(dtype=float)
    else:
        from ase.io import read

        try:
            positions = read(place).get_positions()
        except Exception as error:  # whatever a reader of ASE makes of a file that is none of its own
            raise InputError(f"compare={path} cannot be read as an atomic model: {error}") from None
        errors = np.full(positions.shape, np.nan)
    if not len(positions):
        raise InputError(f"compare={path} holds no atoms")
    return Model(name=path, positions=positions, errors=errors)


def noise_alone(
    detected: Detected, detect: Callable[[Volume, Crystal], Detected], crystal: Crystal, draws: int
) -> list[Comparison]:
    """Return what comparisons of maps say that differ by noise alone, with a progress bar."""
    found = []
    if draws:
        with progress_bar("noise", total=draws) as advance:
            for one in by_noise(detected, detect, crystal, draws, np.random.default_rng(0)):
                found.append(one)
                advance(1)
    return found


def comparison_tables(
    model: Model, earlier: Sequence[Model], comparisons: list[Comparison], noise: list[Comparison]
) -> tuple[ComparedModelTable, ComparedAtomTable]:
    """Return compared_models.csv and compared_atoms.csv."""
    chance: dict[str, float] = {
        "rmsd_by_noise_angstrom": float(np.mean([one.rmsd for one in noise] or [np.nan]))
    }
    for kind in _KINDS[1:]:
        numbers = [float(one.counts[kind]) for one in noise] or [np.nan]
        chance |= {
            f"{kind}_by_noise_mean": float(np.mean(numbers)),
            f"{kind}_by_noise_most": float(np.max(numbers)),
        }
    rows = [
        {
            "model": other.name,
            "atoms": len(other),
            **one.counts,
            "rmsd_angstrom": one.rmsd,
            "rotation_degrees": one.pose.angle,
            **chance,
        }
        for other, one in zip(earlier, comparisons, strict=True)
    ]
    shared = in_every(len(model), comparisons)
    atoms = [_atoms(model, other, one, shared) for other, one in zip(earlier, comparisons, strict=True)]
    return (
        ComparedModelTable(data=pd.DataFrame(rows), columns=MODEL_COLUMNS),
        ComparedAtomTable(data=pd.concat(atoms, ignore_index=True), columns=COMPARED_COLUMNS),
    )


def _atoms(model: Model, other: Model, one: Comparison, shared: np.ndarray) -> pd.DataFrame:
    lost = one.pose(other.positions)[one.lost]
    atom = np.concatenate([one.own, one.gained, np.full(len(one.lost), -1)])
    none = np.full(len(one.gained) + len(one.lost), np.nan)
    places = np.concatenate([model.positions[one.own], model.positions[one.gained], lost])
    kinds = [
        *np.where(one.displaced, "displaced", "common"),
        *["gained"] * len(one.gained),
        *["lost"] * len(one.lost),
    ]
    return pd.DataFrame(
        {
            "model": other.name,
            "kind": kinds,
            "atom": atom,
            "other_atom": np.concatenate([one.other, np.full(len(one.gained), -1), one.lost]),
            **dict(zip(_PLACES, places.T, strict=True)),
            "distance_angstrom": np.concatenate([one.distances, none]),
            "p_value": np.concatenate([one.p_values, none]),
            "in_every_model": np.append(shared, False)[atom],
        }
    )


def comparison_estimates(table: ComparedModelTable, atoms: ComparedAtomTable) -> tuple[Estimate, ...]:
    """Return the headline numbers of comparisons."""
    shared = atoms.data.loc[atoms.data["in_every_model"], "atom"].nunique()
    numbers = [
        Estimate(name="common core", value=float(shared), note="atoms that this and all earlier models have")
    ]
    for row in table.data.to_dict("records"):
        for kind in _KINDS[1:]:
            mean = row[f"{kind}_by_noise_mean"]
            chance = f"; noise alone: {mean:.1f}" if np.isfinite(mean) else ""
            numbers.append(
                Estimate(
                    name=f"{kind} since {Path(row['model']).name}",
                    value=float(row[kind]),
                    note=f"atoms{chance}",
                )
            )
    return tuple(numbers)


def comparison_figures(atoms: ComparedAtomTable) -> tuple[Figure, ...]:
    """Return, for each earlier model, the atoms of both by what became of them."""
    return tuple(_figure(str(name), part) for name, part in atoms.data.groupby("model", sort=False))


def _figure(name: str, data: pd.DataFrame) -> Figure:
    traces = []
    for kind in _KINDS:
        some = data[data["kind"] == kind]
        traces.append(
            plain(
                {
                    "type": "scatter3d",
                    "mode": "markers",
                    "name": f"{kind}: {len(some)}",
                    **{axis: some[f"{axis}_angstrom"].to_numpy() / 10 for axis in "xyz"},
                    "marker": {
                        "size": 3 if kind == "common" else 7,
                        "color": _COLOURS[kind],
                        "opacity": 0.4 if kind == "common" else 1.0,
                    },
                    "hovertemplate": f"{kind}<extra></extra>",
                },
                4,
            )
        )
    axes = {f"{axis}axis": {"title": {"text": f"{axis} (nm)"}} for axis in "xyz"}
    return Figure(
        group="Compared",
        tall=True,
        wide=True,
        title=f"Since {Path(name).name}",
        caption="Atoms that both models have, those of them that lie elsewhere, gained and lost ones. "
        "compared_models.csv says how many noise alone would make.",
        data=tuple(traces),
        layout={"scene": {"aspectmode": "data", **axes}, "showlegend": True},
    )
