"""Mistake 5: log(sigmoid), clamped probabilities, targets outside [0, 1]."""

import math

import pytest
import torch
import torch.nn.functional as nnf
from oracles import randn
from planting import judge, planted
from torch.testing import assert_close

from dgm_teach.likelihoods import BernoulliPixels, bernoulli_log_lik, check_pixels


def from_probability(score):
    """A log-likelihood of one pixel per row, computed from its probability."""
    return lambda x, logits: score(x, torch.sigmoid(logits)).sum(-1)


def plain(x, p):
    return x * p.log() + (1 - x) * (1 - p).log()


def chosen(x, p):
    return torch.where(x == 1, p, 1 - p).log()


def clamped(x, p):
    return plain(x, p.clamp(1e-7, 1 - 1e-7))


def with_a_small_number(x, p):
    return x * (p + 1e-8).log() + (1 - x) * (1 - p + 1e-8).log()


def cut_at_minus_hundred(x, p):
    return -nnf.binary_cross_entropy(p, x, reduction="none")


WRONG = [
    from_probability(score)
    for score in (plain, chosen, clamped, with_a_small_number, cut_at_minus_hundred)
]


def survives_large_logits(log_lik):
    """At logits of 50 and -50 in single precision, as networks give them."""
    x = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    logits = torch.tensor([[-50.0], [50.0], [-50.0], [50.0]], requires_grad=True)
    score = log_lik(x, logits)
    (gradient,) = torch.autograd.grad(score.sum(), logits)
    assert score.isfinite().all()
    # log(1 - sigmoid(50)) = -log(1 + e^50) is -50 to 22 digits; its gradient is -sigmoid(50).
    assert_close(score.detach(), torch.tensor([-50.0, -50.0, 0.0, 0.0]), atol=1e-20, rtol=1e-6)
    assert_close(gradient.flatten(), torch.tensor([1.0, -1.0, 0.0, 0.0]), atol=1e-20, rtol=1e-6)


@planted(bernoulli_log_lik, *WRONG)
def test_large_logits_leave_the_loss_finite_and_the_gradient_alive(subject, is_right):
    judge(survives_large_logits, subject, is_right)


@planted(BernoulliPixels(), from_probability(plain))
def test_the_module_survives_large_logits(subject, is_right):
    judge(survives_large_logits, subject, is_right)


def equals_the_softplus_form(log_lik):
    """The pixel is right with log odds (2x - 1) a, so log p = -log(1 + e^-(2x - 1) a)."""
    logits = 20 * randn(500, 3, seed=1)
    x = (randn(500, 3, seed=2) > 0).double()
    odds = ((2 * x - 1) * logits).flatten().tolist()
    by_hand = [-(max(-t, 0) + math.log1p(math.exp(-abs(t)))) for t in odds]
    assert_close(log_lik(x, logits), torch.tensor(by_hand).double().view(500, 3).sum(-1))


@planted(
    bernoulli_log_lik,
    from_probability(plain),
    from_probability(clamped),
    lambda x, logits: bernoulli_log_lik(x, torch.sigmoid(logits)),
    lambda x, logits: bernoulli_log_lik(1 - x, logits),
    lambda x, logits: -bernoulli_log_lik(x, logits),
    lambda x, logits: (x * nnf.logsigmoid(logits)).sum(-1),
)
def test_score_is_the_softplus_form(subject, is_right):
    judge(equals_the_softplus_form, subject, is_right)


def unchecked(x, logits):
    return (x * logits - nnf.softplus(logits)).sum(-1)


def refuses_a_target_of_two(log_lik):
    for target in (2.0, -1.0, 1.5, math.nan):
        x, logits = torch.tensor([[0.0, target]]), torch.zeros(1, 2)
        try:
            log_lik(x, logits)
        except ValueError:
            continue
        raise AssertionError(f"a target of {target} was scored")


@planted(
    bernoulli_log_lik,
    unchecked,
    from_probability(plain),
    lambda x, logits: nnf.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1),
)
def test_targets_that_are_no_outcome_are_refused(subject, is_right):
    judge(refuses_a_target_of_two, subject, is_right)


@planted(BernoulliPixels(allow_grey=True), unchecked)
def test_targets_outside_the_range_are_refused_even_where_grey_is_allowed(subject, is_right):
    judge(refuses_a_target_of_two, subject, is_right)


@pytest.mark.parametrize(("target", "sign"), [(2.0, 1), (-1.0, -1)])
def test_such_a_target_would_leave_the_loss_without_a_lower_bound(target, sign):
    # With target 2, 2a - log(1 + e^a) = a - log(1 + e^-a), which grows with a for ever.
    x = torch.tensor([[target]], dtype=torch.float64)
    for size in (10.0, 100.0, 1000.0):
        assert_close(unchecked(x, sign * size * torch.ones_like(x)).item(), size, rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match=r"^x must hold"):
        check_pixels(x, allow_grey=True)
