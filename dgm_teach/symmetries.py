r"""Which of several candidate maps was found: nearest isometry, and nearest of a list of maps."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Integer
from torch import Tensor


class Found(NamedTuple):
    r"""The candidate that each map is nearest to.

    Attributes
    ----------
    which
        Number of the candidate for each map; -1 where none is near enough.
    distance
        Root mean squared distance to the nearest candidate.
    limit
        Half of the smallest distance between two candidates.
    """

    which: Integer[Tensor, " copies"]
    distance: Float[Tensor, " copies"]
    limit: float


def identify(
    moved: Float[Tensor, "points copies dim"], candidates: Float[Tensor, "maps points dim"]
) -> Found:
    r"""Name the candidate that a map is nearest to, if it is so near that no other can be nearer.

    Parameters
    ----------
    moved
        What each of several maps makes of the same points.
    candidates
        What each of at least two candidates makes of them.

    Returns
    -------
    A :class:`Found`. A map is given a candidate only if it is nearer to it than the limit.

    Raises
    ------
    ValueError
        If there are fewer than two candidates, or two of them are the same.

    Notes
    -----
    Equations ``def-cyc-toy-distance`` and ``eq-cyc-toy-apart``.
    Oracle: maps placed by hand, and distances by loops.
    """
    if len(candidates) < 2:
        raise ValueError(f"candidates must hold at least two maps, got {len(candidates)}")
    exact = "donot_use_mm_for_euclid_dist"  # the way by matrix products loses digits
    maps = candidates.flatten(1)
    root = math.sqrt(len(moved))
    between = torch.pdist(maps).min().item() / root
    if not between > 0:
        raise ValueError("candidates must be different maps, got two that are the same")
    far = torch.cdist(moved.transpose(0, 1).flatten(1), maps, compute_mode=exact) / root
    distance, which = far.min(dim=1)
    return Found(which.where(distance < between / 2, -1), distance, between / 2)


def nearest_isometry(
    x: Float[Tensor, "points dim"], y: Float[Tensor, "goals dims"]
) -> tuple[Float[Tensor, "dim dim"], Float[Tensor, " dim"]]:
    r"""Rotation or reflection, and shift, that bring one set of points nearest to another.

    .. math:: \min_{R^\top R=I,\;t}\ \sum_i\lVert Rx_i+t-y_i\rVert^2

    Parameters
    ----------
    x, y
        Points in pairs: row i of ``y`` is the goal of row i of ``x``.

    Returns
    -------
    The orthogonal matrix R and the shift t.

    Raises
    ------
    ValueError
        If the shapes differ, or there is no point.

    Notes
    -----
    Equation ``eq-cyc-toy-procrustes``. Schönemann (1966).
    Oracle: ``scipy.linalg.orthogonal_procrustes``.
    """
    if x.shape != y.shape or len(x) == 0:
        raise ValueError(f"y must have the shape of x, {list(x.shape)}, got {list(y.shape)}")
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    left, _, right = torch.linalg.svd((y - mean_y).T @ (x - mean_x))
    rotation = left @ right
    return rotation, mean_y - rotation @ mean_x
