r"""Mixture of Gaussians: a latent variable model whose evidence is a sum of k terms.

.. math:: p(z=c)=\alpha_c,\qquad p(x\mid z=c)=\mathcal N\bigl(x\mid\mu_c,\;\mathrm{diag}(v_c)\bigr)

The components are numbered 0 to k - 1 in the code. Bishop (2006), sections 9.2 to 9.4.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from dgm_teach.gaussian import gaussian_log_prob
from dgm_teach.require import require_at_least


class GaussianMixture(NamedTuple):
    r"""Parameters of a mixture of k Gaussians with diagonal covariance matrices.

    Attributes
    ----------
    weights
        The prior :math:`\alpha` over the components: positive, with sum 1.
    means
        The mean :math:`\mu_c` of each component, one row each.
    variances
        The variance :math:`v_{cj}` of each component along each coordinate, positive.
    """

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k data"]
    variances: Float[Tensor, "k data"]


def log_joint(model: GaussianMixture, x: Float[Tensor, "batch data"]) -> Float[Tensor, "batch k"]:
    r"""Log of the joint density of x and each component, in nats.

    .. math:: \log\alpha_c+\log\mathcal N\bigl(x\mid\mu_c,\;\mathrm{diag}(v_c)\bigr)

    Parameters
    ----------
    model
        The parameters.
    x
        Observed vectors, one row each.

    Returns
    -------
    One number per example and component: summed over coordinates, not averaged over the batch.
    The sign is that of a log density: larger is more probable.

    Notes
    -----
    Equation ``def-lvm-mixture``. Bishop (2006), section 9.2.
    Oracle: ``torch.distributions``, a categorical and a normal distribution.
    """
    return model.weights.log() + gaussian_log_prob(x[:, None], model.means, model.variances.log())


def log_evidence(model: GaussianMixture, x: Float[Tensor, "batch data"]) -> Float[Tensor, " batch"]:
    r"""Log density of x, the component summed out, in nats.

    .. math:: \log\sum_{c=1}^k\alpha_c\,\mathcal N\bigl(x\mid\mu_c,\;\mathrm{diag}(v_c)\bigr)

    Parameters
    ----------
    model
        The parameters.
    x
        Observed vectors, one row each.

    Returns
    -------
    One number per example, not averaged over the batch. Larger is more probable.

    Notes
    -----
    Equation ``eq-lvm-mixture-evidence``. Bishop (2006), equation 9.7.
    Oracle: ``sklearn.mixture.GaussianMixture.score_samples``.
    """
    return torch.logsumexp(log_joint(model, x), dim=1)


def responsibilities(
    model: GaussianMixture, x: Float[Tensor, "batch data"]
) -> Float[Tensor, "batch k"]:
    r"""Posterior probability of each component given x: the E step.

    .. math:: r_c(x)=\frac{\alpha_c\,\mathcal N(x\mid\mu_c,\mathrm{diag}(v_c))}
              {\sum_{c'}\alpha_{c'}\,\mathcal N(x\mid\mu_{c'},\mathrm{diag}(v_{c'}))}

    Parameters
    ----------
    model
        The parameters.
    x
        Observed vectors, one row each.

    Returns
    -------
    Probabilities: k of them for each example, with sum 1.

    Notes
    -----
    Equation ``eq-lvm-responsibilities``. Bishop (2006), equation 9.13.
    Oracle: ``sklearn.mixture.GaussianMixture.predict_proba``.
    """
    return torch.softmax(log_joint(model, x), dim=1)


def m_step(
    x: Float[Tensor, "batch data"], r: Float[Tensor, "batch k"], *, min_var: float = 0.0
) -> GaussianMixture:
    r"""Parameters that maximise the bound for given probabilities of the components.

    .. math:: N_c&=\sum_i r_{ic},\qquad \alpha_c=\frac{N_c}{N},\qquad
              \mu_{cj}=\frac1{N_c}\sum_i r_{ic}\,x_{ij},\\
              v_{cj}&=\frac1{N_c}\sum_i r_{ic}\,(x_{ij}-\mu_{cj})^2

    Parameters
    ----------
    x
        Training vectors, one row each.
    r
        Probability of each component for each row of ``x``.
    min_var
        Least variance allowed, at least 0. A smaller one is raised to it, which is the maximum
        among the mixtures whose variances are all at least ``min_var``.

    Returns
    -------
    The mixture at the maximum.

    Raises
    ------
    ValueError
        If ``min_var`` is below 0.
    FloatingPointError
        If a component is responsible for no row, or is left with a variance of 0.

    Notes
    -----
    Equations ``eq-lvm-m-weights``, ``eq-lvm-m-means`` and ``eq-lvm-m-variances``.
    Bishop (2006), section 9.2.2.
    Oracle: the M step of ``sklearn.mixture.GaussianMixture``, which adds its ``reg_covar``.
    """
    require_at_least(0, min_var=min_var)
    counts = r.sum(0)
    means = r.T @ x / counts[:, None]
    deviations = x[:, None] - means
    variances = (r[..., None] * deviations.square()).sum(0) / counts[:, None]
    variances = variances.clamp_min(min_var)
    for component, variance in enumerate(variances.amin(1).tolist()):
        if not variance > 0:  # so that the NaN of an empty component is refused
            raise FloatingPointError(f"component {component} has a variance of {variance}")
    return GaussianMixture(counts / len(x), means, variances)


def em_step(
    model: GaussianMixture, x: Float[Tensor, "batch data"], *, min_var: float = 0.0
) -> GaussianMixture:
    r"""One step of EM: the responsibilities, then the parameters that fit them best.

    Parameters
    ----------
    model
        The parameters before the step.
    x
        Training vectors, one row each.
    min_var
        Least variance allowed, at least 0.

    Returns
    -------
    The parameters after the step. The log evidence of ``x`` is not lower, if the variances of
    ``model`` were at least ``min_var``.

    Notes
    -----
    Equation ``eq-lvm-em-gain``. Dempster, Laird and Rubin (1977).
    Oracle: one iteration of ``sklearn.mixture.GaussianMixture``.
    """
    return m_step(x, responsibilities(model, x), min_var=min_var)


def sample(
    model: GaussianMixture, num_samples: int, *, generator: torch.Generator | None = None
) -> tuple[Float[Tensor, "batch data"], Int64[Tensor, " batch"]]:
    r"""Draw pairs (x, z): first the component from the weights, then x given it.

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
    The observed vectors, and the number of the component that made each, from 0.

    Raises
    ------
    ValueError
        If ``num_samples`` is less than 1.

    Notes
    -----
    Oracle: the moments of each component.
    """
    require_at_least(1, num_samples=num_samples)
    z = torch.multinomial(model.weights, num_samples, replacement=True, generator=generator)
    eps = torch.empty_like(model.means[z]).normal_(generator=generator)
    return model.means[z] + model.variances[z].sqrt() * eps, z
