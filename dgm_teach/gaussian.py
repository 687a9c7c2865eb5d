r"""Diagonal Gaussian distributions: log density, KL divergence, reparameterised sample.

A diagonal Gaussian is given by its mean ``mu`` and its natural-log variance ``log_var``.
The last axis is the event axis, the axes before it are batch axes.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


class DiagonalGaussian(NamedTuple):
    r"""Parameters of a Gaussian with a diagonal covariance matrix.

    Attributes
    ----------
    mu
        Mean.
    log_var
        Natural log of the variance (not of the standard deviation), same shape as ``mu``.
    """

    mu: Float[Tensor, "*batch event"]
    log_var: Float[Tensor, "*batch event"]


def gaussian_log_prob(
    x: Float[Tensor, "*#batch event"],
    mu: Float[Tensor, "*#batch event"],
    log_var: Float[Tensor, "*#batch event"],
) -> Float[Tensor, "*batch"]:
    r"""Log density of a diagonal Gaussian, in nats.

    .. math:: -\tfrac12\sum_j\Bigl(\log 2\pi+\log\sigma_j^2+\frac{(x_j-\mu_j)^2}{\sigma_j^2}\Bigr)

    Parameters
    ----------
    x
        Points at which the density is evaluated.
    mu
        Mean.
    log_var
        Natural log of the variance.

    Returns
    -------
    One number per example: summed over the event axis, not averaged over the batch.
    The sign is that of a log density: larger is more probable.

    Notes
    -----
    Equation ``def-vae-gaussian-density``.
    Oracle: ``torch.distributions.Normal``.
    """
    return -0.5 * (LOG_2PI + log_var + (x - mu).square() * torch.exp(-log_var)).sum(-1)


def gaussian_kl(
    mu: Float[Tensor, "*batch latent"], log_var: Float[Tensor, "*batch latent"]
) -> Float[Tensor, "*batch"]:
    r"""KL divergence from a diagonal Gaussian to the standard normal, in nats.

    .. math:: \tfrac12\sum_j\bigl(\mu_j^2+\sigma_j^2-1-\log\sigma_j^2\bigr)

    Parameters
    ----------
    mu
        Mean of q(z|x).
    log_var
        Natural log of the variance of q(z|x).

    Returns
    -------
    One non-negative number per example: summed over latents, not averaged over the batch.

    Notes
    -----
    Equation ``eq-vae-gaussian-kl``. Kingma and Welling (2014), appendix B.
    Oracle: ``torch.distributions.kl_divergence``.
    """
    return 0.5 * (mu.square() + torch.exp(log_var) - 1 - log_var).sum(-1)


def reparameterise(
    mu: Float[Tensor, "*batch latent"],
    log_var: Float[Tensor, "*batch latent"],
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch latent"]:
    r"""Sample of a diagonal Gaussian through which gradients reach ``mu`` and ``log_var``.

    .. math:: z = \mu + \sigma\,\varepsilon,\qquad \sigma = e^{\frac12\log\sigma^2},
              \qquad \varepsilon\sim\mathcal N(0, I)

    Parameters
    ----------
    mu
        Mean of q(z|x).
    log_var
        Natural log of the variance of q(z|x): the standard deviation is ``exp(log_var / 2)``.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    One sample for each entry of ``mu``, in the unit of ``mu``.

    Notes
    -----
    Equation ``def-vae-reparameterise``. Kingma and Welling (2014), section 2.4.
    Oracle: the empirical mean and variance of many samples.
    """
    eps = torch.empty_like(mu).normal_(generator=generator)
    return mu + torch.exp(0.5 * log_var) * eps
