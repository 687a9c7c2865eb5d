r"""The record that a checked equation leaves in the output of its notebook cell."""

import html
import inspect
import re
from dataclasses import asdict, dataclass
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display

MIME_TYPE = "application/vnd.dgm-teach.check+json"


class CheckError(AssertionError):
    r"""An equation does not hold, a wrong variant passes, or the comparison is void."""


@dataclass(frozen=True)
class Refutation:
    r"""A wrong variant of an equation, and by how much it misses.

    Attributes
    ----------
    name
        What is wrong in it.
    difference
        How far it is off: a number, a number of standard errors, or an expression.
    """

    name: str
    difference: str


@dataclass(frozen=True)
class Check:
    r"""What a check of one equation found.

    Attributes
    ----------
    label
        Label of the equation.
    method
        How the sides were compared.
    left, right
        The two sides, as shown.
    difference, tolerance
        Largest difference found and allowed.
    refuted
        The wrong variants that were told apart.
    num_samples, num_se
        Sample size and standard errors allowed, for a Monte Carlo check only.
    """

    label: str
    method: str
    left: str
    right: str
    difference: float
    tolerance: float
    refuted: list[Refutation]
    num_samples: int | None = None
    num_se: float | None = None

    def __str__(self) -> str:
        parts = [
            f"✓ {self.label}",
            self.method + (f", n = {self.num_samples:,}" if self.num_samples else ""),
            f"left {_shorten(self.left)}",
            f"right {_shorten(self.right)}",
            f"difference {self.difference:.2g} ≤ {self.tolerance:.2g}",
            "refuted: " + "; ".join(f"{r.name} (off by {r.difference})" for r in self.refuted),
        ]
        return " | ".join(parts)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        head, *rest = str(self).split(" | ")
        line = " · ".join([f"<strong>{html.escape(head)}</strong>", *map(html.escape, rest)])
        line = re.sub(r"(?<=\d)e-(?=\d)", "e\N{NON-BREAKING HYPHEN}", line)  # 1e-16, not broken
        return {
            "text/plain": str(self),
            "text/html": f'<div class="dgm-check">{line}</div>',
            MIME_TYPE: asdict(self),
        }


recorded: dict[str, Check] = {}
_where: dict[str, tuple[str, int]] = {}


def record(check: Check) -> None:
    r"""Display a check in a notebook; refuse a label that another check has used.

    Running the same cell again is allowed, in a notebook.

    Parameters
    ----------
    check
        The check to record.

    Raises
    ------
    CheckError
        If the label was used by another check in this process.
    """
    place, run = _place()
    before = _where.get(check.label)
    if before is not None and (before[0] != place or before[1] == run):
        raise CheckError(f"{check.label}: the label was checked before, at {before[0]}")
    _where[check.label] = (place, run)
    recorded[check.label] = check
    if get_ipython() is not None:
        display(check)


def forget() -> None:
    r"""Forget which labels were checked, as a fresh process would."""
    recorded.clear()
    _where.clear()


def _place() -> tuple[str, int]:
    """Where the check was called, and in which run of a cell (0 outside a notebook)."""
    shell = get_ipython()
    if shell is not None:
        header = getattr(shell, "parent_header", None) or {}
        cell = header.get("metadata", {}).get("cellId")
        if cell:
            return f"cell {cell}", shell.execution_count
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_OWN):
        frame = frame.f_back
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown"
    return where, shell.execution_count if shell is not None else 0


_OWN = ("dgm_teach.", "jaxtyping", "beartype")


def _shorten(text: str, limit: int = 70) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
