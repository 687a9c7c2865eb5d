"""Mistake 6: gradients that reach the wrong player, or are never cleared."""

import itertools

import pytest
import torch
from gan_pair import has_gradients, optimizers, same, small_gan, snapshot
from oracles import randn
from planting import judge, planted
from torch.testing import assert_close

from dgm_teach.gan import discriminator_step, fake_loss, generator_step, real_loss
from dgm_teach.rng import make_generator

X = randn(6, 2, seed=4)


def noise(generator):
    return torch.randn(6, 3, dtype=torch.float64, generator=generator)


def descend(loss, *opts, clear=True):
    for optimizer in opts:
        if clear:
            optimizer.zero_grad()
    loss.backward()
    for optimizer in opts:
        optimizer.step()


def loss_of_discriminator(gan, x_fake):
    fake = fake_loss(gan.discriminator(x_fake)).mean()
    return real_loss(gan.discriminator(X)).mean() + fake


def moves_the_discriminator_alone(step):
    """After a discriminator step the generator is byte-identical and has no gradients."""
    gan = small_gan()
    opts, generator = optimizers(gan), make_generator(0)
    before = snapshot(gan.discriminator), snapshot(gan.generator)
    step(gan, opts, generator)
    assert not same(before[0], gan.discriminator)
    assert same(before[1], gan.generator)
    assert not has_gradients(gan.generator)


def right_discriminator(gan, opts, generator):
    discriminator_step(gan, opts[0], X, generator=generator)


def no_detach(gan, opts, generator):
    descend(loss_of_discriminator(gan, gan.generator(noise(generator))), opts[0])


def no_detach_and_one_optimizer_for_all(gan, opts, generator):
    everything = itertools.chain(gan.discriminator.parameters(), gan.generator.parameters())
    both = torch.optim.SGD(everything, lr=0.1)
    descend(loss_of_discriminator(gan, gan.generator(noise(generator))), both)


def generators_optimizer_in_the_discriminators_step(gan, opts, generator):
    descend(loss_of_discriminator(gan, gan.generator(noise(generator))), opts[1])


@planted(
    right_discriminator,
    no_detach,
    no_detach_and_one_optimizer_for_all,
    generators_optimizer_in_the_discriminators_step,
)
def test_a_discriminator_step_leaves_the_generator_alone(subject, is_right):
    judge(moves_the_discriminator_alone, subject, is_right)


def moves_the_generator_alone(step):
    """After a generator step the discriminator is byte-identical and has no gradients."""
    gan = small_gan()
    opts, generator = optimizers(gan), make_generator(0)
    before = snapshot(gan.discriminator), snapshot(gan.generator)
    step(gan, opts, generator)
    assert same(before[0], gan.discriminator)
    assert not has_gradients(gan.discriminator)
    assert all(parameter.requires_grad for parameter in gan.discriminator.parameters())
    assert not same(before[1], gan.generator)


def right_generator(gan, opts, generator):
    generator_step(gan, opts[1], X, generator=generator)


def detached(gan, opts, generator):
    x_fake = gan.generator(noise(generator)).detach()
    descend(real_loss(gan.discriminator(x_fake)).mean(), opts[1])


def discriminator_not_frozen(gan, opts, generator):
    descend(real_loss(gan.discriminator(gan.generator(noise(generator)))).mean(), opts[1])


def discriminators_optimizer_in_the_generators_step(gan, opts, generator):
    descend(real_loss(gan.discriminator(gan.generator(noise(generator)))).mean(), opts[0])


def both_optimizers_step(gan, opts, generator):
    descend(real_loss(gan.discriminator(gan.generator(noise(generator)))).mean(), *opts)


def stays_frozen(gan, opts, generator):
    right_generator(gan, opts, generator)
    gan.discriminator.requires_grad_(False)


@planted(
    right_generator,
    detached,
    discriminator_not_frozen,
    discriminators_optimizer_in_the_generators_step,
    both_optimizers_step,
    stays_frozen,
)
def test_a_generator_step_leaves_the_discriminator_alone(subject, is_right):
    judge(moves_the_generator_alone, subject, is_right)


def forgets_the_step_before(pair):
    """Two pairs of steps move the players by two fresh gradients, not by sums of old ones."""
    gan, by_hand = small_gan(), small_gan()
    opts, generator = optimizers(gan), make_generator(0)
    for _ in range(2):
        pair(gan, opts, generator)
    same_noise = make_generator(0)
    for _ in range(2):
        with torch.no_grad():
            x_fake = by_hand.generator(noise(same_noise))
        move(by_hand.discriminator, loss_of_discriminator(by_hand, x_fake))
        x_fake = by_hand.generator(noise(same_noise))
        move(by_hand.generator, real_loss(by_hand.discriminator(x_fake)).mean())
    for player, other in zip(gan[:2], by_hand[:2], strict=True):
        assert_close(list(player.parameters()), list(other.parameters()))


def move(player, loss):
    """One step of gradient descent, without an optimiser."""
    parameters = list(player.parameters())
    with torch.no_grad():
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter -= 0.1 * slope


def right_pair(gan, opts, generator):
    right_discriminator(gan, opts, generator)
    right_generator(gan, opts, generator)


def never_cleared(gan, opts, generator):
    x_fake = gan.generator(noise(generator)).detach()
    descend(loss_of_discriminator(gan, x_fake), opts[0], clear=False)
    x_fake = gan.generator(noise(generator))
    descend(real_loss(gan.discriminator(x_fake)).mean(), opts[1], clear=False)


def cleared_for_the_generator_only(gan, opts, generator):
    x_fake = gan.generator(noise(generator)).detach()
    descend(loss_of_discriminator(gan, x_fake), opts[0], clear=False)
    right_generator(gan, opts, generator)


def the_same_noise_for_both(gan, opts, generator):
    state = generator.get_state()
    right_discriminator(gan, opts, generator)
    generator.set_state(state)
    right_generator(gan, opts, generator)


@planted(right_pair, never_cleared, cleared_for_the_generator_only, the_same_noise_for_both)
def test_steps_take_fresh_gradients_and_fresh_noise(subject, is_right):
    judge(forgets_the_step_before, subject, is_right)


@pytest.mark.parametrize("step", [right_discriminator, right_generator])
def test_a_step_draws_from_its_generator_alone(step):
    before = torch.get_rng_state()
    gan = small_gan()
    step(gan, optimizers(gan), make_generator(0))
    assert torch.equal(torch.get_rng_state(), before)
