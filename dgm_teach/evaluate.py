r"""Measures of a trained model, on data it was not trained on."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dgm_teach.generate import evaluating
from dgm_teach.require import require_at_least
from dgm_teach.vae import VAE, ElboTerms, elbo_terms, iwae_bound


def held_out_terms(
    model: VAE,
    x: Float[Tensor, "images data"],
    *,
    num_samples: int = 1,
    generator: torch.Generator,
    chunk_size: int = 1000,
) -> ElboTerms:
    r"""Both ELBO terms of every image, the first averaged over several samples of q(z|x).

    Parameters
    ----------
    model
        A trained model.
    x
        Images, one row each.
    num_samples
        Samples of z per image, at least 1.
    generator
        Source of the noise, on the model's device.
    chunk_size
        Images that are decoded at once; it bounds the memory and changes nothing else but the
        order of the noise.

    Returns
    -------
    Two numbers per image, in nats. ``-terms.elbo.mean()`` is the held-out loss; the ragged last
    chunk weighs as much per image as any other.

    Raises
    ------
    ValueError
        If ``num_samples`` or ``chunk_size`` is less than 1, or there are no images.

    Notes
    -----
    Equation ``eq-vae-two-terms``.
    Oracle: the exact expectation of log p(x|z) on probabilistic PCA.
    """
    require_at_least(1, num_samples=num_samples, chunk_size=chunk_size)
    _require_images(x, 1)
    with evaluating(model):
        chunks = [
            [elbo_terms(model, part, generator=generator) for part in x.split(chunk_size)]
            for _ in range(num_samples)
        ]
        log_lik = torch.stack([torch.cat([t.log_lik for t in row]) for row in chunks]).mean(0)
        return ElboTerms(log_lik, torch.cat([t.kl for t in chunks[0]]))


def log_px_hat(
    model: VAE,
    x: Float[Tensor, "images data"],
    *,
    num_samples: int = 500,
    generator: torch.Generator,
    chunk_size: int = 5_000,
) -> Float[Tensor, " images"]:
    r"""Importance-sampled estimate of log p(x) for every image, in nats.

    It is the K-sample bound of :func:`~dgm_teach.vae.iwae_bound` with a large K. Its expectation
    lies below log p(x), by less the larger K is; a single estimate can come out above.

    Parameters
    ----------
    model
        A trained model.
    x
        Images, one row each.
    num_samples
        The number K of samples per image, at least 1.
    generator
        Source of the noise, on the model's device.
    chunk_size
        Samples (images times K) that are decoded at once, but never fewer than the K of one
        image; it bounds the memory, and changes nothing else but the order of the noise.

    Returns
    -------
    One number per image.

    Raises
    ------
    ValueError
        If ``num_samples`` or ``chunk_size`` is less than 1, or there are no images.

    Notes
    -----
    Equation ``def-vae-iwae``. Burda, Grosse and Salakhutdinov (2016), section 3.
    Oracle: the exact log p(x) of probabilistic PCA.
    """
    require_at_least(1, num_samples=num_samples, chunk_size=chunk_size)
    _require_images(x, 1)
    rows = max(1, chunk_size // num_samples)
    log_px = torch.empty(len(x), dtype=x.dtype, device=x.device)  # small results kept between
    with evaluating(model):  # large temporary ones would keep the heap from being used again
        for part, out in zip(x.split(rows), log_px.split(rows), strict=True):
            out.copy_(iwae_bound(model, part, num_samples, generator=generator))
    return log_px


def active_units(
    model: VAE, x: Float[Tensor, "images data"], *, threshold: float = 0.01
) -> Bool[Tensor, " latent"]:
    r"""Which latent variables the encoder uses.

    .. math:: A_j = \mathrm{Var}_{x}\bigl(\mu_j(x)\bigr) > 0.01

    Parameters
    ----------
    model
        A trained model.
    x
        Images, one row each, at least two.
    threshold
        Least variance over the images of the posterior mean of an active unit.

    Returns
    -------
    True for each active latent variable.

    Raises
    ------
    ValueError
        If there are fewer than two images.

    Notes
    -----
    Equation ``def-vae-active-units``. Burda, Grosse and Salakhutdinov (2016), section 5.2.
    Oracle: an encoder whose means are known.
    """
    _require_images(x, 2)
    with evaluating(model):
        return model.encode(x).mu.var(dim=0) > threshold


def _require_images(x: Tensor, minimum: int) -> None:
    if len(x) < minimum:
        raise ValueError(f"the number of images in x must be at least {minimum}, got {len(x)}")
