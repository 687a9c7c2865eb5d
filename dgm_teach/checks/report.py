"""What the self-checks are made of: ask for a value, compare it, report in one line."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class WrongAnswerError(Exception):
    r"""An answer is wrong; the message says how, and hints at why."""


class NotAnsweredError(Exception):
    r"""There is no answer yet."""


def self_check(check: Callable[..., None]) -> Callable[..., bool]:
    r"""Turn a function that raises into a check that prints one line and returns True or False."""

    @functools.wraps(check)
    def reported(*answers: Any) -> bool:
        name = check.__name__
        try:
            if missing := [answer for answer in answers if answer is None or answer is ...]:
                raise NotAnsweredError(f"{len(missing)} of {len(answers)} answers missing")
            check(*answers)
        except (NotAnsweredError, NotImplementedError) as error:
            print(f"{name}: not yet answered ({error})")
        except WrongAnswerError as error:
            print(f"{name}: not right yet. {error}")
        except Exception as error:
            print(f"{name}: your code stopped with {type(error).__name__}: {error}")
        else:
            print(f"{name}: the check found nothing wrong.")
            return True
        return False

    # The parameters' names are those of the check; the return type is not.
    reported.__signature__ = inspect.signature(check).replace(  # type: ignore[attr-defined]
        return_annotation=bool
    )
    return reported


def ask(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    r"""Call a student's function; refuse an answer that is missing."""
    result = function(*arguments, **keywords)
    if result is None or result is ...:
        raise NotAnsweredError(f"{getattr(function, '__name__', 'the function')} returns nothing")
    return result


def as_array(value: Any) -> np.ndarray:
    r"""A number, a NumPy array or a tensor (on any device, with gradient or without) in float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.asarray(value, dtype=np.float64)


def expect(condition: Any, message: str) -> None:
    r"""Refuse an answer for which the condition is false."""
    if not condition:
        raise WrongAnswerError(message)


def expect_shape(value: Any, shape: tuple[int, ...], what: str) -> np.ndarray:
    r"""Refuse an answer of another shape; return it in float64."""
    array = as_array(value)
    expect(array.shape == shape, f"{what} should have the shape {shape}, got {array.shape}.")
    expect(np.isfinite(array).all(), f"{what} is not finite everywhere.")
    return array


def expect_close(
    value: Any, target: Any, message: str, *, rtol: float = 1e-5, atol: float = 1e-7
) -> None:
    r"""Refuse an answer that is further from the target than the tolerance allows."""
    expect(np.allclose(as_array(value), as_array(target), rtol=rtol, atol=atol), message)
