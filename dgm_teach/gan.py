r"""Generative adversarial networks: the losses of both players, on logits, and the two steps.

Goodfellow et al. (2014), *Generative Adversarial Nets*.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from dgm_teach.nets import frozen
from dgm_teach.remedies import blur, pack


class GAN(NamedTuple):
    r"""Both players.

    Attributes
    ----------
    generator
        Network from ``[batch, latent_dim]`` to examples.
    discriminator
        Network from examples to logits, ``[batch]`` or ``[batch, 1]``.
    latent_dim
        Length of the noise vector z.
    pack_size
        Examples that the discriminator judges together; above 1 they come as rows of ``pack``.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    pack_size: int = 1


def real_loss(logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Cost of calling an example real, in nats: the negative of log D.

    .. math:: -\log D(x) = \log\bigl(1+e^{-a(x)}\bigr), \qquad D(x) = \frac{1}{1+e^{-a(x)}}

    On real examples it is the first half of the discriminator's loss. On generated ones it is the
    non-saturating loss of the generator.

    Parameters
    ----------
    logits
        What the discriminator returns, :math:`a(x)`.

    Returns
    -------
    One number of at least 0 per example, not averaged over the batch.

    Notes
    -----
    Equation ``eq-gan-logit-losses``. Goodfellow et al. (2014), section 3.
    Oracle: ``torch.nn.functional.binary_cross_entropy_with_logits`` with targets 1.
    """
    return softplus(-logits)


def fake_loss(logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    r"""Cost of calling an example generated, in nats: the negative of log (1 - D).

    .. math:: -\log\bigl(1-D(x)\bigr) = \log\bigl(1+e^{a(x)}\bigr)

    On generated examples it is the second half of the discriminator's loss, and its negative is
    the saturating loss of the generator.

    Parameters
    ----------
    logits
        What the discriminator returns, :math:`a(x)`.

    Returns
    -------
    One number of at least 0 per example, not averaged over the batch.

    Notes
    -----
    Equation ``eq-gan-logit-losses``. Goodfellow et al. (2014), section 3.
    Oracle: ``torch.nn.functional.binary_cross_entropy_with_logits`` with targets 0.
    """
    return softplus(logits)


def smoothed_loss(logits: Float[Tensor, "*batch"], target: float) -> Float[Tensor, "*batch"]:
    r"""Cross-entropy to a target between 0 and 1, in nats.

    .. math:: -t\log D(x) - (1-t)\log\bigl(1-D(x)\bigr) = \log\bigl(1+e^{a(x)}\bigr) - t\,a(x)

    Parameters
    ----------
    logits
        What the discriminator returns, :math:`a(x)`.
    target
        The target t, from 0 to 1; 0.9 for real examples is one-sided label smoothing.

    Returns
    -------
    One number of at least 0 per example, not averaged over the batch.

    Raises
    ------
    ValueError
        If ``target`` is outside [0, 1]: the loss would have no lower bound.

    Notes
    -----
    Equation ``eq-gan-logit-losses`` for the targets 1 and 0. Salimans et al. (2016), section 3.4.
    Oracle: ``torch.nn.functional.binary_cross_entropy_with_logits``.
    """
    if not 0.0 <= target <= 1.0:
        raise ValueError(f"target must be from 0 to 1, got {target}")
    return softplus(logits) - target * logits


def discriminator_step(
    gan: GAN,
    optimizer: Optimizer,
    x: Float[Tensor, "batch *event"],
    *,
    noise_sd: float = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    r"""One step of the discriminator up the value function; the generator does not move.

    Parameters
    ----------
    gan, optimizer
        Both players, and an optimiser of the discriminator's parameters.
    x
        A minibatch of real examples; as many are generated.
    noise_sd
        Standard deviation of the instance noise that is added to both kinds of examples.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    The loss before the step, the negative of the value's estimate, in nats, without a graph.

    Notes
    -----
    Equation ``def-gan-value``. Goodfellow et al. (2014), algorithm 1.
    """
    x_fake = gan.generator(_latent(gan, x, generator)).detach()
    logits_real = _judge(gan, x, noise_sd, generator)
    logits_fake = _judge(gan, x_fake, noise_sd, generator)
    loss = real_loss(logits_real).mean() + fake_loss(logits_fake).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def generator_step(
    gan: GAN,
    optimizer: Optimizer,
    x: Float[Tensor, "batch *event"],
    *,
    loss_of: Callable[[Tensor], Tensor] = real_loss,
    noise_sd: float = 0.0,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    r"""One step of the generator, with fresh noise; the discriminator does not move.

    Parameters
    ----------
    gan, optimizer
        Both players, and an optimiser of the generator's parameters.
    x
        A minibatch of real examples, of which only the number is used.
    loss_of
        The loss of one generated example as a function of its logit: :func:`real_loss`, the
        non-saturating loss, unless another is given.
    noise_sd
        Standard deviation of the instance noise that is added to the generated examples.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    The loss before the step, in nats, without a graph.

    Notes
    -----
    Equation ``def-gan-non-saturating``. Goodfellow et al. (2014), section 3 and algorithm 1.
    """
    with frozen(gan.discriminator):  # its gradients would be computed and thrown away
        x_fake = gan.generator(_latent(gan, x, generator))
        loss = loss_of(_judge(gan, x_fake, noise_sd, generator)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _latent(gan: GAN, x: Tensor, generator: torch.Generator | None) -> Tensor:
    """As much noise as there are examples in ``x``, on the same device."""
    return x.new_empty(len(x), gan.latent_dim).normal_(generator=generator)


def _judge(gan: GAN, x: Tensor, noise_sd: float, generator: torch.Generator | None) -> Tensor:
    """Logits of the examples, blurred and packed."""
    x = blur(x, noise_sd, generator=generator)
    return gan.discriminator(x if gan.pack_size == 1 else pack(x, gan.pack_size))
