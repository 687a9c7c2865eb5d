r"""Many small networks of one shape in one module, so that many runs can be trained at once."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_teach.require import require_at_least


class StackedLinear(nn.Module):
    r"""Linear layers side by side: copy c maps row c of each example, and no copy sees another.

    Parameters
    ----------
    copies
        Number of layers, at least 1.
    in_features, out_features
        Units of the input and of the output of each layer, at least 1.

    Attributes
    ----------
    weight, bias
        Weights, ``[copies, in_features, out_features]``, and biases, ``[copies, 1,
        out_features]``. As in ``torch.nn.Linear`` they are drawn from the uniform distribution
        between :math:`\pm1/\sqrt{\text{in\_features}}`.

    Raises
    ------
    ValueError
        If a number is less than 1.

    Notes
    -----
    Oracle: ``torch.nn.Linear`` with the weights of each copy.
    """

    def __init__(self, copies: int, in_features: int, out_features: int) -> None:
        super().__init__()
        require_at_least(1, copies=copies, in_features=in_features, out_features=out_features)
        bound = 1 / math.sqrt(in_features)
        shapes = (copies, in_features, out_features), (copies, 1, out_features)
        self.weight, self.bias = (
            nn.Parameter(torch.empty(shape).uniform_(-bound, bound)) for shape in shapes
        )

    def forward(self, x: Float[Tensor, "batch copies inputs"]) -> Float[Tensor, "batch copies out"]:
        """Apply layer c to ``x[:, c]``, for every c."""
        return torch.baddbmm(self.bias, x.transpose(0, 1), self.weight).transpose(0, 1)


def stacked_mlp(
    sizes: Sequence[int], copies: int, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    r"""Multilayer perceptrons side by side, with weights of their own.

    Parameters
    ----------
    sizes
        Number of units of the input, of each hidden layer and of the output.
    copies
        Number of networks, at least 1.
    activation
        The module class put between two linear layers; none follows the last.

    Returns
    -------
    A network from ``[batch, copies, sizes[0]]`` to ``[batch, copies, sizes[-1]]``.

    Raises
    ------
    ValueError
        If fewer than two sizes are given, or a number is less than 1.
    """
    if len(sizes) < 2:
        raise ValueError(f"sizes must be two or more numbers of at least 1, got {list(sizes)}")
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [StackedLinear(copies, fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])
