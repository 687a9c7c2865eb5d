"""A folder of submissions: all are graded, interruptions are survived, tables can be imported."""

import csv
import json
import threading

import pytest
from filelock import FileLock, Timeout
from mini_grading import LIMITS, MASTER, write_notebook

from grading.batch import grade_folder, load, result_path
from grading.sandbox import Marks, Result
from grading.submission import RefusedError, notebook_of, student_of, submissions

WRONG = "def square(x):\n    return x * abs(x)"


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def fake(points=1.0):
    """A grader that runs nothing, and the names that it saw."""
    seen, lock = [], threading.Lock()

    def grade(master, submission, limits):
        with lock:
            seen.append(submission.student)
        marks = [
            Marks(q.name, None if q.manual else points, q.points, "") for q in master.questions
        ]
        return Result(submission.student, submission.identifier, marks=marks)

    return grade, seen


@pytest.fixture
def class_folder(tmp_path):
    for name in ("ada", "grace", "łukasz"):
        write_notebook(tmp_path / f"{name}.ipynb", MASTER.solved)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("ada.ipynb", ("ada", "")),
        ("lovelaceada_123_4567_hw01.ipynb", ("lovelaceada", "123")),
        ("lovelaceada_LATE_123_4567_hw01-1.ipynb", ("lovelaceada", "123")),
        ("Ada Lovelace_98765_assignsubmission_file_/hw01.ipynb", ("Ada Lovelace", "98765")),
        ("Ada Lovelace_98765_assignsubmission_file/hw01.ipynb", ("Ada Lovelace", "98765")),
        ("Ada Lovelace_98765_assignsubmission_file_hw01.ipynb", ("Ada Lovelace", "98765")),
        ("Ada_1_assignsubmission_file_Bo_2_assignsubmission_file_.ipynb", ("Ada", "1")),
        ("Ada_1_assignsubmission_onlinetext_/onlinetext.html", ("Ada", "1")),
        ("lovelaceada_123_4567_my solution_2.ipynb", ("lovelaceada", "123")),
        ("team one/hw01.ipynb", ("team one", "")),
        ("team one/lovelaceada_123_4567_hw01.ipynb", ("team one", "")),
    ],
)
def test_names_that_canvas_and_moodle_give(tmp_path, name, student):
    assert student_of(tmp_path / name, tmp_path) == student


def test_a_student_with_two_notebooks_is_one_submission(tmp_path):
    for name in ("b/one.ipynb", "b/two.ipynb", "a.ipynb", ".hidden.ipynb", "graded/x.ipynb"):
        write_notebook(tmp_path / name, ["1"])
    assert [(s.student, len(s.paths)) for s in submissions(tmp_path)] == [("a", 1), ("b", 2)]
    with pytest.raises(RefusedError, match=r"2 notebooks were handed in, keep one: one\.ipynb"):
        notebook_of(submissions(tmp_path)[1], LIMITS)


def test_nothing_is_graded_twice(class_folder):
    grade, seen = fake()
    grade_folder(class_folder, MASTER, limits=LIMITS, grade=grade)
    assert sorted(seen) == ["ada", "grace", "łukasz"]
    grade_folder(class_folder, MASTER, limits=LIMITS, grade=grade)
    assert len(seen) == 3
    write_notebook(class_folder / "ada.ipynb", ["a later version"])
    results = grade_folder(class_folder, MASTER, limits=LIMITS, grade=grade)
    assert seen[3:] == ["ada"]
    assert [result.student for result in results] == ["ada", "grace", "łukasz"]


def test_an_interrupted_batch_goes_on(class_folder):
    """The one that was interrupted is graded again, the finished ones are kept."""
    grade, seen = fake()

    def interrupted(master, submission, limits):
        if submission.student == "grace":
            raise KeyboardInterrupt
        return grade(master, submission, limits)

    with pytest.raises(KeyboardInterrupt):
        grade_folder(class_folder, MASTER, limits=LIMITS, grade=interrupted, workers=1)
    first = list(seen)
    results = grade_folder(class_folder, MASTER, limits=LIMITS, grade=grade)
    assert sorted(seen) == ["ada", "grace", "łukasz"]
    assert len(seen) == len(set(seen))
    assert first, "nothing was graded before the interruption"
    assert [result.points for result in results] == [2.0, 2.0, 2.0]


def test_a_half_written_result_is_made_anew(class_folder):
    grade, seen = fake()
    grade_folder(class_folder, MASTER, limits=LIMITS, grade=grade)
    (path, *_) = sorted((class_folder / "graded" / "results").glob("*.json"))
    path.write_text(path.read_text(encoding="utf-8")[:50], encoding="utf-8")
    grade_folder(class_folder, MASTER, limits=LIMITS, grade=grade)
    assert len(seen) == 4


def test_two_runs_at_once_are_refused(class_folder):
    (class_folder / "graded").mkdir()
    with FileLock(class_folder / "graded" / ".lock"), pytest.raises(Timeout):
        grade_folder(class_folder, MASTER, limits=LIMITS, grade=fake()[0])


def test_tables(tmp_path):
    write_notebook(tmp_path / "Ada Lovelace_98765_assignsubmission_file_" / "a.ipynb", ["1"])
    write_notebook(tmp_path / "=HYPERLINK(1).ipynb", ["1"])
    (tmp_path / "hand.csv").write_text(
        "student,question,points,comment\nAda Lovelace,q3,4.5,half of it\n", encoding="utf-8"
    )
    grade_folder(tmp_path, MASTER, limits=LIMITS, grade=fake(2.0)[0])
    graded = tmp_path / "graded"
    rows = table(graded / "grades.csv")
    assert rows[0] == ["student", "question", "points", "out of", "reason"]
    assert ["Ada Lovelace", "q3", "4.5", "5", "half of it"] in rows
    assert ["'=HYPERLINK(1)", "q3", "", "5", ""] in rows
    assert len(rows) == 1 + 2 * len(MASTER.questions)
    canvas = table(graded / "canvas.csv")
    assert canvas[0][:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert canvas[1] == ["    Points Possible", "", "", "", "", "10"]
    assert ["Ada Lovelace", "98765", "", "", "", "8.5"] in canvas
    moodle = table(graded / "moodle.csv")
    assert moodle[0][:3] == ["Identifier", "Full name", "Grade"]
    assert moodle[0][4:] == ["Last modified (grade)", "Feedback comments"]
    (row,) = [row for row in moodle if row[1] == "Ada Lovelace"]
    assert row[:5] == ["Participant 98765", "Ada Lovelace", "8.5", "10", "-"]
    assert "<br>- q3: 4.5 of 5. half of it<br>" in row[5]
    text = (graded / "feedback" / "Ada_Lovelace_98765.md").read_text(encoding="utf-8")
    assert "Points so far: 8.5 of 10" in text
    assert "- q3: 4.5 of 5. half of it" in text


@pytest.mark.parametrize("points", ["", "six", "-1", "6"])
def test_points_given_by_hand_are_checked(class_folder, points):
    (class_folder / "hand.csv").write_text(
        f"student,question,points,comment\nada,q3,{points},\n", encoding="utf-8"
    )
    with pytest.raises(ValueError, match="points"):
        grade_folder(class_folder, MASTER, limits=LIMITS, grade=fake()[0])


@pytest.mark.parametrize("row", ["adda,q3,2,", "ada,q9,2,", "Ada,q3,2,"])
def test_points_given_by_hand_to_nobody_are_an_error(class_folder, row):
    text = f"student,question,points,comment\n{row}\n"
    (class_folder / "hand.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"hand\.csv gives points"):
        grade_folder(class_folder, MASTER, limits=LIMITS, grade=fake()[0])


def test_points_given_by_hand_to_two_of_one_name_are_an_error(tmp_path):
    for number in (1, 2):
        write_notebook(tmp_path / f"Ada_{number}_assignsubmission_file_" / "a.ipynb", ["1"])
    text = "student,question,points,comment\nAda,q3,2,\n"
    (tmp_path / "hand.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="the name of 2 submissions"):
        grade_folder(tmp_path, MASTER, limits=LIMITS, grade=fake()[0])


def test_results_are_stored_whole(class_folder):
    results = grade_folder(class_folder, MASTER, limits=LIMITS, grade=fake()[0])
    found = submissions(class_folder)
    for submission, result in zip(found, results, strict=True):
        path = result_path(class_folder / "graded", submission)
        key = json.loads(path.read_text(encoding="utf-8"))["key"]
        assert load(path, key) == result
        assert load(path, "another") is None


@pytest.mark.grading
def test_a_batch_with_bad_ones_among_them(tmp_path):
    """Every other submission keeps its result."""
    write_notebook(tmp_path / "good.ipynb", MASTER.solved)
    write_notebook(tmp_path / "wrong.ipynb", [*MASTER.solved, WRONG])
    write_notebook(tmp_path / "loop.ipynb", ["while True: pass"])
    write_notebook(tmp_path / "exit.ipynb", ["import os; os._exit(1)", *MASTER.solved])
    (tmp_path / "empty.ipynb").write_bytes(b"")
    (tmp_path / "essay.pdf").write_bytes(b"%PDF")
    results = {r.student: r for r in grade_folder(tmp_path, MASTER, limits=LIMITS)}
    points = {name: result.points for name, result in results.items()}
    assert points == {"good": 5, "wrong": 3, "loop": 0, "exit": 5, "empty": 0, "essay": 0}
    assert results["wrong"].marks[0].reason == "wrong for a negative number"
    assert "no notebook" in results["essay"].refused
    feedback = (tmp_path / "graded" / "feedback" / "wrong.md").read_text(encoding="utf-8")
    assert "- q1: 1 of 3. wrong for a negative number" in feedback
    assert "torch.allclose" not in feedback
