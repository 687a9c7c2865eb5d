"""Results have the device and the dtype of the inputs, whatever torch's defaults are.

With "meta" as the default device, a tensor that a function makes there, instead of on the device
of its inputs, has no values and cannot be combined with them.
"""

from contextlib import contextmanager

import pytest
import torch
from oracles import linear_gaussian, ppca_pair, randn
from torch.testing import assert_close

from dgm_teach import generate
from dgm_teach import linear_gaussian as ppca
from dgm_teach.evaluate import active_units, held_out_terms, log_px_hat
from dgm_teach.gaussian import gaussian_kl, gaussian_log_prob, reparameterise
from dgm_teach.likelihoods import bernoulli_log_lik, gaussian_log_lik
from dgm_teach.linear_gaussian import LinearGaussian
from dgm_teach.rng import make_generator
from dgm_teach.vae import elbo_terms, iwae_bound
from dgm_teach.vae_training import train_vae


def train(model, x, noise):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train_vae(model, optimizer, x, num_epochs=2, batch_size=4, generator=noise)
    return list(model.parameters())


CALLS = {
    "gaussian_log_prob": lambda truth, model, x, noise: gaussian_log_prob(x, x, x),
    "gaussian_kl": lambda truth, model, x, noise: gaussian_kl(x, x),
    "reparameterise": lambda truth, model, x, noise: reparameterise(x, x, generator=noise),
    "bernoulli_log_lik": lambda truth, model, x, noise: bernoulli_log_lik((x > 0) * x**0, x),
    "gaussian_log_lik": lambda truth, model, x, noise: gaussian_log_lik(x, x, truth.noise_var),
    "evidence": lambda truth, model, x, noise: ppca.evidence(truth).log_prob(x),
    "posterior": lambda truth, model, x, noise: ppca.posterior(truth, x).log_prob(x[:, :2]),
    "fit_ppca": lambda truth, model, x, noise: ppca.fit_ppca(x, 2),
    "sample of PCA": lambda truth, model, x, noise: ppca.sample(truth, 3, generator=noise),
    "elbo_terms": lambda truth, model, x, noise: elbo_terms(model, x, generator=noise),
    "iwae_bound": lambda truth, model, x, noise: iwae_bound(model, x, 3, generator=noise),
    "train_vae": lambda truth, model, x, noise: train(model, x, noise),
    "sample": lambda truth, model, x, noise: generate.sample(model, 3, generator=noise),
    "reconstruct": lambda truth, model, x, noise: generate.reconstruct(model, x, generator=noise),
    "interpolate": lambda truth, model, x, noise: generate.interpolate(model, x[0], x[1]),
    "held_out_terms": lambda truth, model, x, noise: held_out_terms(model, x, generator=noise),
    "log_px_hat": lambda truth, model, x, noise: log_px_hat(model, x, generator=noise),
    "active_units": lambda truth, model, x, noise: active_units(model, x),
}


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def result(call, dtype, defaults):
    """Tensors that the call gives for inputs of the dtype, on the CPU, under other defaults."""
    truth = LinearGaussian(*(part.to(dtype) for part in linear_gaussian()))
    model, x = ppca_pair(exact_posterior=False)[1].to(dtype), randn(6, 5, seed=9).to(dtype)
    noise = make_generator(0)
    with defaults:
        found = CALLS[call](truth, model, x, noise)
    return [found] if isinstance(found, torch.Tensor) else list(found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("call", CALLS)
def test_defaults_of_torch_change_nothing(call, dtype):
    same = result(call, dtype, default_dtype(dtype))
    other = torch.float64 if dtype == torch.float32 else torch.float32
    for defaults in (default_dtype(other), torch.device("meta")):
        for found, expected in zip(result(call, dtype, defaults), same, strict=True):
            assert found.device.type == "cpu"
            assert_close(found, expected, rtol=0, atol=0)
            assert found.dtype in (dtype, torch.bool)
