r"""Training a CycleGAN: the loop that alternates the steps of generators and discriminators."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from dgm_teach.cyclegan import CycleGAN, discriminator_step, generator_step
from dgm_teach.data import minibatches
from dgm_teach.device import convolutions_for
from dgm_teach.history import HistoryBuffer
from dgm_teach.require import require_at_least


class CycleGANStep(NamedTuple):
    r"""All terms of one pair of steps, before the parameters moved.

    Attributes
    ----------
    adversarial, cycle, identity
        Terms of the generators' loss, without their weights.
    disc_x, disc_y
        Losses of the discriminators.
    """

    adversarial: Float[Tensor, ""]
    cycle: Float[Tensor, ""]
    identity: Float[Tensor, ""]
    disc_x: Float[Tensor, ""]
    disc_y: Float[Tensor, ""]


def train_cyclegan(
    model: CycleGAN,
    optimizers: tuple[Optimizer, Optimizer],
    x_train: Float[Tensor, "xs *event"],
    y_train: Float[Tensor, "ys *event"],
    *,
    num_steps: int,
    lambda_cyc: float,
    lambda_id: float = 0.0,
    batch_size: int = 16,
    buffer_size: int = 50,
    schedulers: tuple[LRScheduler, ...] = (),
    generator: torch.Generator | None = None,
) -> list[CycleGANStep]:
    r"""Alternate one step of both generators and one of both discriminators.

    Parameters
    ----------
    model
        The four players; they are changed in place.
    optimizers
        The optimisers of both generators and of both discriminators, in this order.
    x_train, y_train
        The two training sets, on the players' device; their rows are not in pairs.
    num_steps
        Pairs of steps, at least 1.
    lambda_cyc, lambda_id
        Weights of the cycle and of the identity term, which are sums over pixels.
    batch_size
        Examples of each domain in a batch. What is left of a pass over the data is skipped.
    buffer_size
        Examples in each of the two history buffers, at least ``batch_size``; 0 for no history.
    schedulers
        Learning-rate schedules that are advanced after every pair of steps.
    generator
        Source of the order of the examples and of what the buffers do.

    Returns
    -------
    One record per pair of steps, as Python floats.

    Raises
    ------
    ValueError
        If a number is too small, or a training set has fewer rows than a batch.
    FloatingPointError
        If a term is not finite: it names the step and the term.

    Notes
    -----
    Equation ``def-cyc-objective``. Zhu et al. (2017), section 4.
    """
    require_at_least(1, num_steps=num_steps, batch_size=batch_size)
    require_at_least(batch_size if buffer_size else 0, buffer_size=buffer_size)
    batches_x = _endless("x_train", x_train, batch_size, generator)
    batches_y = _endless("y_train", y_train, batch_size, generator)
    buffers = [HistoryBuffer(buffer_size) for _ in range(2)] if buffer_size else []
    record: list[CycleGANStep] = []
    with convolutions_for(x_train[:batch_size]):
        for _ in tqdm(range(num_steps), desc="train", unit="step"):
            x, y = next(batches_x), next(batches_y)
            made = generator_step(
                model, optimizers[0], x, y, lambda_cyc=lambda_cyc, lambda_id=lambda_id
            )
            fakes = [made.x_fake, made.y_fake]
            if buffers:
                pairs = zip(buffers, fakes, strict=True)
                fakes = [buffer.exchange(fake, generator=generator) for buffer, fake in pairs]
            judged = discriminator_step(model, optimizers[1], x, y, *fakes)
            record.append(CycleGANStep(made.adversarial, made.cycle, made.identity, *judged))
            for scheduler in schedulers:
                scheduler.step()
    return _read(record)


def _endless(
    name: str, x: Tensor, batch_size: int, generator: torch.Generator | None
) -> Iterator[Tensor]:
    """Full minibatches, pass after pass, each pass in a new order."""
    if len(x) < batch_size:
        raise ValueError(f"{name} must have at least batch_size = {batch_size} rows, got {len(x)}")
    return _passes(x, batch_size, generator)


def _passes(x: Tensor, batch_size: int, generator: torch.Generator | None) -> Iterator[Tensor]:
    while True:
        for batch in minibatches(x, batch_size, generator=generator):
            if len(batch) == batch_size:
                yield batch


def _read(steps: list[CycleGANStep]) -> list[CycleGANStep]:
    """Fetch the record from the device, once, and refuse what is not finite."""
    table = torch.stack([torch.stack(step) for step in steps]).tolist()
    for number, terms in enumerate(table):
        for name, value in zip(CycleGANStep._fields, terms, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} at step {number}; lower the learning rates"
                )
    return [CycleGANStep(*terms) for terms in table]
