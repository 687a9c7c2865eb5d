r"""Two remedies against mode collapse: noise on all examples, and judging several together."""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_teach.require import require_at_least


def blur(
    x: Float[Tensor, "*shape"], noise_sd: float, *, generator: torch.Generator | None = None
) -> Float[Tensor, "*shape"]:
    r"""Add Gaussian noise of standard deviation ``noise_sd`` to examples (instance noise).

    Parameters
    ----------
    x
        Real or generated examples.
    noise_sd
        Standard deviation, at least 0; with 0 the examples are returned as they are.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    Examples whose density is that of ``x`` convolved with the Gaussian.

    Raises
    ------
    ValueError
        If ``noise_sd`` is negative.

    Notes
    -----
    Equation ``eq-gan-blur``. Sønderby et al. (2017), and Arjovsky and Bottou (2017),
    section 3.
    Oracle: the convolution of two densities by quadrature.
    """
    require_at_least(0, noise_sd=noise_sd)
    if noise_sd == 0:
        return x
    return x + noise_sd * torch.empty_like(x).normal_(generator=generator)


def pack(x: Float[Tensor, "batch *event"], size: int) -> Float[Tensor, "packs joined"]:
    r"""Join every ``size`` examples into one, for a discriminator that judges them together.

    Parameters
    ----------
    x
        Examples, all real or all generated. Their number must be a multiple of ``size``.
    size
        Examples in a pack, at least 1.

    Returns
    -------
    One pack a row: the coordinates of its examples, one example after the other.

    Raises
    ------
    ValueError
        If ``size`` is below 1, or the number of examples is no multiple of it.

    Notes
    -----
    Equation ``eq-gan-packing``. Lin et al. (2018), section 2.
    Oracle: the examples joined one by one.
    """
    require_at_least(1, size=size)
    if len(x) % size:
        raise ValueError(f"the number of examples must be a multiple of {size}, got {len(x)}")
    return x.reshape(len(x) // size, -1)
