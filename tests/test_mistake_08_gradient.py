"""Mistake 8: a gradient that does not reach the encoder, or a wrong one."""

import pytest
import torch
from oracles import ChosenNoise, cubature, ppca_pair, randn
from planting import judge, planted
from torch.testing import assert_close

from dgm_teach import estimators, gaussian, vae
from dgm_teach.rng import make_generator
from dgm_teach.vae import elbo_terms


def reaches_the_encoder(monkeypatch, sampler):
    """The encoder's gradient of E_q[log p(x|z)] is the exact one, the noise averaged exactly."""
    truth, model = ppca_pair(exact_posterior=False)
    x, points = randn(6, 5, seed=9), cubature(2)
    with monkeypatch.context() as patch:
        patch.setattr(vae, "reparameterise", sampler)
        ChosenNoise(patch, points.repeat(6, 1))
        log_lik = elbo_terms(model, x.repeat_interleave(4, 0)).log_lik.sum() / 4
    encoder = list(model.encoder.parameters())
    found = torch.autograd.grad(log_lik, encoder, allow_unused=True, materialize_grads=True)
    mu, log_var = model.encode(x)
    mean = mu @ truth.weight.T + truth.bias
    spread = (truth.weight.square().sum(0) * log_var.exp()).sum(-1)
    exact = -((x - mean).square().sum(-1) + spread).sum() / (2 * truth.noise_var)
    for one, other in zip(found, torch.autograd.grad(exact, encoder), strict=True):
        assert one.abs().max() > 0
        assert_close(one, other)


def without_gradient(mu, log_var, *, generator=None):
    return gaussian.reparameterise(mu, log_var, generator=generator).detach()


def without_gradient_of_log_var(mu, log_var, *, generator=None):
    return gaussian.reparameterise(mu, log_var.detach(), generator=generator)


def without_gradient_of_mu(mu, log_var, *, generator=None):
    return gaussian.reparameterise(mu.detach(), log_var, generator=generator)


def log_var_taken_for_log_sigma(mu, log_var, *, generator=None):
    return gaussian.reparameterise(mu, 2 * log_var, generator=generator)


@planted(
    gaussian.reparameterise,
    without_gradient,
    without_gradient_of_mu,
    without_gradient_of_log_var,
    log_var_taken_for_log_sigma,
)
def test_the_gradient_of_the_expectation_reaches_the_encoder(monkeypatch, subject, is_right):
    judge(lambda sampler: reaches_the_encoder(monkeypatch, sampler), subject, is_right)


MU, LOG_VAR = randn(2, seed=20), randn(2, seed=21)
TARGET, PRECISION = randn(2, seed=22), torch.tensor([[2.0, 0.6], [0.6, 1.5]], dtype=torch.float64)


def log_joint(z):
    """log p(x, z) up to a constant, for a posterior with this mean and inverse covariance."""
    return -0.5 * ((z - TARGET) @ PRECISION * (z - TARGET)).sum(-1)


def exact_elbo_gradient():
    """Of E_q[log p(x, z) - log q(z)], in mu and log_var, in closed form."""
    to_log_var = (1 - PRECISION.diagonal() * LOG_VAR.exp()) / 2
    return torch.cat([PRECISION @ (TARGET - MU), to_log_var])


def has_the_exact_elbo_gradient(objective):
    """Mean over 40,000 draws within four standard errors of the exact gradient."""
    n = 40_000
    mu, log_var = (part.expand(n, 2).clone().requires_grad_() for part in (MU, LOG_VAR))
    value = objective(mu, log_var, make_generator(0)).sum()
    found = torch.autograd.grad(value, [mu, log_var], allow_unused=True, materialize_grads=True)
    gradients = torch.cat(found, 1)
    # A coordinate that does not vary must be exact: its standard error is zero.
    error, se = (gradients.mean(0) - exact_elbo_gradient()).abs(), gradients.std(0) / n**0.5
    assert (error <= 4 * se + 1e-12).all()


def entropy(log_var):
    return log_var.sum(-1) / 2  # up to a constant


def pathwise(mu, log_var, noise):
    return log_joint(gaussian.reparameterise(mu, log_var, generator=noise)) + entropy(log_var)


def pathwise_with_sampled_entropy(mu, log_var, noise):
    z = gaussian.reparameterise(mu, log_var, generator=noise)
    return log_joint(z) - gaussian.gaussian_log_prob(z, mu, log_var)


def score_function(mu, log_var, noise, *, sign=1, drop_score=False):
    z = gaussian.reparameterise(mu, log_var, generator=noise).detach()
    log_q = gaussian.gaussian_log_prob(z, mu, log_var)
    f = log_joint(z) - log_q  # depends on the parameters itself
    if drop_score:
        return sign * f
    return sign * estimators.score_function_surrogate(f, log_q, estimators.leave_one_out(f))


def sample_for_rsample(mu, log_var, noise):
    z = gaussian.reparameterise(mu, log_var, generator=noise).detach()
    return log_joint(z) + entropy(log_var)


def entropy_with_the_wrong_sign(mu, log_var, noise):
    return log_joint(gaussian.reparameterise(mu, log_var, generator=noise)) - entropy(log_var)


def minus_the_score_function(mu, log_var, noise):
    return score_function(mu, log_var, noise, sign=-1)


def score_term_dropped(mu, log_var, noise):
    return score_function(mu, log_var, noise, drop_score=True)


def path_and_score_together(mu, log_var, noise):
    z = gaussian.reparameterise(mu, log_var, generator=noise)  # not detached
    log_q = gaussian.gaussian_log_prob(z, mu, log_var)
    return estimators.score_function_surrogate(log_joint(z), log_q) + entropy(log_var)


def own_draw_in_the_baseline(mu, log_var, noise):
    """The mean over a pair of draws, the draw itself included, as the baseline of both."""
    z = gaussian.reparameterise(mu, log_var, generator=noise).detach()
    log_q, f = gaussian.gaussian_log_prob(z, mu, log_var), log_joint(z)
    pairs = f.view(-1, 2).mean(1).repeat_interleave(2)
    return estimators.score_function_surrogate(f, log_q, pairs) + entropy(log_var)


@pytest.mark.parametrize("objective", [pathwise, pathwise_with_sampled_entropy, score_function])
def test_every_estimator_has_the_exact_gradient(objective):
    has_the_exact_elbo_gradient(objective)


@planted(
    score_function,
    sample_for_rsample,
    entropy_with_the_wrong_sign,
    minus_the_score_function,
    score_term_dropped,
    path_and_score_together,
    own_draw_in_the_baseline,
)
def test_a_wrong_estimator_is_told_apart(subject, is_right):
    judge(has_the_exact_elbo_gradient, subject, is_right)


@planted(
    gaussian.gaussian_kl,
    lambda mu, log_var: -gaussian.gaussian_kl(mu, log_var),
    lambda mu, log_var: gaussian.gaussian_kl(mu.detach(), log_var),
)
def test_the_gradient_of_the_kl_is_the_closed_form(subject, is_right):
    def is_mu_and_half_the_excess_variance(kl):
        mu, log_var = MU.clone().requires_grad_(), LOG_VAR.clone().requires_grad_()
        found = torch.autograd.grad(
            kl(mu, log_var), [mu, log_var], allow_unused=True, materialize_grads=True
        )
        assert_close(torch.cat(found), torch.cat([MU, (LOG_VAR.exp() - 1) / 2]))

    judge(is_mu_and_half_the_excess_variance, subject, is_right)
