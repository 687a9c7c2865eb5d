r"""Variational autoencoders, built from linear layers or from :mod:`dgm_teach.nets`."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_teach.likelihoods import BernoulliPixels, GaussianPixels
from dgm_teach.nets import conv_decoder, conv_encoder, mlp
from dgm_teach.require import require_at_least
from dgm_teach.vae import VAE


def mlp_vae(
    data_dim: int = 784,
    hidden_dim: int = 400,
    latent_dim: int = 20,
    *,
    num_hidden: int = 1,
    activation: type[nn.Module] = nn.ReLU,
    likelihood: BernoulliPixels | GaussianPixels | None = None,
) -> VAE:
    r"""VAE whose encoder and decoder are multilayer perceptrons.

    Parameters
    ----------
    data_dim, hidden_dim, latent_dim
        Number of pixels, of units in each hidden layer, and of latent variables.
    num_hidden
        Number of hidden layers in the encoder, and in the decoder.
    activation
        The module class between two layers.
    likelihood
        What the decoder's output means; Bernoulli pixels when it is not given.

    Returns
    -------
    A model with freshly drawn weights (torch's global generator).
    """
    hidden = [hidden_dim] * num_hidden
    return VAE(
        mlp([data_dim, *hidden, 2 * latent_dim], activation),
        mlp([latent_dim, *hidden, data_dim], activation),
        BernoulliPixels() if likelihood is None else likelihood,
        latent_dim,
    )


def conv_vae(
    latent_dim: int = 20,
    *,
    channels: int = 32,
    likelihood: BernoulliPixels | GaussianPixels | None = None,
) -> VAE:
    r"""VAE for 28x28 images whose encoder and decoder are convolutional.

    Parameters
    ----------
    latent_dim
        Number of latent variables.
    channels
        Channels of the outer convolution layers; the inner ones have twice as many.
    likelihood
        What the decoder's output means; Bernoulli pixels when it is not given.

    Returns
    -------
    A model with freshly drawn weights (torch's global generator).
    """
    return VAE(
        conv_encoder(2 * latent_dim, channels=channels),
        conv_decoder(latent_dim, channels=channels),
        BernoulliPixels() if likelihood is None else likelihood,
        latent_dim,
    )


class LinearEncoder(nn.Module):
    r"""Encoder whose mean is linear in x and whose variances do not depend on x.

    .. math:: q_\phi(z\mid x) = \mathcal N\bigl(z\mid Vx+c,\;\mathrm{diag}(\sigma^2)\bigr)

    Parameters
    ----------
    data_dim, latent_dim
        Number of coordinates of x and of latent variables, each at least 1.

    Notes
    -----
    Equation ``def-vae-linear-encoder``. Lucas, Tucker, Grosse and Norouzi (2019).
    """

    def __init__(self, data_dim: int, latent_dim: int) -> None:
        super().__init__()
        require_at_least(1, data_dim=data_dim, latent_dim=latent_dim)
        self.mean = nn.Linear(data_dim, latent_dim)
        self.log_var = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, x: Float[Tensor, "*batch data"]) -> Float[Tensor, "*batch code"]:
        r"""The mean and the log variance of q(z|x), side by side."""
        mu = self.mean(x)
        return torch.cat([mu, self.log_var.expand_as(mu)], dim=-1)


def linear_vae(
    data_dim: int, latent_dim: int, *, likelihood: BernoulliPixels | GaussianPixels | None = None
) -> VAE:
    r"""VAE without hidden layers: with Gaussian pixels its decoder is probabilistic PCA.

    Parameters
    ----------
    data_dim, latent_dim
        Number of coordinates of x and of latent variables, each at least 1.
    likelihood
        What the decoder's output means; Gaussian pixels with a learned variance when it is not
        given.

    Returns
    -------
    A model with freshly drawn weights (torch's global generator).

    Notes
    -----
    Equation ``eq-vae-linear-elbo``. Lucas, Tucker, Grosse and Norouzi (2019).
    Oracle: the maximum of the likelihood, :func:`~dgm_teach.linear_gaussian.fit_ppca`.
    """
    return VAE(
        LinearEncoder(data_dim, latent_dim),
        nn.Linear(latent_dim, data_dim),
        GaussianPixels(learn=True) if likelihood is None else likelihood,
        latent_dim,
    )
