"""The losses of both players: PyTorch's cross-entropy in float64, and what large logits do."""

import math

import pytest
import torch
import torch.nn.functional as nnf
from oracles import as_readers_have_it, randn
from torch.testing import assert_close

from dgm_teach.gan import fake_loss, real_loss, smoothed_loss

# From 20 on, torch's softplus leaves out log(1 + e^-a), which is below e^-20 = 2.1e-9.
CUT = math.exp(-20)


def smoothed_to_nine_tenths(logits):
    return smoothed_loss(logits, 0.9)


LOSSES = [(real_loss, 1.0), (fake_loss, 0.0), (smoothed_to_nine_tenths, 0.9)]
EACH_LOSS = pytest.mark.parametrize(("loss", "target"), LOSSES, ids=["real", "fake", "smoothed"])


def cross_entropy(logits, target):
    """PyTorch's own, one number per example."""
    targets = torch.full_like(logits, target)
    return nnf.binary_cross_entropy_with_logits(logits, targets, reduction="none")


@EACH_LOSS
@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (0,)])
def test_the_loss_is_the_cross_entropy_to_its_target(loss, target, shape):
    logits = 4 * randn(*shape, seed=0)
    assert logits.numel() == 0 or logits.abs().max() < 20
    assert_close(loss(logits), cross_entropy(logits, target), rtol=1e-13, atol=1e-15)


@EACH_LOSS
def test_the_gradient_is_the_probability_minus_the_target(loss, target):
    logits = (4 * randn(50, seed=1)).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits).sum(), logits)
    assert_close(gradient, torch.sigmoid(logits).detach() - target, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@EACH_LOSS
def test_large_logits_leave_the_loss_finite_and_the_gradient_alive(loss, target, dtype):
    logits = torch.tensor([-50.0, 50.0], dtype=dtype, requires_grad=True)
    values = loss(logits)
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    assert values.isfinite().all()
    assert (gradient != 0).any()
    # Right and sure: the loss and its slope are e^-50. Wrong and sure: 50 and 1.
    small = math.exp(-50)
    expected = torch.tensor([50 * target + small, 50 * (1 - target) + small], dtype=dtype)
    slopes = torch.tensor([small - target, 1 - target - small], dtype=dtype)
    assert_close(values.detach(), expected, rtol=1e-6, atol=0)
    assert_close(gradient, slopes, rtol=1e-6, atol=1e-30)


@EACH_LOSS
def test_the_loss_is_the_cross_entropy_at_the_largest_logits(loss, target):
    logits = torch.linspace(-800, 800, 321, dtype=torch.float64)
    assert_close(loss(logits), cross_entropy(logits, target), rtol=0, atol=2 * CUT)


def test_a_smoothed_loss_with_target_one_or_zero_is_one_of_the_two():
    logits = 4 * randn(20, seed=2)
    assert_close(smoothed_loss(logits, 1.0), real_loss(logits))
    assert_close(smoothed_loss(logits, 0.0), fake_loss(logits))


def test_the_smoothed_loss_is_lowest_at_the_logit_of_its_target():
    best = torch.tensor(math.log(0.9 / 0.1), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(smoothed_to_nine_tenths(best), best)
    assert abs(slope) < 1e-15
    entropy = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    assert_close(smoothed_to_nine_tenths(best).item(), entropy)


@pytest.mark.parametrize("target", [-0.1, 1.1, 2.0, -math.inf, math.inf, math.nan])
def test_targets_outside_the_range_are_refused(target):
    with pytest.raises(ValueError, match=rf"^target must be from 0 to 1, got {target}$"):
        smoothed_loss(torch.zeros(3), target)


@EACH_LOSS
def test_readers_get_the_same_numbers_without_the_type_checker(loss, target, monkeypatch):
    as_readers_have_it(monkeypatch)
    logits = 4 * randn(4, 3, seed=3)
    assert_close(loss(logits), cross_entropy(logits, target), rtol=1e-13, atol=1e-15)
