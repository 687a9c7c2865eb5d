"""Mixture of Gaussians: torch.distributions, scikit-learn's EM, and the maximum of the bound."""

import math
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch
from oracles import as_readers_have_it, randn, standard_errors
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from dgm_teach.mixture import (
    GaussianMixture,
    em_step,
    log_evidence,
    log_joint,
    m_step,
    responsibilities,
    sample,
)
from dgm_teach.rng import make_generator

# Nothing may pass through float32, whose errors torch's own tolerance would let through.
assert_close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def mixed(k=3, data_dim=2):
    """A mixture whose components overlap and have unequal weights and variances."""
    weights = torch.softmax(randn(k, seed=0), 0)
    return GaussianMixture(weights, randn(k, data_dim, seed=1), randn(k, data_dim, seed=2).exp())


def by_torch(model):
    parts = Independent(Normal(model.means, model.variances.sqrt()), 1)
    return MixtureSameFamily(Categorical(model.weights), parts)


def by_sklearn(model, x, **settings):
    """Scikit-learn's mixture after EM steps from the same start."""
    other = SklearnMixture(
        len(model.weights),
        covariance_type="diag",
        weights_init=model.weights.numpy(),
        means_init=model.means.numpy(),
        precisions_init=(1 / model.variances).numpy(),
        **{"reg_covar": 0.0, "tol": 0.0, **settings},
    )
    with pytest.warns(ConvergenceWarning):
        return other.fit(x.numpy())


def observed(n=60, data_dim=2):
    return 1.5 * randn(n, data_dim, seed=3) + 0.5


def bound(model, x, r):
    """The part of the bound that depends on the parameters, from torch.distributions."""
    parts = Independent(Normal(model.means, model.variances.sqrt()), 1)
    return (r * (model.weights.log() + parts.log_prob(x[:, None]))).sum()


@pytest.mark.parametrize(("k", "data_dim"), [(3, 2), (1, 1), (4, 3)])
def test_log_joint_is_weight_times_density(k, data_dim):
    model, x = mixed(k, data_dim), observed(7, data_dim)
    parts = Independent(Normal(model.means, model.variances.sqrt()), 1)
    expected = Categorical(model.weights).logits + parts.log_prob(x[:, None])
    assert log_joint(model, x).shape == (7, k)
    assert_close(log_joint(model, x), expected)


@pytest.mark.parametrize(("k", "data_dim"), [(3, 2), (1, 1), (4, 3)])
def test_log_evidence_is_that_of_torch(k, data_dim):
    model, x = mixed(k, data_dim), observed(7, data_dim)
    assert_close(log_evidence(model, x), by_torch(model).log_prob(x))


def test_evidence_and_responsibilities_are_those_of_sklearn():
    start, x = mixed(), observed()
    other = by_sklearn(start, x, max_iter=5)
    model = GaussianMixture(
        *(torch.tensor(part) for part in (other.weights_, other.means_, other.covariances_))
    )
    np.testing.assert_allclose(log_evidence(model, x), other.score_samples(x))
    np.testing.assert_allclose(responsibilities(model, x), other.predict_proba(x), atol=1e-12)


def test_responsibilities_are_bayes_rule():
    model, x = mixed(), observed(9)
    parts = Independent(Normal(model.means, model.variances.sqrt()), 1)
    joint = model.weights * parts.log_prob(x[:, None]).exp()
    assert_close(responsibilities(model, x), joint / joint.sum(1, keepdim=True))


def test_far_away_nothing_underflows():
    model, x = mixed(), torch.full((1, 2), 1e3, dtype=torch.float64)
    assert log_evidence(model, x).isfinite().all()
    assert log_evidence(model, x) < -1e4
    assert_close(responsibilities(model, x).sum(1), torch.ones(1, dtype=torch.float64))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_em_steps_are_those_of_sklearn(steps):
    model, x = mixed(), observed()
    other = by_sklearn(model, x, max_iter=steps)
    for _ in range(steps):
        model = em_step(model, x)
    np.testing.assert_allclose(model.weights, other.weights_)
    np.testing.assert_allclose(model.means, other.means_)
    np.testing.assert_allclose(model.variances, other.covariances_)


def test_m_step_with_certain_rows_takes_averages():
    x, z = observed(60), torch.arange(60) % 3
    model = m_step(x, torch.eye(3, dtype=torch.float64)[z])
    groups = [x[z == c] for c in range(3)]
    assert_close(model.weights, torch.full((3,), 1 / 3, dtype=torch.float64))
    assert_close(model.means, torch.stack([group.mean(0) for group in groups]))
    assert_close(model.variances, torch.stack([group.var(0, correction=0) for group in groups]))


def test_m_step_keeps_small_variances_unless_told_otherwise():
    x = 0.01 * observed(60)
    model = m_step(x, torch.ones(60, 1, dtype=torch.float64))
    assert_close(model.variances[0], x.var(0, correction=0))


def test_m_step_is_a_stationary_point_of_the_bound_and_a_maximum():
    x, r = observed(), torch.softmax(randn(60, 3, seed=4), 1)
    best = m_step(x, r)
    logits, means, log_var = (
        part.clone().requires_grad_()
        for part in (best.weights.log(), best.means, best.variances.log())
    )
    value = bound(GaussianMixture(logits.softmax(0), means, log_var.exp()), x, r)
    for gradient in torch.autograd.grad(value, (logits, means, log_var)):
        assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-10)
    for seed in range(20):
        nudged = GaussianMixture(
            (logits + 0.01 * randn(3, seed=seed)).softmax(0),
            means + 0.01 * randn(3, 2, seed=seed + 50),
            (log_var + 0.01 * randn(3, 2, seed=seed + 100)).exp(),
        )
        assert bound(nudged, x, r) < value


def test_em_gains_what_the_theorem_says():
    x, model = observed(), mixed()
    for _ in range(20):
        r, new = responsibilities(model, x), em_step(model, x)
        kl = (r * (r / responsibilities(new, x)).log()).sum()
        gain = log_evidence(new, x).sum() - log_evidence(model, x).sum()
        assert_close(gain, bound(new, x, r) - bound(model, x, r) + kl, rtol=0, atol=1e-10)
        assert gain > 0
        model = new


def test_a_floor_raises_small_variances_and_leaves_the_rest():
    x, r = observed(), torch.softmax(randn(60, 3, seed=4), 1)
    free = m_step(x, r)
    floor = free.variances.median().item()
    model = m_step(x, r, min_var=floor)
    assert_close(model.variances, free.variances.clamp_min(floor))
    assert_close(model.means, free.means)
    assert_close(model.weights, free.weights)
    assert_close(em_step(mixed(), x, min_var=9.0).variances, torch.full_like(free.variances, 9.0))


def test_the_floor_is_a_maximum_under_the_constraint():
    x, r = observed(), torch.softmax(randn(60, 3, seed=4), 1)
    model = m_step(x, r, min_var=2.5)
    assert (model.variances == 2.5).any()
    best = bound(model, x, r)
    for seed in range(20):
        nudge = (0.01 * randn(3, 2, seed=seed)).exp()
        other = model._replace(variances=(model.variances * nudge).clamp_min(2.5))
        assert bound(other, x, r) <= best


def many_steps(model, x, min_var):
    for _ in range(50):
        model = em_step(model, x, min_var=min_var)
    return model


def test_a_floor_keeps_em_from_collapse():
    x = observed(5)
    model = GaussianMixture(
        torch.full((2,), 0.5, dtype=torch.float64),
        torch.stack([x[0], x.mean(0)]),
        torch.tensor([[1e-6, 1e-6], [1.0, 1.0]], dtype=torch.float64),
    )
    with pytest.raises(FloatingPointError, match=r"^component 0 has a variance of 0\.0$"):
        many_steps(model, x, min_var=0.0)
    assert many_steps(model, x, min_var=0.01).variances.min() == 0.01


def test_a_component_without_rows_is_refused():
    x, r = observed(), torch.zeros(60, 2, dtype=torch.float64)
    r[:, 0] = 1
    with pytest.raises(FloatingPointError, match=r"^component 1 has a variance of nan$"):
        m_step(x, r)


def test_a_negative_floor_is_refused():
    message = r"^min_var must be at least 0, got -0\.1$"
    with pytest.raises(ValueError, match=message):
        m_step(observed(), torch.full((60, 1), 1.0, dtype=torch.float64), min_var=-0.1)
    with pytest.raises(ValueError, match=message):
        em_step(mixed(), observed(), min_var=-0.1)


def test_samples_have_the_moments_of_the_model():
    model, n = mixed(), 60_000
    x, z = sample(model, n, generator=make_generator(0))
    shares = torch.eye(3, dtype=torch.float64)[z]
    assert standard_errors(shares, model.weights) < 4
    for c in range(3):
        own = x[z == c]
        assert standard_errors(own, model.means[c]) < 4
        squares = (own - model.means[c])[:, :, None] * (own - model.means[c])[:, None, :]
        assert standard_errors(squares, model.variances[c].diag()) < 4


def test_the_component_of_a_draw_says_nothing_about_the_noise():
    model, n = mixed(), 60_000
    x, z = sample(model, n, generator=make_generator(1))
    eps = (x - model.means[z]) / model.variances[z].sqrt()
    shares = torch.eye(3, dtype=torch.float64)[z]
    assert standard_errors(eps[:, :, None] * (shares - model.weights)[:, None, :], 0.0) < 4
    # moments alone would let noise with an infinite variance pass
    within_one = (eps.abs() < 1).double()
    assert standard_errors(within_one, math.erf(math.sqrt(0.5))) < 4


def test_sample_shapes_and_dtypes():
    x, z = sample(mixed(), 7, generator=make_generator(0))
    assert x.shape == (7, 2)
    assert z.shape == (7,)
    assert (x.dtype, z.dtype) == (torch.float64, torch.int64)
    assert len(sample(mixed(), 1)[0]) == 1


def test_sample_follows_its_generator_and_leaves_the_global_state():
    model, before = mixed(), torch.get_rng_state()
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
        sample(mixed(), 0)


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_defaults_of_torch_change_nothing(dtype, monkeypatch):
    as_readers_have_it(monkeypatch)
    model, x = GaussianMixture(*(part.to(dtype) for part in mixed())), observed().to(dtype)

    def results():
        draws, _ = sample(model, 5, generator=make_generator(0))
        values = log_evidence(model, x), responsibilities(model, x), draws
        return [*values, *em_step(model, x, min_var=0.1)]

    same, other = results(), torch.float64 if dtype == torch.float32 else torch.float32
    for defaults in (default_dtype(other), torch.device("meta")):
        with defaults:
            found = results()
        for one, expected in zip(found, same, strict=True):
            assert one.device.type == "cpu"
            torch.testing.assert_close(one, expected, rtol=0, atol=0)
            assert one.dtype == dtype


def test_the_log_density_of_one_gaussian():
    model = GaussianMixture(*(torch.ones(1, *shape).double() for shape in ((), (3,), (3,))))
    expected = -1.5 * math.log(2 * math.pi) - 0.5 * 3
    assert log_evidence(model, torch.zeros(1, 3).double()).item() == pytest.approx(expected)
