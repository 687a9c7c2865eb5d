"""The adversarial trainings that are timed: our step, the usual tutorial's, and the floor.

Both train the same networks on the same ready tensors. The tutorial has habits that
are common in print: Adam as it comes, probabilities and ``BCELoss``, gradients of the discriminator
computed in the generator's step and thrown away, and losses read at every step.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam

from dgm_teach.data import mnist5k
from dgm_teach.gan import GAN, discriminator_step, generator_step
from dgm_teach.image_nets import image_features, image_generator
from dgm_teach.nets import mlp
from dgm_teach.points import gaussian_ring
from dgm_teach.rng import make_generator
from dgm_teach.wgan import critic_step

Step = Callable[[], object]
NUM_CRITIC = 5


class Game(NamedTuple):
    """One setting: how both players are made, its examples, and the goal for tutorial / ours."""

    new_gan: Callable[[], GAN]
    examples: Callable[[], Tensor]
    batch_size: int
    wasserstein: bool
    goal: float


def ring_gan() -> GAN:
    """Both players of the chapter on training."""
    return GAN(
        mlp([2, 128, 128, 2], nn.LeakyReLU), mlp([2, 128, 128, 1], nn.LeakyReLU), latent_dim=2
    )


def image_gan() -> GAN:
    """Convolutional players for images of 32×32 pixels."""
    judge = nn.Sequential(image_features(), nn.Linear(512, 1))
    return GAN(image_generator(64), judge, latent_dim=64)


def points() -> Tensor:
    """The ring, 100 batches."""
    return gaussian_ring(25_600, radius=1.0, std=0.01, generator=make_generator(0))


def images() -> Tensor:
    """Digits on 32×32 pixels from −1 to 1, one row each."""
    x = mnist5k(binarise=None).x_train.view(-1, 28, 28)
    return 2 * nn.functional.pad(x, [2] * 4).flatten(1) - 1


GAMES = {
    "ring GAN": Game(ring_gan, points, 256, wasserstein=False, goal=1.35),
    "image GAN": Game(image_gan, images, 64, wasserstein=False, goal=1.25),
    "WGAN-GP": Game(ring_gan, points, 256, wasserstein=True, goal=1.5),
}


def batches_of(game: Game, device: str) -> Iterator[Tensor]:
    """Ready minibatches, again and again."""
    return cycle(game.examples().to(device).split(game.batch_size)[:-1])


def players(game: Game, device: str) -> GAN:
    """Both players on the device, with the same weights at every call."""
    torch.manual_seed(0)
    gan = game.new_gan()
    return gan._replace(
        generator=gan.generator.to(device), discriminator=gan.discriminator.to(device)
    )


def ours(game: Game, device: str = "cpu") -> Step:
    """A pair of steps of the book; with Wasserstein's loss five of the critic and one."""
    gan, batches = players(game, device), batches_of(game, device)
    for player in (gan.discriminator, gan.generator):
        player.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    disc, gen = (
        Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.99), fused=True)
        for p in (gan.discriminator, gan.generator)
    )
    g = make_generator(0, torch.device(device))

    def pair() -> None:
        x = next(batches)
        discriminator_step(gan, disc, x, generator=g)
        generator_step(gan, gen, x, generator=g)

    def wasserstein() -> None:
        for _ in range(NUM_CRITIC):
            critic_step(gan, disc, next(batches), generator=g)
        generator_step(gan, gen, next(batches), loss_of=torch.neg, generator=g)

    return wasserstein if game.wasserstein else pair


def tutorial(game: Game, device: str = "cpu") -> Step:
    """The same as tutorials write it."""
    gan, batches = players(game, device), batches_of(game, device)
    optimizers = [
        Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.99)) for p in (gan.discriminator, gan.generator)
    ]
    if game.wasserstein:
        return lambda: tutorial_wgan(gan, optimizers, batches)
    judge = nn.Sequential(gan.discriminator, nn.Sigmoid())
    return lambda: tutorial_pair(gan, judge, optimizers, next(batches))


def noise(gan: GAN, x: Tensor) -> Tensor:
    """Latent vectors for a batch."""
    return torch.randn(len(x), gan.latent_dim, device=x.device)


def tutorial_pair(
    gan: GAN, judge: nn.Module, optimizers: list[Adam], x: Tensor
) -> tuple[float, float]:
    """One step of each player on probabilities; returns both losses."""
    criterion, label = nn.BCELoss(), torch.ones(len(x), 1, device=x.device)
    gan.discriminator.zero_grad()
    real = criterion(judge(x), label)
    real.backward()
    x_fake = gan.generator(noise(gan, x))
    fake = criterion(judge(x_fake.detach()), torch.zeros_like(label))
    fake.backward()
    optimizers[0].step()
    gan.generator.zero_grad()
    loss = criterion(judge(x_fake), label)
    loss.backward()
    optimizers[1].step()
    return (real + fake).item(), loss.item()


def tutorial_wgan(gan: GAN, optimizers: list[Adam], batches: Iterator[Tensor]) -> None:
    """Five steps of the critic with the penalty, and one of the generator."""
    for _ in range(NUM_CRITIC):
        x = next(batches)
        x_fake = gan.generator(noise(gan, x))
        t = torch.rand(len(x), 1, device=x.device)
        between = (t * x + (1 - t) * x_fake).requires_grad_(True)
        judged = gan.discriminator(between)
        (slope,) = torch.autograd.grad(
            judged, between, torch.ones_like(judged), create_graph=True, retain_graph=True
        )
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        loss = gan.discriminator(x_fake).mean() - gan.discriminator(x).mean() + 10 * penalty
        gan.discriminator.zero_grad()
        loss.backward()
        optimizers[0].step()
        loss.item()
    gan.generator.zero_grad()
    loss = -gan.discriminator(gan.generator(noise(gan, next(batches)))).mean()
    loss.backward()
    optimizers[1].step()
    loss.item()
