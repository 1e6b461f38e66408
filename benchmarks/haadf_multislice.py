"""The linear HAADF model against multislice with frozen phonons: cross-sections of columns.

The particles are none that the library was made of: it knows periodic crystals only. The reference is
multislice, which PRISM equals without interpolation, one probe at a time in a window of 12.5 Å. Each phonon
configuration is met by a part of the probe positions, drawn without replacement: a column's cross-section is
a mean over all configurations. Its standard error comes from four batches of configurations.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from simulate.crystals import crystal, repeat_along
from simulate.shards.box import bounds, enclose
from simulate.specimen import COLUMN, COUNTED
from simulate.stem.linear import LinearHAADF
from simulate.stem.microscope import ScanSetting
from simulate.stem.probe import Probe, probe_wave
from simulate.structures import ParticleRecipe, Wulff, ZoneAxis
from simulate.structures.recipe import make_particle
from simulate.tem.optics import wavelength
from simulate.view import View

STEP = 0.0435
"""Of the grid [Å]: beams up to 192 mrad at 200 kV."""
WINDOW = 288
EVERY = 6
"""Grid points between two probes: 0.26 Å, below the Nyquist step of the image."""
FINER = 2.5
"""Points of the grid that the potential is exponentiated on, for each along an axis."""
BATCHES = 4
NEAR = 2.6
"""Farthest from an atom that a probe is put [Å]."""
REACH = {"Au": 2.3, "Pt": 2.3, "CeO2": 1.9}
"""Radius that the Voronoi cells of columns end at, where no other column does it [Å]."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Sums of the signal and counts of probes, per batch."""

    sums: np.ndarray
    counts: np.ndarray


def particle(name: str, diameter: float, seed: int) -> Atoms:
    """Return a particle along [110] in its box, whose edge is a whole number of probe steps."""
    recipe = ParticleRecipe(
        materials=(name,),
        shapes=(Wulff(),),
        orientation=ZoneAxis(axes=((1, 1, 0),), mistilt=0.0),
        diameter=(diameter, diameter),
        depth=None,
    )
    atoms = make_particle(recipe, np.random.default_rng(seed)).atoms()
    box = bounds(atoms)
    unit = 2 * EVERY * STEP
    side = float(np.ceil(((box[1] - box[0])[:2].max() + 8) / unit) * unit)
    return enclose(atoms, side, box)


def reference(
    atoms: Atoms,
    name: str,
    probe: Probe,
    annulus: tuple[float, float],
    *,
    configurations: int,
    probes: int,
    seed: int,
) -> Reference:
    """Return the annular signal of multislice.

    Parameters
    ----------
    probes
        How many are drawn of each configuration.
    """
    rng = np.random.default_rng(seed)
    thickness = repeat_along(crystal(name), (1, 1, 0)) / 2
    optics = _Window(atoms, probe, annulus, thickness)
    count = optics.count // EVERY
    places = np.stack(np.meshgrid(np.arange(count), np.arange(count), indexing="ij"), -1).reshape(-1, 2)
    places = places[_distance(atoms, places * EVERY * STEP) < NEAR]
    order = np.concatenate(
        [rng.permutation(len(places)) for _ in range(configurations * probes // len(places) + 1)]
    )
    sums, counts = np.zeros((BATCHES, count, count)), np.zeros((BATCHES, count, count))
    sigma = np.array([crystal(name).thermal_displacements[s] for s in atoms.get_chemical_symbols()])
    for index in range(configurations):
        moved = atoms.positions + sigma[:, None] * rng.standard_normal((len(atoms), 3))
        slices = optics.transmissions(moved)
        for i, j in places[order[index * probes : (index + 1) * probes]]:
            sums[index % BATCHES, i, j] += optics.signal(slices, i * EVERY, j * EVERY)
            counts[index % BATCHES, i, j] += 1
    return Reference(sums=sums, counts=counts)


def _distance(atoms: Atoms, points: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(atoms.positions[:, 1::-1]).query(points)[0])


class _Window:
    """Multislice in a window that is cut out of the particle's box around the probe."""

    def __init__(self, atoms: Atoms, probe: Probe, annulus: tuple[float, float], thickness: float) -> None:
        import pyfftw
        from abtem.core.energy import energy2sigma
        from abtem.parametrizations import validate_parametrization

        self.atoms, self.sigma = atoms, float(energy2sigma(probe.energy))
        self.count = round(float(atoms.cell[0, 0]) / STEP)
        # Each plane of atoms across the beam is a slice, wherever thermal motion puts its atoms.
        top = atoms.positions[:, 2].min() - thickness / 2
        self.slice = ((atoms.positions[:, 2] - top) / thickness).astype(int)
        self.fine = 4 * round(self.count * FINER / 4)
        self.k = np.fft.fftfreq(self.fine, self.count * STEP / self.fine)
        square = self.k[:, None] ** 2 + self.k**2
        lobato = validate_parametrization("lobato")
        scale = (self.fine / (self.count * STEP)) ** 2
        self.factors = {
            s: (scale * lobato.projected_scattering_factor(s)(square)).astype(np.float32)
            for s in sorted(set(atoms.get_chemical_symbols()))
        }
        self.crop = np.fft.fftfreq(self.count, 1 / self.count).astype(int) % self.fine
        limit = 1 / (3 * STEP)
        self.kept = square[np.ix_(self.crop, self.crop)] <= limit**2
        lam, k = wavelength(probe.energy), np.fft.fftfreq(WINDOW, STEP)
        square = k[:, None] ** 2 + k**2
        self.propagator = np.where(square <= limit**2, np.exp(-1j * np.pi * lam * thickness * square), 0)
        self.propagator = (self.propagator / WINDOW**2).astype(np.complex64)
        # The probe focuses at the middle of the box; the first slice acts at its plane of atoms.
        back = float(atoms.cell[2, 2]) / 2 - top - thickness / 2
        side = WINDOW * STEP
        spectrum = np.fft.fft2(
            probe_wave(probe, (WINDOW, WINDOW), (side, side), (side / 2, side / 2)).numpy()
        )
        wave = np.fft.ifft2(spectrum * np.exp(1j * np.pi * lam * back * square))
        self.probe = (wave / np.sqrt((np.abs(wave) ** 2).sum())).astype(np.complex64)
        angle = 1e3 * lam * np.sqrt(square)
        self.detector = np.flatnonzero((angle >= annulus[0]) & (angle < annulus[1]))
        self.wave = pyfftw.empty_aligned((WINDOW, WINDOW), "complex64")
        plan = {"axes": (0, 1), "flags": ("FFTW_MEASURE",), "threads": 1}
        self.forward = pyfftw.FFTW(self.wave, self.wave, **plan)
        self.backward = pyfftw.FFTW(
            self.wave, self.wave, direction="FFTW_BACKWARD", normalise_idft=False, **plan
        )

    def transmissions(self, positions: np.ndarray) -> list[np.ndarray]:
        """Return exp(iσV) of each slice within the band, periodic beyond the box by a window."""
        import scipy.fft

        symbols = np.array(self.atoms.get_chemical_symbols())
        found = []
        for index in range(self.slice.max() + 1):
            total = np.zeros((self.fine, self.fine), dtype=np.complex64)
            for symbol, factor in self.factors.items():
                x, y = positions[(self.slice == index) & (symbols == symbol), :2].T
                phases = (np.exp(-2j * np.pi * np.outer(self.k, r)).astype(np.complex64) for r in (y, x))
                total += factor * (next(phases) @ next(phases).T)
            transmission = np.exp(1j * np.float32(self.sigma) * scipy.fft.ifft2(total).real)
            spectrum = scipy.fft.fft2(transmission)[np.ix_(self.crop, self.crop)] * self.kept
            banded = scipy.fft.ifft2(spectrum * np.float32((self.count / self.fine) ** 2))
            found.append(np.pad(banded, (WINDOW // 2, WINDOW), mode="wrap"))
        return found

    def signal(self, slices: list[np.ndarray], row: int, column: int) -> float:
        """Return the part of the beam on the detector, of a probe at a grid point."""
        self.wave[:] = self.probe
        for index, transmission in enumerate(slices):
            if index:
                np.multiply(self.wave, self.propagator, out=self.wave)
                self.backward.execute()
            seen = transmission[row : row + WINDOW, column : column + WINDOW]
            np.multiply(self.wave, seen, out=self.wave)
            self.forward.execute()
        amplitude = self.wave.ravel()[self.detector]
        return float((amplitude.real**2 + amplitude.imag**2).sum() / WINDOW**2)


def linear(atoms: Atoms, name: str, probe: Probe, annulus: tuple[float, float]) -> np.ndarray:
    """Return the linear model's signal at the same probe positions."""
    imaging = LinearHAADF(energy=probe.energy, inner=annulus[0], outer=annulus[1])
    stored = imaging.calculate(atoms, crystal(name).thermal_displacements, (0,))
    step, side = EVERY * STEP, float(atoms.cell[0, 0])
    count = round(side / step)
    setting = ScanSetting(probe=probe, pixel_size=step, dose=1 / step**2)
    view = View(origin=(0.0, 0.0), pixel_size=step, shape=(count, count))
    return imaging.expected(stored, side, setting, view).numpy()


def cells(atoms: Atoms, shape: tuple[int, int], reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the column whose Voronoi cell each pixel lies in (-1 for none), and the columns' depths."""
    from scipy.spatial import cKDTree

    columns, counted = atoms.arrays[COLUMN], atoms.arrays[COUNTED]
    ids = np.unique(columns[counted])
    places = np.array([atoms.positions[(columns == i) & counted, 1::-1].mean(axis=0) for i in ids])
    depths = np.array([(counted & (columns == i)).sum() for i in ids])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1) * EVERY * STEP
    distance, owner = cKDTree(places).query(grid.reshape(-1, 2))
    return np.where(distance <= reach, owner, -1).reshape(shape), depths


def cross_sections(image: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Return the integral of an image over the cell of every column [Å²]."""
    inside = owner >= 0
    sums = np.bincount(owner[inside], weights=image[inside], minlength=count)
    return np.asarray(sums * (EVERY * STEP) ** 2)


def compare(name: str, words: argparse.Namespace) -> dict[str, float]:
    """Compare the two on one particle; print errors by depth."""
    atoms = particle(name, words.diameter, words.seed)
    probe, annulus = Probe(energy=200e3, semiangle_cutoff=23.0), (80.0, 160.0)
    start = time.process_time()
    found = reference(
        atoms,
        name,
        probe,
        annulus,
        configurations=words.configurations,
        probes=words.probes,
        seed=words.seed + 1,
    )
    spent = time.process_time() - start
    owner, depths = cells(atoms, found.counts.shape[1:], REACH[name])
    image = linear(atoms, name, probe, annulus)
    model = cross_sections(image, owner, len(depths))
    truth, deviation = measured(found, image, owner, len(depths))
    noise = deviation / truth
    error = model / truth - 1
    print(f"\n{name}: {len(atoms)} atoms, {len(depths)} columns; reference {spent:.0f} s of CPU")
    print(f"{'depth':>6}{'columns':>9}{'bias %':>9}{'rms %':>8}{'noise of the reference %':>26}")
    for depth in np.unique(depths):
        at = depths == depth
        row = error[at].mean(), _rms(error[at]), _rms(noise[at])
        print(
            f"{depth:6d}{at.sum():9d}"
            + "".join(f"{100 * v:{w}.1f}" for v, w in zip(row, (9, 8, 26), strict=True))
        )
    total, rms, noisy = model.sum() / truth.sum() - 1, _rms(error), _rms(noise)
    model_error = float(np.sqrt(max(rms**2 - noisy**2, 0.0)))
    print(
        f"all: sum {100 * total:+.1f} %, rms {100 * rms:.1f} %, noise of the reference {100 * noisy:.1f} %,"
    )
    print(f"     rms with the reference's noise taken out {100 * model_error:.1f} %")
    return {"total": float(total), "rms": rms, "noise": noisy, "model": model_error}


def measured(
    found: Reference, model: np.ndarray, owner: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the reference's cross-sections and their standard errors [Å²], from its batches.

    A cell's integral is that of the model's image plus the mean excess of the probes that were met (a
    difference estimator): without bias whatever the model, and free of which positions happened to be met.
    """
    inside = owner >= 0
    owners = owner[inside]
    areas = np.bincount(owners, minlength=count) * (EVERY * STEP) ** 2
    hits = np.array([np.bincount(owners, weights=counts[inside], minlength=count) for counts in found.counts])
    excess = np.array(
        [
            np.bincount(owners, weights=(sums - counts * model)[inside], minlength=count)
            for sums, counts in zip(found.sums, found.counts, strict=True)
        ]
    )
    value = cross_sections(model, owner, count) + areas * excess.sum(axis=0) / np.maximum(hits.sum(axis=0), 1)
    batches = areas * excess / np.maximum(hits, 1)
    return value, np.std(batches, axis=0, ddof=1) / np.sqrt(BATCHES)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((np.asarray(values) ** 2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 configurations of few probes: noisy")
    parser.add_argument("--materials", nargs="+", default=["Au", "Pt", "CeO2"])
    parser.add_argument("--configurations", type=int, default=32)
    parser.add_argument("--probes", type=int, default=400, help="of each configuration")
    parser.add_argument("--diameter", type=float, default=20.0, help="Å")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file for the figures of each particle")
    words = parser.parse_args()
    if words.quick:
        words.configurations, words.probes, words.diameter = 8, 500, 16.0
        print("--quick: 8 phonon configurations of 500 probes; errors are mostly the reference's own noise")
    found = {name: compare(name, words) for name in words.materials}
    headline = {
        "haadf_multislice_error": max(figures["model"] for figures in found.values()),
        "haadf_multislice_bias": max((figures["total"] for figures in found.values()), key=abs),
        "haadf_multislice_noise": max(figures["noise"] for figures in found.values()),
    }
    if words.output:
        words.output.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps({key: round(value, 4) for key, value in headline.items()}))


if __name__ == "__main__":
    main()
