"""Grade one submission: run it, and again without what brought it down, and add up the points."""

import time
from dataclasses import dataclass, field

from grading.limits import Limits
from grading.master import Master, Test
from grading.process import Key, run_once
from grading.submission import RefusedError, Submission, notebook_of, read_cells
from tools import project


@dataclass
class Marks:
    """What one student got for one question; ``points`` is None until a person has read it."""

    question: str
    points: float | None
    out_of: float
    reason: str


@dataclass
class Result:
    """What one submission got. ``refused`` says why it was not run, or is empty."""

    student: str
    identifier: str
    refused: str = ""
    marks: list[Marks] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def points(self) -> float:
        """Sum of the points so far."""
        return sum(marks.points or 0.0 for marks in self.marks)


def grade_submission(
    master: Master, submission: Submission, limits: Limits | None = None
) -> Result:
    """Grade one submission."""
    limits, start = limits or Limits(), time.monotonic()
    result = Result(submission.student, submission.identifier)
    try:
        cells = read_cells(notebook_of(submission, limits))
    except (RefusedError, OSError) as error:
        result.refused = str(error)
        result.marks = [Marks(q.name, 0.0, q.points, str(error)) for q in master.questions]
        return result
    reasons = run_until_done(master, cells, limits, result.notes)
    result.marks = marks_of(master, reasons, result.notes)
    result.seconds = round(time.monotonic() - start, 2)
    return result


def run_until_done(
    master: Master, cells: list[str], limits: Limits, notes: list[str]
) -> dict[Key, str]:
    """Run the cells and the tests; return why each test failed, nothing where it passed.

    A cell or test that brings its process down is left out in the next attempt, so that the other
    answers still get their points. What happened is added to the notes.
    """
    left: dict[Key, Test] = {
        (q.name, test.name): test for q in master.questions for test in q.tests
    }
    reasons: dict[Key, str] = {}
    skip: set[int] = set()
    for _ in range(limits.restarts + 1):
        tests = [(question, test) for (question, _), test in left.items()]
        attempt = run_once(cells, tests, skip, limits, checks_of(master))
        why = attempt.stopped or "it ended its own process"
        down = None if attempt.ended else attempt.at_test
        reasons |= attempt.reasons | ({down: why} if down else {})
        left = {key: test for key, test in left.items() if key not in reasons}
        if attempt.ended or not left:
            break
        if attempt.at_cell is not None:
            skip.add(attempt.at_cell)
            notes.append(f"code cell {attempt.at_cell + 1} was left out: {why}")
        elif down is None:
            notes.append(f"the run was stopped: {why}")
            break
    notes += [f"code cell {cell + 1} failed: {why}" for cell, why in attempt.failed.items()]
    if attempt.replaced:
        names = ", ".join(attempt.replaced[:3])
        notes.append(f"it replaced {names}; the tests ran with the original")
    return reasons


def checks_of(master: Master) -> list[str]:
    """Modules of the package that a submission of this assignment imports anyway."""
    module = f"dgm_teach.checks.{master.name.split('-')[0]}"
    path = project.ROOT / (module.replace(".", "/") + ".py")
    return [module] if path.exists() else []


def marks_of(master: Master, reasons: dict[Key, str], notes: list[str]) -> list[Marks]:
    """Points of every question, with what its failed tests said."""
    marks = []
    for question in master.questions:
        if question.manual:
            reason = "to be graded by hand, with the rubric in the solution"
            marks.append(Marks(question.name, None, question.points, reason))
            continue
        missing = "not run: " + (notes[0] if notes else "the run was stopped")
        found = {test: reasons.get((question.name, test.name), missing) for test in question.tests}
        points = sum(test.points for test, reason in found.items() if not reason)
        said = dict.fromkeys(reason for reason in found.values() if reason)
        marks.append(Marks(question.name, points, question.points, "; ".join(said)))
    return marks
