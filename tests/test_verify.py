"""The equation checks: sound ones pass and are recorded, void or wrong ones are errors."""

import html
import math
import re

import pytest
import sympy
import torch
from oracles import as_readers_have_it, randn
from scipy.stats import binom, norm

from dgm_teach import ledger
from dgm_teach.ledger import CheckError, recorded
from dgm_teach.rng import make_generator
from dgm_teach.verify import check_equal, check_monte_carlo, check_symbolic

LABEL = "eq-a-b"
A = torch.tensor([1.0, 2.0, 30.0], dtype=torch.float64)
N = sympy.Symbol("n", positive=True)
X = sympy.Symbol("x")


@pytest.fixture(autouse=True)
def _fresh_record():
    ledger.forget()
    yield
    ledger.forget()


def equal(left=A, right=None, *, label=LABEL, wrong=None, **options):
    """A sound check of two tensors, but for what is passed."""
    right = A + 1e-12 if right is None else right
    wrong = {"doubled": 2 * A} if wrong is None else wrong
    check_equal(label, left, right, wrong=wrong, **({"method": "closed form"} | options))


def symbolic(left=None, right=None, *, label=LABEL, wrong=None):
    """A sound symbolic check, but for what is passed."""
    left = sympy.Integral(X, (X, 0, N)) if left is None else left
    right = N**2 / 2 if right is None else right
    check_symbolic(label, left, right, wrong={"no half": N**2} if wrong is None else wrong)


def draws(*, mean=0.0, n=400, event=(), seed=0):
    return mean + randn(n, *event, seed=seed)


def monte_carlo(samples=None, exact=0.0, *, label=LABEL, wrong=None, **kw):
    """A sound Monte Carlo check, but for what is passed."""
    samples = draws() if samples is None else samples
    check_monte_carlo(label, samples, exact, wrong={"one": 1.0} if wrong is None else wrong, **kw)


CHECKS = {"equal": equal, "symbolic": symbolic, "monte_carlo": monte_carlo}


# Sound checks pass, and leave their numbers.


@pytest.mark.parametrize("check", CHECKS)
def test_a_sound_check_passes_and_is_recorded(check):
    CHECKS[check]()
    assert list(recorded) == [LABEL]
    assert recorded[LABEL].label == LABEL
    assert len(recorded[LABEL].refuted) == 1


@pytest.mark.parametrize("method", ["closed form", "enumeration", "quadrature"])
def test_record_of_an_equality(method):
    right = A + torch.tensor([0.0, 1e-4, -6e-4], dtype=torch.float64)
    wrong = {"doubled": 2 * A, "shifted": A + 7}
    equal(right=right, wrong=wrong, method=method, tolerance=1e-3)
    check = recorded[LABEL]
    # Differences are relative to the larger of 1 and the right side: 1e-4 / 2, 6e-4 / 30.
    assert check.method == method
    assert check.difference == pytest.approx(1e-4 / 2.0001, rel=1e-6)
    assert check.tolerance == 1e-3
    assert check.left == "2 (worst of 3)"
    assert check.right == "2.0001 (worst of 3)"
    assert [wrong.name for wrong in check.refuted] == ["doubled", "shifted"]
    assert check.refuted[0].difference == "1"
    assert check.refuted[1].difference == "7"
    assert check.num_samples is check.num_se is None


def test_record_of_two_numbers():
    equal(0.5, 0.5 + 1e-12, wrong={"half": 0.25}, method="quadrature")
    check = recorded[LABEL]
    assert (check.left, check.right) == ("0.5", "0.5")
    assert check.difference == pytest.approx(1e-12, rel=1e-3)
    assert check.tolerance == 1e-10
    assert check.refuted[0].difference == "0.25"


def test_record_of_a_pair_says_how_many_were_compared():
    equal(A[:2], A[:2] + 1e-12, wrong={"doubled": 2 * A[:2]})
    assert recorded[LABEL].right == "1 (worst of 2)"


def test_record_of_an_identity():
    symbolic()
    check = recorded[LABEL]
    assert check.method == "symbolic"
    assert (check.left, check.right) == ("Integral(x, (x, 0, n))", "n**2/2")
    assert (check.difference, check.tolerance) == (0, 0)
    assert check.refuted == [ledger.Refutation("no half", "n**2/2")]


def test_record_of_a_monte_carlo_check():
    samples = draws(mean=2.0, event=(3,))
    exact = torch.full((3,), 2.0, dtype=torch.float64)
    wrong = {"value": exact + 1, "samples": draws(mean=4.0, event=(3,), seed=1)}
    monte_carlo(samples, exact, wrong=wrong, num_se=3.5)
    check = recorded[LABEL]
    mean, se = samples.mean(0), samples.std(0) / 20
    score = (mean - 2).abs() / se
    worst = int(score.argmax())
    assert check.method == "Monte Carlo"
    assert check.num_samples == 400
    assert check.num_se == 3.5
    assert check.left == f"{mean[worst]:.8g} (worst of 3)"
    assert check.right == "2 (worst of 3)"
    assert check.difference == pytest.approx((mean[worst] - 2).abs().item())
    assert check.tolerance == pytest.approx(3.5 * se[worst].item())
    by_value = ((mean - 3).abs() / se).max()
    wrong_mean, wrong_se = wrong["samples"].mean(0), wrong["samples"].std(0) / 20
    by_samples = ((wrong_mean - 2).abs() / wrong_se).max()
    assert [wrong.difference for wrong in check.refuted] == [
        f"{by_value:.2g} s.e.",
        f"{by_samples:.2g} s.e.",
    ]


def test_four_standard_errors_unless_said():
    monte_carlo()
    assert recorded[LABEL].num_se == 4


# Wrong equations and wrong variants.


def test_sides_that_differ_are_refused():
    message = r"^eq-a-b: the sides differ: left 2, right 2.5, relative difference 0.2 > 1e-10$"
    with pytest.raises(CheckError, match=message):
        equal(right=torch.tensor([1.0, 2.5, 30.0], dtype=torch.float64))
    with pytest.raises(CheckError, match=r"^eq-a-b: the sides differ by n\*\*2/2$"):
        symbolic(sympy.Integral(2 * X, (X, 0, N)))
    message = r"^eq-a-b: the sample mean .* is 10\.\d standard errors from 0.5; 4 are allowed$"
    with pytest.raises(CheckError, match=message):
        monte_carlo(exact=0.5, wrong={"two": 2.0})
    assert recorded == {}


def test_tolerance_is_the_largest_difference_accepted():
    tolerance = 2.0**-20
    equal(0.25 + tolerance, 0.25, tolerance=tolerance, wrong={"one": 1.0})
    with pytest.raises(CheckError, match="the sides differ"):
        equal(0.25 + tolerance * 1.001, 0.25, tolerance=tolerance, wrong={"one": 1.0})


def test_tolerance_is_relative_to_a_large_right_side():
    equal(1000.0 + 0.9e-7, 1000.0, wrong={"one": 1.0})
    with pytest.raises(CheckError, match="the sides differ"):
        equal(1000.0 + 1.1e-7, 1000.0, wrong={"one": 1.0})


def test_standard_errors_are_the_largest_distance_accepted():
    samples = draws()
    se = samples.std() / 20
    monte_carlo(samples, samples.mean().item() + 3.99 * se.item(), wrong={"ten": 10.0})
    ledger.forget()
    for side in (-1, 1):
        with pytest.raises(CheckError, match="standard errors from"):
            monte_carlo(
                samples, samples.mean().item() + side * 4.01 * se.item(), wrong={"ten": 10.0}
            )


def test_exactly_the_standard_errors_allowed_are_accepted():
    samples = torch.tensor([1.0, -1.0] * 200, dtype=torch.float64)
    exact = 4 * (samples.std() / 20).item()  # a power of two times it: no rounding
    monte_carlo(samples, exact, wrong={"far": 9.0})


def test_variants_that_differ_little_or_swap_two_symbols_are_told_apart():
    symbolic(wrong={"little": N**2 / 2 + sympy.Rational(1, 1000)})
    m, n = sympy.symbols("m n", positive=True)
    left = sympy.Integral(X, (X, m, n))
    swapped = (m**2 - n**2) / 2
    symbolic(left, -swapped, wrong={"ends swapped": swapped}, label="eq-swapped")


@pytest.mark.parametrize("check", CHECKS)
def test_a_wrong_variant_that_is_right_is_refused(check):
    right = {"equal": {"same": A + 1e-12}, "symbolic": {"same": N * N / 2}}
    with pytest.raises(CheckError, match=r"^eq-a-b: the wrong variant 'same' is .*not told apart"):
        CHECKS[check](wrong=right.get(check, {"same": 0.0}))
    assert recorded == {}


@pytest.mark.parametrize("check", CHECKS)
def test_every_wrong_variant_is_tried(check):
    wrong = {
        "equal": {"doubled": 2 * A, "same": A},
        "symbolic": {"no half": N**2, "same": N**2 / 2},
        "monte_carlo": {"one": 1.0, "same": 0.0},
    }
    with pytest.raises(CheckError, match="the wrong variant 'same'"):
        CHECKS[check](wrong=wrong[check])


def test_a_tolerance_so_wide_that_the_wrong_variant_passes_is_refused():
    # A variant must miss by more than twice what is allowed.
    for wrong in (1.0, 1.25, 1.5, 0.5):
        with pytest.raises(CheckError, match=r"is off by only .*, and 0.25 is allowed"):
            equal(1.0 + 1e-12, 1.0, tolerance=0.25, wrong={"wide": wrong})
    equal(1.0 + 1e-12, 1.0, tolerance=0.25, wrong={"far": 1.51})
    for wrong in ({"value": 0.3}, {"samples": draws(mean=0.3, seed=1)}):
        with pytest.raises(CheckError, match=r"is off by only .* s.e., and 4 s.e. is allowed"):
            monte_carlo(wrong=wrong, label="eq-other")


@pytest.mark.parametrize("tolerance", [0.0, -1e-3, 1.0, 2.0, math.inf, math.nan])
def test_tolerance_must_lie_between_0_and_1(tolerance):
    with pytest.raises(CheckError, match=f"tolerance must be between 0 and 1, got {tolerance}"):
        equal(tolerance=tolerance)


@pytest.mark.parametrize("num_se", [0.0, -1.0, 5.01, math.inf, math.nan])
def test_num_se_must_lie_between_0_and_5(num_se):
    with pytest.raises(CheckError, match=f"num_se must be above 0 and at most 5, got {num_se}"):
        monte_carlo(num_se=num_se)
    monte_carlo(num_se=5.0)
    monte_carlo(num_se=0.99, label="eq-small")


def test_method_must_be_known():
    with pytest.raises(CheckError, match=r"method must be one of .*'quadrature'\), got 'guess'"):
        equal(method="guess")


# Void comparisons.


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    "label", ["", "eq", "eq-", "vae-gap", "def-a", "eq-A", "eq-a-", "eq-a b", "eq-a\n"]
)
def test_label_must_be_that_of_a_claim(check, label):
    message = f"^label must look like eq-some-words, got {re.escape(repr(label))}$"
    with pytest.raises(CheckError, match=message):
        CHECKS[check](label=label)


@pytest.mark.parametrize("check", CHECKS)
def test_a_wrong_variant_is_required(check):
    with pytest.raises(CheckError, match=r"^eq-a-b: name at least one wrong variant"):
        CHECKS[check](wrong={})


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.view(3),
        lambda x: x[:],
        lambda x: x.detach(),
        lambda x: x.view_as(x),
    ],
)
def test_a_tensor_compared_with_itself_is_refused(view):
    with pytest.raises(CheckError, match=r"^eq-a-b: a side is compared with itself$"):
        equal(A, view(A))


def test_other_sides_compared_with_themselves_are_refused():
    symmetric = A + A[:, None]
    with pytest.raises(CheckError, match="a side is compared with itself"):
        equal(A[:1], A[:1].view(1), wrong={"doubled": 2 * A[:1]})
    with pytest.raises(CheckError, match="a side is compared with itself"):
        equal(symmetric, symmetric.T, wrong={"doubled": 2 * symmetric})
    number = math.pi
    with pytest.raises(CheckError, match="a side is compared with itself"):
        equal(number, number, wrong={"three": 3.0})
    expression = N**2 / 2
    with pytest.raises(CheckError, match=r"^eq-a-b: a side is compared with itself$"):
        symbolic(expression, expression)
    with pytest.raises(CheckError, match=r"^eq-a-b: both sides are the same expression; pass one"):
        symbolic(sympy.Integral(X, (X, 0, N)), sympy.Integral(X, (X, 0, N)))
    samples = draws()
    for exact in (samples, samples[0]):
        with pytest.raises(CheckError, match=r"^eq-a-b: a side is compared with itself$"):
            monte_carlo(samples, exact)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["left", "right", "both", "wrong"])
def test_a_value_that_is_not_finite_is_refused(where, bad):
    spoilt = A.clone()
    spoilt[1] = bad
    sides = {
        "left": {"left": spoilt},
        "right": {"right": spoilt},
        "both": {"left": spoilt, "right": spoilt.clone()},
        "wrong": {"wrong": {"spoilt": spoilt}},
    }[where]
    with pytest.raises(
        CheckError, match=r"^eq-a-b: (left|right|spoilt) holds a NaN or an infinity"
    ):
        equal(**sides)
    samples = draws()
    samples[7] = bad
    sides = {
        "left": {"samples": samples},
        "right": {"exact": bad},
        "both": {"samples": samples, "exact": bad},
        "wrong": {"wrong": {"spoilt": samples}},
    }[where]
    with pytest.raises(CheckError, match=r"^eq-a-b: (samples|exact|spoilt) holds a NaN or an inf"):
        monte_carlo(**sides)


@pytest.mark.parametrize("bad", [sympy.nan, sympy.zoo, sympy.oo, -sympy.oo])
def test_an_expression_that_is_not_finite_is_refused(bad):
    for sides in ({"left": bad}, {"right": bad}, {"left": bad + X, "right": bad}):
        with pytest.raises(
            CheckError, match=r"^eq-a-b: .* is not finite|the same expression|with itself"
        ):
            symbolic(**sides)
    with pytest.raises(CheckError, match=r"^eq-a-b: the difference of .* is not finite$"):
        symbolic(wrong={"endless": bad})


def test_a_divergent_integral_is_refused():
    with pytest.raises(CheckError, match="not finite"):
        symbolic(sympy.Integral(1 / X, (X, 0, 1)), sympy.Integer(3))


def test_an_empty_tensor_is_refused():
    empty = torch.zeros(0, dtype=torch.float64)
    with pytest.raises(CheckError, match=r"^eq-a-b: left is empty$"):
        equal(empty, empty.clone(), wrong={"empty": empty})
    with pytest.raises(CheckError, match="is empty"):
        monte_carlo(draws(event=(0,)), empty)


@pytest.mark.parametrize("shape", [(1,), (), (3, 1), (1, 3), (2,)])
def test_shapes_must_agree(shape):
    other = torch.ones(shape, dtype=torch.float64)
    with pytest.raises(CheckError, match=r"^eq-a-b: left has shape .*, right has \(3,\)$"):
        equal(left=other)
    with pytest.raises(CheckError, match=r"^eq-a-b: odd has shape .*, right has \(3,\)$"):
        equal(wrong={"odd": 7 * other})


@pytest.mark.parametrize("event", [(), (1,), (2,), (3, 1)])
def test_event_shapes_must_agree(event):
    with pytest.raises(CheckError, match=r"samples must have shape \[n, \*\(3,\)\] with n of at"):
        monte_carlo(draws(event=event), torch.zeros(3, dtype=torch.float64))
    with pytest.raises(CheckError, match=r"^eq-a-b: odd must have shape \[n, \*\(3,\)\]"):
        monte_carlo(
            draws(event=(3,)),
            torch.zeros(3, dtype=torch.float64),
            wrong={"odd": draws(mean=9, event=event)},
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.bool])
def test_tensors_must_be_float64(dtype, monkeypatch):
    as_readers_have_it(monkeypatch)
    one, other = torch.ones(3, dtype=dtype), torch.ones(3, dtype=dtype)
    message = rf"^eq-a-b: (left|samples) must be float64, got {dtype}$"
    with pytest.raises(CheckError, match=message):
        equal(one, other, wrong={"two": 2 * A})
    samples = torch.arange(400).to(dtype)
    with pytest.raises(CheckError, match=message):
        monte_carlo(samples)
    with pytest.raises(CheckError, match=rf"^eq-a-b: odd must be float64, got {dtype}$"):
        equal(wrong={"odd": other})


@pytest.mark.parametrize("side", [True, "1", None, [1.0], 1j])
def test_sides_must_be_numbers(side, monkeypatch):
    as_readers_have_it(monkeypatch)
    kind = type(side).__name__
    message = f"^eq-a-b: left must be a tensor or a number, got {kind}$"
    with pytest.raises(CheckError, match=message):
        equal(side, 1.5, wrong={"two": 2.0})


def test_whole_numbers_and_graphs_are_accepted():
    equal(3, 3.0, wrong={"four": 4})
    equal(A.clone().requires_grad_(), label="eq-graph")


def test_too_few_samples_are_refused(monkeypatch):
    as_readers_have_it(monkeypatch)
    with pytest.raises(CheckError, match=r"with n of at least 100, got \(99,\)$"):
        monte_carlo(draws(n=99))
    with pytest.raises(CheckError, match=r"^eq-a-b: few must have shape .*, got \(99,\)$"):
        monte_carlo(wrong={"few": draws(mean=9, n=99)})
    with pytest.raises(CheckError, match=r"got \(\)$"):
        monte_carlo(torch.tensor(1.0).double())
    monte_carlo(draws(n=100), wrong={"far": 9.0})


def test_samples_that_do_not_vary_are_refused():
    with pytest.raises(CheckError, match=r"^eq-a-b: samples do not vary; use check_equal$"):
        monte_carlo(torch.ones(400, dtype=torch.float64), 1.0)
    samples = draws(event=(2,))
    samples[:, 1] = 0
    with pytest.raises(CheckError, match=r"^eq-a-b: samples do not vary"):
        monte_carlo(samples, torch.zeros(2, dtype=torch.float64))
    with pytest.raises(CheckError, match=r"^eq-a-b: flat do not vary"):
        monte_carlo(wrong={"flat": torch.ones(400, dtype=torch.float64)})


@pytest.mark.parametrize("check", CHECKS)
def test_a_label_used_twice_is_refused(check):
    CHECKS[check]()
    with pytest.raises(CheckError, match=r"^eq-a-b: the label was checked before, at .*:\d+$"):
        CHECKS[check](label=LABEL)


def test_a_label_used_twice_in_a_loop_is_refused():
    def loop():
        for _ in range(2):
            check_equal(LABEL, A, A + 1e-12, wrong={"doubled": 2 * A}, method="closed form")

    with pytest.raises(CheckError, match=r"the label was checked before, at .*:\d+$"):
        loop()
    assert len(recorded) == 1


def test_a_failed_check_leaves_its_label_free():
    with pytest.raises(CheckError):
        equal(right=2 * A)
    equal()


def test_check_error_is_an_assertion():
    # A notebook runner reports it as a failure, and python -O does not strip it.
    assert issubclass(CheckError, AssertionError)


def test_share_of_false_alarms_is_that_of_the_normal_distribution():
    # At 1.5 standard errors a sound check of normal samples fails with probability 13.4 %.
    trials, alarms = 500, 0
    generator = make_generator(0)
    for _ in range(trials):
        ledger.forget()
        samples = torch.randn(400, dtype=torch.float64, generator=generator)
        try:
            monte_carlo(samples, 0.0, wrong={"far": 9.0}, num_se=1.5)
        except CheckError:
            alarms += 1
    expected = binom(trials, 2 * norm.sf(1.5))
    assert abs(alarms - expected.mean()) < 4 * expected.std()


# What the reader sees.


def test_line_names_both_sides_the_difference_and_what_was_refuted():
    equal(0.5, 0.5 + 1e-12, wrong={"half": 0.25, "double": 1.0}, method="quadrature")
    assert str(recorded[LABEL]) == (
        "✓ eq-a-b | quadrature | left 0.5 | right 0.5 | difference 1e-12 ≤ 1e-10 | "
        "refuted: half (off by 0.25); double (off by 0.5)"
    )


def test_line_names_the_sample_size():
    monte_carlo(draws(n=12_000), wrong={"one": 1.0})
    assert " | Monte Carlo, n = 12,000 | " in str(recorded[LABEL])


def test_long_sides_are_shortened_in_the_line_and_kept_in_the_record():
    left = sympy.Sum(sympy.Symbol("a_name_of_thirty_characters_xx") * X, (X, 1, 2))
    left += sympy.Symbol("another_name_of_thirty_characters")
    symbolic(left, left.doit(), wrong={"zero": sympy.Integer(0)})
    shown = str(recorded[LABEL]).split(" | ")[2]
    assert len(shown) == len("left ") + 70
    assert shown.endswith("…")
    assert recorded[LABEL].left == str(left)


def test_bundle_escapes_html_and_keeps_plain_text():
    name = '<b>&"bold"</b> | bar'
    equal(wrong={name: 2 * A})
    bundle = recorded[LABEL]._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", ledger.MIME_TYPE}
    assert bundle["text/plain"] == str(recorded[LABEL])
    assert name in bundle["text/plain"]
    assert "<b>" not in bundle["text/html"]
    shown = html.unescape(re.sub(r"</?(div|strong)[^>]*>", "", bundle["text/html"]))
    assert shown.replace("\N{NON-BREAKING HYPHEN}", "-") == bundle["text/plain"].replace(
        " | ", " · "
    )
    record = bundle[ledger.MIME_TYPE]
    assert record["refuted"] == [{"name": name, "difference": "1"}]
    assert set(record) == {
        "label",
        "method",
        "left",
        "right",
        "difference",
        "tolerance",
        "refuted",
        "num_samples",
        "num_se",
    }
