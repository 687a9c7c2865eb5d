"""On a CUDA device everything gives what it gives on the CPU, and stays where it is.

Each test runs on the CPU too, so that the test itself is known to work where there is no device.
The noise is made once on the CPU and handed to both.
"""

import pytest
import torch
from oracles import (
    BINARY,
    ChosenNoise,
    State,
    bernoulli_vae,
    cubature,
    diagonal,
    linear_gaussian,
    mixed_mode_vae,
    ppca_pair,
    randn,
)
from torch.distributions import kl_divergence
from torch.testing import assert_close

from dgm_teach import vae_training
from dgm_teach.evaluate import active_units, held_out_terms, log_px_hat
from dgm_teach.gaussian import gaussian_kl, gaussian_log_prob, reparameterise
from dgm_teach.generate import interpolate, reconstruct, sample
from dgm_teach.likelihoods import GaussianPixels, bernoulli_log_lik, check_pixels, gaussian_log_lik
from dgm_teach.linear_gaussian import LinearGaussian, evidence, fit_ppca, posterior
from dgm_teach.linear_gaussian import sample as sample_ppca
from dgm_teach.rng import make_generator
from dgm_teach.vae import elbo_terms, iwae_bound
from dgm_teach.vae_nets import mlp_vae
from dgm_teach.vae_training import train_vae, vae_step

NO_DEVICE = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
CUDA = pytest.param("cuda", marks=[pytest.mark.cuda, NO_DEVICE])
on_both = pytest.mark.parametrize("device", ["cpu", CUDA])

MU, LOG_VAR = randn(6, 3, seed=1), randn(6, 3, seed=2)
X = randn(6, 5, seed=9)


def same_there(found, expected, device):
    """The result is on the device and equals the CPU's."""
    assert found.device.type == device
    assert_close(found.cpu(), expected)


@on_both
@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (gaussian_log_prob, (randn(6, 3, seed=0), MU, LOG_VAR)),
        (gaussian_kl, (MU, LOG_VAR)),
        (bernoulli_log_lik, (BINARY, randn(6, 5, seed=3))),
        (gaussian_log_lik, (X, randn(6, 5, seed=3), randn(seed=4))),
    ],
)
def test_densities(function, inputs, device):
    same_there(function(*(part.to(device) for part in inputs)), function(*inputs), device)


@on_both
def test_grey_pixels_are_refused(device):
    with pytest.raises(ValueError, match="x must hold only 0 and 1"):
        check_pixels(torch.full((2, 3), 0.5, device=device))


@on_both
def test_samples_follow_a_generator_of_the_device(device):
    mu, log_var = MU.to(device), LOG_VAR.to(device)
    first, again, other = (
        reparameterise(mu, log_var, generator=make_generator(seed, device)) for seed in (5, 5, 6)
    )
    assert first.device.type == device
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    eps = torch.empty_like(mu).normal_(generator=make_generator(5, device))
    assert_close(first, mu + (log_var / 2).exp() * eps)


@on_both
def test_probabilistic_pca(device, monkeypatch):
    here = linear_gaussian()
    there = LinearGaussian(*(part.to(device) for part in here))
    x = X.to(device)
    same_there(evidence(there).log_prob(x), evidence(here).log_prob(X), device)
    same_there(posterior(there, x).mean, posterior(here, X).mean, device)
    same_there(posterior(there, x).covariance_matrix, posterior(here, X).covariance_matrix, device)
    # The columns of the weight have no sign: compare what they span.
    fit_here, fit_there = fit_ppca(X, 2), fit_ppca(x, 2)
    same_there(evidence(fit_there).covariance_matrix, evidence(fit_here).covariance_matrix, device)
    noise = randn(4, 7, seed=3)
    ChosenNoise(monkeypatch, noise, noise)
    for drawn, expected in zip(sample_ppca(there, 4), sample_ppca(here, 4), strict=True):
        same_there(drawn, expected, device)


@on_both
def test_elbo_and_gap_make_the_evidence(device, monkeypatch):
    truth, model = ppca_pair(exact_posterior=False)
    truth, model = LinearGaussian(*(part.to(device) for part in truth)), model.to(device)
    x, points = X.to(device), cubature(2)
    ChosenNoise(monkeypatch, points.repeat(6, 1))
    terms = elbo_terms(model, x.repeat_interleave(4, 0))
    gap = kl_divergence(diagonal(*model.encode(x)), posterior(truth, x))
    assert terms.elbo.device.type == device
    assert_close(terms.elbo.unflatten(0, (6, 4)).mean(1) + gap, evidence(truth).log_prob(x))


@on_both
def test_k_sample_bound_at_the_posterior_is_log_p_x(device):
    truth, model = ppca_pair(exact_posterior=True)
    found = iwae_bound(model.to(device), X.to(device), 7, generator=make_generator(0, device))
    same_there(found, evidence(truth).log_prob(X), device)


def noise_states():
    """The states of the random generators that a careless function would use."""
    states = [torch.get_rng_state()]
    return states + ([torch.cuda.get_rng_state()] if torch.cuda.is_available() else [])


@on_both
def test_drawings_and_measures_follow_the_model_and_leave_it(device):
    model, x = mixed_mode_vae().to(device), randn(7, 6, seed=1).to(device)
    calls = [
        lambda generator: sample(model, 4, generator=generator),
        lambda generator: reconstruct(model, x, generator=generator),
        lambda _: interpolate(model, x[0], x[1]),
        lambda generator: held_out_terms(model, x, generator=generator).elbo,
        lambda generator: log_px_hat(model, x, num_samples=3, generator=generator),
        lambda _: active_units(model, x),
    ]
    before, noise = State(model), noise_states()
    for call in calls:
        first, again = (call(make_generator(0, device)) for _ in range(2))
        assert first.device.type == device
        assert torch.equal(first, again)
    assert before.same_as(State(model))
    for state, now in zip(noise, noise_states(), strict=True):
        assert torch.equal(state, now)


def first_steps(monkeypatch, device):
    """Five steps in float32: weights, order of the rows and noise made on the CPU."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = mlp_vae(64, 32, 4)
    x = (randn(20, 64, seed=1) > 0).float()
    rows = torch.randperm(20, generator=make_generator(2)).split(4)
    ChosenNoise(monkeypatch, *(randn(4, 4, seed=seed).float() for seed in range(5)))

    def minibatches(x_train, *_, **__):
        return (x_train[part.to(x_train.device)] for part in rows)

    monkeypatch.setattr(vae_training, "minibatches", minibatches)
    model = model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    record = train_vae(model, optimizer, x.to(device), num_epochs=1, batch_size=4)
    return record, [parameter.detach() for parameter in model.parameters()]


@on_both
def test_first_steps_of_training(device, monkeypatch):
    here, weights_here = first_steps(monkeypatch, "cpu")
    there, weights_there = first_steps(monkeypatch, device)
    assert len(here) == 5
    # float32 sums over at most 64 numbers: a relative error of 1e-5 allows for any order.
    assert_close(there, here, rtol=1e-5, atol=1e-5)
    for found, expected in zip(weights_there, weights_here, strict=True):
        assert found.device.type == device
        assert_close(found.cpu(), expected, rtol=1e-5, atol=1e-6)


@on_both
def test_training_follows_a_generator_of_the_device(device):
    records = []
    for seed in (5, 5, 6):
        model = bernoulli_vae().to(device)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        generator = make_generator(seed, device)
        records.append(
            train_vae(model, optimizer, BINARY.to(device), num_epochs=2, generator=generator)
        )
    assert records[0] == records[1] != records[2]


@pytest.mark.cuda
@NO_DEVICE
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
def test_a_step_does_not_wait_for_the_device():
    _, model = ppca_pair(exact_posterior=False)
    model, x = model.to("cuda"), X.to("cuda")
    assert isinstance(model.likelihood, GaussianPixels)  # binary pixels are looked at: one wait
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    generator = make_generator(0, "cuda")
    vae_step(model, optimizer, x, generator=generator)  # the libraries start up
    torch.cuda.set_sync_debug_mode("error")
    try:
        step = vae_step(model, optimizer, x, generator=generator)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert step.kl.device.type == "cuda"
