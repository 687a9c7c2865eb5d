r"""What the tests compare with: a VAE whose evidence is known exactly, and noise that is chosen.

``ppca_pair`` gives probabilistic PCA twice, as a :class:`LinearGaussian` and as a VAE with a
linear encoder and decoder, so that log p(x) of the VAE is known.
"""

from collections.abc import Callable

import jaxtyping
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal

from dgm_teach.likelihoods import BernoulliPixels, GaussianPixels
from dgm_teach.linear_gaussian import LinearGaussian
from dgm_teach.rng import make_generator
from dgm_teach.vae import VAE

LOG_NOISE_VAR = -1.25  # exact in float32, so that the model keeps it exactly


def as_readers_have_it(monkeypatch) -> None:
    """Switch off, for one test, the run-time type checker of the tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def randn(*shape: int, seed: int) -> Tensor:
    """Standard normal float64 numbers from a seed."""
    return torch.randn(shape, dtype=torch.float64, generator=make_generator(seed))


def linear_gaussian(data_dim: int = 5, latent_dim: int = 2, seed: int = 0) -> LinearGaussian:
    """A model with orthogonal columns, so that the posterior has independent coordinates."""
    columns = torch.linalg.qr(randn(data_dim, latent_dim, seed=seed)).Q
    scales = torch.linspace(0.7, 1.5, latent_dim, dtype=torch.float64)
    noise_var = torch.tensor(LOG_NOISE_VAR, dtype=torch.float64).exp()
    return LinearGaussian(columns * scales, randn(data_dim, seed=seed + 1), noise_var)


def ppca_pair(*, exact_posterior: bool, seed: int = 0) -> tuple[LinearGaussian, VAE]:
    """Probabilistic PCA, and the same model as a VAE; q is the posterior or something else."""
    truth = linear_gaussian(seed=seed)
    data_dim, latent_dim = truth.weight.shape
    decoder = nn.Linear(latent_dim, data_dim)
    encoder = nn.Linear(data_dim, 2 * latent_dim)
    model = VAE(encoder, decoder, GaussianPixels(LOG_NOISE_VAR), latent_dim).double()
    posterior_var = truth.noise_var / (truth.weight.square().sum(0) + truth.noise_var)
    gain = posterior_var[:, None] * truth.weight.T / truth.noise_var
    with torch.no_grad():
        decoder.weight.copy_(truth.weight)
        decoder.bias.copy_(truth.bias)
        if exact_posterior:
            encoder.weight.copy_(torch.cat([gain, torch.zeros_like(gain)]))
            encoder.bias.copy_(torch.cat([-gain @ truth.bias, posterior_var.log()]))
        else:
            encoder.weight.copy_(0.3 * randn(2 * latent_dim, data_dim, seed=seed + 2))
            encoder.bias.copy_(0.3 * randn(2 * latent_dim, seed=seed + 3))
    return truth, model


def expected_log_lik(truth: LinearGaussian, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """E_q[log p(x|z)] for q = N(mu, diag(exp(log_var))), in closed form."""
    at_mean = Normal(mu @ truth.weight.T + truth.bias, truth.noise_var.sqrt()).log_prob(x).sum(-1)
    spread = (truth.weight.square().sum(0) * log_var.exp()).sum(-1)
    return at_mean - spread / (2 * truth.noise_var)


def diagonal(mu: Tensor, log_var: Tensor) -> MultivariateNormal:
    """The same Gaussian as an object of torch, parametrised by its covariance matrix."""
    return MultivariateNormal(mu, torch.diag_embed(log_var.exp()))


def cubature(latent_dim: int) -> Tensor:
    r"""Points :math:`\pm\sqrt{L}\,e_j`, shape [2L, L].

    Their plain average of a polynomial of degree at most 3 is its expectation under N(0, I).
    """
    points = latent_dim**0.5 * torch.eye(latent_dim, dtype=torch.float64)
    return torch.cat([points, -points])


def plane_integral(log_density: Callable[[Tensor], Tensor], width: float = 12.0) -> float:
    r"""Integral over the square [-width, width]^2 of a density given by its log.

    The trapezium rule, whose error for Gaussians of variance near 1 is far below 1e-12.
    """
    axis = torch.linspace(-width, width, 401, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    return log_density(points).exp().sum().item() * (axis[1] - axis[0]).item() ** 2


class ChosenNoise:
    """Stands in for ``Tensor.normal_``: hands out the given noise, one tensor a call."""

    def __init__(self, monkeypatch, *noise: Tensor) -> None:
        self.left = list(noise)
        monkeypatch.setattr(torch.Tensor, "normal_", lambda tensor, **_: self.fill(tensor))

    def fill(self, tensor: Tensor) -> Tensor:
        """Overwrite the tensor with the next noise, which must have its shape."""
        eps = self.left.pop(0)
        assert eps.shape == tensor.shape
        return tensor.copy_(eps)


def standard_errors(samples: Tensor, exact: Tensor | float) -> Tensor:
    """How many standard errors the sample mean is from the exact value, at most."""
    se = samples.std(0) / len(samples) ** 0.5
    return ((samples.mean(0) - exact).abs() / se).max()


class State:
    """All that a function must leave as it found it: weights, buffers, modes, gradients, noise."""

    def __init__(self, model: nn.Module) -> None:
        self.tensors = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        self.modes = [module.training for module in model.modules()]
        self.gradients = [parameter.grad for parameter in model.parameters()]
        self.random_state = torch.get_rng_state()
        self.grad_enabled = torch.is_grad_enabled()

    def same_as(self, other: "State") -> bool:
        """Whether nothing differs."""
        return (
            self.tensors.keys() == other.tensors.keys()
            and all(
                torch.equal(tensor, other.tensors[name]) for name, tensor in self.tensors.items()
            )
            and self.modes == other.modes
            and all(a is b for a, b in zip(self.gradients, other.gradients, strict=True))
            and torch.equal(self.random_state, other.random_state)
            and self.grad_enabled == other.grad_enabled
        )


def mixed_mode_vae(data_dim: int = 6, latent_dim: int = 2) -> VAE:
    """A VAE with layers whose mode matters, some in train mode and some in eval mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, decoder = (
            nn.Sequential(
                nn.Linear(fan_in, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, fan_out)
            )
            for fan_in, fan_out in ((data_dim, 2 * latent_dim), (latent_dim, data_dim))
        )
        model = VAE(encoder, decoder, GaussianPixels(LOG_NOISE_VAR), latent_dim).double()
    encoder[1].eval()
    decoder[2].eval()
    return model


BINARY = (randn(6, 5, seed=1) > 0).double()


def bernoulli_vae() -> VAE:
    """A VAE for the binary images above, with three latent variables."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(nn.Linear(5, 6), nn.Linear(3, 5), BernoulliPixels(), 3).double()
