"""Make shards: draw structures and calculate their exit waves, in several processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from nanonet.provenance import versions
from nanonet.records import InputError
from simulate.exit_wave import WaveRecipe, enclose, exit_waves
from simulate.microscope import Microscope
from simulate.progress import progress
from simulate.shards import Shard, begin, find_shards, write_shard
from simulate.structures import ParticleRecipe, make_particle
from simulate.truth import columns_of

Result = TypeVar("Result")


def generate(
    *,
    structures: ParticleRecipe,
    exit_wave: WaveRecipe,
    microscope: Microscope,
    output: str | Path,
    n_structures: int = 100,
    seed: int = 0,
    workers: int | None = None,
) -> Path:
    """Simulate the exit waves of particles into a folder of shards.

    Structure i depends on ``seed`` and i only, to the last bit, whatever the number of workers. Shards that
    are there already are kept, so a run that was stopped goes on, and ``n_structures`` may grow.

    Parameters
    ----------
    structures
        What particles are drawn.
    exit_wave
        How their waves are calculated.
    microscope
        Goes into the manifest: what samples are drawn with unless something else is asked for.
    output
        Folder of the shards.
    workers
        Processes; None for one a core.

    Returns
    -------
    folder
        ``output``.

    Raises
    ------
    InputError
        If the folder holds other shards, or the recipe makes no particle.
    """
    if n_structures < 1:
        raise InputError(f"n_structures must be at least 1, got {n_structures}")
    folder = Path(output)
    recipe = {
        "structures": asdict(structures),
        "exit_wave": asdict(exit_wave),
        "microscope": asdict(microscope),
    }
    begin(folder, {"recipe": recipe, "seed": seed, "n_structures": n_structures, "versions": versions()})
    done = set(find_shards(folder))
    missing = [index for index in range(n_structures) if index not in done]
    make = partial(simulate_structure, structures, exit_wave, folder, seed)
    run(make, missing, workers=workers or os.cpu_count() or 1, title="exit waves")
    return folder


def simulate_structure(
    structures: ParticleRecipe, exit_wave: WaveRecipe, folder: Path, seed: int, index: int
) -> None:
    """Make the shard of one structure from [seed, index]."""
    with one_thread():
        particle = make_particle(structures, np.random.default_rng([seed, index]))
        atoms = enclose(particle.atoms(), exit_wave)
        material = particle.sites.crystal
        waves = exit_waves(
            atoms, exit_wave, displacements=material.thermal_displacements, seed=(seed, index, 1)
        )
    about = {
        "material": material.name,
        "zone_axis": list(particle.zone_axis),
        "mistilt_degrees": [float(angle) for angle in np.degrees(particle.mistilt)],
    }
    write_shard(
        folder,
        Shard(
            structure=index,
            exit_waves=waves,
            positions=atoms.positions,
            numbers=atoms.numbers,
            columns=columns_of(atoms),
            about=about,
        ),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep linear algebra on one thread: one process a core is faster, and sums keep their order."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1):
        yield


def run(job: Callable[[int], Result], indices: Sequence[int], *, workers: int, title: str) -> list[Result]:
    """Do a job for every index, in processes of their own where ``workers`` > 1, with a progress bar.

    On Ctrl-C, or where a job fails, jobs that have begun are finished and the others dropped.

    Returns
    -------
    results
        In the order of ``indices``.
    """
    with progress(title, len(indices)) as advance:
        if workers == 1 or len(indices) < 2:
            return [_done(job(index), advance) for index in indices]
        pool = ProcessPoolExecutor(
            min(workers, len(indices)), mp_context=get_context("spawn"), initializer=_ignore_interrupt
        )
        try:
            futures = [pool.submit(job, index) for index in indices]
            for future in as_completed(futures):
                _done(future.result(), advance)
            return [future.result() for future in futures]
        except BrokenProcessPool as error:
            raise InputError(
                f"a process that made {title} was killed, perhaps for want of memory: what is done is kept, "
                "run again with fewer workers"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _done(result: Result, advance: Callable[[], None]) -> Result:
    advance()
    return result


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the parent, which stops handing out work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
