"""A small assignment and submissions of it, for the tests of the graders."""

from pathlib import Path

import nbformat

from grading.limits import Limits
from grading.master import read
from grading.sandbox import grade_submission
from grading.submission import Submission

MASTER = read(Path(__file__).with_name("mini_assignment.md"))
LIMITS = Limits(
    cell_seconds=4, test_seconds=3, total_seconds=60, memory_mb=1000, file_mb=5, notebook_mb=2
)


def write_notebook(path, cells, **metadata):
    """Write code cells as a notebook; return its path."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells], metadata=metadata
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def grade_file(path, limits=LIMITS):
    """Grade a file as a student's submission."""
    return grade_submission(MASTER, Submission("student", "", (path,)), limits)


def grade_cells(tmp_path, cells, limits=LIMITS, **metadata):
    """Grade code cells as a student's submission."""
    return grade_file(write_notebook(tmp_path / "student.ipynb", cells, **metadata), limits)
