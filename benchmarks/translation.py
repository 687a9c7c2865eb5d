"""The CycleGAN trainings that are timed: our step, the usual tutorial's, and the floor.

Both train the same networks on the same ready pictures, with identity term and history buffers. The
tutorial calls a generator six times a step, leaves the discriminators' weights in the graph, steps
both discriminators one after the other, keeps the history picture by picture, and reads its losses.
"""

import random
from collections.abc import Iterator
from itertools import chain, cycle

import torch
from torch import Tensor, nn
from torch.optim import Adam

from benchmarks.games import Step
from dgm_teach.cyclegan import CycleGAN, discriminator_step, generator_step
from dgm_teach.data import mnist5k
from dgm_teach.device import convolutions_for
from dgm_teach.domains import on_paper, outlined
from dgm_teach.history import HistoryBuffer
from dgm_teach.rng import make_generator
from dgm_teach.translation_nets import patch_discriminator, residual_generator

LAMBDA_CYC, LAMBDA_ID, NUM_PIXELS = 10.0, 5.0, 3 * 28 * 28
GOALS = {1: 1.25, 16: 1.05}


def players(device: str) -> CycleGAN:
    """The four players of the chapter on digits, with the same weights at every call."""
    torch.manual_seed(0)
    makers = (residual_generator, residual_generator, patch_discriminator, patch_discriminator)
    return CycleGAN(*(make().to(device) for make in makers))


def batches_of(batch_size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Ready minibatches of both domains, again and again."""
    digits = mnist5k(binarise=None).x_train[:640]
    x, y = on_paper(digits[:320]).to(device), outlined(digits[320:]).to(device)
    return cycle(zip(x.split(batch_size), y.split(batch_size), strict=True))


def adam(*networks: nn.Module, fused: bool) -> Adam:
    """One optimiser of all parameters of the networks."""
    parameters = chain.from_iterable(network.parameters() for network in networks)
    return Adam(parameters, lr=2e-4, betas=(0.5, 0.999), fused=fused or None)


def ours(batch_size: int, device: str = "cpu") -> Step:
    """A pair of steps of the book."""
    model, batches = players(device), batches_of(batch_size, device)
    gen = adam(model.gen_xy, model.gen_yx, fused=True)
    disc = adam(model.disc_x, model.disc_y, fused=True)
    g = make_generator(0, torch.device(device))
    past_x, past_y = HistoryBuffer(), HistoryBuffer()
    weights = {"lambda_cyc": LAMBDA_CYC / NUM_PIXELS, "lambda_id": LAMBDA_ID / NUM_PIXELS}

    def step() -> None:
        x, y = next(batches)
        with convolutions_for(x):
            made = generator_step(model, gen, x, y, **weights)
            x_fake = past_x.exchange(made.x_fake, generator=g)
            y_fake = past_y.exchange(made.y_fake, generator=g)
            discriminator_step(model, disc, x, y, x_fake, y_fake)

    return step


class ImagePool:
    """The history as tutorials keep it: a list, and a coin for each picture."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.images = size, list[Tensor]()

    def query(self, images: Tensor) -> Tensor:
        """Store some of the pictures; return as many, new and old."""
        returned = []
        for image in images.detach():
            if len(self.images) < self.size:
                self.images.append(image.clone())
                returned.append(image)
            elif random.random() > 0.5:
                place = random.randrange(self.size)
                returned.append(self.images[place].clone())
                self.images[place] = image.clone()
            else:
                returned.append(image)
        return torch.stack(returned)


def tutorial(batch_size: int, device: str = "cpu") -> Step:
    """The same as tutorials write it."""
    model, batches = players(device), batches_of(batch_size, device)
    gen = adam(model.gen_xy, model.gen_yx, fused=False)
    disc_x, disc_y = adam(model.disc_x, fused=False), adam(model.disc_y, fused=False)
    pool_x, pool_y = ImagePool(), ImagePool()

    def step() -> None:
        x, y = next(batches)
        x_fake, y_fake = tutorial_generators(model, gen, x, y)
        tutorial_discriminator(model.disc_x, disc_x, x, pool_x.query(x_fake))
        tutorial_discriminator(model.disc_y, disc_y, y, pool_y.query(y_fake))

    return step


def tutorial_generators(
    model: CycleGAN, optimizer: Adam, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of both generators, every picture in a call of its own; returns F(y) and G(x)."""
    squares, l1 = nn.MSELoss(), nn.L1Loss()
    y_fake, x_fake = model.gen_xy(x), model.gen_yx(y)
    cycle_x, cycle_y = model.gen_yx(y_fake), model.gen_xy(x_fake)
    same_y, same_x = model.gen_xy(y), model.gen_yx(x)
    scores_x, scores_y = model.disc_x(x_fake), model.disc_y(y_fake)
    adversarial_x = squares(scores_x, torch.ones_like(scores_x))
    adversarial_y = squares(scores_y, torch.ones_like(scores_y))
    loss_cycle = LAMBDA_CYC * (l1(cycle_x, x) + l1(cycle_y, y))
    loss_identity = LAMBDA_ID * (l1(same_x, x) + l1(same_y, y))
    loss = adversarial_x + adversarial_y + loss_cycle + loss_identity
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for part in (adversarial_x, adversarial_y, loss_cycle, loss_identity):
        part.item()
    return x_fake, y_fake


def tutorial_discriminator(disc: nn.Module, optimizer: Adam, real: Tensor, fake: Tensor) -> None:
    """One step of one discriminator."""
    squares = nn.MSELoss()
    on_real, on_fake = disc(real), disc(fake.detach())
    loss = squares(on_real, torch.ones_like(on_real)) + squares(on_fake, torch.zeros_like(on_fake))
    optimizer.zero_grad()
    (loss / 2).backward()
    optimizer.step()
    loss.item()
