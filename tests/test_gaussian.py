"""Diagonal Gaussian: torch.distributions, integrals and moments as oracles."""

import math

import pytest
import torch
from oracles import plane_integral, randn, standard_errors
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from dgm_teach.gaussian import DiagonalGaussian, gaussian_kl, gaussian_log_prob, reparameterise
from dgm_teach.rng import make_generator


def parameters(*shape):
    return randn(*shape, seed=1), randn(*shape, seed=2)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (4, 1)])
def test_log_prob_is_that_of_torch(shape):
    x, (mu, log_var) = randn(*shape, seed=0), parameters(*shape)
    expected = Normal(mu, (log_var / 2).exp()).log_prob(x).sum(-1)
    assert_close(gaussian_log_prob(x, mu, log_var), expected)


def test_log_prob_broadcasts_like_torch():
    x, (mu, log_var) = randn(6, 1, 3, seed=0), parameters(4, 3)
    expected = Normal(mu, (log_var / 2).exp()).log_prob(x).sum(-1)
    assert expected.shape == (6, 4)
    assert_close(gaussian_log_prob(x, mu, log_var), expected)


def test_density_integrates_to_one():
    mu, log_var = (torch.tensor(pair, dtype=torch.float64) for pair in ([0.3, -1.1], [0.4, -0.9]))
    total = plane_integral(lambda points: gaussian_log_prob(points, mu, log_var))
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (4, 1)])
def test_kl_is_that_of_torch(shape):
    mu, log_var = parameters(*shape)
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    expected = kl_divergence(Normal(mu, (log_var / 2).exp()), prior).sum(-1)
    assert_close(gaussian_kl(mu, log_var), expected)


def test_kl_is_zero_with_zero_gradient_at_the_prior():
    mu = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    log_var = torch.zeros(4, 3, dtype=torch.float64, requires_grad=True)
    kl = gaussian_kl(mu, log_var)
    assert_close(kl, torch.zeros_like(kl), atol=0, rtol=0)
    for gradient in torch.autograd.grad(kl.sum(), [mu, log_var]):
        assert_close(gradient, torch.zeros_like(gradient), atol=0, rtol=0)


def test_kl_is_positive_away_from_the_prior():
    mu, log_var = parameters(1000, 1)
    assert (gaussian_kl(mu, log_var) > 0).all()


def test_kl_is_the_mean_log_ratio():
    mu, log_var = parameters(3)
    z = reparameterise(mu.expand(40_000, 3), log_var.expand(40_000, 3), generator=make_generator(0))
    zero = torch.zeros_like(z)
    ratio = gaussian_log_prob(z, mu, log_var) - gaussian_log_prob(z, zero, zero)
    assert standard_errors(ratio, gaussian_kl(mu, log_var)) < 4


@pytest.mark.parametrize("log_var", [-4.0, -1.0, 0.0, 0.5, 2.0])
def test_sample_moments(log_var):
    n, mu = 40_000, torch.tensor([3.0, -1.0], dtype=torch.float64)
    z = reparameterise(
        mu.expand(n, 2),
        torch.full((n, 2), log_var, dtype=torch.float64),
        generator=make_generator(0),
    )
    assert standard_errors(z, mu) < 4
    assert standard_errors((z - mu).square(), math.exp(log_var)) < 4
    assert standard_errors((z - mu).prod(-1), 0.0) < 4  # independent coordinates


def test_sample_is_mean_plus_sigma_times_the_generators_noise():
    mu, log_var = parameters(4, 3)
    z = reparameterise(mu, log_var, generator=make_generator(5))
    assert_close(z, mu + (log_var / 2).exp() * randn(4, 3, seed=5))


def test_sample_is_differentiable_in_both_parameters():
    mu, log_var = (part.requires_grad_() for part in parameters(4, 3))
    z = reparameterise(mu, log_var, generator=make_generator(5))
    to_mu, to_log_var = torch.autograd.grad(z.sum(), [mu, log_var])
    assert_close(to_mu, torch.ones_like(mu))
    assert_close(to_log_var, ((z - mu) / 2).detach())


def test_same_generator_same_sample_and_global_state_untouched():
    mu, log_var = parameters(4, 3)
    before = torch.get_rng_state()
    first, again, other = (
        reparameterise(mu, log_var, generator=make_generator(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_generator_the_global_one_is_used():
    mu, log_var = parameters(4, 3)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        z = reparameterise(mu, log_var)
    assert torch.equal(z, reparameterise(mu, log_var, generator=make_generator(5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    mu, log_var = (part.to(dtype) for part in parameters(4, 3))
    z = reparameterise(mu, log_var, generator=make_generator(0))
    assert z.dtype == gaussian_kl(mu, log_var).dtype == dtype
    assert gaussian_log_prob(z, mu, log_var).dtype == dtype


def test_pathwise_gradient_of_a_conjugate_gaussian():
    # E_q[log N(x | z, s)] has gradient (x - mu) / s in mu and -exp(log_var) / (2 s) in log_var.
    n, x, noise_var = 40_000, 1.7, 0.6
    mu = torch.full((n, 1), 0.4, dtype=torch.float64, requires_grad=True)
    log_var = torch.full((n, 1), -0.8, dtype=torch.float64, requires_grad=True)
    z = reparameterise(mu, log_var, generator=make_generator(0))
    seen, spread = torch.full_like(z, x), torch.full_like(z, math.log(noise_var))
    log_lik = gaussian_log_prob(seen, z, spread)
    to_mu, to_log_var = torch.autograd.grad(log_lik.sum(), [mu, log_var])
    assert standard_errors(to_mu, (x - 0.4) / noise_var) < 4
    assert standard_errors(to_log_var, -math.exp(-0.8) / (2 * noise_var)) < 4


def test_parameters_are_named():
    mu, log_var = parameters(4, 3)
    q_z = DiagonalGaussian(mu, log_var)
    assert q_z.mu is mu
    assert q_z.log_var is log_var
