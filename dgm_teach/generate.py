r"""What a trained VAE shows: samples, reconstructions, interpolations.

Every function leaves the model as it found it: weights, buffers, mode of each module. The noise
comes from the generator that the caller names, so that a picture changes no training run.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_teach.gaussian import reparameterise
from dgm_teach.require import require_at_least
from dgm_teach.vae import VAE


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    r"""Switch gradients off and every module to eval mode; restore each module's mode after.

    Parameters
    ----------
    model
        The model whose modules are switched.
    """
    was_training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in was_training.items():
            module.training = training


def sample(
    model: VAE, num_samples: int, *, generator: torch.Generator
) -> Float[Tensor, "images data"]:
    r"""New images: z from the prior, then the mean of each pixel under p(x|z).

    Parameters
    ----------
    model
        A trained model.
    num_samples
        Number of images, at least 1.
    generator
        Source of z, on the model's device.

    Returns
    -------
    Pixel means, one image per row. They are means, not draws: a draw from Bernoulli pixels
    would look speckled.

    Raises
    ------
    ValueError
        If ``num_samples`` is less than 1.
    """
    require_at_least(1, num_samples=num_samples)
    like = next(model.parameters())
    z = like.new_empty(num_samples, model.latent_dim).normal_(generator=generator)
    with evaluating(model):
        return model.likelihood.mean(model.decoder(z))


def reconstruct(
    model: VAE, x: Float[Tensor, "images data"], *, generator: torch.Generator
) -> Float[Tensor, "images data"]:
    r"""Images decoded from one sample z of q(z|x).

    Parameters
    ----------
    model
        A trained model.
    x
        Images, one row each.
    generator
        Source of the noise in z, on the model's device.

    Returns
    -------
    Pixel means, one image per row.
    """
    with evaluating(model):
        z = reparameterise(*model.encode(x), generator=generator)
        return model.likelihood.mean(model.decoder(z))


def interpolate(
    model: VAE, x_start: Float[Tensor, " data"], x_end: Float[Tensor, " data"], num_steps: int = 10
) -> Float[Tensor, "steps data"]:
    r"""Images decoded along the straight line between two posterior means.

    Parameters
    ----------
    model
        A trained model.
    x_start, x_end
        Two images.
    num_steps
        Number of images on the way, both ends included, at least 2.

    Returns
    -------
    Pixel means, one image per row.

    Raises
    ------
    ValueError
        If ``num_steps`` is less than 2.
    """
    require_at_least(2, num_steps=num_steps)
    with evaluating(model):
        start, end = model.encode(torch.stack([x_start, x_end])).mu
        weight = torch.linspace(0, 1, num_steps, dtype=start.dtype, device=start.device)[:, None]
        return model.likelihood.mean(model.decoder(torch.lerp(start, end, weight)))
