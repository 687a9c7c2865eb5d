r"""Variational autoencoders for images, built from the networks of :mod:`dgm_teach.nets`."""

from torch import nn

from dgm_teach.likelihoods import BernoulliPixels, GaussianPixels
from dgm_teach.nets import conv_decoder, conv_encoder, mlp
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
