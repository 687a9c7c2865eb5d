"""Mistake 3: the standard deviation, its log and the log variance confused."""

import math

import torch
from oracles import standard_errors
from planting import judge, planted
from torch.distributions import Normal
from torch.testing import assert_close

from dgm_teach import gaussian
from dgm_teach.rng import make_generator


def has_variance_exp_log_var(draw):
    for log_var in (-3.0, -1.0, 1.0, 2.0):
        mu = torch.full((40_000, 1), 0.7, dtype=torch.float64)
        z = draw(mu, torch.full_like(mu, log_var), generator=make_generator(0))
        assert standard_errors(z, 0.7) < 4
        assert standard_errors((z - 0.7).square(), math.exp(log_var)) < 4


def log_var_for_log_sigma(mu, log_var, *, generator):
    return gaussian.reparameterise(mu, 2 * log_var, generator=generator)


def variance_for_sigma(mu, log_var, *, generator):
    return mu + log_var.exp() * torch.randn(mu.shape, dtype=mu.dtype, generator=generator)


def log_var_for_sigma(mu, log_var, *, generator):
    return mu + log_var * torch.randn(mu.shape, dtype=mu.dtype, generator=generator)


@planted(gaussian.reparameterise, log_var_for_log_sigma, variance_for_sigma, log_var_for_sigma)
def test_samples_have_the_variance_that_log_var_says(subject, is_right):
    judge(has_variance_exp_log_var, subject, is_right)


def is_stationary_zero_at_the_prior(kl):
    mu = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    log_var = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    value = kl(mu, log_var)
    gradients = torch.autograd.grad(value.sum(), [mu, log_var])
    for found in (value, *gradients):
        assert_close(found, torch.zeros_like(found))


@planted(
    gaussian.gaussian_kl,
    lambda mu, log_var: 0.5 * (mu.square() + log_var.square() - 1 - 2 * log_var).sum(-1),
    lambda mu, log_var: 0.5 * (mu.square() + log_var.exp() - 1 - 2 * log_var).sum(-1),
    lambda mu, log_var: 0.5 * (mu.square() + (log_var / 2).exp() - 1 - log_var).sum(-1),
)
def test_kl_is_a_stationary_zero_at_the_prior(subject, is_right):
    judge(is_stationary_zero_at_the_prior, subject, is_right)


def is_the_kl_of_these_samples(kl):
    """The KL and the sampler mean the same by ``log_var``: KL = E_q[log q - log p]."""
    log_var, n = 1.2, 40_000
    mu = torch.full((n, 1), 0.7, dtype=torch.float64)
    z = gaussian.reparameterise(mu, torch.full_like(mu, log_var), generator=make_generator(0))
    ratio = Normal(0.7, math.exp(log_var / 2)).log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    assert standard_errors(ratio, kl(mu[:1], torch.full_like(mu[:1], log_var))) < 4


@planted(
    gaussian.gaussian_kl,
    lambda mu, log_sigma: gaussian.gaussian_kl(mu, 2 * log_sigma),
    lambda mu, var: gaussian.gaussian_kl(mu, var.log()),
    lambda mu, sigma: gaussian.gaussian_kl(mu, 2 * sigma.log()),
)
def test_kl_means_by_log_var_what_the_samples_mean(subject, is_right):
    judge(is_the_kl_of_these_samples, subject, is_right)
