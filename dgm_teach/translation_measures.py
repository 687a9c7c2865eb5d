r"""How good a translation is, where the right answer is known."""

import math
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dgm_teach.require import require_at_least


def relative_l1(
    made: Float[Tensor, "n *event"],
    truth: Float[Tensor, "n_truth *event_truth"],
    mean_image: Float[Tensor, "*event_mean"],
) -> float:
    r"""L1 distance to the right answers, divided by that of one and the same image to them.

    .. math:: \frac{\sum_i\lVert\hat y_i-y_i\rVert_1}{\sum_i\lVert\bar y-y_i\rVert_1}

    Parameters
    ----------
    made, truth
        Translations, and the right answer of each.
    mean_image
        The image :math:`\bar y` that is given as the answer to everything.

    Returns
    -------
    0 for the right answers; 1 for what is no better than the mean image.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Equation ``def-cyc-img-distance``.
    Oracle: NumPy, image by image.
    """
    if made.shape != truth.shape or mean_image.shape != truth.shape[1:]:
        shapes = [list(t.shape) for t in (made, truth, mean_image)]
        raise ValueError(f"made, truth and mean_image must match in shape, got {shapes}")
    return ((made - truth).abs().sum() / (mean_image - truth).abs().sum()).item()


class Shift(NamedTuple):
    r"""The move of the right answers that brings them nearest to the translations.

    Attributes
    ----------
    down, right
        Where the translations lie, in pixels: down and to the right of the truth.
    distance
        Relative L1 distance of the translations from the truth moved in this way.
    """

    down: float
    right: float
    distance: float


def best_shift(
    made: Float[Tensor, "n channels height width"],
    truth: Float[Tensor, "n channels height width"],
    mean_image: Float[Tensor, "channels height width"],
    *,
    max_shift: int = 2,
) -> Shift:
    r"""Try all moves of the truth by halves of pixels, the same for all images; keep the best.

    Parameters
    ----------
    made, truth, mean_image
        As for :func:`relative_l1`. A border of ``max_shift`` pixels is left out of all three.
    max_shift
        Largest move in each direction, in pixels, at least 0 and less than half a side.

    Returns
    -------
    The :class:`Shift` with the smallest distance. A move by half a pixel is the mean of the two
    moves beside it.

    Raises
    ------
    ValueError
        If ``max_shift`` is out of range.

    Notes
    -----
    Equation ``eq-cyc-img-shift``.
    Oracle: images moved by hand.
    """
    require_at_least(0, max_shift=max_shift)
    height, width = truth.shape[-2:]
    if 2 * max_shift >= min(height, width):
        raise ValueError(f"max_shift must be less than half of {height}x{width}, got {max_shift}")

    def inner(x: Tensor, down: int = 0, right: int = 0) -> Tensor:
        """The middle of pictures that were moved."""
        rows = slice(max_shift - down, height - max_shift - down)
        return x[..., rows, max_shift - right : width - max_shift - right]

    target, scale = inner(made), (inner(mean_image) - inner(truth)).abs().sum()
    found = []
    for i, j in product(range(-2 * max_shift, 2 * max_shift + 1), repeat=2):
        corners = product({i // 2, -(-i // 2)}, {j // 2, -(-j // 2)})  # rounded down and up
        moved = torch.stack([inner(truth, *corner) for corner in corners]).mean(0)
        found.append(Shift(i / 2, j / 2, ((target - moved).abs().sum() / scale).item()))
    return min(found, key=lambda shift: shift.distance)


class PairedDifference(NamedTuple):
    r"""A difference of two shares on the same examples.

    Attributes
    ----------
    difference
        The first share minus the second.
    standard_error
        Its standard error; the errors common to both cancel.
    """

    difference: float
    standard_error: float


def paired_difference(first: Bool[Tensor, " n"], second: Bool[Tensor, " m"]) -> PairedDifference:
    r"""How much more often the first is right than the second, with its standard error.

    .. math:: \bar d \pm \sqrt{\frac{u+w-(u-w)^2}{n}}

    Parameters
    ----------
    first, second
        Whether each is right, example by example; at least one example.

    Returns
    -------
    The :class:`PairedDifference`, where u and w are the shares of the examples on which only the
    first, and only the second, is right.

    Raises
    ------
    ValueError
        If there is no example, or the lengths differ.

    Notes
    -----
    Equation ``eq-cyc-img-paired``.
    Oracle: all tables of outcomes, one by one; NumPy.
    """
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(
            f"first and second must be of one length of at least 1, got {len(first)} and "
            f"{len(second)}"
        )
    only_first = (first & ~second).double().mean().item()
    only_second = (second & ~first).double().mean().item()
    difference = only_first - only_second
    variance = only_first + only_second - difference**2
    return PairedDifference(difference, math.sqrt(max(variance, 0.0) / len(first)))
