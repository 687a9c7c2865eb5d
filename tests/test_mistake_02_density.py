"""Mistake 2: an unnormalised likelihood called ELBO or log-likelihood."""

import itertools
import math

import pytest
import torch
from oracles import LOG_NOISE_VAR, ChosenNoise, cubature, diagonal, ppca_pair, randn
from planting import judge, planted
from torch.distributions import kl_divergence
from torch.testing import assert_close

from dgm_teach import gaussian, likelihoods, vae
from dgm_teach.likelihoods import BernoulliPixels, GaussianPixels
from dgm_teach.linear_gaussian import evidence, posterior
from dgm_teach.vae import elbo_terms

GREY = torch.linspace(0, 1, 9, dtype=torch.float64)


def sums_to_one(log_lik):
    images = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
    logits = 2 * randn(4, seed=1)
    assert_close(log_lik(images, logits.expand_as(images)).exp().sum().item(), 1.0)


@planted(
    likelihoods.bernoulli_log_lik,
    lambda x, logits: likelihoods.bernoulli_log_lik(x, logits) / x.shape[-1],
    lambda x, logits: -(x - torch.sigmoid(logits)).square().sum(-1),
    lambda x, logits: (x * logits).sum(-1),
)
def test_bernoulli_sums_to_one(subject, is_right):
    judge(sums_to_one, subject, is_right)


def integrates_to_one(log_lik):
    # The trapezium rule is exact to rounding for a Gaussian on a grid this fine and this wide.
    for log_var in (-1.0, 0.0, 1.5):
        x = torch.linspace(-40, 40, 4001, dtype=torch.float64)[:, None]
        mu, spread = torch.full_like(x, 0.3), torch.tensor(log_var, dtype=torch.float64)
        assert_close(log_lik(x, mu, spread).exp().sum().item() * 0.02, 1.0)


@planted(
    likelihoods.gaussian_log_lik,
    lambda x, mu, _: -(x - mu).square().sum(-1),
    lambda x, mu, v: -0.5 * ((x - mu).square() / v.exp()).sum(-1),
    lambda x, mu, v: -0.5 * (v + (x - mu).square() / v.exp()).sum(-1),
    lambda x, mu, v: likelihoods.gaussian_log_lik(x, mu, v) + 0.5 * v,
)
def test_gaussian_integrates_to_one(subject, is_right):
    judge(integrates_to_one, subject, is_right)


def refuses_grey_pixels(pixels):
    try:
        pixels(GREY[None], GREY[None])
    except ValueError:
        return
    raise AssertionError("grey pixels were scored as if they were outcomes")


@planted(BernoulliPixels(), BernoulliPixels(allow_grey=True))
def test_grey_pixels_are_refused_unless_asked_for(subject, is_right):
    judge(refuses_grey_pixels, subject, is_right)


def test_a_perfect_reconstruction_of_a_grey_image_costs_nats():
    # 784 pixels of grey level 1/2, reconstructed exactly, cost log 2 each.
    grey = torch.full((1, 784), 0.5, dtype=torch.float64)
    score = BernoulliPixels(allow_grey=True)(grey, torch.zeros_like(grey))
    assert score.item() == pytest.approx(-784 * math.log(2))


def closes_the_gap(pixels):
    """ELBO + KL(q || posterior) = log p(x) on probabilistic PCA, the noise averaged exactly."""
    truth, model = ppca_pair(exact_posterior=False)
    model.likelihood, x, points = pixels, randn(6, 5, seed=9), cubature(2)
    with pytest.MonkeyPatch.context() as patch:
        ChosenNoise(patch, points.repeat(6, 1))
        elbo = elbo_terms(model, x.repeat_interleave(4, 0)).elbo.unflatten(0, (6, 4)).mean(1)
    gap = kl_divergence(diagonal(*model.encode(x)), posterior(truth, x))
    assert_close(elbo + gap, evidence(truth).log_prob(x))


class SquaredError(GaussianPixels):
    """A squared error without its constant and its variance."""

    def forward(self, x, decoded):
        return -(x - decoded).square().sum(-1)


class SigmaForLogVar(GaussianPixels):
    """Takes the standard deviation's log for the log variance."""

    def forward(self, x, decoded):
        return super().forward(x, decoded) - 0.25 * self.log_var * x.shape[-1]


@planted(
    GaussianPixels(LOG_NOISE_VAR),
    SquaredError(LOG_NOISE_VAR),
    SigmaForLogVar(LOG_NOISE_VAR),
    GaussianPixels(LOG_NOISE_VAR / 2),
    GaussianPixels(),
)
def test_elbo_and_gap_make_the_evidence(subject, is_right):
    judge(closes_the_gap, subject, is_right)


@pytest.mark.parametrize(
    "wrong_kl",
    [
        lambda mu, log_var: gaussian.gaussian_kl(mu, log_var) / mu.shape[-1],
        lambda mu, log_var: -gaussian.gaussian_kl(mu, log_var),
        lambda mu, log_var: 2 * gaussian.gaussian_kl(mu, log_var),
        lambda mu, log_var: gaussian.gaussian_kl(mu, 2 * log_var),
        lambda mu, log_var: gaussian.gaussian_kl(mu, log_var / 2),
    ],
)
def test_elbo_and_gap_tell_a_wrong_kl(monkeypatch, wrong_kl):
    monkeypatch.setattr(vae, "gaussian_kl", wrong_kl)
    judge(closes_the_gap, GaussianPixels(LOG_NOISE_VAR), is_right=False)
