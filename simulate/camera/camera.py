"""What a kind of camera does to signal and noise, as measured; configs/simulate/camera has common ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from nanonet.records import InputError
from simulate.camera.curve import Curve, Points

WHITE = ((0.0, 1.0), (1.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera: transfer of signal (MTF) and noise (NTF), quantum efficiency, gain, faults.

    Signal and noise obey DQE(f) = dqe0 · MTF(f)² / NTF(f)² (McMullan et al., Ultramicroscopy 147 (2014) 156).

    Parameters
    ----------
    mtf
        Modulation transfer along the pixels' axes, pixel aperture included, as knife-edge measurements give
        it: [[fraction of Nyquist's frequency, value], ...], from [0, 1].
    dqe0
        Detective quantum efficiency at low frequencies and low rate. A counting camera misses 1 - dqe0 of the
        electrons; an integrating one weighs each electron at random, with relative variance 1 / dqe0 - 1.
    ntf
        Square root of the noise power spectrum of a flat field relative to frequency 0, likewise; None for
        white noise.
    counting
        Whether electrons are counted one by one, else their signal is integrated.
    gain
        Counts for each electron that falls on an integrating camera; a counting one gives dqe0 counts.
    readout, dark
        Standard deviation of the noise of readout and of the subtracted dark current in a frame [counts].
    bits
        The largest count is 2^bits - 1; None for no limit.
    whole
        Whether an integrating camera's counts are rounded to whole numbers.
    coincidence_area
        Pixels around an electron's in which a counting camera takes a second one of the same readout for
        the same.
    pattern
        Relative standard deviation, from pixel to pixel, of the gain that the gain correction leaves.
    dead, hot
        Fraction of pixels that give nothing, and that give ``hot_counts`` more than they should, on average.
    hot_counts
        In a frame.
    mended
        Whether dead and hot pixels hold the mean of their sound neighbours, as cameras' software does it.
    pitch
        Physical pixel [µm].
    energy
        At which it was measured [eV]: MTF, DQE and gain change with it.
    source
        Where the numbers were published.
    """

    mtf: Points
    dqe0: float = 1.0
    ntf: Points | None = None
    counting: bool = True
    gain: float = 1.0
    readout: float = 0.0
    dark: float = 0.0
    bits: int | None = None
    whole: bool = False
    coincidence_area: float = 0.0
    pattern: float = 0.0
    dead: float = 0.0
    hot: float = 0.0
    hot_counts: float = 100.0
    mended: bool = True
    pitch: float | None = None
    energy: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("mtf", "ntf"):
            points = getattr(self, name)
            if points is not None:
                object.__setattr__(self, name, Curve(points).points)
        _check_numbers(self)
        for fraction in sorted({place for points in (self.mtf, self.ntf or ()) for place, _ in points}):
            if self.dqe(fraction) > 1:
                raise InputError(
                    f"mtf, ntf and dqe0 give a DQE of {self.dqe(fraction):.2f} at {fraction:g} of Nyquist's "
                    "frequency; it cannot be above 1"
                )

    @cached_property
    def signal(self) -> Curve:
        """MTF over fractions of Nyquist's frequency."""
        return Curve(tuple(self.mtf))  # type: ignore[arg-type]

    @cached_property
    def noise(self) -> Curve:
        """NTF over fractions of Nyquist's frequency."""
        return Curve(tuple(self.ntf or WHITE))  # type: ignore[arg-type]

    @cached_property
    def mtf_nyquist(self) -> float:
        """Modulation transfer at Nyquist's frequency."""
        return self.signal.at(1.0)

    @property
    def counts_per_electron(self) -> float:
        """Mean counts for each electron, at low rate."""
        return self.dqe0 if self.counting else self.gain

    def dqe(self, fraction: float) -> float:
        """Return the detective quantum efficiency at a fraction of Nyquist's frequency."""
        return self.dqe0 * (self.signal.at(fraction) / self.noise.at(fraction)) ** 2


def _check_numbers(camera: Camera) -> None:
    if not 0 < camera.dqe0 <= 1:
        raise InputError(f"dqe0 must lie within 0 and 1, got {camera.dqe0}")
    for name, unit in (("gain", "counts/e"), ("hot_counts", "counts")):
        if not getattr(camera, name) > 0:
            raise InputError(f"{name} must be positive, got {getattr(camera, name)} {unit}")
    for name in ("readout", "dark", "coincidence_area", "pattern"):
        if not getattr(camera, name) >= 0:
            raise InputError(f"{name} must not be negative, got {getattr(camera, name)}")
    if not (camera.dead >= 0 and camera.hot >= 0 and camera.dead + camera.hot < 0.5):
        raise InputError(f"dead and hot must be fractions below 0.5, got {camera.dead} and {camera.hot}")
    if camera.bits is not None and camera.bits < 1:
        raise InputError(f"bits must be at least 1, got {camera.bits}")
