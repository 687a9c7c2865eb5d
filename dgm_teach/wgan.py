r"""The Wasserstein GAN of Arjovsky, Chintala and Bottou (2017), with a gradient penalty.

Both players travel in a :class:`~dgm_teach.gan.GAN`, whose ``discriminator`` is the critic here.
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from dgm_teach.data import minibatches
from dgm_teach.gan import GAN, generator_step
from dgm_teach.require import require_at_least


class CriticStep(NamedTuple):
    r"""Both terms of the critic's loss, before the step.

    Attributes
    ----------
    distance
        Mean of the critic on real examples minus its mean on generated ones, in the unit of x:
        for a critic of slope at most one, no more than the Wasserstein distance of the two batches.
    penalty
        Mean of the gradient penalty, without its weight.
    """

    distance: Float[Tensor, ""]
    penalty: Float[Tensor, ""]


def gradient_penalty(
    critic: nn.Module,
    x: Float[Tensor, "batch *event"],
    x_fake: Float[Tensor, "batch *event"],
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " batch"]:
    r"""How far the critic's slope is from one, squared, between a real and a generated example.

    .. math:: \bigl(\lVert\nabla_{\hat x}f(\hat x)\rVert-1\bigr)^2,
       \qquad \hat x = t\,x + (1-t)\,x_{\text{fake}}

    The norm is taken over all axes of one example. No example's output may depend on another
    example: no batch normalisation in the critic.

    Parameters
    ----------
    critic
        Network from examples to one number each.
    x, x_fake
        Real and generated examples, in pairs.
    generator
        Source of t, uniform from 0 to 1, one number per pair.

    Returns
    -------
    One number per pair, at least 0, not averaged over the batch, with a graph to the critic's
    parameters and to nothing else.

    Notes
    -----
    Equation ``def-gan-w-penalty``. Gulrajani et al. (2017), section 4.
    Oracle: a linear critic, whose slope is the norm of its weights.
    """
    t = x.new_empty(len(x), *[1] * (x.dim() - 1)).uniform_(generator=generator)
    between = torch.lerp(x_fake, x, t).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square()


def critic_step(
    gan: GAN,
    optimizer: Optimizer,
    x: Float[Tensor, "batch *event"],
    *,
    penalty_weight: float = 10.0,
    generator: torch.Generator | None = None,
) -> CriticStep:
    r"""One step of the critic up the dual problem; the generator does not move.

    Parameters
    ----------
    gan, optimizer
        Both players, and an optimiser of the critic's parameters.
    x
        A minibatch of real examples; as many are generated.
    penalty_weight
        The weight :math:`\lambda` of the gradient penalty, at least 0.
    generator
        Source of the noise, and of the places where the penalty is taken.

    Returns
    -------
    Both terms, without a graph. The loss is ``penalty_weight * penalty - distance``.

    Raises
    ------
    ValueError
        If ``penalty_weight`` is negative.

    Notes
    -----
    Equations ``def-gan-w-dual`` and ``def-gan-w-penalty``. Gulrajani et al. (2017), algorithm 1.
    """
    require_at_least(0, penalty_weight=penalty_weight)
    z = x.new_empty(len(x), gan.latent_dim).normal_(generator=generator)
    x_fake = gan.generator(z).detach()
    distance = gan.discriminator(x).mean() - gan.discriminator(x_fake).mean()
    penalty = gradient_penalty(gan.discriminator, x, x_fake, generator=generator).mean()
    optimizer.zero_grad()
    (penalty_weight * penalty - distance).backward()
    optimizer.step()
    return CriticStep(distance.detach(), penalty.detach())


def train_wgan(
    gan: GAN,
    optimizers: tuple[Optimizer, Optimizer],
    x_train: Float[Tensor, "examples *event"],
    *,
    num_steps: int,
    num_critic: int = 5,
    batch_size: int = 256,
    penalty_weight: float = 10.0,
    schedulers: tuple[LRScheduler, ...] = (),
    generator: torch.Generator | None = None,
) -> list[CriticStep]:
    r"""Alternate some steps of the critic and one of the generator, with a progress bar.

    Parameters
    ----------
    gan
        Both players; they are changed in place.
    optimizers
        The optimisers of the critic and of the generator, in this order.
    x_train
        The training set as one tensor, on the players' device.
    num_steps, num_critic
        Steps of the generator, and of the critic before each of them, at least 1.
    batch_size
        Real examples in a batch, and generated ones.
    penalty_weight
        The weight of the gradient penalty, at least 0.
    schedulers
        Learning-rate schedules that are advanced after every step of the generator.
    generator
        Source of the order of the examples and of all noise.

    Returns
    -------
    The last step of the critic before each step of the generator, as Python floats.

    Raises
    ------
    ValueError
        If ``num_steps``, ``num_critic`` or ``batch_size`` is less than 1, or ``penalty_weight`` is
        negative.
    FloatingPointError
        If a term is not finite: it names the step and the term.
    """
    require_at_least(1, num_steps=num_steps, num_critic=num_critic, batch_size=batch_size)
    record: list[CriticStep] = []
    batches = _endless(x_train, batch_size, generator)
    for _ in tqdm(range(num_steps), desc="train", unit="step"):
        for x in islice(batches, num_critic):
            last = critic_step(
                gan, optimizers[0], x, penalty_weight=penalty_weight, generator=generator
            )
        record.append(last)
        generator_step(gan, optimizers[1], x, loss_of=torch.neg, generator=generator)
        for scheduler in schedulers:
            scheduler.step()
    return _read(record)


def _endless(
    x: Float[Tensor, "examples *event"], batch_size: int, generator: torch.Generator | None
) -> Iterator[Float[Tensor, "batch *event"]]:
    """Minibatches, pass after pass, each pass in a new order."""
    while True:
        yield from minibatches(x, batch_size, generator=generator)


def _read(steps: list[CriticStep]) -> list[CriticStep]:
    """Fetch the record from the device, once, and refuse what is not finite."""
    table = torch.stack([torch.stack(step) for step in steps]).tolist()
    for number, terms in enumerate(table):
        for name, value in zip(CriticStep._fields, terms, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} at step {number}; lower the critic's learning rate"
                )
    return [CriticStep(*terms) for terms in table]
