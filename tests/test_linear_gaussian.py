"""Probabilistic PCA: Bayes' rule, scikit-learn's PCA and the stationary point of the likelihood."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from oracles import linear_gaussian, plane_integral, randn, standard_errors
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from torch.distributions import MultivariateNormal, Normal

from dgm_teach.linear_gaussian import (
    LinearGaussian,
    evidence,
    fit_ppca,
    posterior,
    principal_angles,
    sample,
)
from dgm_teach.rng import make_generator

# Nothing may pass through float32, whose errors torch's own tolerance would let through.
assert_close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def skewed_model(data_dim=5, latent_dim=2):
    """A model whose latent variables are correlated in the posterior."""
    noise_var = torch.tensor(0.3, dtype=torch.float64)
    return LinearGaussian(randn(data_dim, latent_dim, seed=0), randn(data_dim, seed=1), noise_var)


def observed(n=200, data_dim=5):
    """Vectors with correlated coordinates and a mean other than zero."""
    mixing = randn(data_dim, data_dim, seed=2)
    return randn(n, data_dim, seed=3) @ mixing + randn(data_dim, seed=4)


def test_evidence_times_posterior_is_the_joint_density():
    model, x, z = skewed_model(), observed(6), randn(6, 2, seed=5)
    prior = Normal(0.0, 1.0).log_prob(z).sum(-1)
    log_lik = Normal(z @ model.weight.T + model.bias, math.sqrt(0.3)).log_prob(x).sum(-1)
    product = evidence(model).log_prob(x) + posterior(model, x).log_prob(z)
    assert_close(product, prior + log_lik)


def test_evidence_is_the_latent_variable_integrated_out():
    model, x = skewed_model(), observed(1)

    def log_joint(z):
        log_lik = Normal(z @ model.weight.T + model.bias, math.sqrt(0.3)).log_prob(x).sum(-1)
        return log_lik + Normal(0.0, 1.0).log_prob(z).sum(-1)

    expected = evidence(model).log_prob(x).exp().item()
    assert plane_integral(log_joint) == pytest.approx(expected, rel=1e-10)


def test_evidence_has_the_moments_of_the_model():
    model = skewed_model()
    cov = model.weight.numpy() @ model.weight.numpy().T + 0.3 * np.eye(5)
    np.testing.assert_allclose(evidence(model).mean, model.bias)
    np.testing.assert_allclose(evidence(model).covariance_matrix, cov)


def test_posterior_is_that_of_the_joint_gaussian():
    # Conditioning [z, x] ~ N([0, b], [[I, W'], [W, WW' + s^2 I]]) by the Schur complement.
    model, x = skewed_model(), observed(6)
    gain = model.weight.T @ evidence(model).precision_matrix
    found = posterior(model, x)
    assert_close(found.mean, (x - model.bias) @ gain.T)
    expected = torch.eye(2, dtype=torch.float64) - gain @ model.weight
    assert_close(found.covariance_matrix, expected.expand(6, 2, 2))


def test_posterior_of_one_row_does_not_depend_on_the_others():
    model, x = skewed_model(), observed(6)
    assert_close(posterior(model, x[2:3]).mean, posterior(model, x).mean[2:3])


def test_fit_has_the_score_of_sklearn():
    # PCA divides the covariance by n - 1: give it data whose covariance is ours after that.
    x = observed()
    pca = PCA(2, svd_solver="full").fit((x - x.mean(0)) * math.sqrt(199 / 200) + x.mean(0))
    log_px = evidence(fit_ppca(x, 2)).log_prob(x)
    np.testing.assert_allclose(log_px, pca.score_samples(x))
    assert log_px.mean().item() == pytest.approx(pca.score(x))


@pytest.mark.parametrize("latent_dim", [1, 2, 4])
def test_fit_is_that_of_sklearn(latent_dim):
    x = observed()
    pca, model = PCA(latent_dim, svd_solver="full").fit(x), fit_ppca(x, latent_dim)
    shrink = 199 / 200
    np.testing.assert_allclose(model.bias, pca.mean_)
    np.testing.assert_allclose(model.noise_var, shrink * pca.noise_variance_)
    np.testing.assert_allclose(
        evidence(model).covariance_matrix, shrink * pca.get_covariance(), atol=1e-12
    )
    lengths = model.weight.norm(dim=0)
    np.testing.assert_allclose(
        lengths, np.sqrt(shrink * (pca.explained_variance_ - pca.noise_variance_))
    )
    cosines = pca.components_ @ (model.weight / lengths).numpy()
    np.testing.assert_allclose(np.abs(cosines), np.eye(latent_dim), atol=1e-8)


def test_fit_is_a_stationary_point_of_the_likelihood_and_a_maximum():
    x, model = observed(), fit_ppca(observed(), 2)
    parameters = [part.clone().requires_grad_() for part in model]
    best = evidence(LinearGaussian(*parameters)).log_prob(x).mean()
    for gradient in torch.autograd.grad(best, parameters):
        assert_close(gradient, torch.zeros_like(gradient), atol=1e-10, rtol=0)
    for seed in range(20):
        nudged = [part + 0.01 * randn(*part.shape, seed=seed) for part in model]
        assert evidence(LinearGaussian(*nudged)).log_prob(x).mean() < best


def test_fit_of_spherical_data_has_no_negative_length():
    # All eigenvalues equal: lambda - s^2 is 0 up to rounding, and must not become NaN.
    x = torch.cat([torch.eye(3), -torch.eye(3)]).double()
    model = fit_ppca(x, 2)
    assert_close(evidence(model).covariance_matrix, torch.eye(3, dtype=torch.float64) / 3)


@pytest.mark.parametrize("latent_dim", [0, -1, 5, 6])
def test_fit_refuses_a_latent_dim_out_of_range(latent_dim):
    with pytest.raises(ValueError, match=f"^latent_dim must be from 1 to 4, got {latent_dim}$"):
        fit_ppca(observed(), latent_dim)


@pytest.mark.parametrize("rows", [0, 1])
def test_fit_refuses_too_few_rows(rows):
    with pytest.raises(ValueError, match=f"^x must have at least 2 rows, got {rows}$"):
        fit_ppca(observed()[:rows], 2)


def test_fit_accepts_one_row_more_than_directions_plus_mean():
    x = observed(3)
    assert_close(fit_ppca(x, 1).bias, x.mean(0))


def test_samples_have_the_moments_of_the_model():
    model, n = skewed_model(), 40_000
    x, z = sample(model, n, generator=make_generator(0))
    cov = model.weight @ model.weight.T + model.noise_var * torch.eye(5)
    centred = x - model.bias
    assert standard_errors(x, model.bias) < 4
    assert standard_errors(centred[:, :, None] * centred[:, None, :], cov) < 4
    assert standard_errors(z, 0.0) < 4
    assert standard_errors(z[:, :, None] * z[:, None, :], torch.eye(2).double()) < 4
    # x and z belong together: their covariance is W.
    assert standard_errors(centred[:, :, None] * z[:, None, :], model.weight) < 4


def test_noise_around_the_mean_is_independent_of_z():
    model, n = skewed_model(), 40_000
    x, z = sample(model, n, generator=make_generator(0))
    noise = x - z @ model.weight.T - model.bias
    assert standard_errors(noise[:, :, None] * z[:, None, :], 0.0) < 4
    assert (
        standard_errors(noise[:, :, None] * noise[:, None, :], model.noise_var * torch.eye(5)) < 4
    )


def test_sample_shapes_and_dtype():
    x, z = sample(linear_gaussian(), 7, generator=make_generator(0))
    assert x.shape == (7, 5)
    assert z.shape == (7, 2)
    assert x.dtype == z.dtype == torch.float64
    assert len(sample(linear_gaussian(), 1)[0]) == 1


def test_sample_follows_its_generator_and_leaves_the_global_state():
    model, before = linear_gaussian(), torch.get_rng_state()
    first, again, other = (
        sample(model, 7, generator=make_generator(seed))[0] for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        assert torch.equal(sample(model, 7)[0], first)


def test_sample_refuses_no_rows():
    with pytest.raises(ValueError, match=r"^num_samples must be at least 1, got 0$"):
        sample(linear_gaussian(), 0)


def test_oracle_model_has_independent_posterior_coordinates():
    cov = posterior(linear_gaussian(), observed(1)).covariance_matrix[0]
    assert_close(cov, torch.diag(cov.diagonal()))
    assert isinstance(posterior(linear_gaussian(), observed(1)), MultivariateNormal)


@pytest.mark.parametrize("num_rows", [2, 3])
def test_a_fit_without_noise_is_refused(num_rows):
    x = observed(num_rows)
    with pytest.raises(ValueError, match="more than latent_dim = 2 directions"):
        fit_ppca(x, 2)


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_fit_does_not_depend_on_the_unit(scale):
    x = observed()
    x[:, 4] = x[:, :4].sum(1) + 1e-3 * x[:, 4]  # little noise, and yet some
    model, scaled = fit_ppca(x, 4), fit_ppca(scale * x, 4)
    assert_close(scaled.noise_var / scale**2, model.noise_var, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="directions"):
        fit_ppca(scale * observed(3), 2)


@pytest.mark.parametrize("seed", range(4))
def test_fit_refuses_rows_on_a_point_or_a_line(seed):
    line = randn(20, 1, seed=seed) @ randn(1, 5, seed=seed + 50)
    for x in (torch.zeros_like(line), line):
        for latent_dim in (1, 2):
            message = f"^x must vary in more than latent_dim = {latent_dim} directions$"
            with pytest.raises(ValueError, match=message):
                fit_ppca(x, latent_dim)


@pytest.mark.parametrize("noise_var", [0.05, 0.8, 3.0, 50.0])
def test_fit_with_given_noise_is_the_best_weight_for_it(noise_var):
    # The covariance of x along eigenvector j is max(lambda_j, s^2) for j <= latent_dim, else s^2.
    x = observed()
    values, vectors = np.linalg.eigh(np.cov(x.T.numpy(), bias=True))
    along = np.full(5, noise_var)
    along[-2:] = np.maximum(values[-2:], noise_var)
    model = fit_ppca(x, 2, noise_var=noise_var)
    np.testing.assert_allclose(
        evidence(model).covariance_matrix, (vectors * along) @ vectors.T, atol=1e-12
    )
    assert model.noise_var.item() == noise_var
    assert model.noise_var.dtype == torch.float64
    assert_close(model.bias, x.mean(0))
    best = evidence(model).log_prob(x).mean()
    for seed in range(20):
        weight = model.weight + 0.1 * randn(5, 2, seed=seed)
        assert evidence(model._replace(weight=weight)).log_prob(x).mean() < best


def test_fit_with_the_fitted_noise_is_the_fit():
    x = observed()
    model = fit_ppca(x, 2)
    for part, same in zip(model, fit_ppca(x, 2, noise_var=model.noise_var.item()), strict=True):
        assert_close(part, same)


def test_fit_with_given_noise_accepts_rows_in_few_directions():
    line = randn(20, 1, seed=0) @ randn(1, 5, seed=1)
    assert torch.isfinite(fit_ppca(line, 2, noise_var=0.1).weight).all()


@pytest.mark.parametrize("noise_var", [0.0, -1.0, math.nan])
def test_fit_refuses_a_noise_that_is_not_positive(noise_var):
    with pytest.raises(ValueError, match=f"^noise_var must be greater than 0, got {noise_var}$"):
        fit_ppca(observed(), 2, noise_var=noise_var)


@pytest.mark.parametrize("seed", range(3))
def test_principal_angles_are_those_of_scipy(seed):
    a, b = randn(7, 3, seed=seed), randn(7, 3, seed=seed + 10)
    found = principal_angles(a, b)
    np.testing.assert_allclose(found, subspace_angles(a.numpy(), b.numpy()), rtol=1e-12)
    assert_close(principal_angles(b, a), found)
    # They belong to the spaces: another basis of the same space changes nothing.
    assert_close(principal_angles(a @ randn(3, 3, seed=seed + 20), b), found, rtol=1e-9)


def test_principal_angles_of_known_spaces():
    a = torch.eye(4, dtype=torch.float64)[:, :2]
    b = a.clone()
    b[:, 1] = torch.tensor([0.0, math.cos(1e-9), math.sin(1e-9), 0.0])
    # A cosine of 1 - 5e-19 would be rounded to 1: the sine is not.
    assert_close(principal_angles(a, b), torch.tensor([1e-9, 0.0], dtype=torch.float64), atol=1e-15)
    across = torch.eye(4, dtype=torch.float64)[:, 2:]
    assert_close(principal_angles(a, across), torch.full((2,), math.pi / 2, dtype=torch.float64))


@pytest.mark.parametrize("name", ["a", "b"])
def test_principal_angles_refuse_dependent_columns(name):
    good, flat = randn(5, 2, seed=0), randn(5, 1, seed=1).expand(5, 2)
    pair = {"a": good, "b": good} | {name: flat}
    with pytest.raises(ValueError, match=f"^{name} must have 2 independent columns, got 1$"):
        principal_angles(**pair)
