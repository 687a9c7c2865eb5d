"""Stacked networks: each copy is a network of its own, the same as PyTorch's linear layers."""

from functools import partial

import pytest
import torch
from oracles import randn
from torch import nn

from dgm_teach.nets import mlp
from dgm_teach.stacked import StackedLinear, stacked_mlp

assert_close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def copy_of(stack, c):
    """Copy c of a stack, built from PyTorch's layers."""
    sizes = [stack[0].weight.shape[1], *(m.weight.shape[2] for m in stack if hasattr(m, "weight"))]
    net = mlp(sizes, type(stack[1])).double()
    ours = [m for m in stack if isinstance(m, StackedLinear)]
    theirs = [m for m in net if isinstance(m, nn.Linear)]
    for one, other in zip(ours, theirs, strict=True):
        other.weight.data = one.weight.data[c].T.clone()
        other.bias.data = one.bias.data[c, 0].clone()
    return net


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_each_copy_is_a_network_of_its_own(activation):
    torch.manual_seed(0)
    stack, x = stacked_mlp([2, 5, 4, 3], 3, activation).double(), randn(7, 3, 2, seed=1)
    out = stack(x)
    assert out.shape == (7, 3, 3)
    for c in range(3):
        assert_close(out[:, c], copy_of(stack, c)(x[:, c]))


def test_no_copy_has_a_part_in_the_gradient_of_another():
    torch.manual_seed(0)
    stack, x = stacked_mlp([2, 5, 1], 3).double(), randn(7, 3, 2, seed=1)
    stack(x)[:, 1].square().sum().backward()
    for weights in stack.parameters():
        assert (weights.grad[[0, 2]] == 0).all()
        assert (weights.grad[1] != 0).any()


def test_initial_weights_are_those_of_a_linear_layer():
    torch.manual_seed(0)
    layer, bound = StackedLinear(200, 16, 50), 1 / 4  # one over the root of 16 inputs
    for weights in (layer.weight, layer.bias):
        assert weights.abs().max() <= bound
        # a uniform variable has the standard deviation bound / sqrt(3), and its square the
        # standard deviation bound^2 * sqrt(4 / 45)
        spread = weights.detach().double().square().mean() - bound**2 / 3
        assert spread.abs() < 4 * bound**2 * (4 / 45 / weights.numel()) ** 0.5
        assert weights.mean().abs() < 4 * bound / (3 * weights.numel()) ** 0.5
    assert layer.weight.shape == (200, 16, 50)
    assert layer.bias.shape == (200, 1, 50)


def test_no_activation_follows_the_last_layer():
    kinds = [type(module) for module in stacked_mlp([2, 3, 1], 2)]
    assert kinds == [StackedLinear, nn.ReLU, StackedLinear]


@pytest.mark.parametrize(
    ("sizes", "copies", "message"),
    [
        ([2], 1, r"sizes must be two or more numbers of at least 1, got \[2\]"),
        ([2, 0], 1, "out_features must be at least 1, got 0"),
        ([0, 2], 1, "in_features must be at least 1, got 0"),
        ([2, 2], 0, "copies must be at least 1, got 0"),
    ],
)
def test_bad_numbers_are_refused(sizes, copies, message):
    with pytest.raises(ValueError, match=message):
        stacked_mlp(sizes, copies)


def test_one_is_enough():
    assert stacked_mlp([1, 1], 1)(torch.ones(1, 1, 1)).shape == (1, 1, 1)
