"""Run the tests of a question on the names that a notebook left behind."""

import inspect
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from grading.master import Question, Test


class Outcome(NamedTuple):
    """What one test found. ``reason`` is empty if it passed."""

    test: str
    passed: bool
    points: float
    out_of: float
    reason: str


def explain(error: BaseException) -> str:
    """Say in one line why a test failed, without a line of the test itself."""
    if isinstance(error, AssertionError) and str(error):
        return str(error)
    if isinstance(error, NotImplementedError):
        return "not yet answered"
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f" in {place.name}" if place.name != "<module>" else ""
    return f"{type(error).__name__}{where}: {error}"[:300]


def run_test(test: Test, env: dict[str, Any]) -> Outcome:
    """Run one test; its arguments are names of ``env``, ``None`` where there is none."""
    scope: dict[str, Any] = {}
    exec(compile(test.source, f"<{test.name}>", "exec"), scope)
    function = scope[test.name]
    names = list(inspect.signature(function).parameters)
    missing = [name for name in names if env.get(name, ...) is ...]
    if missing:
        return Outcome(test.name, False, 0.0, test.points, f"{missing[0]} is not yet answered")
    try:
        with warnings.catch_warnings(action="ignore"):  # a warning is no fault, wherever it runs
            function(**{name: env[name] for name in names})
    except Exception as error:
        return Outcome(test.name, False, 0.0, test.points, explain(error))
    return Outcome(test.name, True, test.points, test.points, "")


def run_question(question: Question, env: dict[str, Any]) -> Iterator[Outcome]:
    """Run the tests of one question, in order."""
    for test in question.tests:
        yield run_test(test, env)
