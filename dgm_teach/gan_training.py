r"""Training a GAN: the loop that alternates the steps of both players."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from dgm_teach.data import minibatches
from dgm_teach.gan import GAN, discriminator_step, generator_step, real_loss
from dgm_teach.require import require_at_least


class GANStep(NamedTuple):
    r"""The losses of one pair of steps, in nats, before the parameters moved.

    Attributes
    ----------
    discriminator, generator
        Batch means of the loss of each player.
    """

    discriminator: Float[Tensor, ""]
    generator: Float[Tensor, ""]


def train_gan(
    gan: GAN,
    optimizers: tuple[Optimizer, Optimizer],
    x_train: Float[Tensor, "examples *event"],
    *,
    num_steps: int,
    batch_size: int = 256,
    loss_of: Callable[[Tensor], Tensor] = real_loss,
    noise_sd: float = 0.0,
    schedulers: tuple[LRScheduler, ...] = (),
    average: AveragedModel | None = None,
    generator: torch.Generator | None = None,
) -> list[GANStep]:
    r"""Alternate one step of the discriminator and one of the generator, with a progress bar.

    Parameters
    ----------
    gan
        Both players; they are changed in place.
    optimizers
        The optimisers of the discriminator and of the generator, in this order.
    x_train
        The training set as one tensor, on the players' device.
    num_steps
        Pairs of steps, at least 1.
    batch_size
        Real examples in a batch, and generated ones.
    loss_of
        Loss of one generated example as a function of its logit.
    noise_sd
        Standard deviation of the instance noise at the start; it falls to zero on a straight
        line over the first half of the steps.
    schedulers
        Learning-rate schedules that are advanced after every pair of steps.
    average
        A running average of the generator's weights, updated after every pair of steps.
    generator
        Source of the order of the examples and of all noise.

    Returns
    -------
    One record per pair of steps, as Python floats.

    Raises
    ------
    ValueError
        If ``num_steps`` or ``batch_size`` is less than 1, or ``noise_sd`` is negative.
    FloatingPointError
        If a loss is not finite: it names the step and the player.

    Notes
    -----
    Equations ``def-gan-two-steps`` and ``def-gan-noise-schedule``. Goodfellow et al. (2014),
    algorithm 1.
    """
    require_at_least(1, num_steps=num_steps, batch_size=batch_size)
    require_at_least(0, noise_sd=noise_sd)
    record: list[GANStep] = []
    with tqdm(total=num_steps, desc="train", unit="step") as progress:
        while len(record) < num_steps:
            start = len(record)
            for x in minibatches(x_train, batch_size, generator=generator):
                left = max(0.0, 1 - 2 * len(record) / num_steps) * noise_sd
                first = discriminator_step(
                    gan, optimizers[0], x, noise_sd=left, generator=generator
                )
                second = generator_step(
                    gan, optimizers[1], x, loss_of=loss_of, noise_sd=left, generator=generator
                )
                record.append(GANStep(first, second))
                for scheduler in schedulers:
                    scheduler.step()
                if average is not None:
                    average.update_parameters(gan.generator)
                if len(record) == num_steps:
                    break
            record[start:] = _read(record[start:], first_step=start)
            progress.update(len(record) - start)
    return record


def _read(steps: list[GANStep], first_step: int) -> list[GANStep]:
    """Fetch the record from the device, once, and refuse what is not finite."""
    table = torch.stack([torch.stack(step) for step in steps]).tolist()
    for step, losses in enumerate(table, start=first_step):
        for name, value in zip(GANStep._fields, losses, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss of the {name} is {value} at step {step}; lower its learning rate"
                )
    return [GANStep(*losses) for losses in table]
