"""A small GAN in float64, always the same, for the tests of its steps."""

import copy

import torch
from torch import nn

from dgm_teach.gan import GAN
from dgm_teach.nets import mlp


def small_gan(pack_size=1):
    """Two small networks for points in the plane."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = mlp([3, 5, 2], nn.Tanh).double()
        return GAN(generator, mlp([2 * pack_size, 4, 1], nn.Tanh).double(), 3, pack_size)


def optimizers(gan, lr=0.1):
    """Plain gradient descent for the discriminator and for the generator."""
    players = (gan.discriminator, gan.generator)
    return tuple(torch.optim.SGD(player.parameters(), lr=lr) for player in players)


def snapshot(module):
    """A copy of all tensors of a module."""
    return copy.deepcopy(module.state_dict())


def same(before, module):
    """Whether every tensor of a module is byte by byte what it was."""
    return all(torch.equal(before[name], now) for name, now in module.state_dict().items())


def has_gradients(module):
    """Whether a step has left gradients on the parameters of a module."""
    return any(parameter.grad is not None for parameter in module.parameters())
