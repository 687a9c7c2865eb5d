"""The self-checks of assignment 3: right answers pass, wrong ones get the hint that helps."""

import contextlib
import inspect
import io

import numpy as np
import pytest
from scipy.stats import sem

from dgm_teach.checks import hw03
from grading.master import ASSIGNMENTS, Master, read
from grading.variants import Variant, read_variants, run_cells

FOLDER = ASSIGNMENTS / "hw03-gan"
VARIANTS = read_variants(FOLDER / "variants.md")
FAST = [variant for variant in VARIANTS if variant.question != "q7"]  # q7 trains networks

HINTS = {
    ("q1", "the share is forgotten in the discriminator"): "only the share of real points",
    ("q1", "dx forgotten in the value"): "Is dx in?",
    ("q1", "the mixture with equal weights"): "weights, m, base, dx?",
    ("q1", "zero times the logarithm of zero"): "Read 0 log 0 as 0",
    ("q1", "the constant of the chapter, -log 4"): "when both densities are equal",
    ("q2", "sums in place of means"): "should be log 4",
    ("q2", "one mean over both batches"): "given twice",
    ("q2", "labels exchanged in the discriminator"): "badly wrong",
    ("q2", "generator losses averaged"): "should have the shape (3,)",
    ("q2", "the two generator losses exchanged"): "which?",
    ("q2", "the logarithm of a sigmoid"): "not finite",
    ("q2", "a small number inside the logarithm"): "where it is badly wrong",
    ("q2", "saturation at the wrong end"): "two ends are exchanged",
    ("q2", "logarithm to the base 10"): "Natural logarithm?",
    ("q3", "no detach"): "leaves gradients on the generator",
    ("q3", "no zero_grad in either step"): "Gradients from before",
    ("q3", "zero_grad for each part"): "Parts of 1 and 5",
    ("q3", "the discriminator stays frozen"): "still frozen",
    ("q3", "gradients left on the discriminator"): "leaves gradients on the discriminator",
    ("q3", "the saturating loss"): "Which loss, and which sign?",
    ("q3", "losses returned with their graph"): "with its graph",
    ("q3", "logits always taken as a column"): "your code stopped with IndexError",
    ("q4", "modes taken as independent"): "modes taken as independent?",
    ("q4", "quality forgotten"): "Is it used?",
    ("q4", "quality applied to the number of samples"): "writing down all outcomes",
    ("q4", "one sample too few"): "do not reach the confidence",
    ("q4", "one sample too many"): "Fewer samples reach the confidence",
    ("q5", "not sorted"): "in another order is the same sample",
    ("q5", "sum in place of mean"): "has the distance 3",
    ("q5", "quantiles interpolated"): "each point twice",
    ("q5", "difference of the means"): "cheapest of all pairings",
    ("q5", "the critic turned round"): "turned round",
    ("q5", "zero where both distribution functions agree"): "Each slope should be",
    ("q6", "two-sided"): "should cost nothing",
    ("q6", "real and generated exchanged"): "At t = 1",
    ("q6", "the norm along one axis"): "For images",
    ("q6", "a mean over the batch"): "should have the shape (5,)",
    ("q6", "the graph is not kept"): "graph",
    ("q6", "a root that has no slope at zero"): "where the critic is constant",
}


@pytest.fixture(scope="module")
def master() -> Master:
    return read(FOLDER / "hw03-gan.md")


def start(master: Master) -> dict[str, object]:
    """The names of the notebook's first cell."""
    return run_cells(master.released[:1], {"__name__": "__main__"})


def checked(question: str, env: dict[str, object]) -> tuple[bool, str]:
    """What a self-check returns and prints."""
    check, out = getattr(hw03, question), io.StringIO()
    with contextlib.redirect_stdout(out):
        good = check(*(env[name] for name in inspect.signature(check).parameters))
    return good, out.getvalue()


@pytest.mark.parametrize("variant", FAST, ids=lambda v: f"{v.question} {v.name}")
@pytest.mark.filterwarnings("ignore")  # a wrong answer may divide by zero
def test_variant(variant: Variant, master: Master) -> None:
    good, said = checked(variant.question, run_cells([variant.code], start(master)))
    assert good == ("test_self_check" not in variant.loses), said
    assert (f"{variant.question}: the check found nothing wrong." in said) == good
    assert HINTS.get((variant.question, variant.name), "") in said


def test_every_hint_belongs_to_a_variant() -> None:
    assert set(HINTS) <= {(variant.question, variant.name) for variant in FAST}


def test_missing_answers(master: Master) -> None:
    env = start(master)
    for question in master.questions:
        if not question.manual:
            check = getattr(hw03, question.name)
            names = inspect.signature(check).parameters
            good, said = checked(question.name, env | dict.fromkeys(names, None))
            assert not good
            assert "not yet answered" in said


@pytest.mark.parametrize("question", ["q1", "q2", "q3", "q4", "q5", "q6"])
def test_unfinished_functions(question: str) -> None:
    def raises(*_: object) -> None:
        raise NotImplementedError

    names = inspect.signature(getattr(hw03, question)).parameters
    for answer in (raises, lambda *_: None, lambda *_: ...):
        good, said = checked(question, dict.fromkeys(names, answer))
        assert not good
        assert "not yet answered" in said


@pytest.fixture(scope="module")
def measurement(master: Master) -> dict[str, object]:
    """The answers of q7, with an invented table in place of six trainings."""
    q7 = next(question for question in master.questions if question.name == "q7")
    env = run_cells(q7.solution[:1], start(master))
    env["effective"] = {2e-3: [7.0, 7.5, 8.0], 1e-4: [1.0, 2.0, 4.5]}
    env["summary"] = {2e-3: (7.5, 0.5 / 3**0.5), 1e-4: (2.5, 3.25**0.5 / 3**0.5)}
    return env


def test_measurement(measurement: dict[str, object]) -> None:
    assert checked("q7", measurement) == (True, "q7: the check found nothing wrong.\n")


def test_measurement_with_more_seeds(measurement: dict[str, object]) -> None:
    values = {2e-3: [8.0, 7.0, 7.5, 7.9, 7.6], 1e-4: [4.5, 1.0, 2.0, 1.0]}
    table = {rate: (np.mean(each), sem(each)) for rate, each in values.items()}
    good, said = checked("q7", measurement | {"effective": values, "summary": table})
    assert good, said


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("effective_modes", lambda x, centres: float(len(x.unique(dim=0))), "count for less"),
        ("effective_modes", lambda x, centres: 0.0, "Base, sign, shares?".lower()),
        ("train_ring", lambda seed, lr, num: [[seed, lr]] * 100, "[2000, 2]"),
        ("train_ring", lambda seed, lr, num: [[1.0, lr]] * 2000, "Two seeds"),
        ("effective", {2e-3: [7.0, 7.5, 8.0]}, "the keys"),
        ("effective", {2e-3: [7.0, 7.5], 1e-4: [1.0, 2.0]}, "fewer numbers"),
        ("effective", {2e-3: [7.0, 7.5, 0.1], 1e-4: [1.0, 2.0, 3.0]}, "between 1 and 8"),
        ("summary", {2e-3: (7.0, 0.5), 1e-4: (2.5, 1.8)}, "The mean"),
        ("summary", {2e-3: (7.5, 0.5), 1e-4: (2.5, 1.8)}, "Standard deviation?"),
    ],
)
def test_wrong_measurement(
    name: str, value: object, hint: str, measurement: dict[str, object]
) -> None:
    good, said = checked("q7", measurement | {name: value})
    assert not good
    assert hint in said
