"""Made sets of points in the plane, whose distributions are known exactly."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_ring(
    n: int,
    *,
    num_modes: int = 8,
    radius: float = 2.0,
    std: float = 0.1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 2"]:
    r"""Points from a mixture of equal Gaussians, evenly spaced on a circle about 0.

    Parameters
    ----------
    n
        Number of points.
    num_modes
        Number of Gaussians; the first lies on the positive x axis.
    radius, std
        Radius of the circle, and standard deviation of each Gaussian along each axis.
    generator
        Source of the noise; the points are made on its device.

    Returns
    -------
    Points, one a row. For three modes or more the mean is 0 and the covariance is
    (radius² / 2 + std²) times the identity.

    Raises
    ------
    ValueError
        If ``n`` or ``num_modes`` is below 1, or ``radius`` or ``std`` is negative.
    """
    _check(n=n, num_modes=num_modes, radius=radius, std=std)
    noise, device = _noise(n, std, generator)
    mode = torch.randint(num_modes, (n,), device=device, generator=generator)
    return radius * _on_circle(2 * math.pi * mode / num_modes) + noise


def gaussian_grid(
    n: int,
    *,
    num_side: int = 5,
    spacing: float = 2.0,
    std: float = 0.1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 2"]:
    r"""Points from a mixture of equal Gaussians on a square grid about 0.

    Parameters
    ----------
    n
        Number of points.
    num_side
        Gaussians along one side, k: there are k² in all.
    spacing, std
        Distance of neighbours, and standard deviation of each Gaussian along each axis.
    generator
        Source of the noise; the points are made on its device.

    Returns
    -------
    Points, one a row. The mean is 0 and the covariance is (spacing² (k² − 1) / 12 + std²) times
    the identity.

    Raises
    ------
    ValueError
        If ``n`` or ``num_side`` is below 1, or ``spacing`` or ``std`` is negative.
    """
    _check(n=n, num_side=num_side, spacing=spacing, std=std)
    noise, device = _noise(n, std, generator)
    column_and_row = torch.randint(num_side, (n, 2), device=device, generator=generator)
    return spacing * (column_and_row - (num_side - 1) / 2) + noise


def two_moons(
    n: int, *, std: float = 0.1, generator: torch.Generator | None = None
) -> Float[Tensor, "n 2"]:
    r"""Points along two half circles of radius 1 that reach into each other.

    Parameters
    ----------
    n
        Number of points.
    std
        Standard deviation of the Gaussian noise along each axis.
    generator
        Source of the noise; the points are made on its device.

    Returns
    -------
    Points, one a row. With equal chance a point lies on the upper moon (cos t, sin t) or on the
    lower one (1 − cos t, 1/2 − sin t), with t uniform from 0 to π, before the noise.

    Raises
    ------
    ValueError
        If ``n`` is below 1 or ``std`` is negative.
    """
    _check(n=n, std=std)
    noise, device = _noise(n, std, generator)
    upper = _on_circle(math.pi * torch.rand(n, device=device, generator=generator))
    lower = torch.tensor([1.0, 0.5], device=device) - upper
    is_lower = torch.rand(n, 1, device=device, generator=generator) < 0.5
    return torch.where(is_lower, lower, upper) + noise


def _on_circle(angle: Float[Tensor, " n"]) -> Float[Tensor, "n 2"]:
    """Points of the unit circle at these angles, in radians."""
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def _noise(
    n: int, std: float, generator: torch.Generator | None
) -> tuple[Float[Tensor, "n 2"], torch.device]:
    """Gaussian noise for each point, and the device that it is on."""
    device = torch.device("cpu") if generator is None else generator.device
    return std * torch.randn(n, 2, device=device, generator=generator), device


def _check(**arguments: int | float) -> None:
    """Refuse counts below 1 and lengths below 0."""
    for name, value in arguments.items():
        least = 1 if name in ("n", "num_modes", "num_side") else 0
        if not least <= value < math.inf:
            raise ValueError(f"{name} must be finite and at least {least}, got {value}")
