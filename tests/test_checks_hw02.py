"""The self-checks of assignment 2: right answers pass, typical wrong ones get their hint."""

import contextlib
import io
from functools import cache

import numpy as np
import pytest

from dgm_teach.checks import hw02
from grading.master import ASSIGNMENTS, read
from grading.variants import read_variants

FOLDER = ASSIGNMENTS / "hw02-vae"
ANSWERS = {
    "q1": ("draw_codes", "head_gradient"),
    "q2": ("neg_elbo",),
    "q3": ("make_optimizer", "train_step"),
    "q4": ("hidden_beta", "predicted_active"),
    "q5": ("unit_report",),
    "q6": ("log_weights", "log_px_and_error"),
    "q7": ("report", "per_image"),
}
# Answers of question 7 that train a model are graded in grading.variants only.
VARIANTS = [
    variant
    for variant in read_variants(FOLDER / "variants.md")
    if "experiment" not in variant.code and "train_vae" not in variant.code
]
HINTS = {
    ("q1", "multiplied by the variance"): "You multiply by the variance",
    ("q1", "no gradient through the draw"): "look for detach",
    ("q1", "the halves of the head swapped in the draw"): "the first half",
    ("q1", "the KL term forgotten in the derivative"): "KL term should rise",
    ("q1", "sum over the batch in place of the mean"): "half the weight",
    ("q1", "one half lost in the derivative of σ"): "wrong for a log variance",
    ("q2", "the binomial coefficient forgotten"): "In how many ways",
    ("q2", "seventeen dots, one for each grey level"): "At the logit 0",
    ("q2", "mean over the pixels"): "three times as much",
    ("q2", "mean over the latent variables"): "double the KL term",
    ("q2", "the KL term forgotten"): "Where is the KL term",
    ("q2", "the ELBO, not its negative"): "Mind the sign",
    ("q2", "sum over the draws"): "Four equal draws",
    ("q3", "gradients are cleared before every part"): "take different steps",
    ("q3", "sum over the batch"): "5 log 2",
    ("q3", "returns the sum of the means of the parts"): "return different values",
    ("q3", "climbs the loss"): "the step is uphill",
    ("q3", "the encoder is left out of the optimiser"): "your optimiser holds 2",
    ("q3", "returns a tensor with its graph"): "got Tensor",
    ("q4", "the batch forgotten"): "double size doubles β",
    ("q4", "the ratio upside down"): "heavier, not lighter",
    ("q4", "more latent variables than there are"): "you say 2 are on",
    ("q5", "variances of the parts averaged"): "for some parts",
    ("q5", "active by the KL term"): "3 for every image",
    ("q5", "active by the variance of the draws"): "prior for every image is not active",
    ("q5", "variance within the images forgotten"): "should have the variance 1",
    ("q5", "KL term without its half"): "4.5 nats",
    ("q6", "the prior forgotten"): "Which densities",
    ("q6", "mean of the log weights"): "not of their logarithms",
    ("q6", "unequal portions count equally"): "in portions of 2",
    ("q6", "a portion too many is not cut"): "asks for too many",
    ("q6", "standard error of the weights, not of their logarithm"): "A common factor",
    ("q6", "spread of the weights, not of their mean"): "about a 20th",
    ("q7", "standard deviation of the images in place of the error of the mean"): "a tenth",
    ("q7", "error of a difference of independent numbers"): "the error is 0",
    ("q7", "first minus second"): "second minus first",
    ("q7", "one number in place of one per image"): "(360,)",
    ("q7", "the ELBO, not its negative"): "Mind the sign",
}


@cache
def cells():
    """The first cell, and for each question the reference solution without a training."""
    master = read(FOLDER / "hw02-vae.md")
    solutions = {q.name: "\n".join(q.solution) for q in master.questions}
    solutions["q7"] = solutions["q7"].split("per_image = ")[0]
    return master.solved[0], solutions


def verdict(question, code):
    """What the check says about the reference solution after this code has replaced parts of it."""
    first, solutions = cells()
    rng = np.random.default_rng(0)
    env = {"per_image": {"sum": rng.normal(20, 4, 360), "mean": rng.normal(24, 4, 360)}}
    for source in (first, solutions[question], code):
        exec(source, env)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        found = getattr(hw02, question)(*(env[name] for name in ANSWERS[question]))
    return found, printed.getvalue()


@pytest.mark.parametrize("question", ANSWERS)
def test_reference_solution(question):
    found, printed = verdict(question, "")
    assert found, printed
    assert "nothing wrong" in printed


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.question}: {v.name}")
def test_variant(variant):
    found, printed = verdict(variant.question, variant.code)
    assert found == ("test_self_check" not in variant.loses), printed
    assert found or "not right yet" in printed
    assert HINTS.get((variant.question, variant.name), "") in printed


def test_every_hint_belongs_to_a_variant():
    assert set(HINTS) <= {(variant.question, variant.name) for variant in VARIANTS}


@pytest.mark.parametrize("question", ANSWERS)
def test_not_answered(question, capsys):
    def empty(*args):
        return None

    def unwritten(*args):
        raise NotImplementedError

    for answer in (empty, unwritten, None, ...):
        assert not getattr(hw02, question)(*[answer] * len(ANSWERS[question]))
        assert "not yet answered" in capsys.readouterr().out
