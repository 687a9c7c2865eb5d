"""Every assignment: its points, its variants, and no solution where students could find it."""

import re

import pytest

from grading.leaks import leaks, pairs_in, solution_lines, solution_pairs
from grading.master import masters, read
from grading.run_tests import run_question
from grading.variants import read_variants, run_cells
from tools import project

ALL = {path.stem: read(path) for path in masters()}


@pytest.fixture(params=list(ALL))
def master(request):
    return ALL[request.param]


def test_there_are_five_assignments():
    assert list(ALL) == ["hw01-elbo", "hw02-vae", "hw03-gan", "hw04-cyclegan", "hw05-silent-bugs"]


def test_points_add_up_to_a_hundred(master):
    assert sum(question.points for question in master.questions) == 100
    assert sum(question.manual for question in master.questions) == 1


def test_every_question_has_variants(master):
    variants = read_variants(master.path.with_name("variants.md"))
    names = {question.name for question in master.questions if not question.manual}
    assert {variant.question for variant in variants} == names
    for name in names:
        kinds = [variant.right for variant in variants if variant.question == name]
        assert kinds.count(False) >= 3, f"{name} has fewer than three wrong answers"
        assert kinds.count(True) >= 2, f"{name} has fewer than two right answers"


def test_an_untouched_file_runs_and_gets_nothing(master):
    env = run_cells(master.released, {"__name__": "__main__"})
    points = {q.name: sum(o.points for o in run_question(q, env)) for q in master.questions}
    assert set(points.values()) == {0.0}


def test_every_question_has_a_self_check(master):
    """The first test of a question is public and calls the function that students call."""
    module = master.name.split("-")[0]
    released = "\n".join(master.released)
    for question in master.questions:
        if not question.manual:
            first = question.tests[0]
            assert not first.hidden
            assert f"{module}.{question.name}(" in first.source
            assert f"{module}.{question.name}(" in released
            assert any(test.hidden for test in question.tests)


def test_time_and_goals_are_stated(master):
    text = "\n".join(source for kind, source in master.cells if kind == "markdown")
    assert "After this assignment you can" in text
    assert re.search(r"\bhours\b", text)


def test_released_cells_hold_no_solution(master):
    assert solution_lines(master), "nothing to look for"
    assert leaks("\n".join(master.released), solution_lines(master)) == []


@pytest.mark.parametrize("folder", ["book", "dgm_teach"])
def test_book_and_package_hold_no_solution(master, folder):
    """Single lines, such as ``loss.backward()``, may occur; two in a row may not."""
    pairs = solution_pairs(master)
    for path in sorted((project.ROOT / folder).rglob("*")):
        if path.suffix in (".md", ".py", ".ipynb", ".json"):
            found = pairs_in(path.read_text(encoding="utf-8"), pairs)
            assert found == [], f"{path} holds lines of a solution of {master.name}"


def test_a_planted_leak_is_found(master):
    first, second = sorted(solution_pairs(master))[0]
    assert pairs_in(f"text\n  {first}\n  {second}\n", solution_pairs(master)) == [(first, second)]
    in_notebook = f'    "{first}\\n",\n    "{second}\\n",\n'.replace("\\\\", "\\")
    if '"' not in first + second:
        assert pairs_in(in_notebook, solution_pairs(master)) == [(first, second)]
    line = sorted(solution_lines(master))[0]
    assert leaks(f"x = 1\n    {line}", solution_lines(master)) == [line]


@pytest.mark.browser
def test_the_built_book_holds_no_solution():
    """Pages, their sources and the search index, after ``make book``."""
    if not project.HTML.is_dir():
        pytest.skip("the book is not built")
    pairs = set().union(*(solution_pairs(master) for master in ALL.values()))
    files = [p for p in project.HTML.rglob("*") if p.suffix in (".html", ".md", ".txt", ".js")]
    assert any("_sources" in path.parts for path in files)
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert pairs_in(re.sub("<[^>]*>", "", text), pairs) == [], path
    index = (project.HTML / "searchindex.js").read_text(encoding="utf-8")
    assert "assignments/" not in index
