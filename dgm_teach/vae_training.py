r"""Training a variational autoencoder: one gradient step, and the loop over minibatches."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from dgm_teach.data import minibatches
from dgm_teach.require import require_at_least
from dgm_teach.vae import VAE, elbo_terms


class VAEStep(NamedTuple):
    r"""What one training step saw: batch means, in nats per example.

    Attributes
    ----------
    log_lik, kl
        The terms of the ELBO before the parameters moved.
    """

    log_lik: Float[Tensor, ""]
    kl: Float[Tensor, ""]


def vae_step(
    model: VAE,
    optimizer: torch.optim.Optimizer,
    x: Float[Tensor, "batch data"],
    *,
    beta: float = 1.0,
    generator: torch.Generator | None = None,
) -> VAEStep:
    r"""One gradient step on the batch mean of ``beta * kl - log_lik``.

    Parameters
    ----------
    model, optimizer
        The model and an optimiser of its parameters; both are changed in place.
    x
        A minibatch, one row each.
    beta
        Weight of the KL term; 1 gives the ELBO.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    The batch means of both terms, on the model's device and without a graph.
    """
    terms = elbo_terms(model, x, generator=generator)
    log_lik, kl = terms.log_lik.mean(), terms.kl.mean()
    optimizer.zero_grad()
    (beta * kl - log_lik).backward()
    optimizer.step()
    return VAEStep(log_lik.detach(), kl.detach())


def train_vae(
    model: VAE,
    optimizer: torch.optim.Optimizer,
    x_train: Float[Tensor, "images data"],
    *,
    num_epochs: int,
    batch_size: int = 128,
    beta: float = 1.0,
    scheduler: LRScheduler | None = None,
    generator: torch.Generator | None = None,
) -> list[VAEStep]:
    r"""Train for some epochs, with a progress bar.

    Parameters
    ----------
    model, optimizer
        The model and an optimiser of its parameters; both are changed in place.
    x_train
        The training set as one tensor, on the model's device.
    num_epochs
        How often each row is used, at least 1.
    batch_size
        Rows per step.
    beta
        Weight of the KL term, at least 0.
    scheduler
        A learning-rate schedule that is advanced after every step.
    generator
        Source of the order of the rows and of the noise.

    Returns
    -------
    One record per step, as Python floats.

    Raises
    ------
    ValueError
        If ``num_epochs`` or ``batch_size`` is less than 1, or ``beta`` less than 0.
    FloatingPointError
        If a term is not finite: it names the step and the term.
    """
    require_at_least(1, num_epochs=num_epochs, batch_size=batch_size)
    require_at_least(0, beta=beta)
    record: list[VAEStep] = []
    for _ in tqdm(range(num_epochs), desc="train", unit="epoch"):
        start = len(record)
        for x in minibatches(x_train, batch_size, generator=generator):
            record.append(vae_step(model, optimizer, x, beta=beta, generator=generator))
            if scheduler is not None:
                scheduler.step()
        record[start:] = _read(record[start:], first_step=start)
    return record


def _read(steps: list[VAEStep], first_step: int) -> list[VAEStep]:
    """Fetch the record of an epoch from the device, once, and refuse what is not finite."""
    table = torch.stack([torch.stack(step) for step in steps]).tolist()
    for step, terms in enumerate(table, start=first_step):
        for name, value in zip(VAEStep._fields, terms, strict=True):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} at step {step}; lower the learning rate"
                )
    return [VAEStep(*terms) for terms in table]
