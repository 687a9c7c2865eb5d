r"""Self-checks of assignment 1, the evidence lower bound."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from dgm_teach.checks.report import as_array, ask, expect, expect_close, expect_shape, self_check
from dgm_teach.linear_gaussian import LinearGaussian, evidence, posterior
from dgm_teach.rng import make_generator

Answer = Callable[..., Any]


def _f64(*rows: Any) -> torch.Tensor:
    """Numbers as a tensor of 64 bits."""
    return torch.tensor(rows, dtype=torch.float64)


def _compare(value: Any, target: Any, what: str, hints: dict[str, Any]) -> None:
    """Refuse a wrong value; if it is one that a usual mistake gives, say which mistake."""
    if not np.allclose(as_array(value), as_array(target), atol=1e-6):
        for hint, wrong in hints.items():
            expect(not np.allclose(as_array(value), as_array(wrong)), f"{what}: {hint}")
        expect(False, f"{what} is not the value found by another route.")


def _results(function: Answer, number: int, *arguments: Any, **keywords: Any) -> list[np.ndarray]:
    """Ask for so many results at once; two are numbers."""
    value = ask(function, *arguments, **keywords)
    many = isinstance(value, tuple | list) and len(value) == number
    expect(many, f"The function should return {number} results.")
    parts = [as_array(part) for part in value]
    shapes = [part.shape for part in parts]
    expect(number > 2 or shapes == [(), ()], f"Two numbers are asked for, the shapes are {shapes}.")
    return parts


@self_check
def q1(diagonal_kl: Answer) -> None:
    r"""Check the KL divergence of two diagonal Gaussians: factor, direction, reduction."""
    parts = [_f64([value], [value]) for value in (0.5, 0.6, -0.2, -0.4)]
    kl = expect_shape(ask(diagonal_kl, *parts), (2,), "The divergence of two examples")
    q, p = Normal(parts[0], (parts[1] / 2).exp()), Normal(parts[2], (parts[3] / 2).exp())
    log_sd = kl_divergence(Normal(parts[0], parts[1].exp()), Normal(parts[2], parts[3].exp()))
    target = kl_divergence(q, p)[:, 0]
    hints = {
        "look for a factor of one half.": 2 * target,
        "are the two distributions exchanged?": kl_divergence(p, q)[:, 0],
        "log_var is the log of the variance, not of sigma.": log_sd[:, 0],
        "two equal distributions must give zero; is a constant missing?": target + 0.5,
    }
    _compare(kl, target, "One latent variable", hints)
    wide = expect_shape(ask(diagonal_kl, *[part.repeat(1, 3) for part in parts]), (2,), "The KL")
    expect_close(wide, 3 * kl, "With three equal latent variables: sum over them, no mean.")


@self_check
def q2(observed_log_lik: Answer) -> None:
    r"""Check the log-likelihood of images with missing pixels: reduction, holes, large logits."""
    x, logits = _f64([1, 0, 1], [0, 0, 1]), _f64([0.3, -1.2, 2.0], [1.0, 0.4, -0.7])
    value = expect_shape(ask(observed_log_lik, x, logits), (2,), "The result for two images")
    each = Bernoulli(logits=logits).log_prob(x)
    hints = {"sum over pixels, no mean.": each.mean(1), "look for a sign.": -each.sum(1)}
    _compare(value, each.sum(1), "Complete images", hints)
    holes = x.clone()
    holes[:, 2] = torch.nan
    value = ask(observed_log_lik, holes, logits.requires_grad_())
    expect(not np.isnan(as_array(value)).any(), "A missing pixel makes the result NaN.")
    as_paper = Bernoulli(logits=logits).log_prob(holes.nan_to_num(0.0)).sum(1)
    _compare(value, each[:, :2].sum(1), "Missing pixels", {"a missing pixel is not a 0.": as_paper})
    expect(getattr(value, "requires_grad", False), "No gradient reaches the logits.")
    (slope,) = torch.autograd.grad(value.sum(), logits)
    expect(slope.isfinite().all(), "The gradient is NaN: a NaN that is masked later still counts.")
    far = as_array(ask(observed_log_lik, torch.ones(1, 1), torch.full((1, 1), -150.0)))
    expect(np.isfinite(far).all(), "Not finite at a logit of -150: avoid the log of a sigmoid.")
    expect_close(far, [-150.0], "Wrong at a logit of -150: is a probability cut off?")


@self_check
def q3(identity_terms: Answer) -> None:
    r"""Check the three numbers of the identity, and that two of them add up to the third."""
    x = torch.cartesian_prod(*[_f64(0.0, 1.0)] * 3)  # all images of three pixels
    q_on, prior_on = _f64(0.3, 0.6).repeat(8, 1), _f64(0.8, 0.4)
    weight, bias = _f64([1.0, -0.5], [0.3, 2.0], [-1.0, 0.7]), _f64(0.1, -0.4, 0.8)
    terms = _results(identity_terms, 3, x, q_on, prior_on, weight, bias)
    elbo, kl, log_px = (expect_shape(part, (8,), "Each result for 8 images") for part in terms)
    total = np.exp(log_px).sum()
    expect_close(total, 1.0, f"All images together have the probability {total:.3g}, not 1.")
    _without_weights(identity_terms, x, q_on, prior_on, bias)
    message = "elbo + kl should be log_px. The KL goes to the posterior (no product), not to the "
    expect_close(elbo + kl, log_px, message + "prior; the ELBO decodes every z, not the mean of q.")


def _without_weights(identity_terms: Answer, x: Any, q_on: Any, prior_on: Any, bias: Any) -> None:
    """At W = 0 x and z are independent, and the posterior is the prior."""
    no_weight = torch.zeros(len(bias), len(prior_on), dtype=bias.dtype)
    elbo, kl, log_px = _results(identity_terms, 3, x, q_on, prior_on, no_weight, bias)
    q, prior = Bernoulli(q_on), Bernoulli(prior_on.expand_as(q_on))
    target, prior_kl = Bernoulli(logits=bias).log_prob(x).sum(1), kl_divergence(q, prior).sum(1)
    _compare(log_px, target, "log_px at W = 0", {})
    hints = {"the expectation is taken under q.": kl_divergence(prior, q).sum(1)}
    _compare(kl, prior_kl, "The KL at W = 0, where the posterior is the prior", hints)
    hints = {"is -log q missing?": target - prior_kl - q.entropy().sum(1)}
    _compare(elbo, target - prior_kl, "The ELBO at W = 0", hints)


@self_check
def q4(k_sample_bound: Answer) -> None:
    r"""Check the K-sample bound and its standard error on tables that need no calculation."""
    log_w = _f64([1, 3, 1, 3], [3, 1, 3, 1]).log()
    bound, error = _results(k_sample_bound, 2, log_w)
    hints = {
        "the bound uses the mean of the weights, not their sum.": np.log(8),
        "a mean of logarithms is the ELBO; which mean comes first?": np.log(3) / 2,
        "the mean of the weights is asked for, not the largest.": np.log(3),
    }
    _compare(bound, np.log(2), "Four weights with the mean 2 in each row", hints)
    expect_close(error, 0.0, "If all rows give the same number, the standard error is 0.")
    rows = _f64(-1.0, 1.0).repeat(200)[:, None].repeat(1, 3)  # equal weights within a row
    bound, error = _results(k_sample_bound, 2, rows)
    hints = {"the mean over the rows comes after the logarithm.": np.log(np.cosh(1.0))}
    _compare(bound, 0.0, "Half of the rows at -1, half at 1", hints)
    expect(error < 0.9, "The standard error belongs to the mean of the rows, not to one row.")
    expect(abs(error - 0.0289) > 0.001, "The K numbers of a row make one value, not K.")
    expect(abs(error - 0.05) < 0.001, "The standard error of 400 rows of -1 or 1 is about 0.05.")
    low, _ = _results(k_sample_bound, 2, log_w - 2000)
    expect_close(low, np.log(2) - 2000, "Weights near exp(-2000) are lost: stay in logarithms.")


@self_check
def q5(score_draws: Answer, path_draws: Answer) -> None:
    r"""Check both estimators of the gradient on a function whose expectation is known."""
    # noise in place of draws: the middle of 2,000 equally probable pieces
    eps = Normal(0.0, 1.0).icdf((torch.arange(2_000).double() + 0.5) / 2_000)
    a = torch.tensor(0.9, dtype=torch.float64)
    for name, function in (("score_draws", score_draws), ("path_draws", path_draws)):
        mean = expect_shape(ask(function, torch.square, a, eps), (2_000,), name).mean()
        # E[z^2] is mean^2 + sd^2, and a is both
        expect(abs(mean + 3.6) > 0.05, f"{name}: look for a sign.")
        half = "a moves the mean and the standard deviation; one of the two is missing."
        expect(abs(mean - 1.8) > 0.05, f"{name}: {half}")
        fixed = "hold the draw fixed while log q is differentiated."
        expect(abs(mean + 1.8) > 0.05, f"{name}: {fixed}")
        expect(abs(mean) > 0.05, f"{name}: the estimates have mean zero. Is something detached?")
        expect(abs(mean - 3.6) < 0.05, f"{name}: f(z) = z^2 at a = 0.9 should give 3.6 on average.")
    # the sign of z - 1 has no slope, but the share of draws above 1 changes with a
    up, down = (1 - 2 * Normal(b, b).cdf(torch.ones(())) for b in (a + 1e-4, a - 1e-4))
    mean = as_array(ask(score_draws, lambda z: torch.sign(z - 1), a, eps)).mean()
    jump = "score_draws: wrong for a function with a jump. Does it use the slope of f?"
    expect(abs(mean - float(up - down) / 2e-4) < 0.02, jump)


@self_check
def q6(difference_quotient: Answer, table: Any) -> None:
    r"""Check the difference quotient on f(z) = z, whose derivative is 1, and the table."""
    numbers = torch.clone, 0.3, 0.8, 0.1, 5000
    same, same_error = _results(difference_quotient, 2, *numbers, True, generator=make_generator(1))
    expect(abs(same - 2) > 0.01, "The two places are 2h apart, not h.")
    expect(abs(same - 1) < 1e-4, "For f(z) = z and the same noise the quotient is exactly 1.")
    expect(same_error < 1e-4, "With f(z) = z and the same noise every pair gives 1: what differs?")
    fresh, error = _results(difference_quotient, 2, *numbers, False, generator=make_generator(1))
    expect(abs(fresh - same) > 1e-5, "Fresh noise gives what the same noise does: draw it twice.")
    expect(error < 1, "The standard error belongs to a mean of n draws, not to one draw.")
    # two independent means: their variances add up
    expect(abs(error - 0.08) < 0.005, "The standard error with fresh noise is wrong.")
    expect(abs(fresh - 1) < 0.4, "With fresh noise the quotient of f(z) = z should be about 1.")
    rows = expect_shape(table, (3, 4), "The table")
    growth = rows[1:, 1] / rows[:-1, 1]
    expect((abs(growth - 10) < 1.5).all(), "Column 2: a tenth of h gives ten times the error.")
    expect((rows[:, 3] < rows[:, 1]).all(), "Column 4 should hold the smaller standard errors.")


@self_check
def q7(mean_gap: Answer) -> None:
    r"""Check both parts of the mean gap against divergences of torch."""
    model = LinearGaussian(_f64([1.0, 0.5], [0.2, -0.8], [0.6, 0.3]), _f64(1, 0, 2), _f64(0.5)[0])
    zero, c, log_var = _f64(0, 0), _f64(1, -1), _f64(-0.5, -1.2)
    exact = posterior(model, model.bias + torch.eye(3).double())
    right, cov = exact.mean.T, exact.covariance_matrix[0]
    centred = MultivariateNormal(zero, cov)
    width, mean = _results(mean_gap, 2, model, right, zero, log_var)
    target = kl_divergence(MultivariateNormal(zero, log_var.exp().diag()), centred)
    log_sd = kl_divergence(MultivariateNormal(zero, (2 * log_var).exp().diag()), centred)
    hints = {"log_var is the log of the variance.": log_sd, "is 1/2 lost?": 2 * target}
    hints["where is log det?"] = target - torch.logdet(cov) / 2
    _compare(width, target, "The width part", hints)
    _compare(mean, zero[0], "The mean part at the posterior's own means, 0,", {})
    _, shifted = _results(mean_gap, 2, model, right, c, log_var)
    hints = {"weigh it with the inverse covariance.": c @ c / 2, "does c count?": zero[0]}
    target = kl_divergence(MultivariateNormal(c, cov), centred)
    _compare(shifted, target, "The mean part with c = (1, -1)", hints)
    # three points that have, with their mirror images, the covariance of x
    root = torch.linalg.cholesky(3 * evidence(model).covariance_matrix).T
    target = kl_divergence(centred, posterior(model, model.bias + root)).mean()
    _, flat = _results(mean_gap, 2, model, 0 * right, zero, log_var)
    _compare(flat, target, "The mean part at V = 0", {"does V count?": zero[0]})
