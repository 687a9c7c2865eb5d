r"""Log-likelihood of pixels given the decoder's output, in nats per example.

Both functions sum over the last axis (the pixels), so that the number is the log of one
normalised probability or density (unless grey pixels are allowed). Nothing is averaged here: the
batch mean belongs to the training step.
"""

import torch
import torch.nn.functional as nnf
from jaxtyping import Float
from torch import Tensor, nn

from dgm_teach.gaussian import gaussian_log_prob


def check_pixels(x: Float[Tensor, "..."], *, allow_grey: bool = False) -> None:
    r"""Refuse pixels that are no outcome of a Bernoulli variable.

    Parameters
    ----------
    x
        Pixels, any shape.
    allow_grey
        Accept every value in [0, 1], not only 0 and 1.

    Raises
    ------
    ValueError
        If a pixel lies outside the accepted set. A NaN is refused too.
    """
    if allow_grey:
        if not ((x >= 0) & (x <= 1)).all():
            raise ValueError(
                f"x must hold pixels in [0, 1], got values from {x.min():g} to {x.max():g}"
            )
    elif (x * (1 - x)).any():
        raise ValueError(
            "x must hold only 0 and 1 for a Bernoulli likelihood, "
            f"got values from {x.min():g} to {x.max():g}; binarise the images, "
            "or pass allow_grey=True for a score that is not a normalised likelihood"
        )


def bernoulli_log_lik(
    x: Float[Tensor, "*#batch pixels"],
    logits: Float[Tensor, "*#batch pixels"],
    *,
    allow_grey: bool = False,
) -> Float[Tensor, "*batch"]:
    r"""Log probability of binary pixels, in nats.

    .. math:: &\sum_j \bigl[x_j\log\pi_j+(1-x_j)\log(1-\pi_j)\bigr]\\
              &= \sum_j \bigl[x_j a_j-\log\bigl(1+e^{a_j}\bigr)\bigr],\qquad
              \pi_j=\frac1{1+e^{-a_j}}

    Parameters
    ----------
    x
        Pixels, each 0 or 1.
    logits
        The decoder's output :math:`a_j`, the log odds that pixel :math:`j` is 1.
    allow_grey
        Accept pixels in [0, 1]. The result is then no log-likelihood: the density does not
        sum to one over grey images.

    Returns
    -------
    One non-positive number per example: summed over pixels, not averaged over the batch.

    Raises
    ------
    ValueError
        If a pixel is neither 0 nor 1 (or, with ``allow_grey``, outside [0, 1]), or the decoder
        gave another number of pixels than ``x`` has.

    Notes
    -----
    Equation ``eq-vae-bernoulli-logits``. Kingma and Welling (2014), appendix C.1.
    Oracle: ``torch.distributions.Bernoulli``; the sum over all images of four pixels is 1.
    """
    _require_same_pixels(x, logits)
    check_pixels(x, allow_grey=allow_grey)
    return (x * logits - nnf.softplus(logits)).sum(-1)


def gaussian_log_lik(
    x: Float[Tensor, "*#batch pixels"],
    mu: Float[Tensor, "*#batch pixels"],
    log_var: Float[Tensor, "*#batch #pixels"] | Float[Tensor, ""],
) -> Float[Tensor, "*batch"]:
    r"""Log density of real-valued pixels around the decoder's output, in nats.

    The normalising constant is kept: without it a squared error is no log-likelihood.

    Parameters
    ----------
    x
        Pixels, real numbers.
    mu
        The decoder's output, the mean of each pixel.
    log_var
        Natural log of the pixel variance: one number for all pixels or one for each.

    Returns
    -------
    One number per example: summed over pixels, not averaged over the batch. It can be
    positive, because it is the log of a density.

    Raises
    ------
    ValueError
        If the decoder gave another number of pixels than ``x`` has.

    Notes
    -----
    Equation ``def-vae-gaussian-density``, once for each pixel.
    Oracle: ``torch.distributions.Normal``.
    """
    _require_same_pixels(x, mu)
    return gaussian_log_prob(x, mu, log_var.expand_as(mu))


def _require_same_pixels(x: Tensor, decoded: Tensor) -> None:
    """Refuse what torch would broadcast without a word."""
    if x.shape[-1] != decoded.shape[-1]:
        raise ValueError(
            f"the decoder must return {x.shape[-1]} pixels per image, as many as x has, "
            f"got {decoded.shape[-1]}"
        )


class BernoulliPixels(nn.Module):
    r"""Binary pixels: the decoder's output holds their logits.

    Parameters
    ----------
    allow_grey
        Accept pixels in [0, 1]; the score is then no log-likelihood.
    """

    def __init__(self, *, allow_grey: bool = False) -> None:
        super().__init__()
        self.allow_grey = allow_grey

    def forward(
        self, x: Float[Tensor, "*#batch pixels"], decoded: Float[Tensor, "*#batch pixels"]
    ) -> Float[Tensor, "*batch"]:
        r"""Log probability of x, one number per example: see :func:`bernoulli_log_lik`."""
        return bernoulli_log_lik(x, decoded, allow_grey=self.allow_grey)

    def mean(self, decoded: Float[Tensor, "*batch pixels"]) -> Float[Tensor, "*batch pixels"]:
        r"""Probability that each pixel is 1."""
        return torch.sigmoid(decoded)


class GaussianPixels(nn.Module):
    r"""Real-valued pixels: the decoder's output holds their mean.

    Parameters
    ----------
    log_var
        Natural log of the pixel variance, one number for all pixels.
    learn
        Fit the variance with the other parameters; otherwise it is fixed.
    """

    log_var: Tensor

    def __init__(self, log_var: float = 0.0, *, learn: bool = False) -> None:
        super().__init__()
        if learn:
            self.log_var = nn.Parameter(torch.tensor(float(log_var)))
        else:
            self.register_buffer("log_var", torch.tensor(float(log_var)))

    def forward(
        self, x: Float[Tensor, "*#batch pixels"], decoded: Float[Tensor, "*#batch pixels"]
    ) -> Float[Tensor, "*batch"]:
        r"""Log density of x, one number per example: see :func:`gaussian_log_lik`."""
        return gaussian_log_lik(x, decoded, self.log_var)

    def mean(self, decoded: Float[Tensor, "*batch pixels"]) -> Float[Tensor, "*batch pixels"]:
        r"""Mean of each pixel: the decoder's output itself."""
        return decoded
