"""Pixel likelihoods: torch.distributions, and densities that sum or integrate to one."""

import itertools
import math

import pytest
import torch
from oracles import as_readers_have_it, plane_integral, randn
from torch.distributions import Bernoulli, Normal
from torch.testing import assert_close

from dgm_teach.likelihoods import (
    BernoulliPixels,
    GaussianPixels,
    bernoulli_log_lik,
    check_pixels,
    gaussian_log_lik,
)

FOUR_PIXELS = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)), dtype=torch.float64)
GREY = torch.tensor([[0.0, 0.25, 1.0]], dtype=torch.float64)


def binary(*shape, seed=0):
    return (randn(*shape, seed=seed) > 0).double()


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)])
def test_bernoulli_is_that_of_torch(shape):
    x, logits = binary(*shape), 3 * randn(*shape, seed=1)
    expected = Bernoulli(logits=logits).log_prob(x).sum(-1)
    assert_close(bernoulli_log_lik(x, logits), expected)


def test_bernoulli_sums_to_one_over_all_images():
    logits = 2 * randn(4, seed=1)
    assert_close(bernoulli_log_lik(FOUR_PIXELS, logits).exp().sum().item(), 1.0)


@pytest.mark.parametrize("size", [50.0, 1000.0])
def test_bernoulli_at_large_logits(size):
    # A certain pixel costs nothing when it is right, its log odds when it is wrong.
    x = torch.tensor([[1.0], [0.0], [1.0], [0.0]], dtype=torch.float64)
    logits = torch.tensor([[size], [-size], [-size], [size]], dtype=torch.float64)
    logits.requires_grad_()
    log_lik = bernoulli_log_lik(x, logits)
    expected = torch.tensor([0, 0, -size, -size], dtype=torch.float64)
    assert_close(log_lik, expected, atol=1e-20, rtol=1e-15)
    (gradient,) = torch.autograd.grad(log_lik.sum(), logits)
    assert_close(gradient.flatten(), torch.tensor([0, 0, 1, -1], dtype=torch.float64))


def test_bernoulli_broadcasts_samples_over_images():
    x, logits = binary(4, 3), randn(6, 4, 3, seed=1)
    expected = Bernoulli(logits=logits).log_prob(x.expand(6, 4, 3)).sum(-1)
    assert_close(bernoulli_log_lik(x, logits), expected)


def test_grey_pixels_score_the_cross_entropy_on_request():
    logits = randn(1, 3, seed=1)
    p = torch.sigmoid(logits)
    expected = (GREY * p.log() + (1 - GREY) * (1 - p).log()).sum(-1)
    assert_close(bernoulli_log_lik(GREY, logits, allow_grey=True), expected)
    assert_close(BernoulliPixels(allow_grey=True)(GREY, logits), expected)


def test_grey_pixels_are_refused_by_default():
    for score in (bernoulli_log_lik, BernoulliPixels(), lambda x, _: check_pixels(x)):
        with pytest.raises(ValueError, match=r"^x must hold only 0 and 1 .* from 0 to 1; binarise"):
            score(GREY, GREY)


@pytest.mark.parametrize("allow_grey", [False, True])
@pytest.mark.parametrize("pixel", [-0.5, 1.5, -1.0, 2.0, math.nan, math.inf, -math.inf])
def test_pixels_outside_the_range_are_refused(pixel, allow_grey):
    x = torch.tensor([[0.0, pixel, 1.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"^x must hold .*got values from"):
        check_pixels(x, allow_grey=allow_grey)
    with pytest.raises(ValueError, match=r"^x must hold .*got values from"):
        bernoulli_log_lik(x, x, allow_grey=allow_grey)


def test_refusal_names_the_values_and_what_is_accepted():
    x = torch.tensor([[-2.5, 1.25]])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got values from -2.5 to 1.25$"):
        check_pixels(x, allow_grey=True)
    with pytest.raises(ValueError, match=r"only 0 and 1") as caught:
        check_pixels(x)
    assert str(caught.value) == (
        "x must hold only 0 and 1 for a Bernoulli likelihood, got values from -2.5 to 1.25; "
        "binarise the images, or pass allow_grey=True for a score that is not a normalised "
        "likelihood"
    )


@pytest.mark.parametrize("ends", [[0.0], [1.0], [0.0, 1.0]])
def test_ends_of_the_range_are_accepted(ends):
    check_pixels(torch.tensor([ends]))
    check_pixels(torch.tensor([ends]), allow_grey=True)


def test_gaussian_is_that_of_torch_with_one_variance_or_many():
    x, mu, log_var = (randn(4, 3, seed=seed) for seed in range(3))
    for spread in (log_var, log_var[0], log_var[0, 0], log_var[:, :1]):
        expected = Normal(mu, (spread / 2).exp().expand_as(mu)).log_prob(x).sum(-1)
        assert_close(gaussian_log_lik(x, mu, spread), expected)


@pytest.mark.parametrize("spread", [-0.7, [0.4, -0.9]])
def test_gaussian_integrates_to_one(spread):
    mu, log_var = torch.tensor([[0.3, -1.1]]).double(), torch.tensor(spread).double()
    total = plane_integral(lambda x: gaussian_log_lik(x, mu.expand_as(x), log_var))
    assert total == pytest.approx(1, abs=1e-12)


def test_gaussian_broadcasts_samples_over_images():
    x, mu, log_var = randn(4, 3, seed=0), randn(6, 4, 3, seed=1), randn(seed=2)
    expected = Normal(mu, (log_var / 2).exp()).log_prob(x).sum(-1)
    assert_close(gaussian_log_lik(x, mu, log_var), expected)


def test_modules_score_as_the_functions_do():
    x, decoded = binary(4, 3), randn(4, 3, seed=1)
    assert_close(BernoulliPixels()(x, decoded), bernoulli_log_lik(x, decoded))
    expected = Normal(decoded, math.exp(0.5 / 2)).log_prob(x).sum(-1)
    assert_close(GaussianPixels(0.5).double()(x, decoded), expected)


def test_pixel_means():
    decoded = randn(4, 3, seed=1)
    assert_close(BernoulliPixels().mean(decoded), Bernoulli(logits=decoded).mean)
    assert torch.equal(GaussianPixels(0.5).mean(decoded), decoded)


def test_gaussian_variance_is_one_unless_said():
    assert GaussianPixels().log_var.item() == 0


def test_fixed_variance_is_saved_and_not_trained():
    fixed = GaussianPixels(0.5)
    assert list(fixed.parameters()) == []
    assert fixed.state_dict()["log_var"] == 0.5


def test_learned_variance_gets_the_gradient_of_the_log_density():
    # d/dv sum_j log N(x_j | m_j, e^v) = sum_j ((x_j - m_j)^2 e^-v - 1) / 2.
    learned = GaussianPixels(0.5, learn=True).double()
    x, decoded = randn(4, 3, seed=0), randn(4, 3, seed=1)
    learned(x, decoded).sum().backward()
    expected = ((x - decoded).square() * math.exp(-0.5) - 1).sum() / 2
    assert_close(learned.log_var.grad, expected)
    assert learned.state_dict()["log_var"] == 0.5


def test_learned_variance_is_largest_in_likelihood_at_the_mean_square():
    x, decoded = randn(50, 3, seed=0), randn(50, 3, seed=1)
    learned = GaussianPixels((x - decoded).square().mean().log().item(), learn=True)
    learned(x.float(), decoded.float()).mean().backward()
    assert learned.log_var.grad.abs() < 1e-5


@pytest.mark.parametrize("pixels", [BernoulliPixels(), GaussianPixels(0.5)])
@pytest.mark.parametrize("got", [1, 2, 4])
def test_another_number_of_pixels_is_refused(pixels, got, monkeypatch):
    as_readers_have_it(monkeypatch)
    message = f"^the decoder must return 3 pixels per image, as many as x has, got {got}$"
    with pytest.raises(ValueError, match=message):
        pixels(binary(2, 4, 3), randn(2, 4, got, seed=1))
