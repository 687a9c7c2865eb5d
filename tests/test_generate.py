"""Samples, reconstructions and interpolations: what they are, and that they leave no trace."""

import pytest
import torch
from oracles import ChosenNoise, State, mixed_mode_vae, ppca_pair, randn, standard_errors
from torch import nn
from torch.testing import assert_close

from dgm_teach.generate import evaluating, interpolate, reconstruct, sample
from dgm_teach.linear_gaussian import evidence
from dgm_teach.rng import make_generator
from dgm_teach.vae_nets import mlp_vae

X = randn(4, 6, seed=1)
DRAWINGS = {
    "sample": lambda model: sample(model, 4, generator=make_generator(0)),
    "reconstruct": lambda model: reconstruct(model, X, generator=make_generator(0)),
    "interpolate": lambda model: interpolate(model, X[0], X[1]),
}


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_model_and_random_state_are_left_as_found(drawing):
    model = mixed_mode_vae()
    before = State(model)
    first, again = DRAWINGS[drawing](model), DRAWINGS[drawing](model)
    assert torch.equal(first, again)  # neither dropout nor the global noise is in it
    assert not first.requires_grad
    assert before.same_as(State(model))


def test_state_tells_every_change():
    # The comparison above must see each thing that a careless function could change.
    model = mixed_mode_vae()
    before = State(model)
    changes = {
        "buffer": lambda: model.encoder[1].running_mean.add_(1),
        "mode": lambda: model.encoder[2].eval(),
        "noise": lambda: torch.randn(1),
        "gradient": lambda: model.encode(X).mu.sum().backward(),
    }
    for name, change in changes.items():
        with torch.random.fork_rng():
            change()
            assert not before.same_as(State(model)), name
        before = State(model)


def test_evaluating_switches_and_restores_every_module_even_after_an_error():
    model = mixed_mode_vae()
    before = State(model)

    def fail_inside():
        with evaluating(model):
            assert not any(module.training for module in model.modules())
            assert not torch.is_grad_enabled()
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert before.same_as(State(model))


def test_images_do_not_depend_on_their_batch(monkeypatch):
    model, noise = mixed_mode_vae(), randn(4, 2, seed=3)
    for draw in (
        lambda rows: sample(model, len(rows), generator=make_generator(0)),
        lambda rows: reconstruct(model, X[rows], generator=make_generator(0)),
    ):
        ChosenNoise(monkeypatch, noise, *noise.split(1))
        together = draw([0, 1, 2, 3])
        alone = torch.cat([draw([row]) for row in range(4)])
        assert_close(alone, together)


def test_samples_are_pixel_means_of_the_decoded_prior(monkeypatch):
    model, noise = mlp_vae(6, 4, 2).double(), randn(3, 2, seed=3)
    ChosenNoise(monkeypatch, noise)
    found = sample(model, 3, generator=make_generator(0))
    assert_close(found, torch.sigmoid(model.decoder(noise)).detach())


def test_samples_have_the_moments_of_the_decoded_prior():
    # Of probabilistic PCA: mean b and covariance W W', that of x without its noise.
    truth, model = ppca_pair(exact_posterior=True)
    centred = sample(model, 40_000, generator=make_generator(0)) - truth.bias
    cov = evidence(truth).covariance_matrix - truth.noise_var * torch.eye(5)
    assert standard_errors(centred, 0.0) < 4
    assert standard_errors(centred[:, :, None] * centred[:, None, :], cov) < 4


def test_reconstructions_decode_a_sample_of_q(monkeypatch):
    model, noise = mlp_vae(6, 4, 2).double(), randn(4, 2, seed=3)
    mu, log_var = model.encoder(X).chunk(2, -1)
    expected = torch.sigmoid(model.decoder(mu + (log_var / 2).exp() * noise))
    ChosenNoise(monkeypatch, noise)
    assert_close(reconstruct(model, X, generator=make_generator(0)), expected.detach())


@pytest.mark.parametrize("num_steps", [2, 3, 11])
def test_interpolation_goes_straight_from_mean_to_mean(num_steps):
    model = mlp_vae(6, 4, 2).double()
    start, end = model.encoder(X[:2])[:, :2].detach()
    found = interpolate(model, X[0], X[1], num_steps)
    way = [start + step / (num_steps - 1) * (end - start) for step in range(num_steps)]
    assert_close(found, torch.sigmoid(model.decoder(torch.stack(way))).detach())


def test_interpolation_has_ten_images_unless_said():
    assert interpolate(mlp_vae(6, 4, 2).double(), X[0], X[1]).shape == (10, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("drawing", DRAWINGS)
def test_images_have_the_dtype_of_the_model(drawing, dtype, monkeypatch):
    monkeypatch.setitem(globals(), "X", X.to(dtype))
    assert DRAWINGS[drawing](mixed_mode_vae().to(dtype)).dtype == dtype


def test_noise_follows_the_generator():
    model = mixed_mode_vae()
    for draw in (
        lambda seed: sample(model, 4, generator=make_generator(seed)),
        lambda seed: reconstruct(model, X, generator=make_generator(seed)),
    ):
        assert torch.equal(draw(1), draw(1))
        assert not torch.equal(draw(1), draw(2))


def test_bad_numbers_are_refused():
    model = mixed_mode_vae()
    with pytest.raises(ValueError, match=r"^num_samples must be at least 1, got 0$"):
        sample(model, 0, generator=make_generator(0))
    with pytest.raises(ValueError, match=r"^num_steps must be at least 2, got 1$"):
        interpolate(model, X[0], X[1], 1)
    assert len(sample(model, 1, generator=make_generator(0))) == 1


def test_mixed_mode_model_is_mixed():
    modes = {module.training for module in mixed_mode_vae().modules()}
    assert modes == {True, False}
    assert any(isinstance(module, nn.BatchNorm1d) for module in mixed_mode_vae().modules())
