r"""The variational autoencoder: the two terms of its ELBO, the K-sample bound.

Kingma and Welling (2014), *Auto-Encoding Variational Bayes*.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_teach.gaussian import DiagonalGaussian, gaussian_kl, gaussian_log_prob, reparameterise
from dgm_teach.likelihoods import BernoulliPixels, GaussianPixels
from dgm_teach.require import require_at_least


class VAE(nn.Module):
    r"""A latent variable model with an amortised Gaussian approximate posterior.

    Parameters
    ----------
    encoder
        Network from ``[batch, data_dim]`` to ``[batch, 2 * latent_dim]``: the mean and the log
        variance of q(z|x), side by side.
    decoder
        Network from ``[batch, latent_dim]`` to ``[batch, data_dim]``.
    likelihood
        What the decoder's output means: :class:`~dgm_teach.likelihoods.BernoulliPixels`
        or :class:`~dgm_teach.likelihoods.GaussianPixels`.
    latent_dim
        Number of latent variables.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: BernoulliPixels | GaussianPixels,
        latent_dim: int,
    ) -> None:
        super().__init__()
        require_at_least(1, latent_dim=latent_dim)
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.latent_dim = latent_dim

    def encode(self, x: Float[Tensor, "batch data"]) -> DiagonalGaussian:
        r"""Parameters of q(z|x), one diagonal Gaussian per example."""
        code = self.encoder(x)
        if code.shape[-1] != 2 * self.latent_dim:
            raise ValueError(
                f"encoder must return 2 * latent_dim = {2 * self.latent_dim} numbers per example, "
                f"got {code.shape[-1]}"
            )
        mu, log_var = code.split(self.latent_dim, dim=-1)
        return DiagonalGaussian(mu, log_var)


class ElboTerms(NamedTuple):
    r"""The two terms of the ELBO, in nats, one number per example.

    Attributes
    ----------
    log_lik
        log p(x|z) at one sample z of q(z|x).
    kl
        KL(q(z|x) || p(z)), at least 0.
    """

    log_lik: Float[Tensor, "*batch"]
    kl: Float[Tensor, "*batch"]

    @property
    def elbo(self) -> Float[Tensor, "*batch"]:
        r"""``log_lik - kl``: an unbiased estimate of a lower bound of log p(x)."""
        return self.log_lik - self.kl


def elbo_terms(
    model: VAE, x: Float[Tensor, "batch data"], *, generator: torch.Generator | None = None
) -> ElboTerms:
    r"""Both terms of the ELBO from one sample of q(z|x), in nats.

    .. math:: \log p_\theta(x\mid z)\ \text{ with } z\sim q_\phi(z\mid x),
              \qquad \mathrm{KL}\bigl(q_\phi(z\mid x)\,\|\,p(z)\bigr)

    Parameters
    ----------
    model
        The model.
    x
        Images, one row each.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    Two numbers per example: summed over pixels and over latents, not averaged over the batch.

    Notes
    -----
    Equation ``eq-vae-two-terms``. Kingma and Welling (2014), section 3, equation 10.
    Oracle: ELBO + KL(q || posterior) = log p(x) on probabilistic PCA.
    """
    q_z = model.encode(x)
    z = reparameterise(*q_z, generator=generator)
    return ElboTerms(model.likelihood(x, model.decoder(z)), gaussian_kl(*q_z))


def iwae_bound(
    model: VAE,
    x: Float[Tensor, "batch data"],
    num_samples: int,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " batch"]:
    r"""Importance-weighted lower bound of log p(x) from K samples, in nats.

    .. math:: \log\frac1K\sum_{k=1}^K\frac{p_\theta(x\mid z_k)\,p(z_k)}{q_\phi(z_k\mid x)},
              \qquad z_k\sim q_\phi(z\mid x)

    Parameters
    ----------
    model
        The model.
    x
        Images, one row each.
    num_samples
        The number K of samples of q(z|x), at least 1.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    One number per example, not averaged over the batch. Its expectation is the ELBO for K = 1,
    it never falls when K grows, and it tends to log p(x).

    Raises
    ------
    ValueError
        If ``num_samples`` is less than 1.

    Notes
    -----
    Equation ``def-vae-iwae``. Burda, Grosse and Salakhutdinov (2016), section 3, equation 8.
    Oracle: the exact log p(x) of probabilistic PCA.
    """
    require_at_least(1, num_samples=num_samples)
    q_z = DiagonalGaussian(*(part.expand(num_samples, -1, -1) for part in model.encode(x)))
    z = reparameterise(*q_z, generator=generator)  # [K, batch, latent]
    decoded = model.decoder(z.flatten(0, 1)).unflatten(0, (num_samples, -1))
    log_prior = gaussian_log_prob(z, torch.zeros_like(z), torch.zeros_like(z))
    log_weight = model.likelihood(x, decoded) + log_prior - gaussian_log_prob(z, *q_z)
    return torch.logsumexp(log_weight, dim=0) - math.log(num_samples)
