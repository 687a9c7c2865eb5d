"""Read a master: the one text that holds an assignment's questions, solutions and tests.

A master is a MyST notebook whose raw cells are otter-grader's markers. otter makes the student's
notebook and the bundle from it; this module reads the same text, so that the graders can be tested
and run without otter.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import yaml

from tools import project

ASSIGNMENTS = project.ROOT / "assignments"
MARKER = re.compile(r"# (BEGIN|END|ASSIGNMENT) ?(\w*)\n?")
TEST_CONFIG = re.compile(r'""" # BEGIN TEST CONFIG\n(.*?)""" # END TEST CONFIG\n', re.DOTALL)


class MasterError(ValueError):
    """A master breaks a rule of its format."""


@dataclass(frozen=True)
class Test:
    """One test of a question: a function whose arguments are names of the student's notebook."""

    name: str
    points: float
    hidden: bool
    source: str


@dataclass
class Question:
    """A question: its points, the cells of its solution and its tests."""

    name: str
    points: float
    manual: bool = False
    solution: list[str] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)


@dataclass
class Master:
    """An assignment as its author wrote it."""

    path: Path
    config: dict[str, Any]
    cells: list[tuple[str, str]]  # kind ("markdown", "code", "solution"), source; in order
    questions: list[Question]

    @property
    def name(self) -> str:
        """Name of the assignment, that of its folder."""
        return self.path.stem

    @property
    def solved(self) -> list[str]:
        """Code cells of the solution notebook, in order."""
        return [source for kind, source in self.cells if kind in ("code", "solution")]

    @property
    def released(self) -> list[str]:
        """Code cells of the student's notebook, in order."""
        return [
            without_solution(source) if kind == "solution" else source
            for kind, source in self.cells
            if kind in ("code", "solution")
        ]


def without_solution(source: str) -> str:
    """Replace solutions by ``...``, as otter-grader does.

    What stands between ``# BEGIN SOLUTION`` and ``# END SOLUTION`` goes, and in a line that ends in
    ``# SOLUTION`` the right side of the assignment.
    """
    kept, inside = [], False
    for line in source.split("\n"):
        if line.rstrip().endswith("# END SOLUTION"):
            inside = False
        elif line.strip() == "# BEGIN SOLUTION":
            kept.append(line[: line.index("#")] + "...")
            inside = True
        elif line.rstrip().endswith("# SOLUTION"):
            kept.append(line.split("=")[0] + "= ...")
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def read_test(source: str, where: str) -> Test:
    """Read a test cell: an optional configuration and one function."""
    found = TEST_CONFIG.match(source)
    config = yaml.safe_load(found.group(1)) if found else {}
    body = TEST_CONFIG.sub("", source)
    nodes = ast.parse(body).body
    if len(nodes) != 1 or not isinstance(nodes[0], ast.FunctionDef):
        raise MasterError(f"{where}: a test cell holds one function, this one {len(nodes)} things")
    if "points" not in config:
        raise MasterError(f"{where}: test {nodes[0].name} states no points")
    return Test(nodes[0].name, float(config["points"]), bool(config.get("hidden", False)), body)


def read(path: Path) -> Master:
    """Read a master from its file.

    Raises
    ------
    MasterError
        If a marker is out of place, or the points of a question are not those of its tests.
    """
    master = Master(path, {}, [], [])
    question: Question | None = None
    inside = ""
    for cell in jupytext.read(path).cells:
        found = MARKER.match(cell.source) if cell.cell_type == "raw" else None
        if found is None:
            if inside == "TESTS" and question:
                question.tests.append(read_test(cell.source, f"{path.name}, {question.name}"))
                continue
            solution = inside == "SOLUTION"
            if solution and cell.cell_type == "code" and question:
                question.solution.append(cell.source)
            if cell.cell_type == "code":
                master.cells.append(("solution" if solution else "code", cell.source))
            elif not solution:
                master.cells.append(("markdown", cell.source))
            continue
        verb, what = found.groups()
        rest = yaml.safe_load(cell.source[found.end() :]) or {}
        if verb == "ASSIGNMENT":
            master.config = rest
        elif what == "QUESTION":
            if (verb == "BEGIN") == (question is not None):
                raise MasterError(f"{path.name}: {verb} QUESTION out of place, {rest}")
            if verb == "BEGIN":
                points, manual = float(rest["points"]), rest.get("manual", False)
                question = Question(rest["name"], points, manual)
                master.questions.append(question)
            else:
                question = None
        else:
            inside = what if verb == "BEGIN" else ""
    check(master)
    return master


def check(master: Master) -> None:
    """Refuse a master whose points do not add up."""
    for question in master.questions:
        total = sum(test.points for test in question.tests)
        if question.manual == bool(question.tests):
            raise MasterError(f"{question.name}: tests, or graded by hand: one of the two")
        if not question.manual and total != question.points:
            raise MasterError(f"{question.name} has {question.points} points, its tests {total}")
        names = [test.name for test in question.tests]
        if len(set(names)) < len(names):
            raise MasterError(f"{question.name}: two tests have one name, {names}")


def masters() -> list[Path]:
    """Masters of all assignments, in order."""
    return sorted(ASSIGNMENTS.glob("hw*/hw*.md"))
