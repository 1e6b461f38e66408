"""Make shards: draw structures and calculate what is expensive of their images, on any cluster."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from nanonet.io.lock import alone
from nanonet.provenance import versions
from nanonet.records import InputError
from nanonet.workers.cluster import Cluster, completed
from nanonet.workers.local import Local, one_thread
from nanonet.workers.progress import note
from simulate.imaging import Imaging, Microscope
from simulate.shards.box import bounds, enclose
from simulate.shards.manifest import LOCK, MANIFEST, begin, read_manifest, write_manifest
from simulate.shards.recipe import as_node
from simulate.shards.store import Shard, shard_sizes, write_shard
from simulate.specimen import Environment, Specimen, SpecimenRecipe

FAILURES = 3
"""Structures that may fail, and with them `FAILED_SHARE` of those that are done, before a run gives up."""
FAILED_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What every structure of a folder is made with."""

    structures: SpecimenRecipe
    environment: Environment | None
    imaging: Imaging
    folder: Path
    seed: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What went wrong with a structure: in a line, and where."""

    message: str
    trace: str


def generate(
    *,
    structures: SpecimenRecipe,
    imaging: Imaging,
    microscope: Microscope,
    output: str | Path,
    environment: Environment | None = None,
    n_structures: int = 100,
    seed: int = 0,
    cluster: Cluster | None = None,
) -> Path:
    """Simulate structures into a folder of shards.

    Structure i depends on ``seed`` and i only, to the last bit, wherever it is made. Shards that are there
    already are kept, so a run that was stopped goes on, and ``n_structures`` may grow. A structure that fails
    does not stop the others, unless many do.

    Parameters
    ----------
    structures
        What is drawn.
    imaging
        What is calculated and stored of each.
    microscope
        Goes into the manifest: what samples are drawn with unless something else is asked for.
    output
        Folder of the shards.
    environment
        What surrounds each structure; None for vacuum.
    cluster
        Where the work is done; None for this machine, one process a core.

    Returns
    -------
    folder
        ``output``.

    Raises
    ------
    InputError
        If the folder holds other shards or another run is at work in it, or structures failed.
    """
    folder = Path(output).resolve()
    parts = {
        "structures": structures,
        "environment": environment,
        "imaging": imaging,
        "microscope": microscope,
    }
    manifest = {
        "recipe": as_node(parts),
        "seed": seed,
        "n_structures": n_structures,
        "errors": _errors(imaging),
        "versions": versions(),
    }
    plan = Plan(structures=structures, environment=environment, imaging=imaging, folder=folder, seed=seed)
    fill(folder, manifest, partial(write_structure, plan), n_structures, cluster or Local())
    return Path(output)


def fill(
    folder: Path,
    manifest: Mapping[str, Any],
    job: Callable[[int], None],
    count: int,
    cluster: Cluster,
    *,
    each: int = 1,
) -> None:
    """Fill a folder with the shards of ``count`` structures, of which some may be there already.

    Parameters
    ----------
    folder
        Absolute.
    manifest
        See `simulate.shards.manifest.begin`.
    job
        Writes the shards of one structure, given its index; can be pickled.
    each
        Shards of a structure: those of i are i · each and the ones after.

    Raises
    ------
    InputError
        If the folder holds other shards or another run is at work in it, or structures failed.
    """
    if count < 1:
        raise InputError(f"n_structures must be at least 1, got {count}")
    with _held(folder):
        done = set(begin(folder, manifest))
        missing = [i for i in range(count) if not done.issuperset(range(i * each, (i + 1) * each))]
        failed = _make(partial(attempt, folder, job), missing, cluster, before=count - len(missing))
        _conclude(folder)
    if failed:
        first = min(failed)
        raise InputError(
            f"structure [seed, index] = [{manifest['seed']}, {first}] failed: {failed[first].message} "
            f"({len(failed)} failed; what was made is kept)"
        ) from RuntimeError(failed[first].trace)


def attempt(folder: Path, job: Callable[[int], None], index: int) -> Failure | None:
    """Make the shards of one structure; return what went wrong, if anything did."""
    try:
        if not (folder / MANIFEST).exists():
            raise InputError(
                f"a worker does not see {folder}: output must lie on a disk that all workers share, "
                "under the same path"
            )
        with one_thread():
            job(index)
    except Exception as error:
        what = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Failure(message=" ".join(what.split()), trace=traceback.format_exc())
    return None


def write_structure(plan: Plan, index: int) -> None:
    """Make the shard of one structure from [seed, index]."""
    write_shard(plan.folder, make_shard(plan, index))


def make_shard(plan: Plan, index: int) -> Shard:
    """Draw a structure from [seed, index], put it into its surroundings and its box, and calculate."""
    bare = plan.structures.draw(np.random.default_rng([plan.seed, index]))
    particle = bounds(bare.atoms)
    side = plan.imaging.side(float((particle[1] - particle[0])[:2].max()))
    specimen = _surrounded(bare, plan, side, np.random.default_rng([plan.seed, index, 2]))
    atoms = enclose(specimen.atoms, side, particle)
    sigma = specimen.thermal_displacements
    return Shard(
        structure=index,
        side=side,
        stored=plan.imaging.calculate(atoms, sigma, (plan.seed, index, 1)),
        atoms=atoms,
        about=as_node(
            {
                **specimen.about,
                **window_of(specimen, side, particle, filled=plan.environment is not None),
                "thermal_displacements": sigma,
            }
        ),
    )


def window_of(
    specimen: Specimen, side: float, particle: Float[np.ndarray, "2 3"], *, filled: bool
) -> dict[str, list[list[float]]]:
    """Return the window (y, x) that images may show, in the frame of the box: the specimen's own.

    A box that is filled by surroundings is one, too: beyond it they would end. In vacuum there is none.
    """
    window = specimen.about.get("window")
    if window is None:
        return {"window": [[0.0, side], [0.0, side]]} if filled else {}
    shift = side / 2 - particle.mean(axis=0)[1::-1]
    return {
        "window": [[float(edge + move) for edge in edges] for edges, move in zip(window, shift, strict=True)]
    }


def _surrounded(specimen: Specimen, plan: Plan, side: float, rng: np.random.Generator) -> Specimen:
    return specimen if plan.environment is None else plan.environment.surround(specimen, side, rng)


def _make(
    job: Callable[[int], Failure | None], missing: list[int], cluster: Cluster, *, before: int
) -> dict[int, Failure]:
    """Make the shards that are missing; return what failed, at once where too many do."""
    failed: dict[int, Failure] = {}
    results = completed(job, missing, cluster=cluster, title="structures", done=before)
    for count, (index, failure) in enumerate(results, start=1):
        if failure is not None:
            failed[index] = failure
        if len(failed) > FAILURES + FAILED_SHARE * count:
            results.close()
            break
    return failed


def _conclude(folder: Path) -> None:
    """Write into the manifest what a structure takes on disk, and tell it."""
    sizes = list(shard_sizes(folder, measure=True).values())
    if not sizes:
        return
    mean = round(sum(sizes) / len(sizes))
    write_manifest(folder, {**read_manifest(folder), "bytes_per_structure": mean})
    note(f"{len(sizes):,} structures, {mean / 1e6:.3g} MB each, {sum(sizes) / 1e6:,.3g} MB in all")


def _errors(imaging: Imaging) -> dict[str, Any]:
    """Return what the imaging says of its errors, where it says something."""
    found = getattr(imaging, "errors", None)
    return dict(as_node(found() if callable(found) else found or {}))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no second run writes into it."""
    lock = folder / LOCK
    try:
        lock.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written to ({error.strerror}): choose another output"
        ) from error
    try:
        with alone(lock):
            yield
    finally:
        with suppress(OSError):
            lock.rmdir()
