"""Hostile and broken submissions: graded or refused with a reason, and the machine is unharmed."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from mini_grading import LIMITS, MASTER, grade_cells, grade_file, write_notebook

from grading.limits import Limits
from grading.process import Attempt
from grading.sandbox import marks_of
from tools import project

pytestmark = pytest.mark.grading
FULL, NOTHING = [3.0, 2.0, None], [0.0, 0.0, None]
ROOT = str(project.ROOT)


def points(result):
    return [marks.points for marks in result.marks]


def noted(result, text):
    return any(text in note for note in result.notes)


def test_the_solution_gets_all_and_the_untouched_file_nothing(tmp_path):
    solved = grade_cells(tmp_path, MASTER.solved)
    assert (points(solved), solved.notes, solved.refused) == (FULL, [], "")
    assert "by hand" in solved.marks[2].reason
    untouched = grade_cells(tmp_path, MASTER.released)
    assert points(untouched) == NOTHING
    assert untouched.marks[1].reason == "answer is not yet answered"


@pytest.mark.parametrize(
    ("cell", "note"),
    [
        pytest.param("while True: pass", "ran longer than 4 s", id="endless loop"),
        pytest.param(
            "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
            "ran longer than 4 s",
            id="endless loop that catches everything",
        ),
        pytest.param("import os; os._exit(0)", "ended its own process", id="os._exit"),
        pytest.param("raise SystemExit", "SystemExit", id="exit"),
        pytest.param("import ctypes; ctypes.string_at(0)", "ended its own process", id="crash"),
        pytest.param("def f(:\n    pass", "SyntaxError", id="syntax error"),
        pytest.param("1 / 0", "ZeroDivisionError", id="exception"),
        pytest.param("input()", "EOFError", id="asks for input"),
        pytest.param("import os; os.system('true')", "may not start another program", id="program"),
        pytest.param("!true", "may not start another program", id="shell"),
        pytest.param("import os; os.fork()", "may not start another program", id="fork"),
        pytest.param("import os; os.kill(os.getppid(), 9)", "may not send signals", id="kill"),
        pytest.param(
            "import socket; socket.create_connection(('127.0.0.1', 9))",
            "may not use the network",
            id="network",
        ),
    ],
)
def test_one_bad_cell_costs_nothing_else(tmp_path, cell, note):
    """Before the answers or after them: the other cells run, and the reason is given."""
    for cells in ([cell, *MASTER.solved], [*MASTER.solved, cell]):
        result = grade_cells(tmp_path, cells)
        assert points(result) == FULL
        assert noted(result, note), result.notes


def test_memory_is_limited(tmp_path):
    cell = "import numpy as np\nkept = []\nwhile True: kept.append(np.ones(5_000_000))"
    result = grade_cells(tmp_path, [cell, *MASTER.solved], replace(LIMITS, cell_seconds=30))
    assert points(result) == FULL
    assert noted(result, "more than 1000 MB of memory"), result.notes


def test_an_answer_that_never_returns_loses_its_question_alone(tmp_path):
    cells = ["def square(x):\n    while True: pass", "answer = 42"]
    result = grade_cells(tmp_path, cells)
    assert points(result) == [0.0, 2.0, None]
    assert "ran longer than 3 s" in result.marks[0].reason


def test_an_answer_that_ends_the_process_loses_its_question_alone(tmp_path):
    cells = ["import os\ndef square(x): os._exit(0)", "answer = 42"]
    result = grade_cells(tmp_path, cells)
    assert points(result) == [0.0, 2.0, None]
    assert "ended its own process" in result.marks[0].reason


@pytest.mark.parametrize(
    "cell",
    [
        "open({outside!r}, 'w').write('x')",
        "import pathlib; pathlib.Path({outside!r}).write_text('x')",
        "import os; os.rename('here.txt', {outside!r})",
        "import os; os.symlink({outside!r}, 'link'); open('link', 'w').write('x')",
        "import os; os.mkdir({outside!r})",
        "import numpy; numpy.save({outside!r}, numpy.ones(3))",
        "import shutil; shutil.rmtree({folder!r})",
        "import os; os.remove({mine!r})",
    ],
)
def test_nothing_is_written_outside_the_folder(tmp_path, cell):
    outside, mine = tmp_path / "outside.txt", tmp_path / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    cell = cell.format(outside=str(outside), folder=str(tmp_path), mine=str(mine))
    result = grade_cells(tmp_path / "in", ["open('here.txt', 'w').write('x')", cell])
    assert noted(result, "a submission may not"), result.notes
    assert not outside.exists()
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "target",
    [str(MASTER.path), f"{ROOT}/assignments/hw01-elbo/hw01-elbo.md", f"{ROOT}/README.md"],
)
def test_tests_and_solutions_cannot_be_read(tmp_path, target):
    assert Path(target).exists()
    result = grade_cells(tmp_path, [f"text = open({target!r}).read()"])
    assert noted(result, "a submission may not read"), result.notes


def test_folders_of_others_cannot_be_listed(tmp_path):
    result = grade_cells(tmp_path, [f"import os\nos.listdir({str(tmp_path)!r})"])
    assert noted(result, "a submission may not list"), result.notes


def test_the_graders_are_not_importable(tmp_path):
    cell = "import sys\nassert not [m for m in sys.modules if m.startswith('grading')]"
    result = grade_cells(tmp_path, [cell, "import grading.master"])
    assert noted(result, "code cell 2 failed: ModuleNotFoundError")
    assert not noted(result, "code cell 1")


def test_its_own_folder_is_there(tmp_path):
    cells = [
        "import os, pathlib",
        "pathlib.Path('mine.txt').write_text('x')",
        "where = os.getcwd()",
    ]
    result = grade_cells(tmp_path, [*cells, *MASTER.solved, "assert os.listdir('.')", "1 / 0"])
    assert points(result) == FULL
    assert len(result.notes) == 1


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("import torch\ntorch.allclose = lambda *a, **k: True", "torch.allclose"),
        ("import builtins\nbuiltins.AssertionError = type('A', (BaseException,), {})", "builtins"),
        ("import torch\ntorch.Tensor.__eq__ = lambda s, o: True", "torch"),
        ("import dgm_teach.checks.report as r\nr.expect = None", "dgm_teach.checks.report.expect"),
    ],
)
def test_what_the_tests_use_is_put_back(tmp_path, cell, name):
    wrong = "def square(x):\n    return -x * x"
    result = grade_cells(tmp_path, [cell, wrong, "answer = 42"])
    assert points(result) == [0.0, 2.0, None]
    assert noted(result, f"it replaced {name}"), result.notes


def test_replacing_torch_in_the_notebook_changes_nothing(tmp_path):
    result = grade_cells(tmp_path, [*MASTER.solved, "torch = None"])
    assert points(result) == FULL


def test_a_result_cannot_be_forged_by_its_type(tmp_path):
    forged = "class Always:\n    def __eq__(self, other): return True\n"
    result = grade_cells(tmp_path, [forged + "def square(x): return Always()\nanswer = 41"])
    assert points(result)[1] == 0.0
    assert points(result)[0] < 3.0


def test_two_hundred_megabytes_of_output(tmp_path):
    result = grade_cells(tmp_path, ["print('x' * 200_000_000)", *MASTER.solved])
    assert (points(result), result.notes) == (FULL, [])


def test_large_files_are_cut_off(tmp_path):
    cell = "with open('large', 'wb') as f:\n    for _ in range(100): f.write(bytes(2**20))"
    result = grade_cells(tmp_path, [cell, *MASTER.solved])
    assert points(result) == FULL
    assert noted(result, "File too large"), result.notes


def test_a_deleted_cell_costs_its_question(tmp_path):
    result = grade_cells(tmp_path, [MASTER.solved[0], MASTER.solved[2]])
    assert points(result) == [0.0, 2.0, None]
    assert result.marks[0].reason == "square is not yet answered"


def test_the_order_of_the_cells_does_not_matter(tmp_path):
    assert points(grade_cells(tmp_path, MASTER.solved[::-1])) == FULL


def test_magics_of_notebooks_run(tmp_path):
    result = grade_cells(tmp_path, ["%matplotlib inline\n%precision 3", *MASTER.solved])
    assert (points(result), result.notes) == (FULL, [])


def test_windows_line_ends_and_other_alphabets(tmp_path):
    path = write_notebook(tmp_path / "作业 Ångström.ipynb", MASTER.solved)
    text = path.read_text(encoding="utf-8").replace("\\n", "\\r\\n").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert points(grade_file(path)) == FULL


def empty(path):
    path.write_bytes(b"")


def no_json(path):
    path.write_text("def square(x): return x * x", encoding="utf-8")


def other_json(path):
    path.write_text(json.dumps({"a": [1, 2]}), encoding="utf-8")


def deep_json(path):
    path.write_text("[" * 100_000, encoding="utf-8")


def not_text(path):
    path.write_bytes(os.urandom(1000) + b"\xff")


def no_code(path):
    write_notebook(path, [])


def other_kernel(path):
    kernel = {"name": "ir", "display_name": "R", "language": "R"}
    write_notebook(path, MASTER.solved, kernelspec=kernel)


def too_large(path):
    write_notebook(path, [*MASTER.solved, "# " + "x" * 3_000_000])


def a_link(path):
    path.symlink_to(write_notebook(path.with_name("other"), MASTER.solved))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (empty, "is empty"),
        (no_json, "is not a notebook"),
        (other_json, "is not a notebook"),
        (deep_json, "is not a notebook"),
        (not_text, "is not UTF-8 text"),
        (no_code, "has no code cell"),
        (other_kernel, "for r, not for Python"),
        (too_large, "has 3 MB, at most 2 are accepted; clear all outputs"),
        (a_link, "is a link"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_reason(tmp_path, write, reason):
    path = tmp_path / "student.ipynb"
    write(path)
    result = grade_file(path)
    assert reason in result.refused
    assert points(result) == [0.0, 0.0, 0.0]
    assert all(reason in marks.reason for marks in result.marks)


def test_the_whole_run_is_limited(tmp_path):
    limits = Limits(cell_seconds=30, total_seconds=2, memory_mb=1000)
    start = time.monotonic()
    result = grade_cells(tmp_path, [*MASTER.solved, "import time\ntime.sleep(20)"], limits)
    assert time.monotonic() - start < 100
    assert noted(result, "the whole run took longer than 2 s") or points(result) == FULL


def test_no_process_is_left_behind(tmp_path):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    grade_cells(tmp_path, ["while True:\n    try:\n        while True: pass\n    except: pass"])
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    # Only the server that makes new processes, and its helper, may live on.
    assert len(left) <= 2
    assert sum(p.cpu_percent(0.2) for p in left) < 50


def test_points_come_from_the_master_not_from_the_process():
    """A submission that finds the pipe can say that a test passed; it cannot say how much."""
    attempt = Attempt()
    attempt.note({"test": ["q1", "test_positive"]})
    attempt.note({"passed": 1000})
    marks = marks_of(MASTER, attempt.reasons, [])
    assert [one.points for one in marks] == [1.0, 0.0, None]
    for nonsense in ({"points": 1000}, {}, {"cell": 1, "end": 2}):
        with pytest.raises(ValueError, match=r"unpack|no message"):
            attempt.note(nonsense)
