"""What is known of a tumbling particle before any orientation is: its radius, its crystal, its sites."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from turning_particles import GOLD, PIXEL, SIDE, WEIGHT, Turning

from nanonet.atoms.crystal import crystal_of
from nanonet.reconstruct import fourier_grid
from nanonet.records import InputError
from nanonet.tumbling.powder import powder
from nanonet.tumbling.radial import radial_density
from nanonet.tumbling.scaffold import SiteMaps, scaffolds


def test_the_projection_of_a_ball_tells_its_radius_and_density() -> None:
    ticks = (np.arange(96) - 48) * 0.3
    square = np.clip(11.0**2 - ticks[:, None] ** 2 - ticks**2, 0, None)
    found = radial_density(2 * 5.0 * np.sqrt(square) + 7.0, 0.3)
    assert found.radius == pytest.approx(11.0, abs=0.1)
    assert found.density == pytest.approx(5.0, rel=0.02)
    assert found.width < 0.5
    assert found.misfit < 0.01
    assert found.share(np.array([0.0, 11.0, 20.0])) == pytest.approx([1.0, 0.5, 0.0], abs=0.05)


def test_a_hole_is_no_particle() -> None:
    ticks = np.arange(64) - 32
    with pytest.raises(InputError, match="no bright particle"):
        radial_density(-np.exp(-(ticks[:, None] ** 2 + ticks**2) / 200.0), 0.3)


def test_the_mean_of_the_frames_tells_what_an_atom_weighs(gold: Turning) -> None:
    found = radial_density(gold.boxes.mean, PIXEL)
    weight = found.density * GOLD.atom_volume * 1.015**3
    assert weight == pytest.approx(WEIGHT, rel=0.1)
    assert (found.share(np.linalg.norm(gold.positions, axis=1)) > 0.5).mean() > 0.8


def test_the_powder_pattern_tells_the_lattice_constant(gold: Turning) -> None:
    radial = radial_density(gold.boxes.mean, PIXEL)
    sites = scaffolds(GOLD, radial.reach)[0]
    found = powder(gold.boxes, sites.sites, radial.share(sites.distance), finest=1.0)
    assert found.stretch == pytest.approx(1.015, abs=3 * found.stretch_error)
    assert found.stretch_error < 0.005
    assert 0.1 < found.u_iso < 0.35
    assert found.power.shape == found.fitted.shape == found.frequency.shape


def test_another_crystal_or_pixel_size_is_refused(gold: Turning) -> None:
    wrong = replace(gold.boxes, pixel_size=PIXEL * 1.25)
    radial = radial_density(wrong.mean, wrong.pixel_size)
    sites = scaffolds(GOLD, radial.reach)[0]
    with pytest.raises(InputError, match="pixel size"):
        powder(wrong, sites.sites, radial.share(sites.distance), finest=1.0)
    noise = np.random.default_rng(0).normal(size=gold.boxes.pictures.shape).astype(np.float32)
    with pytest.raises(InputError, match="no lines"):
        powder(replace(gold.boxes, pictures=noise), sites.sites, radial.share(sites.distance), finest=1.0)


def test_fcc_has_two_centres_of_full_symmetry() -> None:
    atom, gap = scaffolds(GOLD, 9.0)
    assert (atom.distance < 0.01).sum() == 1
    assert gap.distance.min() == pytest.approx(GOLD.lattice_constant / 2)
    for one in (atom, gap):
        assert len(one.operations) == 48
        for operation, image in zip(one.operations, one.images, strict=True):
            assert one.sites @ operation.T == pytest.approx(one.sites[image], abs=1e-6)
        assert np.linalg.det(one.operations[0]) > 0
        density = len(one) / (4 / 3 * np.pi * 9.0**3)
        assert density == pytest.approx(1 / GOLD.atom_volume, rel=0.1)
    assert len(scaffolds(crystal_of("W"), 9.0)) == 1  # of bcc the other centre is the same


@pytest.mark.parametrize(
    ("element", "structure", "constant", "said"),
    [
        ("CeO2", "fluorite", 5.41, "one element"),
        ("PtNi", "fcc", 3.7, "one element"),
        ("Mg", None, None, "centre"),
    ],
)
def test_what_cannot_be_started_from_is_said(
    element: str, structure: str | None, constant: float | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        scaffolds(crystal_of(element, structure, constant), 9.0)


def test_occupancies_are_read_back_from_their_map() -> None:
    scaffold = scaffolds(GOLD, 8.0)[0]
    maps = SiteMaps(
        scaffold=scaffold,
        side=38,
        voxel_size=SIDE * PIXEL / 38,
        pixel_size=PIXEL,
        highest=18,
        weight=WEIGHT,
        u_iso=0.2,
    )
    true = np.random.default_rng(0).uniform(0, 1, len(scaffold))
    density = maps.density(true)
    assert maps.occupancies(density, 0.0, 2.0) == pytest.approx(true, abs=0.12)
    # The transform's value at frequency 0 is the sum of a picture's pixels.
    small = (scaffold.distance < 4.0).astype(float)
    density = torch.as_tensor(maps.density(small), dtype=torch.float32)
    grid = fourier_grid.to_grid(density, fourier_grid.grid_side(18))
    middle = grid.shape[0] // 2
    assert float(grid[middle, middle, middle].real) == pytest.approx(
        WEIGHT * small.sum() / PIXEL**2, rel=0.03
    )


def test_the_lattice_constant_is_read_from_a_map(gold: Turning) -> None:
    stretched = [replace(one, sites=1.012 * one.sites) for one in scaffolds(GOLD, 9.0)]
    maps, true = (
        SiteMaps(
            scaffold=scaffold,
            side=40,
            voxel_size=0.6,
            pixel_size=PIXEL,
            highest=19,
            weight=WEIGHT,
            u_iso=0.2,
        )
        for scaffold in (scaffolds(GOLD, 9.0)[0], stretched[0])
    )
    # A particle that ends on one side, whose density would rather have all atoms further in.
    filled = (true.scaffold.sites @ [1.0, 0.8, 0.5] < 6.0).astype(float)
    found = maps.fitted(true.density(filled))
    assert found.scaffold.sites == pytest.approx(true.scaffold.sites, rel=1e-3, abs=1e-3)
