r"""Probabilistic PCA: a latent variable model whose every quantity is known exactly.

.. math:: z\sim\mathcal N(0,I),\qquad x\mid z\sim\mathcal N(Wz+b,\;s^2 I)

It is the oracle that the chapters on the ELBO are checked against.
Tipping and Bishop (1999), *Probabilistic Principal Component Analysis*.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal

from dgm_teach.require import require_at_least


class LinearGaussian(NamedTuple):
    r"""Parameters of the linear-Gaussian latent variable model.

    Attributes
    ----------
    weight
        The matrix :math:`W`.
    bias
        The mean :math:`b` of the data.
    noise_var
        The variance :math:`s^2` of the noise on each coordinate of x, positive.
    """

    weight: Float[Tensor, "data latent"]
    bias: Float[Tensor, " data"]
    noise_var: Float[Tensor, ""]


def evidence(model: LinearGaussian) -> MultivariateNormal:
    r"""Marginal distribution of x, the latent variable integrated out.

    .. math:: p(x)=\mathcal N\bigl(x\mid b,\;WW^\top+s^2I\bigr)

    Parameters
    ----------
    model
        The parameters.

    Returns
    -------
    A distribution over vectors of length data_dim; its ``log_prob`` is in nats.

    Notes
    -----
    Equation ``eq-lvm-linear-evidence``. Tipping and Bishop (1999), section 3.1.
    Oracle: ``sklearn.decomposition.PCA.score_samples``; quadrature over z on the page.
    """
    identity = torch.eye(len(model.bias), dtype=model.bias.dtype, device=model.bias.device)
    cov = model.weight @ model.weight.T + model.noise_var * identity
    return MultivariateNormal(model.bias, cov)


def posterior(model: LinearGaussian, x: Float[Tensor, "batch data"]) -> MultivariateNormal:
    r"""Distribution of z given x, by Bayes' rule.

    .. math:: p(z\mid x)=\mathcal N\bigl(z\mid M^{-1}W^\top(x-b),\;s^2M^{-1}\bigr),
              \qquad M=W^\top W+s^2I

    Parameters
    ----------
    model
        The parameters.
    x
        Observed vectors.

    Returns
    -------
    A batch of distributions over z, one per row of ``x``; they share one covariance.

    Notes
    -----
    Equation ``eq-lvm-linear-posterior``. Tipping and Bishop (1999), section 3.1.
    Oracle: log p(z|x) = log p(x|z) + log p(z) - log p(x), for every z.
    """
    latent_dim = model.weight.shape[1]
    identity = torch.eye(latent_dim, dtype=x.dtype, device=x.device)
    m = model.weight.T @ model.weight + model.noise_var * identity
    mean = torch.linalg.solve(m, model.weight.T @ (x - model.bias).T).T
    return MultivariateNormal(mean, model.noise_var * torch.linalg.inv(m))


def fit_ppca(
    x: Float[Tensor, "batch data"], latent_dim: int, *, noise_var: float | None = None
) -> LinearGaussian:
    r"""Maximum-likelihood fit, in closed form.

    The columns of :math:`W` are the leading eigenvectors :math:`u_i` of the sample covariance
    (divided by n), scaled by :math:`\sqrt{\lambda_i-s^2}`; the noise variance is the mean of the
    eigenvalues left over.

    Parameters
    ----------
    x
        Training vectors.
    latent_dim
        Number of latent variables, at least 1 and less than the data dimension.
    noise_var
        The noise variance, above 0, where it is given and not fitted. The columns of the
        directions with :math:`\lambda_i\le s^2` are then 0.

    Returns
    -------
    The parameters at the maximum of the likelihood. Any rotation of the latent space fits
    equally well; the columns returned are orthogonal.

    Raises
    ------
    ValueError
        If ``latent_dim`` or ``noise_var`` is out of range, there are fewer than two rows, or the
        rows vary in so few directions that no noise is left to fit: the likelihood then has no
        maximum.

    Notes
    -----
    Equation ``eq-lvm-ppca-solution``; with a given ``noise_var``, ``eq-lvm-ppca-fixed-noise``.
    Tipping and Bishop (1999), section 3.2, equations 7 and 8.
    Oracle: ``sklearn.decomposition.PCA`` (which divides the covariance by n - 1).
    """
    num_rows, data_dim = x.shape
    if num_rows < 2:
        raise ValueError(f"x must have at least 2 rows, got {num_rows}")
    if not 1 <= latent_dim < data_dim:
        raise ValueError(f"latent_dim must be from 1 to {data_dim - 1}, got {latent_dim}")
    if noise_var is not None and not noise_var > 0:
        raise ValueError(f"noise_var must be greater than 0, got {noise_var}")
    bias = x.mean(0)
    cov = (x - bias).T @ (x - bias) / num_rows
    values, vectors = (part.flip(-1) for part in torch.linalg.eigh(cov))  # largest first
    s2 = values[latent_dim:].mean() if noise_var is None else values.new_tensor(noise_var)
    if noise_var is None and s2 <= data_dim * torch.finfo(x.dtype).eps * values[0]:
        raise ValueError(f"x must vary in more than latent_dim = {latent_dim} directions")
    scale = (values[:latent_dim] - s2).clamp_min(0).sqrt()
    return LinearGaussian(vectors[:, :latent_dim] * scale, bias, s2)


def principal_angles(
    a: Float[Tensor, "data latent"], b: Float[Tensor, "data latent"]
) -> Float[Tensor, " latent"]:
    r"""Principal angles between the spaces that the columns of two matrices span.

    With orthonormal bases :math:`Q_a` and :math:`Q_b`, their sines are the singular values of
    :math:`Q_b-Q_aQ_a^\top Q_b`, the part of the second basis that the first space does not hold.

    Parameters
    ----------
    a, b
        Matrices with linearly independent columns.

    Returns
    -------
    One angle per column, from 0 to pi / 2 in radians, the largest first. All are 0 exactly when
    the spaces are the same, whatever the columns are.

    Raises
    ------
    ValueError
        If the columns of a matrix are linearly dependent, up to rounding.

    Notes
    -----
    Equation ``def-vae-principal-angles``.
    Oracle: ``scipy.linalg.subspace_angles``.
    """
    for name, matrix in (("a", a), ("b", b)):
        if (rank := torch.linalg.matrix_rank(matrix)) < matrix.shape[1]:
            raise ValueError(f"{name} must have {matrix.shape[1]} independent columns, got {rank}")
    q_a, q_b = torch.linalg.qr(a).Q, torch.linalg.qr(b).Q
    sines = torch.linalg.svdvals(q_b - q_a @ (q_a.T @ q_b))
    return torch.asin(sines.clamp(max=1))


def sample(
    model: LinearGaussian, num_samples: int, *, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "batch data"], Float[Tensor, "batch latent"]]:
    r"""Draw pairs (x, z): first z from the prior, then x given z.

    Parameters
    ----------
    model
        The parameters.
    num_samples
        Number of pairs, at least 1.
    generator
        Source of the noise; torch's global one when it is not given.

    Returns
    -------
    The observed vectors and the latent variables that made them.

    Raises
    ------
    ValueError
        If ``num_samples`` is less than 1.

    Notes
    -----
    Oracle: the moments of ``evidence(model)``.
    """
    require_at_least(1, num_samples=num_samples)
    data_dim, latent_dim = model.weight.shape
    noise = model.bias.new_empty(num_samples, latent_dim + data_dim).normal_(generator=generator)
    z, eps = noise.split([latent_dim, data_dim], dim=1)
    return z @ model.weight.T + model.bias + model.noise_var.sqrt() * eps, z
