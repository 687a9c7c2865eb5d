r"""How far a sample of features lies from another: Fréchet distance and kernel distance.

Both distances are numbers without a scale of their own, and the first depends on the number of
rows. So :func:`beside_truth` returns each with the same distance of as many real examples.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_teach.require import require_at_least


def gaussian_frechet(
    mean_x: Float[Tensor, " features"],
    cov_x: Float[Tensor, "features features"],
    mean_y: Float[Tensor, " features"],
    cov_y: Float[Tensor, "features features"],
) -> Float[Tensor, ""]:
    r"""Squared Fréchet distance of two Gaussians, from their means and covariances.

    .. math:: \lVert\mu_x-\mu_y\rVert^2 + \mathrm{tr}\,\Sigma_x + \mathrm{tr}\,\Sigma_y
              - 2\,\mathrm{tr}\bigl(\Sigma_x^{1/2}\Sigma_y\Sigma_x^{1/2}\bigr)^{1/2}

    Parameters
    ----------
    mean_x, cov_x
        Mean and covariance matrix of the one, symmetric without negative eigenvalues.
    mean_y, cov_y
        The same of the other.

    Returns
    -------
    One number of at least 0, up to rounding, in the square of the unit of the features.

    Notes
    -----
    Equation ``eq-gan-frechet``. Dowson and Landau (1982).
    Oracle: ``scipy.linalg.sqrtm``, and the closed form for diagonal covariances.
    """
    root_x, root_y = _root(cov_x), _root(cov_y)
    # The eigenvalues of the root in the formula are the singular values of this product.
    overlap = torch.linalg.svdvals(root_x @ root_y).sum()
    return (mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace() - 2 * overlap


def frechet_distance(
    x: Float[Tensor, "rows_x features"], y: Float[Tensor, "rows_y features"]
) -> float:
    r"""Squared Fréchet distance of the Gaussians with the moments of two samples.

    Parameters
    ----------
    x, y
        Features, one row per example; at least twice as many rows as features.

    Returns
    -------
    One number of at least 0, up to rounding. Its expectation lies above the distance of the two
    distributions, by more the fewer the rows: compare only values with the same numbers of rows.

    Raises
    ------
    ValueError
        If a sample has fewer rows than twice the number of features.

    Notes
    -----
    Equations ``def-gan-frechet`` and ``eq-gan-frechet-bias``. Heusel et al. (2017).
    Oracle: :func:`gaussian_frechet` of moments computed by NumPy.
    """
    require_at_least(2 * x.shape[1], rows_of_x=len(x), rows_of_y=len(y))
    x, y = x.double(), y.double()
    shape = x.shape[1], x.shape[1]  # for one feature, cov() returns a number
    covs = [part.T.cov().view(shape) for part in (x, y)]
    return gaussian_frechet(x.mean(0), covs[0], y.mean(0), covs[1]).item()


def kernel_distance(
    x: Float[Tensor, "rows_x features"], y: Float[Tensor, "rows_y features"]
) -> float:
    r"""Unbiased estimate of the squared kernel distance (MMD) with a cubic kernel.

    .. math:: k(x,y) = \Bigl(1+\frac{x^\top y}{F}\Bigr)^3 \quad\text{for } F \text{ features}

    Parameters
    ----------
    x, y
        Features, one row per example, at least two.

    Returns
    -------
    One number. Its expectation is the squared distance of the two distributions, whatever the
    numbers of rows; for equal distributions it is 0, so about half of the estimates are negative.

    Raises
    ------
    ValueError
        If a sample has fewer than two rows.

    Notes
    -----
    Equations ``def-gan-kernel-estimate`` and ``eq-gan-kernel-unbiased``. Bińkowski et al. (2018)
    and Gretton et al. (2012), lemma 6.
    Oracle: sums over all pairs, one by one, and the exact distance of two tables.
    """
    require_at_least(2, rows_of_x=len(x), rows_of_y=len(y))
    x, y = x.double(), y.double()
    within = [_mean_off_diagonal(_cubic(part, part)) for part in (x, y)]
    return (within[0] + within[1] - 2 * _cubic(x, y).mean()).item()


class Score(NamedTuple):
    r"""A distance, and the same distance for real examples in place of generated ones.

    Attributes
    ----------
    generated
        Distance of the generated sample from the reference.
    truth
        Distance of as many real examples from the same reference.
    """

    generated: float
    truth: float


def beside_truth(
    distance: Callable[[Tensor, Tensor], float],
    generated: Float[Tensor, "rows features"],
    real: Float[Tensor, "rows_real features"],
    reference: Float[Tensor, "rows_reference features"],
) -> Score:
    r"""Measure a generated sample and a real one of the same size against one reference.

    Parameters
    ----------
    distance
        :func:`frechet_distance` or :func:`kernel_distance`.
    generated
        Features of generated examples.
    real
        Features of as many real examples, none of which is among the reference.
    reference
        Features of the real examples to compare with.

    Returns
    -------
    The :class:`Score`. If the generator were perfect, both numbers would have one distribution.

    Raises
    ------
    ValueError
        If the numbers of generated and of real examples differ.

    Notes
    -----
    Equation ``eq-gan-frechet-bias``.
    Oracle: samples of one distribution.
    """
    if len(generated) != len(real):
        raise ValueError(f"real must have {len(generated)} rows like generated, got {len(real)}")
    return Score(distance(generated, reference), distance(real, reference))


def _root(cov: Float[Tensor, "features features"]) -> Float[Tensor, "features features"]:
    """Symmetric square root; eigenvalues that rounding made negative count as 0."""
    values, vectors = torch.linalg.eigh(cov)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def _cubic(x: Float[Tensor, "n f"], y: Float[Tensor, "m f"]) -> Float[Tensor, "n m"]:
    """The kernel of every row of ``x`` with every row of ``y``."""
    return (1 + x @ y.T / x.shape[1]) ** 3


def _mean_off_diagonal(table: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """Mean over all pairs of two different rows."""
    n = len(table)
    return (table.sum() - table.trace()) / (n * (n - 1))
