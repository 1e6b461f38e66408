"""How likely a picture is in a pose of a map whose brightness is known, and the poses that are likeliest.

The brightness of every frame of one particle is the same, so that nothing is fitted but the pose: a map that
is too faint or too bright fits worse. Log likelihoods are in nats, over that of the noise alone, and count
each independent value of a picture once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor

from nanonet.reconstruct import fourier_grid
from nanonet.reconstruct.images import Spectra
from nanonet.reconstruct.polish import polish
from nanonet.reconstruct.poses import Poses, unturned
from nanonet.reconstruct.project import in_particle
from nanonet.reconstruct.rotation_grid import looking_along
from nanonet.reconstruct.search import angles_needed, on_rings, ring_series

_AT_ONCE = 100
_IGNORED = 1e6
"""Times the noise that shells which are not looked at are taken to have."""


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """What likelihoods are measured by.

    Parameters
    ----------
    noise
        (highest + 1,) variance of the spectra by shell.
    lowest
        Shell below which nothing is looked at: background varies there.
    independent
        Independent values over those of a spectrum of whole frequencies: the share of the picture that the
        circle around the particle takes.
    spread
        Standard deviation of the places of the particle in its pictures, along x and y [pixel].
    """

    noise: Float[Tensor, " k"]
    lowest: int
    independent: float
    spread: float

    def gains(self, grid: Complex[Tensor, "kz ky kx"], spectra: Spectra, poses: Poses) -> Float[Tensor, " n"]:
        """Return the log likelihood of pictures (whole frequencies) in their poses."""
        where = in_particle(spectra.frequencies, poses.rotations)
        model = fourier_grid.read(grid, where)
        data = spectra.values * poses.back(spectra, slice(None))
        weight = torch.where(spectra.shell >= self.lowest, 1.0 / self.noise[spectra.shell], 0.0)
        fit = ((2 * (data * model.conj()).real - model.abs().square()) * weight).sum(1)
        return self.independent * fit - self._unlikely(poses.shifts)

    def polished(
        self, grid: Complex[Tensor, "kz ky kx"], spectra: Spectra, poses: Poses, steps: int
    ) -> tuple[Poses, Float[Tensor, " n"]]:
        """Return better poses, or those given where none is found, and their log likelihoods."""
        noise = self.noise.clone()
        noise[: self.lowest] = _IGNORED * noise.max()
        found, _ = polish(grid, spectra, poses, noise, steps=steps, fit_size=False)
        before = self.gains(grid, spectra, poses)
        after = self.gains(grid, spectra, replace(found, scale=torch.ones(len(found))))
        better = after > before
        kept = poses_at(
            torch.where(better[:, None, None], found.rotations, poses.rotations),
            torch.where(better[:, None], found.shifts, poses.shifts),
        )
        return kept, torch.maximum(after, before)

    def _unlikely(self, shifts: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n"]:
        return shifts.square().sum(-1) / (2 * self.spread**2)


@dataclass(frozen=True)
class Candidates:
    """Poses that may be those of pictures, some each, best first.

    Parameters
    ----------
    rotations
        (n, m, 3, 3).
    shifts
        (n, m, 2) [pixel].
    gains
        (n, m) log likelihoods.
    """

    rotations: Float[Tensor, "n m 3 3"]
    shifts: Float[Tensor, "n m 2"]
    gains: Float[Tensor, "n m"]

    def column(self, index: int) -> Poses:
        """Return one pose of each picture."""
        return poses_at(self.rotations[:, index], self.shifts[:, index])

    def best(self, count: int) -> Candidates:
        """Return the best few of each picture."""
        gains, top = self.gains.topk(min(count, self.gains.shape[1]), dim=1)
        row = torch.arange(len(top))[:, None]
        return Candidates(self.rotations[row, top], self.shifts[row, top], gains)

    def joined(self, other: Candidates) -> Candidates:
        """Return those of both, one after the other."""
        return Candidates(
            torch.cat([self.rotations, other.rotations], 1),
            torch.cat([self.shifts, other.shifts], 1),
            torch.cat([self.gains, other.gains], 1),
        )

    @staticmethod
    def of(poses: list[Poses], gains: list[Float[Tensor, " n"]]) -> Candidates:
        """Return candidates from poses of each picture, one set after the other."""
        return Candidates(
            torch.stack([one.rotations for one in poses], 1),
            torch.stack([one.shifts for one in poses], 1),
            torch.stack(gains, 1),
        )

    @staticmethod
    def stacked(parts: list[Candidates]) -> Candidates:
        """Return those of several sets of pictures."""
        return Candidates(*(torch.cat([vars(one)[name] for one in parts]) for name in vars(parts[0])))


def poses_at(rotations: Float[Tensor, "n 3 3"], shifts: Float[Tensor, "n 2"]) -> Poses:
    """Return poses of particles of the map's own size and brightness."""
    ones = torch.ones(len(rotations))
    return Poses(rotations.float(), shifts.float(), ones, ones)


def seen_everywhere(
    grid: Complex[Tensor, "kz ky kx"],
    spectra: Spectra,
    yardstick: Yardstick,
    directions: Float[np.ndarray, "v 3"],
    shifts: Float[np.ndarray, "s 2"],
    *,
    modes: int,
    apart: float,
) -> Candidates:
    """Compare pictures with a map of a body that is its own inverse, seen along directions and shifted.

    Parameters
    ----------
    spectra
        Whole frequencies.
    modes, apart
        So many poses of each picture are returned, whose directions of view differ by more than an angle
        [rad].
    """
    count = angles_needed(spectra)
    radii = torch.arange(yardstick.lowest, spectra.highest + 1, dtype=torch.float32)
    ring = torch.arange(count // 2) * (2 * np.pi / count)
    polar = (radii[:, None, None] * torch.stack([torch.cos(ring), torch.sin(ring)], dim=1)).reshape(-1, 2)
    # A sum over a half plane of frequencies is half of 2π r times the mean over a ring.
    weight = (2 * np.pi * radii * yardstick.independent / yardstick.noise[yardstick.lowest :]).sqrt()[:, None]
    views = torch.as_tensor(looking_along(directions), dtype=torch.float32)
    seen = fourier_grid.read(grid, in_particle(polar, views)).reshape(len(views), len(radii), -1)
    # Every projection of such a body is the same after half a turn: odd orders vanish.
    references = (ring_series(seen) * weight)[..., ::2]
    norm = 2 * references.abs().square().sum((1, 2)) - references[..., 0].abs().square().sum(1)
    against = references.conj().permute(2, 1, 0).contiguous()
    tried = torch.as_tensor(shifts, dtype=torch.float32)
    ramps = torch.polar(torch.ones(()), 2 * np.pi / spectra.side * (polar @ tried.T)).T.reshape(
        len(tried), len(radii), -1
    )
    near = (views[:, 2] @ views[:, 2].T).abs() > np.cos(apart)
    angles = 2 ** int(np.ceil(np.log2(count // 2)))  # over half a turn
    parts = []
    for start in range(0, len(spectra), _AT_ONCE):
        some = replace(spectra, values=spectra.values[start : start + _AT_ONCE])
        rings = on_rings(some, unturned(len(some)), polar, len(radii))
        best = torch.full((len(some), len(views)), -torch.inf)
        angle, which = torch.zeros_like(best), torch.zeros(best.shape, dtype=torch.long)
        for index, ramp in enumerate(ramps):
            series = (ring_series(rings * ramp) * weight)[..., ::2]
            across = torch.bmm(series.permute(2, 0, 1).contiguous(), against)
            match = torch.fft.irfft(across.permute(1, 2, 0), n=angles, norm="forward").max(2)
            gain = match.values - 0.5 * norm - yardstick._unlikely(tried[index])
            better = gain > best
            best = torch.where(better, gain, best)
            angle = torch.where(better, match.indices * (np.pi / angles), angle)
            which = torch.where(better, index, which)
        parts.append(_distinct(best, angle, tried[which], views, near, modes))
    return Candidates.stacked(parts)


def _distinct(
    gain: Float[Tensor, "n v"],
    angle: Float[Tensor, "n v"],
    shift: Float[Tensor, "n v 2"],
    views: Float[Tensor, "v 3 3"],
    near: Tensor,
    modes: int,
) -> Candidates:
    row = torch.arange(len(gain))
    left = gain.clone()
    poses, gains = [], []
    for _ in range(modes):
        view = left.argmax(1)
        turn = torch.eye(3).repeat(len(row), 1, 1)
        turn[:, 0, 0] = turn[:, 1, 1] = torch.cos(angle[row, view])
        turn[:, 1, 0] = torch.sin(angle[row, view])
        turn[:, 0, 1] = -turn[:, 1, 0]
        poses.append(poses_at(turn @ views[view], shift[row, view]))
        gains.append(gain[row, view])
        left[near[view]] = -torch.inf
    return Candidates.of(poses, gains)


def disc(reach: float, step: float) -> Float[np.ndarray, "s 2"]:
    """Return the shifts of a square grid within a disc [pixel], the middle first."""
    most = int(reach / step)
    ticks = np.arange(-most, most + 1) * step
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    length = np.linalg.norm(grid, axis=1)
    kept = length <= reach + 1e-9
    return np.asarray(grid[kept][np.argsort(length[kept], kind="stable")])


def turned_by(rotations: Float[Tensor, "*n 3 3"], operation: Float[Tensor, "3 3"]) -> Float[Tensor, "*n 3 3"]:
    """Return the rotations in which the body, turned or inverted by an operation first, looks as it does.

    A projection tells nothing of depth, so that an inversion of depth makes a rotation of an improper one.
    """
    made = rotations @ operation
    if torch.linalg.det(operation) < 0:
        made = made * made.new_tensor([1.0, 1.0, -1.0])[:, None]
    return made


def angle_between(
    one: Float[Tensor, "n 3 3"],
    other: Float[Tensor, "n 3 3"],
    operations: Float[Tensor, "g 3 3"] | None = None,
) -> Float[Tensor, " n"]:
    """Return the angle [rad] between rotations, the least over the body's own operations."""
    if operations is None:
        operations = torch.eye(3)[None]
    least = torch.full((len(one),), -1.0)
    for operation in operations:
        trace = (one * turned_by(other, operation)).sum((1, 2))
        least = torch.maximum(least, trace)
    return torch.arccos(((least - 1) / 2).clamp(-1, 1))
