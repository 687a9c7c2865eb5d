"""Self-checks of assignment 5: sound tests pass, tests that judge wrongly are told how."""

import copy
import math

import numpy as np
import pytest
import torch

from dgm_teach.checks import hw05
from dgm_teach.checks.report import as_array
from grading.master import ASSIGNMENTS, read
from grading.variants import read_variants

FOLDER = ASSIGNMENTS / "hw05-silent-bugs"
VARIANTS = read_variants(FOLDER / "variants.md")
MASTER = read(FOLDER / "hw05-silent-bugs.md")
QUESTIONS = {question.name: question for question in MASTER.questions if question.tests}


def answer(question, code):
    """The function that an answer defines, ``None`` if it only names a fault."""
    scope = {"np": np, "torch": torch, "math": math, "copy": copy, "as_array": as_array}
    exec(code, scope)
    named = [name for name in scope if name.startswith("test_")]
    return scope[named[0]] if named else None


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.question}: {v.name}")
def test_the_check_agrees_with_the_graders(variant):
    with torch.random.fork_rng():
        function = answer(variant.question, variant.code)
        if function is not None:
            found = getattr(hw05, variant.question)(function)
            assert found == ("test_self_check" not in variant.loses)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_reference_passes(question, capsys):
    with torch.random.fork_rng():
        assert getattr(hw05, question)(answer(question, QUESTIONS[question].solution[0]))
    assert "found nothing wrong" in capsys.readouterr().out


def silent(candidate):
    """A test without a body."""


def not_implemented(candidate):
    raise NotImplementedError


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("missing", [None, ..., silent, not_implemented])
def test_a_missing_answer_is_not_called_wrong(question, missing, capsys):
    assert not getattr(hw05, question)(missing)
    assert "not yet answered" in capsys.readouterr().out


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_test_that_raises_always_is_told_so(question, capsys):
    def raises(candidate):
        raise AssertionError("whatever")

    assert not getattr(hw05, question)(raises)
    assert (
        "accuses a sound implementation, with AssertionError: whatever" in capsys.readouterr().out
    )


def test_a_test_that_looks_at_shapes_alone_is_told_so(capsys):
    def shape(candidate):
        assert candidate(*torch.zeros(4, 3, 2)).shape == (3,)

    assert not hw05.q1(shape)
    assert "accepts an implementation that returns zeros" in capsys.readouterr().out


def test_a_test_that_returns_a_verdict_is_told_to_raise(capsys):
    def verdict(candidate):
        return candidate(*torch.zeros(4, 3, 2)).sum() > 0

    assert not hw05.q1(verdict)
    assert "no exception came" in capsys.readouterr().out


def test_a_test_that_takes_turns_is_found_out(capsys):
    calls = []

    def takes_turns(candidate):
        candidate(*torch.zeros(3, 3, 2))
        calls.append(1)
        assert len(calls) in (1, 4)

    assert not hw05.q7(takes_turns)
    assert "accuses" in capsys.readouterr().out


def test_a_failure_of_pytest_raises_counts(capsys):
    def wants_a_refusal(candidate):
        with pytest.raises(ValueError, match="pixel"):
            candidate(torch.ones(1, 1), torch.ones(1, 1))

    assert not hw05.q2(wants_a_refusal)
    assert "DID NOT RAISE" in capsys.readouterr().out


def test_each_question_plants_five_faults_or_six():
    for question in QUESTIONS.values():
        caught = [test for test in question.tests if test.name.startswith("test_catches_")]
        assert len(caught) in (5, 6)
        assert all(test.hidden and test.points == 1 for test in caught)
