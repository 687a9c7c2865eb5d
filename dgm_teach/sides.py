r"""What may stand on a side of a check: the comparisons that would be void are refused here."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from dgm_teach.ledger import CheckError

Number = Tensor | float | int


def require_sound_call(label: str, wrong: Mapping[str, Any], left: Any, right: Any) -> None:
    r"""Refuse a malformed label, no wrong variant, or a side compared with itself.

    Parameters
    ----------
    label
        Label of the equation.
    wrong
        Wrong variants by name.
    left, right
        The two sides, as the caller gave them.

    Raises
    ------
    CheckError
        If one of these is so.
    """
    if not re.fullmatch(r"eq-[a-z0-9]+(-[a-z0-9]+)*", label):
        raise CheckError(f"label must look like eq-some-words, got {label!r}")
    if not wrong:
        raise CheckError(f"{label}: name at least one wrong variant that must be told apart")
    if left is right or _share_memory(left, right):
        raise CheckError(f"{label}: a side is compared with itself")


def _share_memory(left: Any, right: Any) -> bool:
    if not (isinstance(left, Tensor) and isinstance(right, Tensor)):
        return False
    return left.numel() > 0 and left.data_ptr() == right.data_ptr()


def as_float64(label: str, name: str, value: Number) -> Float64[Tensor, "..."]:
    r"""Bring a side to the CPU; refuse what would make the comparison void.

    Parameters
    ----------
    label, name
        Label of the equation and name of the side, for the message.
    value
        A float64 tensor or a number.

    Returns
    -------
    The value as a float64 tensor without a graph.

    Raises
    ------
    CheckError
        If the dtype is another, or the value is empty or holds a NaN or an infinity.
    """
    tensor = value.detach().cpu() if isinstance(value, Tensor) else _scalar(label, name, value)
    if tensor.dtype != torch.float64:
        raise CheckError(f"{label}: {name} must be float64, got {tensor.dtype}")
    if tensor.numel() == 0:
        raise CheckError(f"{label}: {name} is empty")
    if not tensor.isfinite().all():
        raise CheckError(f"{label}: {name} holds a NaN or an infinity")
    return tensor


def _scalar(label: str, name: str, value: Any) -> Tensor:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CheckError(
            f"{label}: {name} must be a tensor or a number, got {type(value).__name__}"
        )
    return torch.tensor(value, dtype=torch.float64)


def require_same_shape(
    label: str, name: str, value: Float64[Tensor, "..."], right: Float64[Tensor, "..."]
) -> None:
    r"""Refuse two tensors of different shapes: nothing is broadcast.

    Parameters
    ----------
    label, name
        Label of the equation and name of the side, for the message.
    value, right
        The side, and the right side.

    Raises
    ------
    CheckError
        If the shapes differ.
    """
    if value.shape != right.shape:
        raise CheckError(
            f"{label}: {name} has shape {tuple(value.shape)}, right has {tuple(right.shape)}"
        )


def mean_and_se(
    label: str, name: str, draws: Float64[Tensor, "..."], target: Float64[Tensor, "*event"]
) -> tuple[Float64[Tensor, "*event"], Float64[Tensor, "*event"]]:
    r"""Mean and standard error over the first axis.

    Parameters
    ----------
    label, name
        Label of the equation and name of the side, for the message.
    draws
        Samples along the first axis.
    target
        The exact value, whose shape one sample must have.

    Returns
    -------
    The sample mean and its standard error.

    Raises
    ------
    CheckError
        If there are fewer than 100 samples, their shape is not that of ``target``, or an entry
        does not vary.
    """
    if draws.ndim == 0 or len(draws) < 100 or draws.shape[1:] != target.shape:
        raise CheckError(
            f"{label}: {name} must have shape [n, *{tuple(target.shape)}] with n of at least 100, "
            f"got {tuple(draws.shape)}"
        )
    se = draws.std(0) / math.sqrt(len(draws))
    if (se == 0).any():
        raise CheckError(f"{label}: {name} do not vary; use check_equal")
    return draws.mean(0), se
