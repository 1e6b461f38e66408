"""HAADF of populations against multislice: particles off zone axes, and how the error grows with thickness.

The model is the one that populations are drawn with (`simulate.population.FocusedHAADF`): mass-thickness of
solids with plural scattering. The reference is multislice of atoms with frozen phonons, 200 kV, 23 mrad,
80 to 160 mrad, the potential exponentiated on a grid 2.5 times finer than that of the waves.

Particles: by reciprocity, a STEM image of an annular detector is the sum of dark-field images of plane waves
that come from the detector's directions, through the slices in reverse order, in a lens with the probe's
aperture; each wave gives the whole image. Directions are drawn by importance along the radius. Both images
are blurred by a Gaussian (--blur) before they are compared, since the model knows no atoms; the model's
matter is scaled to the number of atoms, which a small particle's volume does not tell to a per cent.

Slabs: a crystal in a random orientation fills a cell to 200 Å; the power on the annulus behind it, of plane
waves in the cone, is compared at many thicknesses with the model for as many atoms.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import fft
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from simulate.crystals import CRYSTALS, Crystal, SolidSolution
from simulate.fields import FieldParticle
from simulate.fields.plural import share_on_annulus
from simulate.fields.scattering import number_densities
from simulate.population import FocusedHAADF, particle_image
from simulate.stem.microscope import ScanSetting
from simulate.stem.probe import Probe
from simulate.structures import Cube, Shape, Sphere, Star
from simulate.tem.optics import wavelength

ENERGY, CONE, INNER, OUTER = 200e3, 23.0, 80.0, 160.0
SAMPLING = 0.0453
"""Grid of the waves [Å]: two thirds of its Nyquist frequency are 184 mrad, the annulus and the cone."""
FINER = 2.5
SLICE = 2.0
PADDING = 6.0
PIXEL = 1.0
DEPTHS = (25.0, 50.0, 100.0, 150.0, 200.0)

MATERIALS = {
    "Au": CRYSTALS["Au"],
    "Pd": CRYSTALS["Pd"],
    "PtNi": SolidSolution(fraction=(0.6, 0.6)).draw(np.random.default_rng(0)),
}
SHAPES: dict[str, Shape] = {"Au": Sphere(), "Pd": Cube(), "PtNi": Star(etching=(0.4, 0.4))}


class Box:
    """Atoms in a box that is periodic across the beam, as the transmissions of slices."""

    def __init__(self, positions: np.ndarray, symbols: np.ndarray, sides: tuple[float, float]) -> None:
        from abtem.core.energy import energy2sigma
        from abtem.parametrizations import validate_parametrization

        self.sides, self.sigma = sides, np.float32(energy2sigma(ENERGY))
        self.slices = max(1, int(np.ceil(np.ptp(positions[:, 2]) / SLICE)))
        low = positions[:, 2].min()
        self.slice = np.minimum((positions[:, 2] - low) / SLICE, self.slices - 1).astype(int)
        self.positions, self.symbols = positions, symbols
        self.shape = tuple(fft.next_fast_len(int(np.ceil(side / SAMPLING))) for side in sides)
        self.k = [np.fft.fftfreq(n, side / n) for n, side in zip(self.shape, sides, strict=True)]
        self.square = self.k[0][:, None] ** 2 + self.k[1] ** 2
        self.kept = self.square <= (1 / (3 * max(s / n for s, n in zip(sides, self.shape, strict=True)))) ** 2
        self.fine = tuple(fft.next_fast_len(int(FINER * n), real=True) for n in self.shape)
        self.fine_k = [np.fft.fftfreq(self.fine[0], sides[0] / self.fine[0])]
        self.fine_k.append(np.fft.rfftfreq(self.fine[1], sides[1] / self.fine[1]))
        square = self.fine_k[0][:, None] ** 2 + self.fine_k[1] ** 2
        lobato = validate_parametrization("lobato")
        scale = np.prod(self.fine) / np.prod(sides)
        self.factors = {
            s: (scale * lobato.projected_scattering_factor(s)(square)).astype(np.float32)
            for s in np.unique(symbols)
        }
        phase = -np.pi * wavelength(ENERGY) * SLICE * self.square
        self.propagator = np.where(self.kept, np.exp(1j * phase), 0).astype(np.complex64)
        self.angle = 1e3 * wavelength(ENERGY) * np.sqrt(self.square)

    def transmissions(self, order: Iterator[int]) -> Iterator[np.ndarray]:
        """Yield exp(iσV) of slices within the band, thermal displacements included in the positions."""
        rows, columns = (
            np.fft.fftfreq(n, 1 / n).round().astype(int) % m
            for n, m in zip(self.shape, self.fine, strict=True)
        )
        scale = np.float32(np.prod(self.shape) / np.prod(self.fine))
        for index in order:
            total = np.zeros((self.fine[0], self.fine[1] // 2 + 1), np.complex64)
            for symbol, factor in self.factors.items():
                own = self.positions[(self.slice == index) & (self.symbols == symbol)]
                y, x = (
                    np.exp(-2j * np.pi * np.outer(k, own[:, axis])).astype(np.complex64)
                    for k, axis in zip(self.fine_k, (1, 0), strict=True)
                )
                total += factor * (y @ x.T)
            potential = fft.irfft2(total, s=self.fine, overwrite_x=True)
            spectrum = fft.fft2(np.exp(1j * self.sigma * potential).astype(np.complex64), overwrite_x=True)
            yield fft.ifft2(np.where(self.kept, scale * spectrum[np.ix_(rows, columns)], 0))

    def wave(self, row: int, column: int) -> np.ndarray:
        """Return the plane wave of a reciprocal pixel, of modulus 1."""
        y, x = (
            np.exp(2j * np.pi * i * np.arange(n) / n) for i, n in zip((row, column), self.shape, strict=True)
        )
        return np.outer(y, x).astype(np.complex64)


def displaced(
    positions: np.ndarray, symbols: np.ndarray, crystal: Crystal, rng: np.random.Generator
) -> np.ndarray:
    """Return positions of one frozen phonon configuration."""
    widths = np.array([crystal.thermal_displacements[s] for s in symbols])
    return positions + widths[:, None] * rng.standard_normal(positions.shape)


def lattice(crystal: Crystal, reach: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return places and elements of a crystal around the origin, moved at random, alloys mixed."""
    count = int(np.ceil(reach / np.linalg.norm(crystal.vectors, axis=1).min())) + 1
    cells = np.stack(np.meshgrid(*[np.arange(-count, count)] * 3, indexing="ij"), -1).reshape(-1, 1, 3)
    scaled = cells + np.asarray(crystal.scaled_positions)[None] + rng.random(3)
    symbols = np.tile(np.array(crystal.symbols, dtype="<U2"), len(cells))
    for site, shares in crystal.mixtures.items():
        own = symbols == site
        symbols[own] = rng.choice(list(shares), own.sum(), p=list(shares.values()))
    return scaled.reshape(-1, 3) @ crystal.vectors, symbols


def directions(box: Box, count: int, rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """Return reciprocal pixels (row, column) on the annulus, and how many pixels each stands for.

    Stratified along the radius by θ⁻³, which is about how the signal falls off, at golden angles.
    """
    low, high = INNER**-2, OUTER**-2
    radii = (low - (np.arange(count) + rng.random(count)) / count * (low - high)) ** -0.5
    turns = rng.uniform(0, 2 * np.pi) + np.arange(count) * np.pi * (3 - np.sqrt(5))
    step = [1e3 * wavelength(ENERGY) / side for side in box.sides]
    # The chance of an angle is 2 θ⁻³ / (low - high) a radius, 2π θ of which are around it.
    pixels = np.pi * (low - high) * radii**4 / (count * step[0] * step[1])
    rows, columns = (
        np.rint(radii * f(turns) / s).astype(int) for f, s in zip((np.sin, np.cos), step, strict=True)
    )
    return list(zip(rows.tolist(), columns.tolist(), pixels.tolist(), strict=True))


def multislice_image(
    places: np.ndarray,
    symbols: np.ndarray,
    crystal: Crystal,
    side: float,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the share of the beam on the annulus for each probe position of a square box, on its grid."""
    height = np.ptp(places[:, 2])
    # Reversed: the wave travels from the detector to the source.
    moved = displaced(places * [1, 1, -1], symbols, crystal, rng)
    box = Box(moved, symbols, (side, side))
    chosen = directions(box, count, rng)
    waves = [box.wave(row, column) for row, column, _ in chosen]
    for transmission in box.transmissions(iter(range(box.slices))):
        for wave in waves:
            wave *= transmission
            wave[:] = fft.ifft2(fft.fft2(wave) * box.propagator)
    aperture = box.angle <= CONE
    # Back to the plane through the middle, which the probe is focused on.
    lens = aperture * np.exp(1j * np.pi * wavelength(ENERGY) * (height / 2 + SLICE / 2) * box.square)
    total = np.zeros(box.shape)
    for wave, (_, _, pixels) in zip(waves, chosen, strict=True):
        total += pixels * np.abs(fft.ifft2(fft.fft2(wave) * lens)) ** 2
    return total / aperture.sum()


def on_pixels(image: np.ndarray, side: float, pixels: int, blur: float) -> np.ndarray:
    """Return an image of a box, blurred [Å], at pixels of `PIXEL` whose middle one is the box's middle."""
    k = [np.fft.fftfreq(n, side / n) for n in image.shape]
    spectrum = fft.fft2(image) * np.exp(-2 * (np.pi * blur) ** 2 * (k[0][:, None] ** 2 + k[1] ** 2))
    places = side / 2 + PIXEL * (np.arange(pixels) - pixels // 2)
    y, x = (np.exp(2j * np.pi * np.outer(places, axis)) for axis in k)
    return (y @ spectrum @ x.T).real / image.size


def compare_particle(name: str, diameter: float, words: argparse.Namespace, seed: int) -> dict[str, float]:
    """Compare one particle in a random orientation; print and return its errors."""
    start, rng, crystal = time.process_time(), np.random.default_rng([seed, 3]), MATERIALS[name]
    solid = SHAPES[name].solid(crystal, diameter, rng)
    rotation = Rotation.random(random_state=rng).as_matrix()
    places, symbols = lattice(crystal, solid.reach, rng)
    held = solid.inside(places)
    places, symbols = places[held] @ rotation.T, symbols[held]
    side = 2 * (float(np.abs(places[:, :2]).max()) + PADDING)
    shifted = places + np.array([side / 2, side / 2, 0.0])
    pixels = 2 * int(side / PIXEL / 2)
    images = [
        multislice_image(
            shifted, symbols, crystal, side, words.directions, np.random.default_rng([seed, 4, i])
        )
        for i in range(words.configurations)
    ]
    found = on_pixels(np.mean(images, axis=0), side, pixels, words.blur)
    particle = FieldParticle(solid=solid, crystal=crystal, rotation=rotation, diameter=diameter, shape=name)
    probe = Probe(energy=ENERGY, semiangle_cutoff=CONE)
    setting = ScanSetting(probe=probe, pixel_size=PIXEL, dose=1 / PIXEL**2)
    volume = particle_volume(particle)
    matter = len(places) / sum(number_densities(crystal).values()) / volume
    wide = pixels + 64
    model = matter * particle_image(particle, FocusedHAADF(), replace(setting), wide)
    model = gaussian_filter(model, words.blur / PIXEL)[32:-32, 32:-32]
    gain = float((model * found).sum() / (model**2).sum())
    peak = float(found.max())
    row = {
        "total": float(model.sum() / found.sum()) - 1,
        "rms": float(np.sqrt(((model - found)[found > 0.05 * peak] ** 2).mean())) / peak,
        "shape": float(np.sqrt(((gain * model - found)[found > 0.05 * peak] ** 2).mean())) / peak,
        "correlation": float(np.corrcoef(model.ravel(), found.ravel())[0, 1]),
    }
    cells = "".join(f"{100 * row[key]:10.1f}" for key in ("total", "rms", "shape"))
    seconds = time.process_time() - start
    print(
        f"{name:6}{diameter:8.0f}{len(places):8d}{matter:8.3f}{peak:10.4f}{cells}"
        f"{row['correlation']:10.4f}{seconds:8.0f} s",
        flush=True,
    )
    return row


def particle_volume(particle: FieldParticle) -> float:
    """Return the volume [Å³] from the particle's thickness on pixels."""
    from simulate.fields.particle import outline

    return float(outline(particle, PIXEL).total.sum()) * PIXEL**2


def compare_slab(
    name: str, thickness: float, side: float, words: argparse.Namespace, seed: int
) -> dict[float, float]:
    """Compare a slab in a random orientation; print and return the model's error by depth."""
    start, rng, crystal = time.process_time(), np.random.default_rng([seed, 5]), MATERIALS[name]
    half = np.array([side / 2, side / 2, thickness / 2])
    places, symbols = lattice(crystal, float(np.linalg.norm(half)), rng)
    places = places @ Rotation.random(random_state=rng).as_matrix().T
    held = (np.abs(places) <= half).all(axis=1)
    places, symbols = places[held] + half, symbols[held]
    # Where the periodic cell joins, atoms would lie in one another.
    near = cKDTree(places % [side, side, 1e9], boxsize=[side, side, 1e9]).query_pairs(1.8)
    kept = np.setdiff1d(np.arange(len(places)), [pair[1] for pair in near])
    places, symbols = places[kept], symbols[kept]
    box = Box(displaced(places, symbols, crystal, rng), symbols, (side, side))
    detector = (box.angle >= INNER) & (box.angle < OUTER)
    step = 1e3 * wavelength(ENERGY) / side
    radii = CONE * np.sqrt((np.arange(words.waves) + 0.5) / words.waves)
    turns = rng.uniform(0, 2 * np.pi) + np.arange(words.waves) * np.pi * (3 - np.sqrt(5))
    waves = [
        box.wave(*np.rint(r * np.array([np.sin(t), np.cos(t)]) / step).astype(int))
        for r, t in zip(radii, turns, strict=True)
    ]
    found, elements, row = [], sorted(set(symbols)), {}
    print(f"{name:6}{len(places):8d}", end="", flush=True)
    for index, transmission in enumerate(box.transmissions(iter(range(box.slices)))):
        spectra = [fft.fft2(wave * transmission) for wave in waves]
        found.append(np.mean([(np.abs(s[detector]) ** 2).sum() for s in spectra]) / np.prod(box.shape) ** 2)
        waves = [fft.ifft2(s * box.propagator) for s in spectra]
        for depth in DEPTHS:
            if index + 1 == round(depth / SLICE) and depth <= thickness:
                met = [[((box.slice <= index) & (symbols == s)).sum() / side**2 for s in elements]]
                share = share_on_annulus(np.array(met), tuple(elements), ENERGY, (CONE, INNER, OUTER))[0]
                row[depth] = float(share) / float(found[-1]) - 1
                print(f"{100 * row[depth]:8.1f} ({found[-1]:.4f})", end="", flush=True)
    print(f"{time.process_time() - start:8.0f} s")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="particles of 26 Å, fewer orientations")
    parser.add_argument("--diameter", type=float, default=45.0, help="Å")
    parser.add_argument("--orientations", type=int, default=2, help="of each particle")
    parser.add_argument("--slabs", type=int, default=4, help="orientations of each slab")
    parser.add_argument(
        "--configurations", type=int, default=1, help="frozen phonons, each with all directions"
    )
    parser.add_argument("--directions", type=int, default=32, help="plane waves on the annulus")
    parser.add_argument("--waves", type=int, default=8, help="plane waves in the cone, for slabs")
    parser.add_argument("--side", type=float, default=24.0, help="of the cell of slabs [Å]")
    parser.add_argument("--blur", type=float, default=3.0, help="standard deviation [Å]")
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    if words.quick:
        words.diameter, words.orientations, words.directions = 26.0, 1, 16
        words.slabs, words.side = 2, 18.0
    print("particles: errors of the model in per cent (of the total; of the peak)")
    print(
        f"{'':6}{'d / Å':>8}{'atoms':>8}{'matter':>8}{'peak':>10}{'total':>10}{'rms':>10}{'scaled':>10}"
        f"{'corr.':>10}"
    )
    # Of the same volume, nearly: a cube's edge is shorter than a sphere's diameter.
    sizes = {"Au": 1.0, "Pd": 0.8, "PtNi": 1.0}
    rows = [
        compare_particle(name, scale * words.diameter, words, words.seed + i)
        for name, scale in sizes.items()
        for i in range(words.orientations)
    ]
    print(f"\nslabs: errors of the model in per cent (the reference's share of the beam) at {DEPTHS} Å")
    slabs = {
        (name, i): compare_slab(name, thickness, words.side, words, words.seed + i)
        for name, thickness in (("Au", 200.0), ("Pd", 100.0), ("PtNi", 150.0))
        for i in range(words.slabs)
    }
    gold = [row[200.0] for (name, _), row in slabs.items() if name == "Au"]
    thick = [row[depth] for row in slabs.values() for depth in row if depth >= 100.0]
    headline = {
        "population_haadf_total_error": max((row["total"] for row in rows), key=abs),
        "population_haadf_rms_of_peak": max(row["rms"] for row in rows),
        "population_haadf_shape_rms_of_peak": max(row["shape"] for row in rows),
        "population_haadf_slab_error": max((e for row in slabs.values() for e in row.values()), key=abs),
        "population_haadf_slab_error_200_gold": float(np.mean(gold)),
        "population_haadf_slab_rms_from_100": float(np.sqrt(np.mean(np.square(thick)))),
    }
    print(json.dumps({key: round(value, 4) for key, value in headline.items()}))


if __name__ == "__main__":
    main()
