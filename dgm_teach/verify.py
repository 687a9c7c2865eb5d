r"""Checks of the book's equations, and the record from which its ledger page is built.

Each function takes the label of an equation and its two sides, computed independently, and
wrong variants that must be told apart. It raises :class:`~dgm_teach.ledger.CheckError` when the
sides disagree or a wrong variant passes, and shows one line otherwise.
"""

from collections.abc import Mapping

import sympy
from jaxtyping import Float
from torch import Tensor

from dgm_teach.ledger import Check, CheckError, Refutation, record
from dgm_teach.sides import (
    Number,
    as_float64,
    mean_and_se,
    require_same_shape,
    require_sound_call,
)

METHODS = ("closed form", "enumeration", "quadrature")
MARGIN = 2.0  # a wrong variant must miss by this many times the tolerance


def check_equal(
    label: str,
    left: Number,
    right: Number,
    *,
    wrong: Mapping[str, Number],
    method: str,
    tolerance: float = 1e-10,
) -> None:
    r"""Check that two float64 numbers or tensors agree, and that every wrong variant does not.

    Parameters
    ----------
    label
        Label of the equation, beginning with ``eq-``.
    left, right
        The two sides, of one shape, each computed in its own way.
    wrong
        Wrong variants of the left side by name, at least one.
    method
        How the sides were computed: ``"closed form"``, ``"enumeration"`` or ``"quadrature"``.
    tolerance
        Largest accepted difference of an entry, relative to the larger of 1 and the right side.

    Raises
    ------
    CheckError
        If the sides disagree, a wrong variant comes closer than twice the tolerance, or the
        comparison is void: a side compared with itself, a NaN, an infinity, an empty tensor,
        different shapes, a dtype other than float64, a label used before, no wrong variant.

    Notes
    -----
    Oracle: planted faults of every kind named above.
    """
    require_sound_call(label, wrong, left, right)
    if method not in METHODS:
        raise CheckError(f"{label}: method must be one of {METHODS}, got {method!r}")
    if not 0 < tolerance < 1:
        raise CheckError(f"{label}: tolerance must be between 0 and 1, got {tolerance}")
    a, b = as_float64(label, "left", left), as_float64(label, "right", right)
    require_same_shape(label, "left", a, b)
    scale = b.abs().clamp_min(1)
    error = (a - b).abs() / scale
    worst = int(error.argmax())
    if error.max() > tolerance:
        raise CheckError(
            f"{label}: the sides differ: left {a.flatten()[worst]:.10g}, right "
            f"{b.flatten()[worst]:.10g}, relative difference {error.max():.3g} > {tolerance:.3g}"
        )
    refuted = []
    for name, value in wrong.items():
        variant = as_float64(label, name, value)
        require_same_shape(label, name, variant, b)
        refuted.append(_refute(label, name, ((variant - b).abs() / scale).max().item(), tolerance))
    shown = _show(a, worst), _show(b, worst)
    record(Check(label, method, *shown, error.max().item(), tolerance, refuted))


def check_symbolic(
    label: str, left: sympy.Expr, right: sympy.Expr, *, wrong: Mapping[str, sympy.Expr]
) -> None:
    r"""Check with SymPy that two expressions are equal, and that every wrong variant is not.

    Parameters
    ----------
    label
        Label of the equation, beginning with ``eq-``.
    left, right
        The two sides. Pass the side to be computed unevaluated, as ``Integral``, ``Derivative``
        or ``Sum``: two expressions that are already the same are refused.
    wrong
        Wrong variants by name, at least one.

    Raises
    ------
    CheckError
        If SymPy cannot bring the difference to zero, a wrong variant is not different from the
        right side, or the comparison is void.

    Notes
    -----
    Oracle: planted faults.
    """
    require_sound_call(label, wrong, left, right)
    if left == right:
        raise CheckError(f"{label}: both sides are the same expression; pass one unevaluated")
    difference = _difference(label, left, right)
    if difference != 0:
        raise CheckError(f"{label}: the sides differ by {difference}")
    refuted = []
    for name, value in wrong.items():
        gap = _difference(label, sympy.sympify(value), right)
        if not _differs_from_zero(gap):
            raise CheckError(f"{label}: the wrong variant {name!r} is not told apart")
        refuted.append(Refutation(name, str(gap)))
    record(Check(label, "symbolic", str(left), str(right), 0.0, 0.0, refuted))


def check_monte_carlo(
    label: str,
    samples: Float[Tensor, "n *event"],
    exact: Number,
    *,
    wrong: Mapping[str, Number],
    num_se: float = 4.0,
) -> None:
    r"""Check that a sample mean lies within some standard errors of the exact value.

    Parameters
    ----------
    label
        Label of the equation, beginning with ``eq-``.
    samples
        Independent samples of the left side, along the first axis, at least 100.
    exact
        The right side, computed without sampling.
    wrong
        Wrong variants by name, at least one: either values to set against the sample mean, in
        the shape of ``exact``, or samples of a wrong left side, in the shape of ``samples``.
    num_se
        Standard errors allowed, at most 5.

    Raises
    ------
    CheckError
        If the mean is too far off, a wrong variant lies within twice the allowance, or the
        comparison is void.

    Notes
    -----
    Oracle: planted faults, and the share of false alarms over many sound samples.
    """
    require_sound_call(label, wrong, samples, exact)
    if not 0 < num_se <= 5:
        raise CheckError(f"{label}: num_se must be above 0 and at most 5, got {num_se}")
    draws, target = as_float64(label, "samples", samples), as_float64(label, "exact", exact)
    mean, se = mean_and_se(label, "samples", draws, target)
    score = (mean - target).abs() / se
    worst = int(score.argmax())
    if score.max() > num_se:
        raise CheckError(
            f"{label}: the sample mean {mean.flatten()[worst]:.8g} is {score.max():.1f} standard "
            f"errors from {target.flatten()[worst]:.8g}; {num_se:g} are allowed"
        )
    refuted = []
    for name, value in wrong.items():
        variant = as_float64(label, name, value)
        if variant.shape == target.shape:
            gap = (mean - variant).abs() / se
        else:
            wrong_mean, wrong_se = mean_and_se(label, name, variant, target)
            gap = (wrong_mean - target).abs() / wrong_se
        refuted.append(_refute(label, name, gap.max().item(), num_se, unit=" s.e."))
    left, right = _show(mean, worst), _show(target, worst)
    standard_error = se.flatten()[worst].item()
    error, allowed = score.max().item() * standard_error, num_se * standard_error
    record(Check(label, "Monte Carlo", left, right, error, allowed, refuted, len(draws), num_se))


def _difference(label: str, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
    difference = sympy.simplify(left.doit() - right.doit())
    if difference.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
        raise CheckError(f"{label}: the difference of {left} and {right} is not finite")
    return difference


def _differs_from_zero(expression: sympy.Expr) -> bool:
    """Whether the expression has a value other than 0 at one rational point."""
    symbols = sorted(expression.free_symbols, key=str)
    point = {symbol: sympy.Rational(2 * i + 5, i + 3) for i, symbol in enumerate(symbols)}
    return bool(abs(expression.subs(point).evalf()) > 1e-9)


def _refute(label: str, name: str, gap: float, allowed: float, unit: str = "") -> Refutation:
    if gap <= MARGIN * allowed:
        raise CheckError(
            f"{label}: the wrong variant {name!r} is off by only {gap:.3g}{unit}, "
            f"and {allowed:.3g}{unit} is allowed: it is not told apart"
        )
    return Refutation(name, f"{gap:.2g}{unit}")


def _show(side: Tensor, worst: int) -> str:
    """The entry where the sides differ most, with the number of entries compared."""
    count = f" (worst of {side.numel()})" if side.numel() > 1 else ""
    return f"{side.flatten()[worst]:.8g}{count}"
