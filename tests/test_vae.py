"""The ELBO terms and the K-sample bound, on probabilistic PCA where log p(x) is exact."""

import math
from itertools import pairwise

import pytest
import torch
from oracles import (
    ChosenNoise,
    as_readers_have_it,
    cubature,
    diagonal,
    expected_log_lik,
    ppca_pair,
    randn,
    standard_errors,
)
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.testing import assert_close

from dgm_teach.likelihoods import BernoulliPixels, GaussianPixels
from dgm_teach.linear_gaussian import evidence, posterior
from dgm_teach.rng import make_generator
from dgm_teach.vae import VAE, ElboTerms, elbo_terms, iwae_bound
from dgm_teach.vae_nets import LinearEncoder, conv_vae, linear_vae, mlp_vae


def exact_mean(monkeypatch, model, x, terms):
    """Mean over the noise of ``terms(model, x)``, exact where it is quadratic in the noise."""
    points = cubature(model.latent_dim)
    ChosenNoise(monkeypatch, points.repeat(len(x), 1))
    return terms(model, x.repeat_interleave(len(points), 0)).unflatten(0, (len(x), -1)).mean(1)


@pytest.mark.parametrize("seed", range(3))
def test_elbo_plus_kl_to_the_posterior_is_log_p_x(monkeypatch, seed):
    truth, model = ppca_pair(exact_posterior=False, seed=seed)
    x = randn(6, 5, seed=9)
    q_z = model.encode(x)
    gap = kl_divergence(diagonal(*q_z), posterior(truth, x))
    assert gap.min() > 0.01  # q is not the posterior
    elbo = exact_mean(monkeypatch, model, x, lambda model, x: elbo_terms(model, x).elbo)
    assert_close(elbo + gap, evidence(truth).log_prob(x))


def test_expected_log_lik_is_the_closed_form(monkeypatch):
    truth, model = ppca_pair(exact_posterior=False)
    x = randn(6, 5, seed=9)
    found = exact_mean(monkeypatch, model, x, lambda model, x: elbo_terms(model, x).log_lik)
    assert_close(found, expected_log_lik(truth, x, *model.encode(x)))


def test_kl_is_that_of_torch():
    _, model = ppca_pair(exact_posterior=False)
    x = randn(6, 5, seed=9)
    mu, log_var = model.encode(x)
    expected = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    assert_close(elbo_terms(model, x).kl, expected)


def test_bound_is_tight_at_the_posterior(monkeypatch):
    truth, model = ppca_pair(exact_posterior=True)
    x = randn(6, 5, seed=9)
    elbo = exact_mean(monkeypatch, model, x, lambda model, x: elbo_terms(model, x).elbo)
    assert_close(elbo, evidence(truth).log_prob(x))


def test_sampled_elbo_is_unbiased():
    _, model = ppca_pair(exact_posterior=False)
    x = randn(1, 5, seed=9)
    terms = elbo_terms(model, x.expand(20_000, 5), generator=make_generator(0))
    truth, _ = ppca_pair(exact_posterior=False)
    assert standard_errors(terms.log_lik, expected_log_lik(truth, x, *model.encode(x))) < 4


def test_encoder_gradient_is_exact_in_expectation(monkeypatch):
    # Against autograd through the closed form, which samples nothing.
    truth, model = ppca_pair(exact_posterior=False)
    x = randn(6, 5, seed=9)
    elbo = exact_mean(monkeypatch, model, x, lambda model, x: elbo_terms(model, x).elbo).sum()
    found = torch.autograd.grad(elbo, list(model.encoder.parameters()))
    mu, log_var = model.encode(x)
    prior = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), prior).sum()
    exact = expected_log_lik(truth, x, mu, log_var).sum() - kl
    expected = torch.autograd.grad(exact, list(model.encoder.parameters()))
    for one, other in zip(found, expected, strict=True):
        assert one.abs().min() > 1e-3
        assert_close(one, other)


def test_decoder_gradient_at_the_posterior_is_that_of_log_p_x(monkeypatch):
    # Fisher's identity.
    truth, model = ppca_pair(exact_posterior=True)
    x = randn(6, 5, seed=9)
    elbo = exact_mean(monkeypatch, model, x, lambda model, x: elbo_terms(model, x).elbo).sum()
    found = torch.autograd.grad(elbo, [model.decoder.weight, model.decoder.bias])
    parameters = [part.clone().requires_grad_() for part in truth[:2]]
    exact = evidence(truth._replace(weight=parameters[0], bias=parameters[1])).log_prob(x).sum()
    for one, other in zip(found, torch.autograd.grad(exact, parameters), strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("num_samples", [1, 2, 7, 100])
def test_k_sample_bound_at_the_posterior_is_log_p_x_for_every_draw(num_samples):
    truth, model = ppca_pair(exact_posterior=True)
    x = randn(6, 5, seed=9)
    expected = evidence(truth).log_prob(x)
    for seed in range(3):
        found = iwae_bound(model, x, num_samples, generator=make_generator(seed))
        assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_one_sample_bound_is_the_elbo_in_expectation(monkeypatch):
    truth, model = ppca_pair(exact_posterior=False)
    x = randn(6, 5, seed=9)
    points = cubature(2)
    ChosenNoise(monkeypatch, points.repeat(6, 1)[None])
    bound = iwae_bound(model, x.repeat_interleave(len(points), 0), 1)
    gap = kl_divergence(diagonal(*model.encode(x)), posterior(truth, x))
    assert_close(bound.unflatten(0, (6, -1)).mean(1) + gap, evidence(truth).log_prob(x))


def test_k_sample_bound_is_the_log_of_the_mean_weight(monkeypatch):
    truth, model = ppca_pair(exact_posterior=False)
    x, eps = randn(6, 5, seed=9), randn(4, 6, 2, seed=10)
    mu, log_var = model.encode(x)
    q_z = Normal(mu, (log_var / 2).exp())
    z = mu + q_z.stddev * eps
    p_x = Normal(z @ truth.weight.T + truth.bias, truth.noise_var.sqrt())
    weight = p_x.log_prob(x).sum(-1) + Normal(0.0, 1.0).log_prob(z).sum(-1)
    weight = (weight - q_z.log_prob(z).sum(-1)).exp()
    ChosenNoise(monkeypatch, eps)
    assert_close(iwae_bound(model, x, 4), weight.mean(0).log())


def test_mean_weight_is_unbiased_for_p_x():
    truth, model = ppca_pair(exact_posterior=False)
    x = randn(1, 5, seed=9)
    for num_samples in (1, 3):
        bound = iwae_bound(model, x.expand(20_000, 5), num_samples, generator=make_generator(0))
        assert standard_errors(bound.exp(), evidence(truth).log_prob(x).exp()) < 4


def test_k_sample_bound_rises_with_k_to_log_p_x():
    truth, model = ppca_pair(exact_posterior=False)
    x, n = randn(1, 5, seed=9), 4000
    exact = evidence(truth).log_prob(x)
    gaps = [
        exact - iwae_bound(model, x.expand(n, 5), k, generator=make_generator(k))
        for k in (1, 4, 16, 64)
    ]
    for worse, better in pairwise(gaps):
        fall = worse.mean() - better.mean()
        assert fall > 4 * ((worse.var() + better.var()) / n).sqrt()
    assert gaps[-1].mean() > 4 * (gaps[-1].var() / n).sqrt()  # a bound: still below


@pytest.mark.parametrize("num_samples", [25, 50])
def test_gap_of_the_k_sample_bound_falls_as_one_over_k(num_samples):
    # With q the posterior moved by d standard deviations, w / p(x) is log-normal with moments
    # E[w^k] = exp(k (k - 1) d^2 / 2). Expanding the logarithm, the gap is
    # m2 / 2K + (3 m2^2 / 4 - m3 / 3) / K^2 + O(K^-3), m2 and m3 its central moments.
    d = 0.5
    second, third = math.exp(d**2), math.exp(3 * d**2)
    m2, m3 = second - 1, third - 3 * second + 2
    expected = m2 / (2 * num_samples) + (3 * m2**2 / 4 - m3 / 3) / num_samples**2
    truth, model = ppca_pair(exact_posterior=True)
    with torch.no_grad():
        mu, log_var = model.encoder.bias.split(2)
        mu += d / math.sqrt(2) * (log_var / 2).exp()
        x = randn(1, 5, seed=9)
        bound = iwae_bound(model, x.expand(4000, 5), num_samples, generator=make_generator(0))
    log_ratio = bound - evidence(truth).log_prob(x)
    # E[exp(log_ratio)] = 1: adding it, less 1, takes most of the noise away.
    assert standard_errors(log_ratio.exp() - 1 - log_ratio, expected) < 4


def test_k_sample_bound_survives_weights_below_the_smallest_float():
    truth, model = ppca_pair(exact_posterior=True)
    x = 100 + randn(6, 5, seed=9)
    expected = evidence(truth).log_prob(x)
    assert expected.max() < -1000
    assert_close(iwae_bound(model, x, 5, generator=make_generator(0)), expected)


@pytest.mark.parametrize("num_samples", [0, -3])
def test_k_sample_bound_refuses_no_samples(num_samples):
    _, model = ppca_pair(exact_posterior=True)
    with pytest.raises(ValueError, match=f"^num_samples must be at least 1, got {num_samples}$"):
        iwae_bound(model, randn(6, 5, seed=9), num_samples)


@pytest.mark.parametrize("latent_dim", [0, -1])
def test_vae_refuses_no_latents(latent_dim):
    with pytest.raises(ValueError, match=f"^latent_dim must be at least 1, got {latent_dim}$"):
        VAE(nn.Identity(), nn.Identity(), BernoulliPixels(), latent_dim)


def test_encoder_output_is_the_mean_then_the_log_variance():
    model = VAE(nn.Identity(), nn.Identity(), BernoulliPixels(), 2)
    x = randn(3, 4, seed=0)
    assert torch.equal(model.encode(x).mu, x[:, :2])
    assert torch.equal(model.encode(x).log_var, x[:, 2:])


@pytest.mark.parametrize("width", [2, 3, 5, 6])
def test_another_number_of_codes_is_refused(width, monkeypatch):
    as_readers_have_it(monkeypatch)
    model = VAE(nn.Identity(), nn.Identity(), BernoulliPixels(), 2)
    message = rf"^encoder must return 2 \* latent_dim = 4 numbers per example, got {width}$"
    with pytest.raises(ValueError, match=message):
        model.encode(randn(3, width, seed=0))


def test_terms_of_bernoulli_pixels_are_those_of_torch(monkeypatch):
    model = mlp_vae(12, 8, 3).double()
    x, eps = (randn(6, 12, seed=0) > 0).double(), randn(6, 3, seed=1)
    mu, log_var = model.encoder(x).chunk(2, -1)
    decoded = model.decoder(mu + (log_var / 2).exp() * eps)
    ChosenNoise(monkeypatch, eps)
    terms = elbo_terms(model, x)
    assert_close(terms.log_lik, Bernoulli(logits=decoded).log_prob(x).sum(-1))
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(-1)
    assert_close(terms.kl, kl)
    assert_close(terms.elbo, terms.log_lik - kl)


def test_elbo_is_log_lik_minus_kl():
    assert ElboTerms(torch.tensor([5.0]), torch.tensor([3.0])).elbo.item() == 2


LIKELIHOODS = {
    "bernoulli": BernoulliPixels,
    "gaussian": lambda: GaussianPixels(-0.5),
    "gaussian, learned": lambda: GaussianPixels(-0.5, learn=True),
}


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("nets", ["mlp", "conv"])
def test_shapes_gradients_and_dtype(nets, likelihood):
    pixels = LIKELIHOODS[likelihood]()
    if nets == "mlp":
        model = mlp_vae(latent_dim=4, likelihood=pixels)
    else:
        model = conv_vae(4, channels=2, likelihood=pixels)
    x = (torch.rand(3, 784, generator=make_generator(0)) > 0.5).float()
    terms = elbo_terms(model, x, generator=make_generator(1))
    assert terms.log_lik.shape == terms.kl.shape == terms.elbo.shape == (3,)
    assert terms.elbo.dtype == torch.float32
    assert iwae_bound(model, x, 2, generator=make_generator(1)).shape == (3,)
    terms.elbo.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 0, name
    assert ("likelihood.log_var" in dict(model.named_parameters())) == ("learned" in likelihood)


def test_mlp_vae_has_the_sizes_named():
    model = mlp_vae()
    sizes = [tuple(p.shape) for p in model.parameters() if p.ndim == 2]
    assert sizes == [(400, 784), (40, 400), (400, 20), (784, 400)]
    assert isinstance(model.likelihood, BernoulliPixels)
    deep = mlp_vae(12, 8, 3, num_hidden=2, activation=nn.Tanh)
    sizes = [tuple(p.shape) for p in deep.parameters() if p.ndim == 2]
    assert sizes == [(8, 12), (8, 8), (6, 8), (8, 3), (8, 8), (12, 8)]
    assert sum(isinstance(module, nn.Tanh) for module in deep.modules()) == 4
    assert deep.latent_dim == 3


def test_linear_vae_has_the_posterior_of_its_family():
    model = linear_vae(5, 2).double()
    x = randn(6, 5, seed=0)
    layer = model.encoder.mean
    with torch.no_grad():
        model.encoder.log_var.copy_(torch.tensor([-1.0, 0.5]))
    mu, log_var = model.encode(x)
    assert_close(mu, x @ layer.weight.T + layer.bias)
    assert_close(log_var, torch.tensor([-1.0, 0.5]).double().expand(6, 2))
    assert model.decoder(mu).shape == (6, 5)
    assert len(list(model.parameters())) == 6  # two layers, the variances of q and of x


def test_linear_encoder_may_have_one_number_on_each_side():
    assert LinearEncoder(1, 1)(torch.ones(2, 1)).shape == (2, 2)


def test_linear_vae_starts_at_unit_variances():
    model = linear_vae(5, 2)
    assert_close(model.encoder.log_var, torch.zeros(2))
    assert_close(model.likelihood.log_var, torch.tensor(0.0))
    assert model.likelihood.log_var.requires_grad
    pixels = BernoulliPixels()
    assert linear_vae(5, 2, likelihood=pixels).likelihood is pixels
    assert linear_vae(5, 2).latent_dim == 2


def test_linear_vae_can_hold_the_exact_posterior():
    truth, model = ppca_pair(exact_posterior=True)
    linear = linear_vae(5, 2).double()
    layer = linear.encoder.mean
    with torch.no_grad():
        layer.weight.copy_(model.encoder.weight[:2])
        layer.bias.copy_(model.encoder.bias[:2])
        linear.encoder.log_var.copy_(model.encoder.bias[2:])
        linear.decoder.load_state_dict(model.decoder.state_dict())
        linear.likelihood.log_var.copy_(truth.noise_var.log())
        x = randn(6, 5, seed=9)
        bound = iwae_bound(linear, x, 3, generator=make_generator(0))
    assert_close(bound, evidence(truth).log_prob(x))  # q is the posterior: no variance is left


def test_conv_vae_has_the_sizes_named():
    model = conv_vae()
    kernels = [tuple(p.shape) for p in model.parameters() if p.ndim == 4]
    assert kernels == [(32, 1, 4, 4), (64, 32, 4, 4), (64, 32, 4, 4), (32, 1, 4, 4)]
    assert model.latent_dim == 20
    assert model.encoder[-1].out_features == 40
    assert isinstance(model.likelihood, BernoulliPixels)
    narrow = conv_vae(4, channels=2)
    kernels = [tuple(p.shape) for p in narrow.parameters() if p.ndim == 4]
    assert kernels == [(2, 1, 4, 4), (4, 2, 4, 4), (4, 2, 4, 4), (2, 1, 4, 4)]


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: mlp_vae(latent_dim=0), "sizes"),
        (lambda: mlp_vae(hidden_dim=0), "sizes"),
        (lambda: LinearEncoder(0, 2), "data_dim"),
        (lambda: linear_vae(5, 0), "latent_dim"),
        (lambda: conv_vae(0), "out_dim"),
        (lambda: conv_vae(channels=0), "channels"),
    ],
)
def test_builders_refuse_bad_sizes(build, name):
    with pytest.raises(ValueError, match=f"^{name} must be "):
        build()


@pytest.mark.parametrize("draw", [elbo_terms, lambda *a, **k: [iwae_bound(a[0], a[1], 3, **k)]])
def test_noise_comes_from_the_generator(draw):
    _, model = ppca_pair(exact_posterior=False)
    x, before = randn(6, 5, seed=9), torch.get_rng_state()
    first, again, other = (draw(model, x, generator=make_generator(seed))[0] for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        assert torch.equal(draw(model, x)[0], first)


def test_every_sample_has_noise_of_its_own():
    # One sample repeated K times would give the one-sample bound again.
    _, model = ppca_pair(exact_posterior=False)
    x = randn(6, 5, seed=9)
    one, many = (iwae_bound(model, x, k, generator=make_generator(0)) for k in (1, 50))
    assert (one - many).abs().min() > 1e-3
