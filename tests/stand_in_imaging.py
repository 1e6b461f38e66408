"""A quick structure recipe and imaging for tests of what is around them: shards and clusters."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from nanonet.records import InputError
from simulate.specimen import COLUMN, COUNTED, DISPLACEMENT, INSTANCE, Specimen


@dataclass(frozen=True, kw_only=True)
class Heap:
    """Gold atoms thrown into a sphere."""

    atoms: int = 40
    radius: float = 8.0
    largest: float = 1.0  # of a number drawn from 0..1, above which it fails

    def draw(self, rng: np.random.Generator) -> Specimen:
        points = rng.standard_normal((self.atoms, 3))
        points *= self.radius / np.linalg.norm(points, axis=1, keepdims=True)
        if rng.uniform() > self.largest:
            raise InputError("the heap fell over")
        atoms = Atoms(numbers=np.full(self.atoms, 79), positions=points + np.array([3.0, -5.0, 11.0]))
        atoms.set_array(COLUMN, np.arange(self.atoms))
        atoms.set_array(COUNTED, np.ones(self.atoms, dtype=bool))
        atoms.set_array(INSTANCE, np.ones(self.atoms, dtype=np.int64))
        atoms.set_array(DISPLACEMENT, rng.normal(0, 0.1, (self.atoms, 3)))
        return Specimen(
            atoms=atoms,
            thermal_displacements={"Au": 0.08, "C": 0.07},
            about={"material": "Au", "shape": "heap", "zone_axis": (1, 1, np.int64(0))},
        )


@dataclass(frozen=True, kw_only=True)
class Dust:
    """Carbon below the particle, all over the box."""

    grains: int = 30

    def surround(self, specimen: Specimen, side: float, rng: np.random.Generator) -> Specimen:
        low, high = specimen.atoms.positions.min(axis=0), specimen.atoms.positions.max(axis=0)
        middle = (low + high) / 2
        places = rng.uniform(-side, side, (self.grains, 3)) + middle
        places[:, 2] = low[2] - 3.0
        dust = Atoms(numbers=np.full(self.grains, 6), positions=places)
        dust.set_array(COLUMN, np.full(self.grains, -1))
        dust.set_array(COUNTED, np.zeros(self.grains, dtype=bool))
        dust.set_array(INSTANCE, np.zeros(self.grains, dtype=np.int64))
        dust.set_array(DISPLACEMENT, np.zeros((self.grains, 3)))
        return replace(specimen, atoms=specimen.atoms + dust, about={**specimen.about, "support": "dust"})


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """Sums atoms into pixels, with noise; it can take its time, or kill its process once."""

    energy: float = 200e3
    padding: float = 3.0
    pause: float = 0.0
    kill_once: str | None = None  # a file that the first process to see it missing makes, and dies

    def side(self, extent: float) -> float:
        return extent + 2 * self.padding

    def errors(self) -> dict[str, float]:
        return {"contrast": np.float64(0.05)}

    def calculate(
        self, atoms: Atoms, displacements: Mapping[str, float], seed: tuple[int, ...]
    ) -> dict[str, np.ndarray]:
        time.sleep(self.pause)
        if self.kill_once is not None and seed[1] >= 3:
            die_once(Path(self.kill_once))
        side = float(atoms.cell[0, 0])
        rng = np.random.default_rng(list(seed))
        moved = atoms.positions[:, :2] + rng.normal(0, 1, (len(atoms), 2)) * displacements["Au"]
        image, *_ = np.histogram2d(*moved.T[::-1] % side, bins=32, range=[[0, side]] * 2)
        wave = np.exp(1j * image).astype(np.complex64)
        return {"wave": wave, "image": image.astype(np.float16)}


def die_once(mark: Path) -> None:
    """Kill this process as the system does when memory runs out, unless one was killed before."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
