"""Mistake 1: the two terms reduced differently, which is a hidden beta."""

import pytest
import torch
from oracles import BINARY, ChosenNoise, bernoulli_vae, randn
from planting import judge, planted
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.testing import assert_close

from dgm_teach import gaussian, likelihoods
from dgm_teach.rng import make_generator
from dgm_teach.vae import VAE, ElboTerms, elbo_terms
from dgm_teach.vae_training import vae_step


def mean_over_pixels(x, logits):
    return likelihoods.bernoulli_log_lik(x, logits) / x.shape[-1]


def mean_over_latents(mu, log_var):
    return gaussian.gaussian_kl(mu, log_var) / mu.shape[-1]


def batch_in_the_log_lik(x, logits):
    return likelihoods.bernoulli_log_lik(x, logits).mean()


def batch_in_the_kl(mu, log_var):
    return gaussian.gaussian_kl(mu, log_var).sum()


def doubles_with_the_pixels(log_lik):
    logits = randn(6, 5, seed=2)
    assert_close(log_lik(BINARY.repeat(1, 2), logits.repeat(1, 2)), 2 * log_lik(BINARY, logits))


def doubles_with_the_latents(kl):
    mu, log_var = randn(6, 3, seed=2), randn(6, 3, seed=3)
    assert_close(kl(mu.repeat(1, 2), log_var.repeat(1, 2)), 2 * kl(mu, log_var))


def keeps_to_its_example(term):
    first, second = (randn(6, 3, seed=seed) for seed in (2, 3))
    first = first if term in (gaussian.gaussian_kl, batch_in_the_kl) else (first > 0).double()
    once, twice = term(first, second), term(first.repeat(2, 1), second.repeat(2, 1))
    assert twice.shape == (12,)
    assert_close(twice, once.repeat(2))


@planted(likelihoods.bernoulli_log_lik, mean_over_pixels)
def test_duplicating_the_pixels_doubles_the_log_lik(subject, is_right):
    judge(doubles_with_the_pixels, subject, is_right)


@planted(gaussian.gaussian_kl, mean_over_latents)
def test_duplicating_the_latents_doubles_the_kl(subject, is_right):
    judge(doubles_with_the_latents, subject, is_right)


@planted(likelihoods.bernoulli_log_lik, batch_in_the_log_lik)
def test_duplicating_the_batch_changes_no_log_lik(subject, is_right):
    judge(keeps_to_its_example, subject, is_right)


@planted(gaussian.gaussian_kl, batch_in_the_kl)
def test_duplicating_the_batch_changes_no_kl(subject, is_right):
    judge(keeps_to_its_example, subject, is_right)


class Duplicated(nn.Module):
    """Feeds a network half of its input, or doubles its output."""

    def __init__(self, net, *, halve=False, double=1, parts=1):
        super().__init__()
        self.net, self.halve, self.double, self.parts = net, halve, double, parts

    def forward(self, x):
        out = self.net(x.chunk(2, -1)[0] if self.halve else x)
        return torch.cat([p for p in out.chunk(self.parts, -1) for _ in range(self.double)], -1)


def more_pixels(model):
    encoder = Duplicated(model.encoder, halve=True)
    return VAE(encoder, Duplicated(model.decoder, double=2), model.likelihood, 3)


def more_latents(model):
    encoder = Duplicated(model.encoder, double=2, parts=2)
    return VAE(encoder, Duplicated(model.decoder, halve=True), model.likelihood, 6)


def step_means(terms):
    """Batch means of what the step minimises, for doubled pixels, latents and batch."""

    def means(model, x, eps):
        with pytest.MonkeyPatch.context() as patch:
            ChosenNoise(patch, eps)
            return [term.mean() for term in terms(model, x)]

    model, eps = bernoulli_vae(), randn(6, 3, seed=4)
    return (
        means(model, BINARY, eps),
        means(more_pixels(model), BINARY.repeat(1, 2), eps),
        means(more_latents(model), BINARY, eps.repeat(1, 2)),
        means(model, BINARY.repeat(2, 1), eps.repeat(2, 1)),
    )


def scales_as_the_elbo(terms):
    (log_lik, kl), pixels, latents, batch = step_means(terms)
    assert_close(pixels, [2 * log_lik, kl])
    assert_close(latents, [log_lik, 2 * kl])
    assert_close(batch, [log_lik, kl])


def both_by_mean(model, x):
    terms = elbo_terms(model, x)
    return ElboTerms(terms.log_lik / x.shape[-1], terms.kl / model.latent_dim)


def log_lik_by_mean(model, x):
    terms = elbo_terms(model, x)
    return terms._replace(log_lik=terms.log_lik / x.shape[-1])


def kl_by_mean(model, x):
    terms = elbo_terms(model, x)
    return terms._replace(kl=terms.kl / model.latent_dim)


def both_by_sum_over_the_batch(model, x):
    return ElboTerms(*(term.sum() for term in elbo_terms(model, x)))


@planted(elbo_terms, both_by_mean, log_lik_by_mean, kl_by_mean, both_by_sum_over_the_batch)
def test_terms_of_the_elbo_scale_with_pixels_latents_and_batch(subject, is_right):
    judge(scales_as_the_elbo, subject, is_right)


def descends_the_negative_elbo(step):
    """One step of plain gradient descent goes down -(log p(x|z) - KL), from torch itself."""
    model, eps = bernoulli_vae(), randn(6, 3, seed=0)
    mu, log_var = model.encoder(BINARY).chunk(2, -1)
    q_z = Normal(mu, (log_var / 2).exp())
    log_lik = Bernoulli(logits=model.decoder(mu + q_z.stddev * eps)).log_prob(BINARY).sum(-1)
    loss = -(log_lik - kl_divergence(q_z, Normal(0.0, 1.0)).sum(-1)).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    step(model, torch.optim.SGD(model.parameters(), lr=1.0), BINARY, generator=make_generator(0))
    for parameter, old, gradient in zip(model.parameters(), before, gradients, strict=True):
        assert_close(old - parameter.detach(), gradient)


def step_on(loss):
    """A training step that minimises something else."""

    def step(model, optimizer, x, *, generator):
        terms = elbo_terms(model, x, generator=generator)
        optimizer.zero_grad()
        loss(terms, model).backward()
        optimizer.step()

    return step


@planted(
    vae_step,
    step_on(lambda terms, _: -terms.elbo.sum()),
    step_on(lambda terms, _: (terms.kl - terms.log_lik / 5).mean()),
    step_on(lambda terms, model: (terms.kl / model.latent_dim - terms.log_lik).mean()),
    step_on(lambda terms, _: (terms.kl - terms.log_lik).mean() / 5),
    step_on(lambda terms, _: -terms.log_lik.mean()),
    step_on(lambda terms, _: -(terms.log_lik + terms.kl).mean()),
    step_on(lambda terms, _: terms.elbo.mean()),
)
def test_step_descends_the_negative_elbo(subject, is_right):
    judge(descends_the_negative_elbo, subject, is_right)
