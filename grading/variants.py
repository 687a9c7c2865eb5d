"""Test the graders: answers that are right, wrong or missing, and the points that each gets.

``variants.md`` beside a master lists them. A heading ``## q1`` names the question,
``### right: …`` or ``### wrong: …`` an answer, the Python block beneath is the answer, and for a
wrong one the line ``loses: test_a, test_b`` says which tests it must fail; it must pass the others.

``python -m grading.variants [hw01-elbo ...]`` prints the table.
"""

import contextlib
import io
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from grading.master import ASSIGNMENTS, Master, Question, masters, read
from grading.run_tests import Outcome, run_question

VARIANT = re.compile(
    r"^### (right|wrong): (.+?)\n(?:.*?^loses: (.+?)$)?.*?^```python\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Variant(NamedTuple):
    """An answer to one question. ``loses`` names the tests that it must fail."""

    question: str
    right: bool
    name: str
    loses: tuple[str, ...]
    code: str


class Graded(NamedTuple):
    """A variant with what the tests said."""

    variant: Variant
    outcomes: list[Outcome]

    @property
    def points(self) -> float:
        """Points that the answer got."""
        return sum(outcome.points for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[str, ...]:
        """Tests that the answer failed."""
        return tuple(outcome.test for outcome in self.outcomes if not outcome.passed)

    @property
    def as_it_should(self) -> bool:
        """Whether it failed exactly the tests that it should."""
        return set(self.failed) == set(self.variant.loses)


def read_variants(path: Path) -> list[Variant]:
    """Read the file of variants beside a master."""
    variants = []
    text = path.read_text(encoding="utf-8")
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        question = part.split("\n", 1)[0].strip()
        entries = re.split(r"(?=^### )", part, flags=re.MULTILINE)[1:]
        for entry in entries:
            found = VARIANT.match(entry)
            if found is None:
                raise ValueError(f"{path}: not a variant: {entry[:80]!r}")
            kind, name, loses, code = found.groups()
            tests = tuple(test.strip() for test in (loses or "").split(",") if test.strip())
            if (kind == "wrong") != bool(tests):
                raise ValueError(f"{path}: a wrong answer loses tests, a right one none: {name}")
            variants.append(Variant(question, kind == "right", name, tests, code))
    return variants


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Throw away what is printed."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def run_cells(cells: Sequence[str], env: dict[str, Any]) -> dict[str, Any]:
    """Run code cells one after the other, their output and warnings thrown away."""
    with silence(), warnings.catch_warnings(action="ignore"):
        for cell in cells:
            exec(compile(cell, "<cell>", "exec"), env)
    return env


def grade(question: Question, env: dict[str, Any]) -> list[Outcome]:
    """Run a question's tests, their output thrown away."""
    with silence():
        return list(run_question(question, env))


def graded(master: Master, variants: Sequence[Variant]) -> Iterator[Graded]:
    """Grade the solution, the untouched file and every variant, question by question."""
    solved = run_cells(master.solved, {"__name__": "__main__"})
    released = run_cells(master.released, {"__name__": "__main__"})
    for question in master.questions:
        if question.manual:
            continue
        every = tuple(test.name for test in question.tests)
        yield Graded(
            Variant(question.name, True, "reference solution", (), ""), grade(question, solved)
        )
        yield Graded(
            Variant(question.name, False, "untouched file", every, ""), grade(question, released)
        )
        for variant in variants:
            if variant.question == question.name:
                before = dict(solved)
                run_cells([variant.code], solved)  # earlier functions see its names as well
                yield Graded(variant, grade(question, solved))
                solved.clear()
                solved.update(before)


def main(arguments: Sequence[str]) -> int:
    """Print the table of the assignments that are named, or of all."""
    wrong = 0
    for path in masters():
        if arguments and path.stem not in arguments:
            continue
        variants = read_variants(ASSIGNMENTS / path.stem / "variants.md")
        for result in graded(read(path), variants):
            kind = "right" if result.variant.right else "wrong"
            good = "as it should" if result.as_it_should else "NOT AS IT SHOULD"
            print(f"{path.stem} {result.variant.question:4} {kind}: {result.variant.name}", end="")
            print(f"  {result.points:g} points, failed {list(result.failed)}: {good}")
            if not result.as_it_should:
                wrong += 1
                for outcome in result.outcomes:
                    print("      ", outcome.test, outcome.reason or "passed")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
