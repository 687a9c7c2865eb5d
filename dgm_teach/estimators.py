r"""The score-function estimator of a gradient, as a number whose derivative is the estimate."""

from jaxtyping import Float
from torch import Tensor


def score_function_surrogate(
    f: Float[Tensor, "*draws"],
    log_q: Float[Tensor, "*draws"],
    baseline: Float[Tensor, "*draws"] | float = 0.0,
) -> Float[Tensor, "*draws"]:
    r"""Number equal to f whose derivative is the score-function estimate, in the unit of f.

    .. math:: \hat g = (f-b)\,\partial_\phi\log q_\phi(z) + \partial_\phi f

    Parameters
    ----------
    f
        Value of the function at each draw.
    log_q
        log q(z) at the same draws, which must carry no gradient: ``z.detach()``.
    baseline
        The number b, or one number for each draw, independent of that draw.

    Returns
    -------
    One number per draw, equal to ``f``; neither summed nor averaged. Larger is better if larger
    f is: a loss is the negative.

    Raises
    ------
    ValueError
        If ``f`` and ``log_q`` have different shapes, or ``log_q`` carries no gradient.

    Notes
    -----
    Equations ``eq-vae-score-function`` and ``eq-vae-baseline``. Williams (1992).
    Oracle: the derivative of the sum over all values of a discrete z.
    """
    if f.shape != log_q.shape:
        raise ValueError(
            f"log_q must have the shape of f, {list(f.shape)}, got {list(log_q.shape)}"
        )
    if not log_q.requires_grad:
        raise ValueError("log_q must carry a gradient, got one that was computed without")
    weight = (f - baseline).detach()
    return f + weight * (log_q - log_q.detach())


def leave_one_out(f: Float[Tensor, "draws *batch"]) -> Float[Tensor, "draws *batch"]:
    r"""For each draw, the mean of f over the other draws: a baseline independent of that draw.

    .. math:: b_i = \frac1{n-1}\sum_{k\ne i}f_k

    Parameters
    ----------
    f
        Values at n independent draws along the first axis, n at least 2.

    Returns
    -------
    One baseline for each entry of ``f``, in the unit of ``f``.

    Raises
    ------
    ValueError
        If there are fewer than 2 draws.

    Notes
    -----
    Equation ``eq-vae-leave-one-out``. Kool et al. (2019).
    Oracle: the sum over all sequences of draws of a discrete z.
    """
    if len(f) < 2:
        raise ValueError(f"f must hold at least 2 draws, got {len(f)}")
    return (f.sum(0) - f) / (len(f) - 1)
