"""The self-checks of assignment 4: right answers pass, wrong ones get the hint that is theirs."""

import inspect
import re

import pytest

from dgm_teach.checks import hw04
from grading.master import ASSIGNMENTS, read
from grading.variants import read_variants, run_cells

FOLDER = ASSIGNMENTS / "hw04-cyclegan"
VARIANTS = read_variants(FOLDER / "variants.md")
HINTS = {
    "the targets are exchanged": "Targets exchanged",
    "the shares are forgotten, as in the chapter's case": "Did the shares enter",
    "the value's factor of the chapter, one half": "value_factor",
    "the targets' distance is not squared": "value_factor",
    "divided by the first density": "Which divides",
    "the factor of the divergence of p from m": "Of which density",
    "the constant with the plain mean of the targets": "only k2 is left",
    "the coding of the chapter, right for one half only": "a constant is left",
    "no constant, but a multiple of the divergence": "a multiple of Pearson's",
    "all bijections, whatever the masses": "loses its mass",
    "n! whatever the masses": "cannot match|your list has",
    "both lists are not compared": "cannot match",
    "one over the number of maps": "heavy atoms count more",
    "the share of atoms, not of draws": "heavy atoms count more",
    "F turns in the same direction as G": "Which turn undoes",
    "rows are multiplied by the matrix of columns": "transpose",
    "degrees": "in radians",
    "clockwise": "counterclockwise",
    "the mean square, without the root": "root of the mean square|A root",
    "the second row, not the second column": "Rows or columns",
    "never replaces what it stored": "take their place",
    "the graph is kept": "missing detach",
    "old and new exchanged": "p_old = ",
    "a place is said to change hands in every exchange": "two coins",
    "the law of the stored rows only": "age 0",
    "the mean age of the stored rows": "not the mean of your age_law",
    "identity through the other generator": "its own target domain",
    "one generator twice in the cycle": "first one generator, then the other",
    "the two generators of a cycle in the other order": "which one first",
    "the discriminators exchanged": "which D judges what",
    "no step": "did not move",
    "the discriminators keep the generators' gradients": "leaves gradients",
    "the discriminators stay frozen": "no longer learn",
    "the noise comes after the way back": "between the two generators",
    "sigma taken for a variance": "with sd sigma",
    "the mean over the axes of an example": "Sum over the axes",
    "the standard deviation, not the error of the mean": "standard error of a mean",
    "what G does to the noise, not F": "What does F do",
    "not divided by d": "isometry",
    "the law of x is not used": "if G is 0|better than the inverse",
    "the spread of x is forgotten": "mean and spread together",
    "the chapter's interval, by the Gaussian approximation": "do not have this probability",
    "more than found, not found or more": "at low 7 or more",
    "off by one at the upper end": "at high 7 or fewer",
    "the interval for another tail": "interval for tail = 0.025",
}


@pytest.fixture(scope="module")
def solved():
    """Names of the solved notebook, without its training."""
    cells = [cell for cell in read(FOLDER / "hw04-cyclegan.md").solved if "hw04.q" not in cell]
    stand_in = "train_runs = lambda law, *, seed: torch.linspace(-2, 2, 96).view(48, 2)"
    at = next(i for i, cell in enumerate(cells) if cell.startswith("runs ="))
    return run_cells([*cells[:at], stand_in, *cells[at:]], {"__name__": "__main__"})


def checked(question, env, capsys):
    """Result of a question's check on the names of a notebook, and what it printed."""
    check = getattr(hw04, question)
    result = check(*(env[name] for name in inspect.signature(check).parameters))
    return result, capsys.readouterr().out


@pytest.mark.parametrize("question", [f"q{k}" for k in range(1, 8)])
def test_the_solution_passes(question, solved, capsys):
    result, said = checked(question, solved, capsys)
    assert result, said
    assert "found nothing wrong" in said


@pytest.mark.parametrize("question", [f"q{k}" for k in range(1, 8)])
def test_a_missing_answer_is_not_an_error(question, capsys):
    check = getattr(hw04, question)
    count = len(inspect.signature(check).parameters)
    assert not check(*[None] * count)
    assert "not yet answered" in capsys.readouterr().out


@pytest.mark.parametrize("question", ["q1", "q2", "q3", "q5", "q6"])
def test_an_answer_that_raises_is_missing(question, capsys):
    def missing(*args, **kwargs):
        raise NotImplementedError

    check = getattr(hw04, question)
    count = len(inspect.signature(check).parameters)
    assert not check(*[missing] * count)
    assert "not yet answered" in capsys.readouterr().out


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.question}: {v.name}")
def test_variants(variant, solved, capsys):
    before = dict(solved)
    try:
        run_cells([variant.code], solved)  # earlier functions see its names as well
        result, said = checked(variant.question, solved, capsys)
    finally:
        solved.clear()
        solved.update(before)
    assert result == ("test_self_check" not in variant.loses), said
    hint = HINTS.get(variant.name, "") if not result else ""
    assert re.search(hint, said), said


def test_every_hint_belongs_to_a_variant():
    assert set(HINTS) <= {variant.name for variant in VARIANTS}
