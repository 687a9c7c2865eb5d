"""The pieces of our step, each run alone for one epoch, to say where the step's time goes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.loops import BATCH_SIZE, DATA_DIM, HIDDEN_DIM, LATENT_DIM, LR, Epoch
from dgm_teach.data import minibatches
from dgm_teach.gaussian import gaussian_kl
from dgm_teach.likelihoods import bernoulli_log_lik, check_pixels
from dgm_teach.rng import make_generator
from dgm_teach.vae_nets import mlp_vae


class Part(NamedTuple):
    """A line of the breakdown: share of our step, and milliseconds a step."""

    name: str
    share: float
    ms_per_step: float


def for_batches(x: Tensor, piece: Callable[[Tensor], object]) -> Epoch:
    """Run the piece once for every batch of an epoch."""
    batches = x.split(BATCH_SIZE)
    return lambda: [piece(batch) for batch in batches]


def drawing(x: Tensor) -> Epoch:
    """The random order and the rows of each batch."""
    generator = make_generator(0, x.device)
    return lambda: list(minibatches(x, BATCH_SIZE, generator=generator))


def noise(x: Tensor) -> Epoch:
    """The noise of the reparameterised sample."""
    generator = make_generator(0, x.device)

    def piece(batch: Tensor) -> None:
        batch.new_empty(len(batch), LATENT_DIM).normal_(generator=generator)

    return for_batches(x, piece)


def networks(x: Tensor) -> Epoch:
    """Encoder and decoder, forward and backward: matrix products and what joins them."""
    model = mlp_vae(DATA_DIM, HIDDEN_DIM, LATENT_DIM).to(x.device)

    def piece(batch: Tensor) -> None:
        mu, log_var = model.encode(batch)
        model.zero_grad()
        model.decoder(mu + log_var).backward(batch)

    return for_batches(x, piece)


def losses(x: Tensor) -> Epoch:
    """Both terms of the ELBO from given logits, forward and backward, pixel check included."""
    logits = torch.randn(BATCH_SIZE, DATA_DIM, device=x.device, requires_grad=True)
    code = torch.randn(BATCH_SIZE, 2 * LATENT_DIM, device=x.device, requires_grad=True)

    def piece(batch: Tensor) -> None:
        mu, log_var = code[: len(batch)].split(LATENT_DIM, -1)
        log_lik = bernoulli_log_lik(batch, logits[: len(batch)]).mean()
        logits.grad = code.grad = None
        (gaussian_kl(mu, log_var).mean() - log_lik).backward()

    return for_batches(x, piece)


def adam(x: Tensor) -> Epoch:
    """The optimiser's step."""
    model = mlp_vae(DATA_DIM, HIDDEN_DIM, LATENT_DIM).to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return for_batches(x, lambda _: optimizer.step())


PIECES: dict[str, Callable[[Tensor], Epoch]] = {
    "networks": networks,
    "losses": losses,
    "pixel check": lambda x: for_batches(x, check_pixels),
    "Adam": adam,
    "drawing": drawing,
    "noise": noise,
}


def breakdown(ms: Mapping[str, float]) -> list[Part]:
    """Where a step's time goes, from the milliseconds a step of ours, the floor and the pieces.

    The pieces ran alone, so that their data was nearer to the processor than in the step: what
    that makes is in the last line.
    """
    parts = {
        "matrix products": ms["floor"],
        "biases, ReLU, autograd through the networks": ms["networks"] - ms["floor"],
        "likelihood and KL, forward and backward": ms["losses"] - ms["pixel check"],
        "pixel check": ms["pixel check"],
        "Adam": ms["Adam"],
        "drawing the batches": ms["drawing"],
        "noise": ms["noise"],
    }
    parts["sample of q, record, waiting for memory"] = ms["ours"] - sum(parts.values())
    return [Part(name, spent / ms["ours"], spent) for name, spent in parts.items()]
