"""The first guess of a lattice: the two periods that explain the spots of a frame's power spectrum."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from nanonet.atomic_columns.noise import spectrum
from nanonet.atomic_columns.scale import spacing_range, spots

_MOST_SPOTS = 60
_MOST_BASIS = 14  # strongest spots that basis vectors are made of
_LEAST_SHARE = 3e-3  # of the strongest spot's amplitude
_TOLERANCE = 1.6  # samples of the spectrum that a spot may lie off its node, at the first order
_STRETCH = 0.012  # more for each higher order: what scan distortion adds, relative
_BESIDE = (4, 20)  # samples beside a spot that it must stand out from
_SHARP = 30.0  # times their median: speckle of noise exceeds this once in e^20 samples
_NEAR_BEST = 0.9  # of the best score: the smallest cell that comes so near is taken
_LEAST_INDEXED = 0.5  # of the spots' weight that a lattice must explain


def spot_list(
    image: Float[np.ndarray, "y x"], pixel_size: float | None
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Return the spots of half of the power spectrum (ky, kx) [cycles/px] and their amplitude over the noise.

    Each is the centre of mass of the power around a local maximum; strongest first.
    """
    power = spectrum(image)
    shown = np.fft.fftshift(spots(power, spacing_range(image.shape, pixel_size)))
    shifted = np.fft.fftshift(power.power)
    centre = np.array(shown.shape) // 2
    where = np.argwhere(shown > 0)
    where = where[((where - centre) @ np.array([shown.shape[1], 1])) > 0]
    where = where[_is_highest(shown, where)]
    where = where[_is_sharp(shifted, where)]
    amplitude = np.sqrt(shown[tuple(where.T)])
    keep = np.argsort(amplitude)[::-1][:_MOST_SPOTS]
    keep = keep[amplitude[keep] > _LEAST_SHARE * amplitude.max(initial=0.0)]
    places = _centre_of_mass(shifted, where[keep]) - centre
    return places / np.array(shown.shape), amplitude[keep]


def _is_highest(shown: Float[np.ndarray, "y x"], where: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Return which samples nothing within three samples of them exceeds, around the ends too."""
    near = where[:, None, :] + (np.argwhere(np.ones((7, 7))) - 3)
    around = shown[near[..., 0] % shown.shape[0], near[..., 1] % shown.shape[1]]
    return np.asarray(shown[tuple(where.T)] == around.max(1, initial=0.0))


def _is_sharp(power: Float[np.ndarray, "y x"], where: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Return which maxima stand far above the samples beside them along y and along x.

    Jitter of scan lines draws streaks through strong spots: their maxima are high, but along the streak only
    as high as their neighbours.
    """
    beside = np.concatenate([np.arange(-_BESIDE[1], -_BESIDE[0] + 1), np.arange(_BESIDE[0], _BESIDE[1] + 1)])
    height, width = power.shape
    y, x = where[:, :1], where[:, 1:]
    level_y = np.median(power[np.clip(y + beside, 0, height - 1), x], axis=1)
    level_x = np.median(power[y, np.clip(x + beside, 0, width - 1)], axis=1)
    return np.asarray(power[y, x][:, 0] > _SHARP * np.maximum(level_y, level_x))


def _centre_of_mass(power: Float[np.ndarray, "y x"], where: np.ndarray) -> Float[np.ndarray, "n 2"]:
    """Return the centres of mass of the 5 x 5 samples around each maximum."""
    offsets = np.argwhere(np.ones((5, 5))) - 2
    near = where[:, None, :] + offsets
    inside = np.clip(near, 0, np.array(power.shape) - 1)
    weight = power[inside[..., 0], inside[..., 1]]
    return np.asarray((weight[..., None] * near).sum(1) / weight.sum(1)[:, None])


def period_vectors(
    image: Float[np.ndarray, "y x"], pixel_size: float | None
) -> Float[np.ndarray, "2 2"] | None:
    """Return the primitive vectors (rows, (y, x) in px) of the frame's period, or None without a lattice.

    Of all reciprocal lattices that pairs of strong spots, their sums, differences and halves span, the score
    is the spots' weight explained beyond chance. The smallest cell whose score comes near the best is taken:
    the spots of a chemical order so decide for the larger cell, a few stray ones do not.
    """
    places, amplitude = spot_list(image, pixel_size)
    if len(places) < 2:
        return None
    weight = np.log1p(amplitude)
    sample = 1.0 / min(image.shape)
    bases = _candidates(places[:_MOST_BASIS], sample)
    if not len(bases):
        return None
    scores, bases = _scored(bases, places, weight, sample)
    best = float(scores.max())
    if best < _LEAST_INDEXED * weight.sum():
        return None
    near = bases[scores >= _NEAR_BEST * best]
    widest = near[np.abs(np.linalg.det(near)).argmax()]
    return reduced(np.linalg.inv(widest).T)


def _candidates(strong: Float[np.ndarray, "n 2"], sample: float) -> Float[np.ndarray, "c 2 2"]:
    """Return the reduced reciprocal bases that spots, and half sums and differences of two, span."""
    i, j = np.triu_indices(len(strong), 1)
    vectors = np.concatenate([strong, strong[i] - strong[j], strong[i] + strong[j], strong / 2])
    vectors = vectors[np.hypot(*vectors.T) > 6 * sample]
    firsts = (strong[:6, None] * np.array([1.0, 0.5])[:, None]).reshape(-1, 2)
    bases = np.stack([np.repeat(firsts, len(vectors), axis=0), np.tile(vectors, (len(firsts), 1))], axis=1)
    area = np.abs(np.linalg.det(bases))
    lengths = np.hypot(bases[..., 0], bases[..., 1])
    bases = reduced(bases[(area >= (6 * sample) ** 2) & (area >= 0.1 * lengths.prod(1))])
    _, first = np.unique(np.rint(bases.reshape(-1, 4) / sample / 1.5), axis=0, return_index=True)
    return np.asarray(bases[np.sort(first)])


def _scored(
    bases: Float[np.ndarray, "c 2 2"],
    places: Float[np.ndarray, "n 2"],
    weight: Float[np.ndarray, " n"],
    sample: float,
) -> tuple[Float[np.ndarray, " c"], Float[np.ndarray, "c 2 2"]]:
    """Return the weight of the spots on nodes, less what meets them by chance, and the bases refined.

    Bases whose nodes hold spots along one line only score 0.
    """
    tolerance = _TOLERANCE * sample + _STRETCH * np.hypot(*places.T)
    score = np.zeros(len(bases))
    planes = np.arange(len(bases))
    for _ in range(2):
        index = np.rint(places @ np.linalg.inv(bases[planes]))
        off = np.linalg.norm(places - index @ bases[planes], axis=2)
        hits = (off < tolerance) & np.any(index != 0, axis=2)
        hit = index * hits[..., None]
        is_plane = np.linalg.det(hit.swapaxes(1, 2) @ hit) > 0.5  # of integers: 0 where they lie on a line
        planes, hits, hit = planes[is_plane], hits[is_plane], hit[is_plane]
        weighted = hit.swapaxes(1, 2) * weight**2
        bases[planes] = np.linalg.solve(weighted @ hit, weighted @ places)
    chance = np.minimum(np.pi * tolerance**2 / np.abs(np.linalg.det(bases[planes]))[:, None], 1.0)
    score[planes] = (hits - chance) @ weight
    return score, bases


def reduced(basis: Float[np.ndarray, "*c 2 2"]) -> Float[np.ndarray, "*c 2 2"]:
    """Return the reduced basis of plane lattices (Lagrange and Gauss): |a| <= |b|, angle 90° to 120°."""
    a, b = basis[..., 0, :], basis[..., 1, :]
    while True:
        longer = ((a * a).sum(-1) > (b * b).sum(-1))[..., None]
        a, b = np.where(longer, b, a), np.where(longer, a, b)
        step = np.rint((a * b).sum(-1) / (a * a).sum(-1))
        if not step.any():
            break
        b = b - step[..., None] * a
    acute = ((a * b).sum(-1) > 0)[..., None]
    return np.stack([a, np.where(acute, -b, b)], axis=-2)
