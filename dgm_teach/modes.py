r"""Mode coverage: does a sample of points in the plane reach every mode of a known mixture?"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_teach.require import require_at_least


class Coverage(NamedTuple):
    r"""How a sample covers the modes of a mixture.

    Attributes
    ----------
    num_modes
        Modes that at least one high-quality sample falls on.
    high_quality
        Share of the samples within three standard deviations of a mode.
    reverse_kl
        KL divergence from the shares of the modes to equal shares, in nats.
    """

    num_modes: int
    high_quality: float
    reverse_kl: float


def ring_centres(*, num_modes: int = 8, radius: float = 2.0) -> Float[Tensor, "modes 2"]:
    r"""Means of the Gaussians of :func:`~dgm_teach.points.gaussian_ring`.

    Parameters
    ----------
    num_modes
        Number of Gaussians, at least 1.
    radius
        Radius of the circle.

    Returns
    -------
    One mean a row; the first lies on the positive x axis.

    Raises
    ------
    ValueError
        If ``num_modes`` is below 1.
    """
    require_at_least(1, num_modes=num_modes)
    angle = torch.arange(num_modes) * (2 * math.pi / num_modes)
    return radius * torch.stack([angle.cos(), angle.sin()], dim=1)


def grid_centres(*, num_side: int = 5, spacing: float = 2.0) -> Float[Tensor, "modes 2"]:
    r"""Means of the Gaussians of :func:`~dgm_teach.points.gaussian_grid`.

    Parameters
    ----------
    num_side
        Gaussians along one side, at least 1.
    spacing
        Distance of neighbours.

    Returns
    -------
    One mean a row, ``num_side`` squared of them.

    Raises
    ------
    ValueError
        If ``num_side`` is below 1.
    """
    require_at_least(1, num_side=num_side)
    ticks = spacing * (torch.arange(num_side) - (num_side - 1) / 2)
    return torch.cartesian_prod(ticks, ticks)


def mode_coverage(
    x: Float[Tensor, "samples 2"], centres: Float[Tensor, "modes 2"], *, std: float
) -> Coverage:
    r"""Count the modes that a sample reaches, and measure how well and how evenly.

    Parameters
    ----------
    x
        Generated points, one a row, at least 20 for each mode.
    centres, std
        Means of the equally frequent Gaussians, and their standard deviation along each axis.

    Returns
    -------
    A :class:`Coverage`. Each sample belongs to its nearest mode; it is of high quality if it lies
    within three ``std`` of it. The true mixture has a ``high_quality`` of 98.9 % and, because the
    sample is finite, a ``reverse_kl`` of about (modes - 1) / (2 samples).

    Raises
    ------
    ValueError
        If there are too few samples, a coordinate is not finite, or ``std`` is not above 0. With
        20 samples for each mode a sample of the truth misses any mode at all with a probability
        below modes / 10⁸.

    Notes
    -----
    Equations ``def-gan-high-quality`` and ``def-gan-reverse-kl``. Srivastava et al. (2017),
    section 4.1, and Lin et al. (2018), table 1.
    Oracle: points placed by hand, and samples of the truth.
    """
    if not std > 0:
        raise ValueError(f"std must be above 0, got {std}")
    if len(x) < 20 * len(centres):
        raise ValueError(f"x must have at least {20 * len(centres)} rows, got {len(x)}")
    if not x.isfinite().all():
        raise ValueError(f"x must be finite, got {x[~x.isfinite()][0]}")
    # the faster way by matrix products loses digits: the modes are small
    far = torch.cdist(x, centres.to(x), compute_mode="donot_use_mm_for_euclid_dist")
    distance, nearest = far.min(dim=1)
    good = distance < 3 * std
    share = torch.bincount(nearest, minlength=len(centres)).double() / len(x)
    reverse_kl = torch.xlogy(share, share * len(centres)).sum()
    return Coverage(len(nearest[good].unique()), good.double().mean().item(), reverse_kl.item())
