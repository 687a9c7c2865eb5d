"""Held-out measures: exact values on probabilistic PCA, and chunks that change nothing."""

import inspect
import math

import numpy as np
import pytest
import torch
from oracles import (
    ChosenNoise,
    State,
    cubature,
    expected_log_lik,
    mixed_mode_vae,
    ppca_pair,
    randn,
)
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.testing import assert_close

from dgm_teach.evaluate import active_units, held_out_terms, log_px_hat
from dgm_teach.likelihoods import BernoulliPixels
from dgm_teach.linear_gaussian import evidence
from dgm_teach.rng import make_generator
from dgm_teach.vae import VAE, iwae_bound

X = randn(7, 5, seed=9)


def test_terms_are_the_exact_ones(monkeypatch):
    # Four samples that are cubature points average log p(x|z) exactly.
    truth, model = ppca_pair(exact_posterior=False)
    ChosenNoise(monkeypatch, *(point.expand(7, 2) for point in cubature(2)))
    terms = held_out_terms(model, X, num_samples=4, generator=make_generator(0))
    mu, log_var = model.encode(X)
    assert_close(terms.log_lik, expected_log_lik(truth, X, mu, log_var).detach())
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    assert_close(terms.kl, kl.detach())


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 8])
def test_chunks_change_nothing(monkeypatch, chunk_size):
    _, model = ppca_pair(exact_posterior=False)
    noise = randn(2, 7, 2, seed=3)
    ChosenNoise(monkeypatch, *noise, *(part for rows in noise for part in rows.split(chunk_size)))
    whole = held_out_terms(model, X, num_samples=2, generator=make_generator(0))
    parts = held_out_terms(
        model, X, num_samples=2, generator=make_generator(0), chunk_size=chunk_size
    )
    assert_close(parts, whole)
    # The ragged last chunk weighs as much per image: the mean is that over images.
    assert_close(parts.elbo.mean(), whole.elbo.sum() / 7)


def test_one_sample_unless_said(monkeypatch):
    _, model = ppca_pair(exact_posterior=False)
    noise = randn(7, 2, seed=3)
    ChosenNoise(monkeypatch, noise, noise)  # a second sample would need a third noise
    once = held_out_terms(model, X, generator=make_generator(0))
    assert_close(once, held_out_terms(model, X, num_samples=1, generator=make_generator(0)))


def decoded_rows(model):
    """Count the rows of each call of the decoder."""
    rows = []
    model.decoder.register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    return rows


def test_chunks_bound_what_is_decoded_at_once():
    _, model = ppca_pair(exact_posterior=False)
    rows = decoded_rows(model)
    held_out_terms(model, X, num_samples=2, generator=make_generator(0), chunk_size=3)
    assert rows == [3, 3, 1, 3, 3, 1]
    rows.clear()
    log_px_hat(model, X, num_samples=6, generator=make_generator(0), chunk_size=20)
    assert rows == [18, 18, 6]
    rows.clear()
    log_px_hat(model, X[:2], num_samples=6, generator=make_generator(0), chunk_size=5)
    assert rows == [6, 6]  # an image's samples stay together


def test_default_chunks():
    _, model = ppca_pair(exact_posterior=False)
    rows = decoded_rows(model)
    held_out_terms(model, randn(1001, 5, seed=0), generator=make_generator(0))
    assert rows == [1000, 1]
    rows.clear()
    size = inspect.signature(log_px_hat).parameters["chunk_size"].default
    log_px_hat(model, randn(size + 1, 5, seed=0), num_samples=1, generator=make_generator(0))
    assert rows == [size, 1]
    rows.clear()
    log_px_hat(model, randn(2, 5, seed=0), generator=make_generator(0))
    assert rows == [2 * 500]


def test_log_px_hat_is_exact_at_the_posterior():
    truth, model = ppca_pair(exact_posterior=True)
    found = log_px_hat(model, X, num_samples=3, generator=make_generator(0), chunk_size=6)
    assert_close(found, evidence(truth).log_prob(X))


def test_log_px_hat_comes_near_the_evidence():
    # Its error is about the standard deviation of w / p(x) over sqrt(K): allow four of them.
    truth, model = ppca_pair(exact_posterior=False)
    x, num_samples = X[:2], 20_000
    exact = evidence(truth).log_prob(x)
    one = [
        iwae_bound(model, x[i : i + 1].expand(5000, 5), 1, generator=make_generator(1))
        for i in (0, 1)
    ]
    spread = torch.stack([(bound - exact[i]).exp().std() for i, bound in enumerate(one)])
    found = log_px_hat(model, x, num_samples=num_samples, generator=make_generator(0))
    assert ((found - exact).abs() < 4 * spread / math.sqrt(num_samples)).all()


def test_log_px_hat_in_chunks_is_the_k_sample_bound(monkeypatch):
    _, model = ppca_pair(exact_posterior=False)
    noise = randn(6, 7, 2, seed=3)
    ChosenNoise(monkeypatch, noise, *noise.split(3, dim=1))
    whole = iwae_bound(model, X, 6).detach()
    parts = log_px_hat(model, X, num_samples=6, generator=make_generator(0), chunk_size=20)
    assert_close(parts, whole)


MEANS = torch.tensor([[0.0, 1.0, 5.0], [0.19, 1.1, 5.0], [0.1, 1.3, 5.0]])


def coder(means):
    """A VAE whose posterior means are the rows it is given."""
    pixels = torch.cat([means, torch.zeros_like(means)], dim=1)
    return VAE(nn.Identity(), nn.Identity(), BernoulliPixels(), means.shape[1]), pixels


def test_active_units_are_those_whose_mean_varies():
    model, pixels = coder(MEANS)
    variance = np.var(MEANS.tolist(), axis=0, ddof=1).tolist()
    assert variance[0] < 0.01 < variance[1]
    assert active_units(model, pixels).tolist() == [False, True, False]
    low, high = variance[0] * 0.99, variance[0] * 1.01
    assert active_units(model, pixels, threshold=low).tolist() == [True, True, False]
    assert active_units(model, pixels, threshold=high).tolist() == [False, True, False]
    # A mean that never moves is not active even at threshold 0.
    assert active_units(model, pixels, threshold=0.0).tolist() == [True, True, False]


def test_active_units_look_at_the_means_only():
    model, pixels = coder(MEANS[:, 2:])
    pixels[:, 1] = torch.tensor([-3.0, 0.0, 3.0])
    assert active_units(model, pixels).tolist() == [False]


@pytest.mark.parametrize("rows", [0, 1])
def test_active_units_refuse_too_few_images(rows):
    model, pixels = coder(MEANS)
    with pytest.raises(
        ValueError, match=f"^the number of images in x must be at least 2, got {rows}$"
    ):
        active_units(model, pixels[:rows])
    assert active_units(model, pixels[:2]).tolist() == [True, False, False]


MEASURES = {
    "held_out_terms": lambda model, x, **kw: (
        held_out_terms(model, x, generator=make_generator(0), **kw).elbo
    ),
    "log_px_hat": lambda model, x, **kw: log_px_hat(
        model, x, generator=make_generator(0), **({"num_samples": 3} | kw)
    ),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_arguments_are_refused(measure):
    _, model = ppca_pair(exact_posterior=True)
    for name in ("num_samples", "chunk_size"):
        with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
            MEASURES[measure](model, X, **{name: 0})
    with pytest.raises(ValueError, match=r"^the number of images in x must be at least 1, got 0$"):
        MEASURES[measure](model, X[:0])
    assert len(MEASURES[measure](model, X[:1], num_samples=1, chunk_size=1)) == 1


@pytest.mark.parametrize("measure", [*MEASURES, "active_units"])
def test_model_and_random_state_are_left_as_found(measure):
    model, x = mixed_mode_vae(), randn(7, 6, seed=1)
    call = MEASURES.get(measure, lambda model, x: active_units(model, x))
    before = State(model)
    first, again = call(model, x), call(model, x)
    assert torch.equal(first, again)
    assert not first.requires_grad
    assert before.same_as(State(model))


@pytest.mark.parametrize("measure", MEASURES)
def test_an_image_scores_the_same_alone_and_in_company(measure, monkeypatch):
    # Batch normalisation in train mode would tell.
    model, x = mixed_mode_vae(), randn(7, 6, seed=1)
    draws = 3 if measure == "log_px_hat" else 1
    noise = randn(draws, 7, 2, seed=3)
    noise = noise if measure == "log_px_hat" else noise[0]
    ChosenNoise(monkeypatch, noise, noise.select(-2, 4).unsqueeze(-2))
    together, alone = MEASURES[measure](model, x), MEASURES[measure](model, x[4:5])
    assert_close(alone[0], together[4])


@pytest.mark.parametrize("measure", MEASURES)
def test_noise_follows_the_generator(measure):
    _, model = ppca_pair(exact_posterior=False)
    call = {"held_out_terms": held_out_terms, "log_px_hat": log_px_hat}[measure]
    first, again, other = (
        call(model, X, num_samples=2, generator=make_generator(seed)) for seed in (1, 1, 2)
    )
    first, again, other = (
        draw.log_lik if measure == "held_out_terms" else draw for draw in (first, again, other)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
