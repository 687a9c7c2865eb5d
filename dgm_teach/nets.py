r"""Network bodies. They return plain tensors; what the numbers mean is the model's business."""

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from dgm_teach.require import require_at_least


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    r"""Multilayer perceptron: linear layers with an activation between them.

    Parameters
    ----------
    sizes
        Number of units of the input, of each hidden layer and of the output.
    activation
        The module class put between two linear layers; none follows the last.

    Returns
    -------
    A network from ``[batch, sizes[0]]`` to ``[batch, sizes[-1]]``.

    Raises
    ------
    ValueError
        If fewer than two sizes are given, or one is less than 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two or more numbers of at least 1, got {list(sizes)}")
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def conv_encoder(out_dim: int, *, channels: int = 32) -> nn.Sequential:
    r"""Convolutional network from 28x28 images, given as rows of 784 pixels, to vectors.

    Parameters
    ----------
    out_dim
        Length of the output vector, at least 1.
    channels
        Channels after the first convolution; the second has twice as many.

    Returns
    -------
    A network from ``[batch, 784]`` to ``[batch, out_dim]``.

    Raises
    ------
    ValueError
        If ``out_dim`` or ``channels`` is less than 1.
    """
    require_at_least(1, out_dim=out_dim, channels=channels)
    return nn.Sequential(
        nn.Unflatten(-1, (1, 28, 28)),
        nn.Conv2d(1, channels, kernel_size=4, stride=2, padding=1),  # 28 -> 14
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, kernel_size=4, stride=2, padding=1),  # 14 -> 7
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * channels * 7 * 7, out_dim),
    )


def conv_decoder(latent_dim: int, *, channels: int = 32) -> nn.Sequential:
    r"""Transposed-convolution network from vectors to 28x28 images, given as rows of 784 pixels.

    Parameters
    ----------
    latent_dim
        Length of the input vector, at least 1.
    channels
        Channels before the last convolution; the layer before it has twice as many.

    Returns
    -------
    A network from ``[batch, latent_dim]`` to ``[batch, 784]``.

    Raises
    ------
    ValueError
        If ``latent_dim`` or ``channels`` is less than 1.
    """
    require_at_least(1, latent_dim=latent_dim, channels=channels)
    return nn.Sequential(
        nn.Linear(latent_dim, 2 * channels * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(-1, (2 * channels, 7, 7)),
        nn.ConvTranspose2d(2 * channels, channels, kernel_size=4, stride=2, padding=1),  # 7 -> 14
        nn.ReLU(),
        nn.ConvTranspose2d(channels, 1, kernel_size=4, stride=2, padding=1),  # 14 -> 28
        nn.Flatten(),
    )
