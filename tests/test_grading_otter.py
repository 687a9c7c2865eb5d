"""What otter-grader makes of the masters: student notebooks, solutions and bundles."""

import json
import subprocess
import sys
import zipfile

import nbformat
import pytest
from mini_grading import MASTER, grade_file, write_notebook
from nbclient import NotebookClient

from grading.assign import release
from grading.leaks import hidden_lines, leaks, solution_lines
from grading.master import masters, read, without_solution
from grading.sandbox import grade_submission
from grading.submission import Submission, read_cells

stripping = pytest.importorskip(
    "otter.assign.solutions", reason="otter-grader is installed by make test-grading"
)
pytestmark = pytest.mark.grading
NAMES = [path.stem for path in masters()]


@pytest.fixture(scope="module", params=NAMES)
def made(request, tmp_path_factory):
    """An assignment and the folder with its three parts."""
    master = read(masters()[NAMES.index(request.param)])
    return master, release(master, tmp_path_factory.mktemp("assignments"))


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    return release(MASTER, tmp_path_factory.mktemp("assignments"))


def student_path(made):
    master, folder = made
    return folder / "student" / f"{master.name}.ipynb"


def otter_points(bundle, notebook, folder):
    """Points that ``otter run`` gives, by question."""
    command = [sys.executable, "-m", "otter", "run", "-a", str(bundle), "-o", str(folder)]
    done = subprocess.run([*command, str(notebook)], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    tests = json.loads((folder / "results.json").read_text(encoding="utf-8"))["tests"]
    return {test["name"].split(" ")[0]: test for test in tests}


def test_students_get_what_our_reader_says(made):
    """otter and ``grading.master`` strip the same lines."""
    master, _ = made
    cells = read_cells(student_path(made))
    assert cells[1:] == [cell.rstrip("\n") for cell in master.released]


def test_students_get_no_solution_no_hidden_test_and_no_metadata(made):
    master, folder = made
    assert [path.name for path in (folder / "student").iterdir()] == [f"{master.name}.ipynb"]
    text = student_path(made).read_text(encoding="utf-8")
    assert leaks(text, solution_lines(master) | hidden_lines(master)) == []
    assert "otter" not in text
    notebook = nbformat.reads(text, 4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert not any(cell.get("outputs") for cell in notebook.cells)


def test_the_untouched_notebook_runs_and_says_what_is_missing(made):
    master, _ = made
    notebook = nbformat.read(student_path(made), 4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    for question in master.questions:
        if not question.manual:
            assert f"{question.name}: not yet answered" in printed


def test_both_graders_agree_on_the_untouched_file_and_on_the_solution(made, tmp_path):
    master, folder = made
    solution = folder / "solution" / f"{master.name}.ipynb"
    for path, share in ((student_path(made), 0.0), (solution, 1.0)):
        ours = grade_submission(master, Submission("student", "", (path,)))
        assert ours.notes == []
        for question, marks in zip(master.questions, ours.marks, strict=True):
            assert marks.points == (None if question.manual else share * question.points)


def test_otter_gives_the_same_points(mini, tmp_path):
    bundle = mini / "autograder" / f"{MASTER.name}.zip"
    half = [*MASTER.solved, "def square(x): return x * abs(x)"]
    handed_out = student_path((MASTER, mini))
    for number, cells in enumerate((MASTER.solved, half, None)):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write_notebook(folder / "student.ipynb", cells) if cells else handed_out
        ours = {marks.question: marks.points for marks in grade_file(path).marks}
        theirs = otter_points(bundle, path, folder)
        for name in ("q1", "q2"):
            found = [test["score"] for key, test in theirs.items() if key == name]
            assert sum(found) == ours[name]


def test_bundles_hold_tests_and_no_solution(made):
    master, folder = made
    with zipfile.ZipFile(folder / "autograder" / f"{master.name}.zip") as bundle:
        names = bundle.namelist()
        text = "\n".join(bundle.read(name).decode() for name in names)
    questions = [question.name for question in master.questions if not question.manual]
    assert sorted(n for n in names if n.startswith("tests/")) == [
        f"tests/{q}.py" for q in questions
    ]
    assert "dgm-teach" in text


def test_solutions_are_executed(made):
    master, folder = made
    notebook = nbformat.read(folder / "solution" / f"{master.name}.ipynb", 4)
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    for question in master.questions:
        if not question.manual:
            assert f"{question.name}: the check found nothing wrong" in printed


def test_a_leak_stops_the_release(tmp_path, monkeypatch):
    monkeypatch.setattr("grading.assign.solution_lines", lambda master: {"import torch"})
    with pytest.raises(RuntimeError, match="the student's notebook holds"):
        release(MASTER, tmp_path)


def test_stripping_agrees_with_otter_on_both_forms():
    source = (
        "a = 1  # SOLUTION\ndef f(x):\n    # BEGIN SOLUTION\n    return x\n    # END SOLUTION\n"
    )
    assert "\n".join(stripping.replace_solutions(source.split("\n"), "python")) == without_solution(
        source
    )
