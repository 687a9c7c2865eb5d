"""Training: every step against one written out by hand, the record, and what is refused."""

import copy
import itertools

import pytest
import torch
from oracles import ppca_pair, randn
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from dgm_teach import vae_training
from dgm_teach.evaluate import held_out_terms
from dgm_teach.likelihoods import GaussianPixels
from dgm_teach.linear_gaussian import evidence, fit_ppca, sample
from dgm_teach.rng import make_generator
from dgm_teach.vae import VAE
from dgm_teach.vae_nets import mlp_vae
from dgm_teach.vae_training import VAEStep, train_vae, vae_step

BINARY = (randn(7, 6, seed=1) > 0).double()


def small_vae():
    """A model in float64, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return mlp_vae(6, 4, 2).double()


def step_by_hand(model, x, eps, lr, beta):
    """Gradient descent on the batch mean of -(log p(x|z) - beta KL), from torch.distributions."""
    mu, log_var = model.encoder(x).chunk(2, -1)
    q_z = Normal(mu, (log_var / 2).exp())
    log_lik = Bernoulli(logits=model.decoder(mu + q_z.stddev * eps)).log_prob(x).sum(-1)
    kl = kl_divergence(q_z, Normal(0.0, 1.0)).sum(-1)
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(-(log_lik - beta * kl).mean(), parameters)
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= lr * gradient
    return log_lik.mean().item(), kl.mean().item()


def assert_same_parameters(model, other):
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        assert_close(one, two)


@pytest.mark.parametrize("beta", [1.0, 0.0, 2.5])
def test_step_is_the_one_written_by_hand(beta):
    model = small_vae()
    by_hand, before = copy.deepcopy(model), copy.deepcopy(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = vae_step(model, optimizer, BINARY, beta=beta, generator=make_generator(0))
    expected = step_by_hand(by_hand, BINARY, randn(7, 2, seed=0), 0.1, beta)
    assert tuple(term.item() for term in found) == pytest.approx(expected)
    assert_same_parameters(model, by_hand)
    for parameter, old in zip(model.parameters(), before.parameters(), strict=True):
        assert not torch.equal(parameter, old)


def test_step_weighs_the_kl_once_unless_said():
    model, by_hand = small_vae(), small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    vae_step(model, optimizer, BINARY, generator=make_generator(0))
    step_by_hand(by_hand, BINARY, randn(7, 2, seed=0), 0.1, beta=1)
    assert_same_parameters(model, by_hand)


def test_step_forgets_the_gradient_of_the_step_before():
    model, by_hand = small_vae(), small_vae()
    optimizer, generator = torch.optim.SGD(model.parameters(), lr=0.1), make_generator(0)
    noise = make_generator(0)
    for _ in range(3):
        vae_step(model, optimizer, BINARY, generator=generator)
        eps = torch.randn(7, 2, dtype=torch.float64, generator=noise)
        step_by_hand(by_hand, BINARY, eps, 0.1, beta=1)
    assert_same_parameters(model, by_hand)


def test_step_record_is_detached_and_named():
    model = small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = vae_step(model, optimizer, BINARY, generator=make_generator(0))
    assert step._fields == ("log_lik", "kl")
    assert not any(term.requires_grad for term in step)
    assert step.log_lik < 0 < step.kl


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_training_is_the_steps_written_by_hand(beta):
    # Two epochs of batches of 3, 3 and 1 rows, the learning rate halved after every step.
    model, by_hand = small_vae(), small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    record = train_vae(
        model,
        optimizer,
        BINARY,
        num_epochs=2,
        batch_size=3,
        beta=beta,
        scheduler=scheduler,
        generator=make_generator(5),
    )
    noise, expected = make_generator(5), []
    for _ in range(2):
        for rows in torch.randperm(7, generator=noise).split(3):
            eps = torch.randn(len(rows), 2, dtype=torch.float64, generator=noise)
            lr = 0.1 * 0.5 ** len(expected)
            expected.append(step_by_hand(by_hand, BINARY[rows], eps, lr, beta))
    assert len(record) == 6
    for found, terms in zip(record, expected, strict=True):
        assert found == pytest.approx(terms)
    assert_same_parameters(model, by_hand)


def test_record_holds_plain_floats():
    model = small_vae()
    record = train_vae(
        model, torch.optim.SGD(model.parameters(), lr=0.1), BINARY, num_epochs=1, batch_size=4
    )
    assert all(isinstance(step, VAEStep) for step in record)
    assert all(type(term) is float for step in record for term in step)


def test_defaults_are_batches_of_128_and_no_schedule():
    model, by_hand = small_vae(), small_vae()
    x = (randn(130, 6, seed=1) > 0).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert len(train_vae(model, optimizer, x, num_epochs=2, generator=make_generator(5))) == 4
    noise = make_generator(5)
    for _ in range(2):
        for rows in torch.randperm(130, generator=noise).split(128):
            eps = torch.randn(len(rows), 2, dtype=torch.float64, generator=noise)
            step_by_hand(by_hand, x[rows], eps, 0.1, beta=1)
    assert_same_parameters(model, by_hand)


def test_noise_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    records = []
    for seed in (5, 5, 6):
        model = small_vae()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        records.append(
            train_vae(model, optimizer, BINARY, num_epochs=2, generator=make_generator(seed))
        )
    assert records[0] == records[1] != records[2]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["num_epochs", "batch_size"])
def test_bad_numbers_are_refused_before_anything_moves(name):
    model, untouched = small_vae(), small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        train_vae(model, optimizer, BINARY, **({"num_epochs": 1, "batch_size": 4} | {name: 0}))
    assert_same_parameters(model, untouched)


def test_a_bar_counts_the_epochs(capsys):
    model = small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_vae(model, optimizer, BINARY, num_epochs=3, batch_size=4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: 100%" in shown.err
    assert "3/3" in shown.err
    assert "epoch/s" in shown.err or "s/epoch" in shown.err


@pytest.mark.parametrize("beta", [-0.1, float("nan")])
def test_a_negative_weight_is_refused(beta):
    model = small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=f"^beta must be at least 0, got {beta}$"):
        train_vae(model, optimizer, BINARY, num_epochs=1, beta=beta)
    assert len(train_vae(model, optimizer, BINARY, num_epochs=1, beta=0.0)) == 1


def test_no_rows_are_refused():
    model = small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="x must have at least one row"):
        train_vae(model, optimizer, BINARY[:0], num_epochs=1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("term", ["log_lik", "kl"])
@pytest.mark.parametrize("step", [0, 2, 4])
def test_a_term_that_is_not_finite_is_named_with_its_step(monkeypatch, step, term, bad):
    # Three steps an epoch: step 4 is in the second.
    count = itertools.count()

    def fake_step(*_, **__):
        good = VAEStep(torch.tensor(-1.0), torch.tensor(1.0))
        return good._replace(**{term: torch.tensor(bad)}) if next(count) == step else good

    monkeypatch.setattr(vae_training, "vae_step", fake_step)
    model = small_vae()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    message = f"^{term} is {bad} at step {step}; lower the learning rate$"
    with pytest.raises(FloatingPointError, match=message):
        train_vae(model, optimizer, BINARY, num_epochs=9, batch_size=3)
    assert next(count) <= 6  # no epoch was spent after it


def test_an_overflowing_variance_is_reported():
    model = small_vae()
    with torch.no_grad():
        model.encoder[-1].bias[2:] = 800  # exp(800) is infinite, exp(400) is not
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match=r"^kl is inf at step 0; lower"):
        train_vae(model, optimizer, BINARY, num_epochs=1)


def test_training_approaches_the_best_bound_there_is():
    # Of all linear VAEs none has a mean ELBO above the evidence at the maximum-likelihood fit,
    # and one reaches it: training must close nine tenths of the gap and never get past.
    truth, _ = ppca_pair(exact_posterior=True)
    x, _ = sample(truth, 500, generator=make_generator(0))
    best = evidence(fit_ppca(x, 2)).log_prob(x).mean().item()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pixels = GaussianPixels(learn=True)
        model = VAE(nn.Linear(5, 4), nn.Linear(2, 5), pixels, 2).double()

    def mean_elbo():
        terms = held_out_terms(model, x, num_samples=100, generator=make_generator(1))
        return terms.elbo.mean().item()

    before = mean_elbo()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    train_vae(model, optimizer, x, num_epochs=60, batch_size=250, generator=make_generator(2))
    assert best - 0.1 * (best - before) < mean_elbo() < best


class ReadsOfValues(TorchDispatchMode):
    """Counts the operations that hand a tensor's value to Python (on a GPU, they wait for it)."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_record_is_read_from_the_device_once_an_epoch(monkeypatch):
    tolist, calls = torch.Tensor.tolist, []
    monkeypatch.setattr(torch.Tensor, "tolist", lambda x: calls.append(x.shape) or tolist(x))
    _, model = ppca_pair(exact_posterior=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with ReadsOfValues() as reads:
        train_vae(model, optimizer, randn(10, 5, seed=0), num_epochs=3, batch_size=2)
        assert reads.count == 0
        assert torch.ones(1).item() == 1
        assert reads.count == 1  # the counter counts
    assert calls == [(5, 2)] * 3
