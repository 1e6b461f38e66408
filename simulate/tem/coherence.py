"""Partial coherence as a short sum of coherent images: natural modes of source and focal spread. In torch.

A Gaussian spread of defocus and of illumination angles gives the phase at spatial frequency k the random
part f(k)·ξ, with ξ standard normal and f(k) = (σ_Δf ∂χ/∂Δf, θ ∂χ/∂α_y, θ ∂χ/∂α_x), in first order
(Frank, Optik 38 (1973) 519). The image is the sum over all pairs of beams with the mutual coherence
K(k, k') = exp(-½ |f(k) - f(k')|²). A quasi-coherent envelope keeps K(k, 0) K(0, k') only, which is right for
interference with the direct beam alone. Here K is factored into modes by pivoted Cholesky decomposition, each
pivot being the beam that the modes so far describe worst: the first is the direct beam, and its mode the
envelope. What M modes leave is nearly incoherent between beams, and is added as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def coherent_modes(
    features: torch.Tensor, power: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Factor the mutual coherence of beams.

    Parameters
    ----------
    features
        (*b, 3, y, x) the random part of the phase per standard deviation [rad].
    power
        (*b, y, x) intensity of each beam: pivots are chosen by it.
    count
        Modes.

    Returns
    -------
    modes
        (*b, count, y, x) real amplitudes, by which the spectrum is multiplied.
    rest
        (*b, y, x) share of each beam's intensity that the modes leave out.
    """
    import torch

    flat, beams = features.flatten(-2), power.flatten(-2)
    half = 0.5 * flat.square().sum(dim=-2)
    rest = torch.ones_like(beams)
    modes = torch.zeros((*beams.shape[:-1], 0, beams.shape[-1]), device=beams.device)
    for _ in range(count):
        pivot = (rest * beams).argmax(dim=-1, keepdim=True)
        own = flat.gather(-1, pivot.unsqueeze(-2).expand(*flat.shape[:-1], 1))
        # -½ |f - f'|²; less than exp(-30) is nothing, and its square a denormal number, which is slow.
        product = (own.transpose(-2, -1) @ flat).squeeze(-2)
        mode = (product - half - half.gather(-1, pivot)).clamp(-30.0, 0.0).exp()
        if modes.shape[-2]:
            known = modes.gather(-1, pivot.unsqueeze(-2).expand(*modes.shape[:-1], 1))
            mode = mode - (known.transpose(-2, -1) @ modes).squeeze(-2)
        # The pivot's own rest is positive, or there is nothing left to describe and the mode is zero.
        mode = mode * rest.gather(-1, pivot).clamp_min(1e-6).rsqrt()
        modes = torch.cat([modes, mode.unsqueeze(-2)], dim=-2)
        rest = torch.addcmul(rest, mode, mode, value=-1.0).clamp_min(1e-12)
    shape = power.shape[-2:]
    return modes.view(*modes.shape[:-1], *shape), rest.view(*rest.shape[:-1], *shape)
