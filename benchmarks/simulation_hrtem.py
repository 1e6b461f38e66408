"""HRTEM by a few stored waves against plain abTEM that simulates each image from scratch, at the same error.

The reference of each particle is an explicit sum: 64 frozen-phonon configurations on a 0.1 Å grid, each seen
at 24 foci and source angles of its own, drawn from a Sobol sequence. Errors are root mean squares over the
camera's image without counting noise, as shares of its standard deviation. Plain abTEM is given as many
phonon configurations as it needs for our error, each seen at 7 foci. Times are of the processor, one thread.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time
from dataclasses import replace
from typing import Any

import numpy as np

SAMPLES_PER_STRUCTURE = 300
PIXELS, PIXEL_SIZE = 256, 0.2
NODES, FOCI = 24, 7


def specimen(material: str, seed: int) -> Any:
    """Return a particle as the shipped recipes draw them, of seeds that nothing was tuned on."""
    from nanonet.configuration import build, compose

    name = {"CeO2": "ceo2_110", "Au": "fcc_110"}[material]
    recipe = build(compose("simulate", [f"structures={name}", "output=unused"]).structures)
    if material == "Au":
        recipe = replace(recipe, materials=("Au",))
    return recipe.draw(np.random.default_rng([seed, 0]))


def boxed(drawn: Any, imaging: Any) -> tuple[Any, float]:
    from simulate.shards.box import bounds, enclose

    box = bounds(drawn.atoms)
    side = imaging.side(float((box[1] - box[0])[:2].max()))
    return enclose(drawn.atoms, side, box), side


def explicit(spectra: np.ndarray, side: float, setting: Any, nodes: np.ndarray) -> np.ndarray:
    """Return the sum over configurations, each at foci and tilts of its own (configuration, node, 3)."""
    import scipy.fft

    from simulate.tem.optics import wavelength

    lens, points = setting.optics, spectra.shape[-1]
    k = wavelength(lens.energy) * np.fft.fftfreq(points, side / points)
    total = np.zeros((points, points))
    for spectrum, own in zip(spectra, nodes, strict=True):
        for focus, tilt_y, tilt_x in own:
            ay, ax = (k + 1e-3 * lens.angular_spread * tilt for tilt in (tilt_y, tilt_x))
            ay, ax = ay[:, None], ax[None, :]
            square = ay**2 + ax**2
            c12, c21 = lens.astigmatism, lens.coma
            phase = -0.5 * (lens.defocus + lens.focal_spread * focus) * square + 0.25 * lens.Cs * square**2
            phase = phase + 0.5 * c12 * (
                np.cos(2 * lens.astigmatism_angle) * (ax**2 - ay**2)
                + 2 * np.sin(2 * lens.astigmatism_angle) * ax * ay
            )
            phase = phase + c21 / 3 * square * (np.cos(lens.coma_angle) * ax + np.sin(lens.coma_angle) * ay)
            seen = spectrum * np.exp(-2j * np.pi / wavelength(lens.energy) * phase)
            total += np.abs(scipy.fft.ifft2(seen.astype(np.complex64), norm="forward")) ** 2
    return total / (len(spectra) * nodes.shape[1])


def camera(intensity: np.ndarray, side: float, setting: Any, view: Any) -> np.ndarray:
    import torch

    from simulate.camera.sampling import sample_periodic

    image = torch.from_numpy(intensity.astype(np.float32))
    seen = sample_periodic(image, side / image.shape[-1], view, setting.detector.response, outside=1.0)
    return seen.numpy() * setting.dose * setting.pixel_size**2


def error(image: np.ndarray, reference: np.ndarray) -> float:
    return float(np.sqrt(((image - reference) ** 2).mean()) / reference.std())


def timed(function: Any, repeats: int = 1) -> tuple[Any, float]:
    start = time.process_time()
    for _ in range(repeats):
        found = function()
    return found, (time.process_time() - start) / repeats


def compare(material: str, seed: int, configurations: int, settings: int) -> dict[str, float]:
    """Return errors and times [s] of one particle."""
    from scipy.stats import norm, qmc

    from simulate.tem.exit_wave import fast_size, phonon_wave
    from simulate.tem.hrtem import HRTEM
    from simulate.tem.microscope import Microscope

    imaging = HRTEM(least_side=PIXELS * PIXEL_SIZE)
    drawn = specimen(material, seed)
    atoms, side = boxed(drawn, imaging)
    sigma = drawn.thermal_displacements
    # The thermal averages of elements are tabulated once a process: not for each structure.
    imaging.calculate(atoms, sigma, (seed, 1))
    stored, making = timed(lambda: imaging.calculate(atoms, sigma, (seed, 1)))

    points = fast_size(side / 0.2)
    spectra, plain = timed(
        lambda: np.stack(
            [
                phonon_wave(atoms, imaging.multislice, sigma, points, (seed, 2, i))
                for i in range(configurations)
            ]
        )
    )
    uniform = qmc.Sobol(3, seed=seed).random(configurations * NODES)
    nodes = norm.ppf(np.clip(uniform, 1e-6, 1 - 1e-6))
    # Dealt out, not in blocks: each configuration gets nodes from all over the distribution.
    nodes = nodes.reshape(NODES, configurations, 3).swapaxes(0, 1)
    rng = np.random.default_rng([seed, 3])
    microscope = Microscope(pixel_size=PIXEL_SIZE)
    ours, halves, eight, drawing, lens = [], [], [], [], []
    for _ in range(settings):
        setting = microscope.draw(300e3, rng)
        view = setting.view(side, (PIXELS, PIXELS), rng)
        split = configurations // 2
        first = camera(explicit(spectra[:split], side, setting, nodes[:split]), side, setting, view)
        second = camera(explicit(spectra[split:], side, setting, nodes[split:]), side, setting, view)
        reference = (first + second) / 2
        image, seconds = timed(lambda s=setting, v=view: imaging.expected(stored, side, s, v), repeats=8)
        _, recording = timed(lambda i=image, s=setting: s.record(i, np.random.default_rng(0)), repeats=8)
        ours.append(error(image.numpy(), reference))
        halves.append(error(first, second) / 2)
        some, one_lens = timed(lambda s=setting: explicit(spectra[:8], side, s, nodes[:8, :FOCI]))
        eight.append(error(camera(some, side, setting, view), reference))
        drawing.append(seconds + recording)
        lens.append(one_lens / 8)
    return {
        "side": side,
        "error": float(np.mean(ours)),
        "reference_noise": float(np.mean(halves)),
        "error_of_8_configurations": float(np.mean(eight)),
        "structure_s": making,
        "draw_s": float(np.mean(drawing)),
        "plain_configuration_s": plain / configurations + float(np.mean(lens)),
        "bytes": float(sum(array.nbytes for array in stored.values())),
    }


def run(quick: bool) -> dict[str, float]:
    """Print the table; return the headline figures."""
    import torch

    from simulate.allocator import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()  # as a sampler does
    materials, seeds = ("CeO2", "Au"), (1001,) if quick else (1001, 1002, 1003)
    configurations, settings = (32, 2) if quick else (64, 3)
    print(
        f"{PIXELS} px of {PIXEL_SIZE} Å, {configurations} reference configurations, {settings} settings each"
    )
    print("particle    error  (reference's noise)  8 configurations  structure s  draw ms  plain s each")
    rows = []
    for material in materials:
        for seed in seeds:
            row = compare(material, seed, configurations, settings)
            rows.append(row)
            print(
                f"{material:5s}{seed:6d} {row['error']:6.3f}  {row['reference_noise']:19.3f}  "
                f"{row['error_of_8_configurations']:16.3f}  {row['structure_s']:11.2f}  "
                f"{1e3 * row['draw_s']:7.1f}  {row['plain_configuration_s']:12.2f}",
                flush=True,
            )
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    ours = 3600 / (mean["structure_s"] / SAMPLES_PER_STRUCTURE + mean["draw_s"])
    # The error of n independent configurations falls as 1/sqrt(n).
    needed = max(1.0, 8 * (mean["error_of_8_configurations"] / mean["error"]) ** 2)
    theirs = 3600 / (needed * mean["plain_configuration_s"])
    print(
        f"plain abTEM needs {needed:.1f} configurations for this error: {theirs:,.0f} images an hour; "
        f"{SAMPLES_PER_STRUCTURE} samples a structure; {mean['bytes'] / 1e6:.2f} MB a structure"
    )
    return {
        "hrtem_error": round(mean["error"], 4),
        "hrtem_samples_per_cpu_hour": round(ours),
        "hrtem_speedup_vs_abtem": round(ours / theirs),
        "hrtem_draw_ms": round(1e3 * mean["draw_s"], 2),
        "hrtem_bytes_per_sample": round(mean["bytes"] / SAMPLES_PER_STRUCTURE),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one particle a material, within 5 minutes")
    print(json.dumps(run(parser.parse_args().quick)))


if __name__ == "__main__":
    main()
