"""Mistake 8: a gradient that does not reach the encoder, or a wrong one."""

import torch
from oracles import ChosenNoise, cubature, ppca_pair, randn
from planting import judge, planted
from torch.testing import assert_close

from dgm_teach import gaussian, vae
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
