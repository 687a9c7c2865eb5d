"""The self-checks of assignment 1: right answers pass, typical mistakes get their hint."""

import pytest

from dgm_teach.checks import hw01
from grading.master import ASSIGNMENTS, read
from grading.variants import read_variants, run_cells

FOLDER = ASSIGNMENTS / "hw01-elbo"
MASTER = read(FOLDER / "hw01-elbo.md")
VARIANTS = read_variants(FOLDER / "variants.md")
ANSWERS = {
    "q1": ["diagonal_kl"],
    "q2": ["observed_log_lik"],
    "q3": ["identity_terms"],
    "q4": ["k_sample_bound"],
    "q5": ["score_draws", "path_draws"],
    "q6": ["difference_quotient", "table"],
    "q7": ["mean_gap"],
}
HINTS = {
    "the factor one half is missing": "one half",
    "the distributions are exchanged": "exchanged",
    "the mean over the latent variables": "sum over them",
    "summed over the batch as well": "shape (2,)",
    "log_var taken for log sigma": "log of the variance",
    "the 1 forgotten": "constant missing",
    "the distance of the means not divided by the variance of p": "another route",
    "a probability, then its logarithm": "log of a sigmoid",
    "probabilities cut off at 1e-7": "cut off",
    "the mean over the pixels": "no mean",
    "the mean over the recorded pixels": "no mean",
    "a constant": "another route",
    "a missing pixel counts as paper": "not a 0",
    "NaN masked after the product, so that the gradient is NaN": "gradient is NaN",
    "the sign of a loss": "sign",
    "cut off from the graph": "No gradient",
    "the divergence with its arguments exchanged": "under q",
    "the divergence to the prior in place of the posterior": "not to the prior",
    "the ELBO without the term -log q": "-log q",
    "the prior forgotten, a uniform one in its place": "posterior is the prior",
    "the mean of q is decoded, not every z": "every z",
    "the posterior taken for the product of its marginals": "no product",
    "the sign of the divergence": "posterior is the prior",
    "bits in place of nats": "not 1",
    "the sum of the weights, log K forgotten": "not their sum",
    "the mean of the logarithms, the ELBO": "is the ELBO",
    "one logarithm around the mean of all weights": "after the logarithm",
    "exponentials that underflow": "stay in logarithms",
    "all n K weights counted as repetitions": "one value, not K",
    "the standard deviation of one row": "not to one row",
    "repetitions and samples exchanged": "after the logarithm",
    "the parameter moves the mean only": "one of the two is missing",
    "the normalising constant of the density forgotten in the score": "3.6",
    "the draw is not held fixed in the score": "hold the draw fixed",
    "the sign of the score": "sign",
    "the variance for the standard deviation": "3.6",
    "the path through f is used for the score as well": "slope of f",
    "the pathwise estimates are averaged": "shape (2000,)",
    "the error of independent samples, although they share their noise": "every pair",
    "divided by h": "2h apart",
    "the standard deviation of one draw": "not to one draw",
    "a generator that is put back gives the same noise twice": "draw it twice",
    "two fresh samples where the same noise is asked for": "exactly 1",
    "the columns of the table exchanged": "Column 2",
    "the constant log det forgotten": "log det",
    "the distance of the means not weighted": "inverse covariance",
    "the noise left out of the covariance of x": "V = 0",
    "only the diagonal of the inverse covariance": "c = (1, -1)",
    "the posterior mean of least squares, without the prior": "own means",
    "the constant of the encoder forgotten": "does c count",
    "averages of 2,000 draws in place of the closed form": "V = 0",
}


def outcome(variant, capsys):
    """What the check of a question prints on a variant, and what it returns."""
    env = run_cells([MASTER.solved[0], variant.code], {"__name__": "__main__"})
    capsys.readouterr()
    answers = [env[name] for name in ANSWERS[variant.question]]
    passed = getattr(hw01, variant.question)(*answers)
    return passed, capsys.readouterr().out


@pytest.mark.parametrize("question", ANSWERS)
def test_the_reference_solution_passes(question, capsys):
    solved = run_cells(MASTER.solved, {"__name__": "__main__"})
    capsys.readouterr()
    assert getattr(hw01, question)(*[solved[name] for name in ANSWERS[question]])
    assert "nothing wrong" in capsys.readouterr().out


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_is_told_what_is_wrong(variant, capsys):
    passed, printed = outcome(variant, capsys)
    assert passed == ("test_self_check" not in variant.loses)
    if passed:
        assert "nothing wrong" in printed
    else:
        assert "not right yet" in printed
        assert HINTS[variant.name] in printed


@pytest.mark.parametrize("question", ANSWERS)
def test_a_missing_answer_is_not_an_error(question, capsys):
    def later(*_, **__):
        raise NotImplementedError

    check, number = getattr(hw01, question), len(ANSWERS[question])
    for missing in (None, later, lambda *_, **__: None):
        assert not check(*[missing] * number)
        assert "not yet answered" in capsys.readouterr().out
