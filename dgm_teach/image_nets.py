r"""Networks of a GAN for 32×32 images: rows of 1,024 pixels from −1 (paper) to 1 (ink)."""

from torch import nn

from dgm_teach.require import require_at_least


def image_generator(latent_dim: int, *, channels: int = 8) -> nn.Sequential:
    r"""Transposed convolutions from noise to 32×32 images, with batch normalisation.

    Parameters
    ----------
    latent_dim
        Length of the input vector, at least 1.
    channels
        Channels before the last layer; each layer before it has twice as many as the next.

    Returns
    -------
    A network from ``[batch, latent_dim]`` to ``[batch, 1024]``, pixels from −1 to 1. Its weights
    are those of :func:`start_weights`.

    Raises
    ------
    ValueError
        If ``latent_dim`` or ``channels`` is less than 1.

    Notes
    -----
    Equation ``def-gan-batch-norm``. Radford, Metz and Chintala (2016), section 3.
    """
    require_at_least(1, latent_dim=latent_dim, channels=channels)
    wide = 4 * channels
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, wide * 4 * 4, bias=False),
        nn.Unflatten(1, (wide, 4, 4)),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
    ]
    for fan_in in (wide, wide // 2):  # 4 -> 8 -> 16
        layers += [
            nn.ConvTranspose2d(fan_in, fan_in // 2, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(fan_in // 2),
            nn.ReLU(),
        ]
    layers += [nn.ConvTranspose2d(channels, 1, 4, stride=2, padding=1), nn.Flatten(), nn.Tanh()]
    network = nn.Sequential(*layers)
    start_weights(network)
    return network


def image_features(*, channels: int = 8) -> nn.Sequential:
    r"""Strided convolutions from 32×32 images to features: the body of a discriminator.

    Parameters
    ----------
    channels
        Channels of the first layer; each later layer has twice as many as the one before.

    Returns
    -------
    A network from ``[batch, 1024]`` to ``[batch, 64 * channels]`` with the weights of
    :func:`start_weights`. The first layer has no batch normalisation.

    Raises
    ------
    ValueError
        If ``channels`` is less than 1.

    Notes
    -----
    Equation ``def-gan-batch-norm``. Radford, Metz and Chintala (2016), section 3.
    """
    require_at_least(1, channels=channels)
    layers: list[nn.Module] = [
        nn.Unflatten(1, (1, 32, 32)),
        nn.Conv2d(1, channels, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
    ]
    for fan_in in (channels, 2 * channels):  # 16 -> 8 -> 4
        layers += [
            nn.Conv2d(fan_in, 2 * fan_in, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * fan_in),
            nn.LeakyReLU(0.2),
        ]
    network = nn.Sequential(*layers, nn.Flatten())
    start_weights(network)
    return network


def start_weights(network: nn.Module, *, sd: float = 0.02) -> nn.Module:
    r"""Draw the first weights of a DCGAN: Gaussians about 0, and about 1 for batch normalisation.

    Parameters
    ----------
    network
        The network; it is changed in place.
    sd
        Standard deviation of all weights and of every γ, at least 0. Biases and β become 0.

    Returns
    -------
    ``network``.

    Raises
    ------
    ValueError
        If ``sd`` is negative.

    Notes
    -----
    Equation ``eq-gan-first-logits``. Radford, Metz and Chintala (2016), section 4. The noise comes
    from torch's global generator, as it does in the layers of PyTorch.
    Oracle: mean and standard deviation of the weights drawn.
    """
    require_at_least(0, sd=sd)
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, sd)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, sd)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return network
