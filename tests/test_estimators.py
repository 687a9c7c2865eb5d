"""The score-function estimator: sums over all draws of a discrete z, and a conjugate Gaussian."""

from functools import partial
from itertools import product

import pytest
import torch
from oracles import as_readers_have_it, randn, standard_errors

from dgm_teach.estimators import leave_one_out, score_function_surrogate
from dgm_teach.gaussian import gaussian_log_prob, reparameterise
from dgm_teach.rng import make_generator

# Nothing may pass through float32, whose errors torch's own tolerance would let through.
assert_close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)
VALUES = randn(4, seed=0)  # f of each of four values of z


def logits():
    return randn(4, seed=1).requires_grad_()


def exact_gradient(f_of):
    """Derivative of the expectation of f, which may depend on the logits, as a sum."""
    parameters = logits()
    mean = (torch.softmax(parameters, 0) * f_of(parameters)).sum()
    return torch.autograd.grad(mean, parameters)[0]


def mean_gradient(f_of, baseline=0.0):
    """Expectation of the derivative of the surrogate, every z weighted by its probability."""
    parameters = logits()
    log_q = torch.log_softmax(parameters, 0)
    surrogate = score_function_surrogate(f_of(parameters), log_q, baseline)
    return torch.autograd.grad((log_q.detach().exp() * surrogate).sum(), parameters)[0]


def fixed(parameters):
    return VALUES


def moving(parameters):
    return VALUES * parameters.square().sum() + parameters.sin()


@pytest.mark.parametrize("f_of", [fixed, moving])
@pytest.mark.parametrize("baseline", [0.0, -3.0, 100.0])
def test_the_mean_of_the_gradient_is_the_gradient_of_the_mean(f_of, baseline):
    expected = exact_gradient(f_of)
    assert_close(mean_gradient(f_of, baseline), expected, atol=1e-10, rtol=0)
    assert expected.abs().max() > 0.1


def test_without_a_baseline_nothing_is_subtracted():
    parameters = logits()
    log_q = torch.log_softmax(parameters, 0)
    (found,) = torch.autograd.grad(score_function_surrogate(VALUES, log_q)[2], parameters)
    score = torch.eye(4, dtype=torch.float64)[2] - log_q.detach().exp()
    assert_close(found, VALUES[2] * score)


def test_a_baseline_for_each_draw_is_subtracted_from_that_draw():
    log_q, baselines = randn(4, seed=2).requires_grad_(), randn(4, seed=3)
    surrogate = score_function_surrogate(VALUES, log_q, baselines)
    (found,) = torch.autograd.grad(surrogate.sum(), log_q)
    assert_close(found, VALUES - baselines)


def test_no_gradient_reaches_a_baseline_or_f_by_way_of_the_weight():
    f, baseline = randn(4, seed=4).requires_grad_(), randn(4, seed=5).requires_grad_()
    log_q = randn(4, seed=6).requires_grad_()
    surrogate = score_function_surrogate(f, log_q, baseline)
    to_f, to_baseline = torch.autograd.grad(surrogate.sum(), [f, baseline], allow_unused=True)
    assert_close(to_f, torch.ones_like(f))
    assert to_baseline is None


def test_the_value_is_f():
    log_q = randn(3, 4, seed=7).requires_grad_()
    f = randn(3, 4, seed=8)
    assert torch.equal(score_function_surrogate(f, log_q, 5.0).detach(), f)


def test_gradient_on_a_conjugate_gaussian():
    # E_q[log N(x | z, s)] has gradient (x - mu) / s in mu and -exp(log_var) / (2 s) in log_var.
    n, x, noise_var = 40_000, 1.7, 0.6
    mu = torch.full((n, 1), 0.4, dtype=torch.float64, requires_grad=True)
    log_var = torch.full((n, 1), -0.8, dtype=torch.float64, requires_grad=True)
    z = reparameterise(mu, log_var, generator=make_generator(0)).detach()
    f = -((x - z[:, 0]) ** 2) / (2 * noise_var)
    surrogate = score_function_surrogate(f, gaussian_log_prob(z, mu, log_var), leave_one_out(f))
    to_mu, to_log_var = torch.autograd.grad(surrogate.sum(), [mu, log_var])
    spread = torch.tensor(-0.8, dtype=torch.float64).exp() / (2 * noise_var)
    assert standard_errors(to_mu, (x - 0.4) / noise_var) < 4
    assert standard_errors(to_log_var, -spread) < 4


def test_log_q_of_another_shape_is_refused(monkeypatch):
    as_readers_have_it(monkeypatch)
    log_q = randn(4, 1, seed=9).requires_grad_()
    with pytest.raises(ValueError, match=r"^log_q must have the shape of f, \[4\], got \[4, 1\]$"):
        score_function_surrogate(VALUES, log_q)


def test_log_q_without_a_gradient_is_refused():
    with pytest.raises(
        ValueError, match=r"^log_q must carry a gradient, got one that was computed without$"
    ):
        score_function_surrogate(VALUES, randn(4, seed=9))


@pytest.mark.parametrize("n", [2, 3])
def test_leave_one_out_keeps_the_estimate_unbiased(n):
    q = torch.softmax(logits().detach(), 0)
    rows = torch.tensor(list(product(range(4), repeat=n)))
    f, scores = VALUES[rows], (torch.eye(4, dtype=torch.float64) - q)[rows]
    weights = f - leave_one_out(f.T).T
    found = q[rows].prod(1) @ (weights[..., None] * scores).mean(1)
    assert_close(found, exact_gradient(fixed))


def test_leave_one_out_is_the_mean_of_the_others():
    f = randn(5, 3, seed=10)
    expected = torch.stack([f[[k for k in range(5) if k != i]].mean(0) for i in range(5)])
    assert_close(leave_one_out(f), expected)
    assert_close(leave_one_out(f[:, 0]), expected[:, 0])


@pytest.mark.parametrize("n", [0, 1])
def test_leave_one_out_refuses_too_few_draws(n):
    with pytest.raises(ValueError, match=f"^f must hold at least 2 draws, got {n}$"):
        leave_one_out(VALUES[:n])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    f, log_q = VALUES.to(dtype), randn(4, seed=2).to(dtype).requires_grad_()
    assert leave_one_out(f).dtype == dtype
    assert score_function_surrogate(f, log_q, leave_one_out(f)).dtype == dtype
