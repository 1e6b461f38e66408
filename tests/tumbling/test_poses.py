"""Poses by likelihood: symmetry, margins, and the way from nothing to a map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from turning_particles import GOLD, PIXEL, U_ISO, WEIGHT, Turning, projection, turning

from nanonet.atoms.detect import detect
from nanonet.atoms.docking import dock, paired
from nanonet.records import InputError
from nanonet.tumbling.half import Beliefs, Half, total
from nanonet.tumbling.likelihood import angle_between, disc, poses_at, seen_everywhere, turned_by
from nanonet.tumbling.odds import told
from nanonet.tumbling.rounds import Rounds, believed_sums, on_own_lattice
from nanonet.tumbling.scaffold import SiteMaps, scaffolds
from nanonet.tumbling.solve import Solver


def _half(gold: Turning) -> Half:
    return Half(boxes=gold.boxes, radius=8.5, detail=1.3, spread=2.0)


def _maps(half: Half, stretch: float = 1.0) -> SiteMaps:
    crystal = replace(GOLD, lattice_constant=GOLD.lattice_constant * stretch)
    return SiteMaps(
        scaffold=scaffolds(crystal, 11.0)[0],
        side=half.small,
        voxel_size=half.small_voxel,
        pixel_size=PIXEL,
        highest=half.highest,
        weight=WEIGHT,
        u_iso=U_ISO,
    )


def _filled(maps: SiteMaps, positions: np.ndarray) -> np.ndarray:
    off = np.linalg.norm(maps.scaffold.sites[:, None] - positions, axis=2).min(1)
    return (off < 0.3).astype(float)


def test_projections_do_not_tell_inversions_of_depth() -> None:
    rng = np.random.default_rng(0)
    positions = rng.normal(scale=4.0, size=(30, 3))
    rotation = torch.as_tensor(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    rotation = rotation * torch.det(rotation)
    for operation in torch.as_tensor(scaffolds(GOLD, 6.0)[0].operations):
        turned = turned_by(rotation, operation)
        assert float(torch.det(turned)) == pytest.approx(1.0)
        moved = positions @ operation.numpy().T
        one, other = (
            projection(p @ r.numpy().T, np.zeros(2)) for p, r in ((moved, rotation), (positions, turned))
        )
        assert one == pytest.approx(other, abs=1e-6 * one.max())


def test_the_true_pose_is_the_likeliest_and_noise_has_none(gold: Turning) -> None:
    half = _half(gold)
    maps = _maps(half, 1.015)
    grid = half.grid(maps.density(_filled(maps, gold.positions)))
    spectra = half.spectra(np.arange(40)).whole()
    rotations = torch.as_tensor(gold.rotations[:40], dtype=torch.float32)
    shifts = torch.as_tensor(gold.shifts[:40], dtype=torch.float32)
    true = half.yardstick.gains(grid, spectra, poses_at(rotations, shifts))
    aside = half.yardstick.gains(grid, spectra, poses_at(rotations, shifts + 1.5))
    wrong = half.yardstick.gains(grid, spectra, poses_at(rotations.roll(1, 0), shifts))
    assert bool((true > aside).all())
    assert bool((true > wrong).all())
    assert float(true.min()) > 20
    assert float(wrong.mean()) < 0.5 * float(true.mean())


def test_poses_are_found_from_everywhere(gold: Turning) -> None:
    half = _half(gold)
    maps = _maps(half, 1.015)
    whole = torch.as_tensor(maps.scaffold.operations, dtype=torch.float32)
    filled = maps.scaffold.symmetrised(_filled(maps, gold.positions))
    grid = half.grid(maps.density(filled))
    spectra = half.spectra(np.arange(40)).whole()
    from nanonet.reconstruct.point_group import operations
    from nanonet.reconstruct.rotation_grid import view_directions

    directions = view_directions(np.deg2rad(6.0), operations("O"))
    found = seen_everywhere(
        grid, spectra, half.yardstick, directions, disc(4.0, 1.5), modes=3, apart=np.deg2rad(8)
    )
    assert found.rotations.shape == (40, 3, 3, 3)
    assert bool((found.gains[:, 0] >= found.gains[:, 1]).all())
    poses, gains = half.yardstick.polished(grid, spectra, found.column(0), 4)
    # What the search says of a pose on its rings is what its gain on the grid of frequencies is.
    start = half.yardstick.gains(grid, spectra, found.column(0))
    assert found.gains[:, 0].numpy() == pytest.approx(start.numpy(), rel=0.15, abs=20)
    assert bool((gains >= start).all())
    true = torch.as_tensor(gold.rotations[:40], dtype=torch.float32)
    modes = [poses, *(half.yardstick.polished(grid, spectra, found.column(k), 4)[0] for k in (1, 2))]
    angles = [np.degrees(angle_between(one.rotations, true, whole).numpy()) for one in modes]
    assert (angles[0] < 4).mean() > 0.7  # the particle is not what its symmetrised map is
    assert (np.min(angles, axis=0) < 4).mean() > 0.85


def _known(gold: Turning) -> Beliefs:
    count = len(gold.rotations)
    return Beliefs(
        rotations=gold.rotations.astype(np.float32),
        shifts=gold.shifts.astype(np.float32),
        gains=np.zeros(count),
        margins=np.full(count, 50.0),
    )


def test_frames_tell_the_equivalent_poses_of_a_particle_without_symmetry(gold: Turning) -> None:
    half, known = _half(gold), _known(gold)
    maps = on_own_lattice(half, _maps(half), total(believed_sums(half, known, 6.0)))
    assert maps.scaffold.distance.max() == pytest.approx(
        1.015 * _maps(half).scaffold.distance.max(), rel=4e-3
    )
    found = told(half, maps, known, Rounds())
    assert found.alike == 1
    assert (found.odds > 2).mean() > 0.9
    # In a wrong one of the equivalent poses a frame is not sure.
    wrong = known.rotations.copy()
    quarter = maps.scaffold.operations[5].astype(np.float32)
    wrong[::10] = wrong[::10] @ quarter
    found = told(half, maps, replace(known, rotations=wrong), Rounds())
    assert (found.odds[::10] > 2).mean() < 0.1


def test_frames_of_a_particle_of_full_symmetry_do_not() -> None:
    rng = np.random.default_rng(0)
    positions = scaffolds(GOLD, 8.0)[0].sites
    rotations = Rotation.random(200, rng=rng).as_matrix()
    pictures = np.stack([projection(positions @ r.T, np.zeros(2)) for r in rotations])
    boxes = replace(
        turning(200, 1.0).boxes,
        pictures=(pictures + rng.normal(scale=20.0, size=pictures.shape)).astype(np.float32),
        noise=np.full(29, 400.0),
    )
    half = Half(boxes=boxes, radius=8.5, detail=1.3, spread=2.0)
    symmetric = Turning(boxes=boxes, positions=positions, rotations=rotations, shifts=np.zeros((200, 2)))
    found = told(half, _maps(half), _known(symmetric), Rounds())
    assert found.alike == 48
    assert (found.odds == 50).all()


def test_the_grid_of_shifts_begins_in_the_middle() -> None:
    shifts = disc(3.0, 1.5)
    assert shifts[0] == pytest.approx([0.0, 0.0])
    assert len(shifts) == len(np.unique(shifts, axis=0)) == 13
    assert np.linalg.norm(shifts, axis=1).max() <= 3.0


@pytest.mark.slow
def test_two_halves_find_the_same_particle_from_nothing(tmp_path: Path) -> None:
    gold = turning(200, 100.0, seed=1)
    solver = Solver(rounds=Rounds(symmetric=1, breaking=6, whole=1), spread=2.0)
    steps: list[int] = []
    solved = solver(gold.boxes, GOLD, tmp_path, steps.append)
    assert sum(steps) == solver.steps
    assert solved.likeness > 0.8
    assert solved.believed.mean() > 0.7
    assert solved.beliefs.gains.mean() > 1.1 * solved.control_gain
    assert {name for name, _ in solved.known.gains} == {"an atom in the centre", "a gap in the centre"}
    assert solved.known.scaffold.name == "an atom in the centre"

    # Poses are right but for one frame of reference, which may be mirrored.
    found, true = solved.beliefs.rotations[solved.believed].astype(float), gold.rotations[solved.believed]
    least = []
    for own in (found, -np.diag([1.0, 1.0, -1.0]) @ found):
        for index in range(0, len(own), 10):
            turn = np.einsum("nij,jk,nlk->nil", true, true[index].T @ own[index], own)
            angle = np.degrees(np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1)))
            least.append(float(np.median(angle)))
    assert min(least) < 2.5

    positions = detect(solved.volume, GOLD).fit.atoms.positions
    most = 0
    for hand in (1.0, -1.0):
        laid = dock(hand * positions, gold.positions, GOLD)(hand * positions)
        most = max(most, len(paired(laid, gold.positions, 0.8)[0]))
    assert most > 0.93 * len(gold.positions)
    assert len(positions) < 1.07 * len(gold.positions)

    # What is kept in the workspace is not done again.
    again = solver(gold.boxes, GOLD, tmp_path, steps.append)
    assert np.array_equal(again.beliefs.rotations, solved.beliefs.rotations)


def test_frames_that_show_no_lattice_are_refused(tmp_path: Path) -> None:
    gold = turning(200, 4e5)
    with pytest.raises(InputError, match="lines of this crystal"):
        Solver(rounds=Rounds(symmetric=1))(gold.boxes, GOLD, tmp_path, lambda steps: None)
