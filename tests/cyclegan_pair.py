"""Small CycleGANs in float64, always the same, for the tests of their losses and steps."""

import torch
from torch import nn

from dgm_teach.cyclegan import CycleGAN
from dgm_teach.nets import mlp

ONE = torch.tensor([[1.0]], dtype=torch.float64)
TEN = torch.tensor([[10.0]], dtype=torch.float64)


class Times(nn.Module):
    """Multiplies by one number, which can be learned."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor, dtype=torch.float64))

    def forward(self, x):
        return self.factor * x


def stub():
    """G(x) = 2x, F(y) = 3y, D_X(x) = x / 10, D_Y(y) = y / 5: at 1 and 10 no two terms agree."""
    return CycleGAN(Times(2.0), Times(3.0), Times(0.1), Times(0.2))


def networks(dim=2):
    """Four small networks for points."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = [[dim, 5, dim], [dim, 4, dim], [dim, 3, 1], [dim, 6, 1]]
        return CycleGAN(*(mlp(size, nn.Tanh).double() for size in sizes))


def optimizers(model, lr=0.1):
    """Plain gradient descent for both generators and for both discriminators."""
    pairs = (model[:2], model[2:])
    return tuple(torch.optim.SGD(nn.ModuleList(pair).parameters(), lr=lr) for pair in pairs)
