"""A master is read as otter-grader reads it, and one that breaks a rule is refused."""

import pytest
from mini_grading import MASTER

from grading.master import MasterError, masters, read, without_solution
from grading.overlay import master_path
from grading.run_tests import run_test
from grading.variants import Variant, graded, read_variants


def test_questions_and_points():
    found = [(q.name, q.points, q.manual, [t.name for t in q.tests]) for q in MASTER.questions]
    assert found == [
        ("q1", 3.0, False, ["test_positive", "test_negative"]),
        ("q2", 2.0, False, ["test_answer"]),
        ("q3", 5.0, True, []),
    ]
    assert [test.hidden for test in MASTER.questions[0].tests] == [False, True]


def test_solutions_are_replaced():
    assert MASTER.released[1] == 'def square(x):\n    """The square of x."""\n    ...'
    assert MASTER.released[2] == "answer = ..."
    assert "product_of_both" in MASTER.solved[1]
    assert not any("model answer" in text for _, text in MASTER.cells)


def test_code_around_a_solution_stays():
    source = "a = 1\n# BEGIN SOLUTION\nb = 2\n# END SOLUTION\nc = 3\nd = a + c  # SOLUTION"
    assert without_solution(source) == "a = 1\n...\nc = 3\nd = ..."


def changed(tmp_path, old, new):
    text = MASTER.path.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "changed.md"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: q1\npoints: 3", "name: q1\npoints: 4", "q1 has 4.0 points, its tests 3.0"),
        ("def test_negative", "import math\ndef test_negative", "holds one function"),
        ('""" # BEGIN TEST CONFIG\npoints: 1\n""" # END TEST CONFIG\n', "", "states no points"),
        ("def test_negative", "def test_positive", "two tests have one name"),
        ("# END QUESTION", "# BEGIN QUESTION\nname: q9\npoints: 1", "out of place"),
        ("manual: true", "manual: false", "one of the two"),
    ],
)
def test_broken_masters_are_refused(tmp_path, old, new, message):
    with pytest.raises(MasterError, match=message):
        read(changed(tmp_path, old, new))


def test_a_test_of_a_missing_name_says_so():
    outcome = run_test(MASTER.questions[0].tests[0], {})
    assert (outcome.passed, outcome.reason) == (False, "square is not yet answered")


def test_the_reason_does_not_show_the_test():
    def square(x):
        raise KeyError("a")

    reason = run_test(MASTER.questions[0].tests[0], {"square": square}).reason
    assert reason == "KeyError in square: 'a'"


def test_variants_tell_right_from_wrong():
    variants = [
        Variant("q1", False, "no square", ("test_positive", "test_negative"), "square = float"),
        Variant("q1", True, "power", (), "def square(x):\n    return x**2"),
        Variant("q1", False, "of the size", ("test_negative",), "def square(x): return x * abs(x)"),
        Variant("q1", False, "called right", ("test_negative",), "def square(x): return x * x"),
    ]
    results = {r.variant.name: r for r in graded(MASTER, variants) if r.variant.question == "q1"}
    assert [r.points for r in results.values()] == [3.0, 0.0, 0.0, 3.0, 1.0, 3.0]
    assert [r.as_it_should for r in results.values()] == [True] * 5 + [False]


def test_variants_are_read(tmp_path):
    path = tmp_path / "variants.md"
    path.write_text(
        "# T\n\n## q1\n\n### right: a\n\n```python\nx = 1\n```\n\n### wrong: b, c\n\n"
        "loses: test_a, test_b\n\n```python\ny = 2\n```\n",
        encoding="utf-8",
    )
    assert read_variants(path) == [
        Variant("q1", True, "a", (), "x = 1\n"),
        Variant("q1", False, "b, c", ("test_a", "test_b"), "y = 2\n"),
    ]
    path.write_text("## q1\n\n### wrong: b\n\n```python\ny = 2\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match="a wrong answer loses tests"):
        read_variants(path)


def test_a_private_master_comes_first(tmp_path):
    public = masters()[0]
    assert master_path(public.stem) == master_path(public.stem, tmp_path) == public
    private = tmp_path / public.stem / public.name
    private.parent.mkdir()
    private.write_text("private", encoding="utf-8")
    assert master_path(public.stem, tmp_path) == private
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        master_path(public.stem, tmp_path / "misspelt")
