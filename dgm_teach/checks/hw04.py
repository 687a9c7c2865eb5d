"""Self-checks of assignment 4, the CycleGAN loss."""

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.stats import binom
from torch import Tensor, nn

from dgm_teach.checks.report import as_array, ask, expect, expect_close, expect_shape, self_check
from dgm_teach.cyclegan import CycleGAN

Fn = Callable[..., Any]


def _table(*values: float | int) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _cost(score: Any, p: Tensor, q: Tensor, real: float, made: float, w: float) -> float:
    """Mean squared distance of the scores from two targets, with the share w of real points."""
    on_real, on_made = (as_array(score) - real) ** 2, (as_array(score) - made) ** 2
    return float((w * as_array(p) * on_real + (1 - w) * as_array(q) * on_made).sum())


@self_check
def q1(
    best_disc: Fn, value_factor: Fn, chi_square: Fn, cost_constants: Fn, pearson_coding: Fn
) -> None:
    r"""Least squares with a share of real points and any coding of the targets."""
    p, q, a, b, c, w = _table(0.6, 0.3, 0.1), _table(0.1, 0.3, 0.6), -0.5, 2.0, 0.7, 0.3
    m = w * p + (1 - w) * q
    chi = float(((q - m) ** 2 / m).sum())
    score = expect_shape(ask(best_disc, p, q, a, b, w), (3,), "best_disc")
    none = as_array(ask(best_disc, 0 * p, q, a, b, w))
    expect_close(none, a, "Where no point is real the best score is not a. Targets exchanged?")
    slope = w * as_array(p) * (score - b) + (1 - w) * as_array(q) * (score - a)
    expect_close(slope, 0.0, "A small change of your scores lowers the loss. Did the shares enter?")
    value = as_array(ask(value_factor, a, b, w)) * float((p * q / m).sum())
    expect_close(value, _cost(score, p, q, b, a, w), "value_factor: the two sides differ.")
    two = ask(chi_square, _table(1, 0), _table(0.5, 0.5), 2.0)
    expect_close(two, 2.0, "chi_square of (1, 0) from (0.5, 0.5), dy = 2, is not 2. Which divides?")
    flat, both = (_cost(ask(best_disc, p, t, a, b, w), p, t, c, c, w) for t in (p, q))
    k1, k2 = (as_array(k) for k in ask(cost_constants, a, b, c, w))
    expect_close(k2, flat, "cost_constants: for p = q only k2 is left, and yours is wrong.")
    expect_close(k1 * chi + k2, both, "cost_constants: k1 is off. Of which density is chi-square?")
    b, c = (float(as_array(t)) for t in ask(pearson_coding, w))
    flat, both = (_cost(ask(best_disc, p, t, 0.0, b, w), p, t, c, c, w) for t in (p, q))
    expect_close(flat, 0.0, "pearson_coding: for p = q the cost is not zero: a constant is left.")
    expect_close(both, chi, "pearson_coding: a multiple of Pearson's divergence, not itself.")


@self_check
def q2(zero_loss_maps: Fn, count_zero_loss: Fn, chance_right: Fn) -> None:
    r"""Counting the pairs with zero loss on tables."""
    p, q = [3, 1, 1], [1, 3, 1]
    maps = [tuple(int(j) for j in G) for G in ask(zero_loss_maps, p, q)]
    expect(all(len(set(G)) == 3 for G in maps), "A map that merges atoms cannot be undone.")
    expect(all(q[G[0]] == 3 for G in maps), "zero_loss_maps: the heavy atom loses its mass.")
    expect(len(maps) == len(set(maps)) == 2, "zero_loss_maps: masses 3, 1, 1 leave two maps.")
    none = len(ask(zero_loss_maps, [2, 2], [1, 3])), int(ask(count_zero_loss, [2, 2], [1, 3]))
    expect(none[0] == 0, "zero_loss_maps: masses 2, 2 and 1, 3 cannot match.")
    expect(none[1] == 0, "count_zero_loss: masses 2, 2 and 1, 3 cannot match.")
    for masses in ([1, 1, 1], [2, 1, 2, 1], [1, 2, 3]):
        count, listed = ask(count_zero_loss, masses, masses), ask(zero_loss_maps, masses, masses)
        hint = f"count_zero_loss of {masses} is {count}, but your list has {len(listed)} maps."
        expect(int(count) == len(listed), hint)
    sure, half, heavy = (ask(chance_right, t) for t in ([1, 2, 3], [1, 1], [1, 1, 2]))
    expect_close(sure, 1.0, "chance_right: with three different masses nothing is left to chance.")
    expect_close(half, 0.5, "chance_right: two equal atoms, two maps.")
    expect_close(heavy, 0.75, "chance_right: x is drawn from p_X, so heavy atoms count more.")


@self_check
def q3(make_pair: Fn, rms_distance: Fn, rms_mirror: Fn) -> None:
    r"""A pair of maps with zero loss that turns by an angle."""
    A_x, A_y = _table(2, 0, 1, 1).view(2, 2), _table(1, -1, 0, 0.5).view(2, 2)
    mean_x, mean_y = _table(1, -1), _table(0, 3)
    ends = math.sqrt(2) * torch.cat([torch.eye(2), -torch.eye(2)]).double()
    x, y = mean_x + ends @ A_x.T, mean_y + ends @ A_y.T  # with the exact moments
    G, F = ask(make_pair, 0.0, mean_x, A_x, mean_y, A_y)
    still = expect_shape(ask(G, x), (4, 2), "G(x)")
    expect_close(
        still, y, "G with angle 0 is not the truth. Rows are points: transpose?", atol=1e-5
    )
    G, F = ask(make_pair, math.pi / 2, mean_x, A_x, mean_y, A_y)
    quarter = torch.stack([ends[1], ends[2], ends[3], ends[0]])
    hint = "G(x) at pi / 2 is not the truth after a quarter turn counterclockwise, in radians."
    expect_close(ask(G, x), mean_y + quarter @ A_y.T, hint, atol=1e-5)
    expect_close(ask(F, ask(G, x)), x, "F(G(x)) is not x. Which turn undoes G's?", atol=1e-5)
    exact = float(((quarter - ends) @ A_y.T).square().sum(1).mean().sqrt())
    got = as_array(ask(rms_distance, math.pi / 2, A_y))
    expect(abs(got - exact**2) > 1e-6, "rms_distance: the root of the mean square is asked for.")
    expect_close(got, exact, "rms_distance differs from the distance of the points at pi / 2.")
    expect_close(ask(rms_distance, 0.0, A_y), 0.0, "rms_distance: the angle 0 is the truth.")
    hint = "rms_mirror: A_y removes what the mirror flips. Rows or columns?"
    expect_close(ask(rms_mirror, _table(1, 0, 2, 0).view(2, 2)), 0.0, hint)
    expect_close(ask(rms_mirror, torch.eye(2).double()), 2.0, "rms_mirror: not 2 for A_y = I.")


@self_check
def q4(History: Fn, age_law: Fn, mean_age: Fn) -> None:
    r"""A history buffer that takes rows one after another."""
    g = torch.Generator().manual_seed(0)
    first = torch.randn(2, 1, 3, generator=g, requires_grad=True)
    second, third, rows = torch.ones(2, 1, 3), torch.full((1, 1, 3), 2.0), torch.eye(20)
    buffer = History(2, p_old=1.0)
    out = ask(buffer.exchange, first, generator=g)
    expect(torch.equal(out, first), "While the buffer fills, rows go through as they are.")
    expect(not out.requires_grad, "What is handed out still has a graph: a missing detach.")
    out = ask(buffer.exchange, second, generator=g)
    expect(out.shape == (2, 1, 3), f"As many rows out as in are asked for, got {out.shape}.")
    expect(not torch.equal(out, second), "With p_old = 1 a full buffer hands out stored rows.")
    late = sum(int((ask(buffer.exchange, third, generator=g) != 2).any()) for _ in range(30))
    expect(late <= 2, "Rows come back again and again: the new row should take their place.")
    buffer = History(2, p_old=0.0)
    out = ask(buffer.exchange, rows, generator=g)
    expect(torch.equal(out, rows), "With p_old = 0 every row goes straight through.")
    law = expect_shape(ask(age_law, 3, 0.4, 200), (201,), "age_law")
    expect_close(law.sum(), 1.0, "age_law: the probabilities of all ages do not add up to one.")
    expect_close(law[0], 0.6, "age_law: which rows have the age 0, and how many are they?")
    hint = "age_law: with one place and p_old = 1/2, age 1 needs two coins. How often is it?"
    expect_close(as_array(ask(age_law, 1, 0.5, 1))[1], 0.25, hint)
    expect_close(ask(mean_age, 3, 0.4), law @ range(201), "mean_age: not the mean of your age_law.")


def _times(factor: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(layer.weight, factor)
    return layer


def _check_order(generator_step: Fn, D_X: nn.Module, D_Y: nn.Module) -> None:
    """Multiplications commute: with them alone the order of the generators is not seen."""
    G, x, y = nn.Linear(1, 1).double(), _table(1).view(1, 1), _table(10).view(1, 1)
    nn.init.constant_(G.weight, 2.0)
    nn.init.constant_(G.bias, 1.0)
    optimizer, weights = torch.optim.SGD(G.parameters(), lr=0.0), {"lambda_cyc": 1, "lambda_id": 1}
    terms = ask(generator_step, CycleGAN(G, _times(3.0), D_X, D_Y), optimizer, x, y, **weights)
    for name, value in {"cycle_x": 8.0, "cycle_y": 51.0}.items():
        got = float(as_array(terms[name]))
        hint = f"{name} is {got:g} for G(x) = 2x + 1, F(y) = 3y, x = 1, y = 10: which one first?"
        expect(abs(got - value) < 1e-4, hint)


@self_check
def q5(generator_step: Fn) -> None:
    r"""One step of both generators."""
    G, F, D_X, D_Y = (_times(factor) for factor in (2.0, 3.0, 0.1, 0.2))
    model, optimizer = CycleGAN(G, F, D_X, D_Y), torch.optim.SGD([G.weight, F.weight], lr=1e-3)
    x, y, weights = _table(1).view(1, 1), _table(10).view(1, 1), {"lambda_cyc": 1, "lambda_id": 1}
    terms = ask(generator_step, model, optimizer, x, y, **weights)
    exact = {"cycle_x": 5.0, "cycle_y": 50.0, "identity_y": 10.0, "identity_x": 2.0}
    hints = {"cycle": "first one generator, then the other", "fool": "which D judges what?"}
    hints |= {"identity": "a generator is fed with its own target domain"}
    for name, value in {**exact, "fool_y": 0.36, "fool_x": 4.0}.items():
        got = float(as_array(terms[name]))
        hint = f"{name} is {got:g} for G(x) = 2x, F(y) = 3y, D_X(x) = x/10, D_Y(y) = y/5, "
        hint += f"x = 1, y = 10: {hints[name.split('_')[0]]}."
        expect(abs(got - value) < 1e-4, hint)
        expect(not getattr(terms[name], "requires_grad", False), f"{name} still has a graph.")
    still = [name for name, gen in (("gen_xy", G), ("gen_yx", F)) if gen.weight.item() in (2, 3)]
    expect(not still, f"The step did not move {still}.")
    _check_order(generator_step, D_X, D_Y)
    for disc in (D_X, D_Y):
        expect(disc.weight.item() in (0.1, 0.2), "The step moved a discriminator.")
        expect(disc.weight.grad is None, "The step leaves gradients on a discriminator.")
        expect(disc.weight.requires_grad, "After the step a discriminator can no longer learn.")


@self_check
def q6(noisy_return: Fn, amplification: Fn, best_return: Fn) -> None:
    r"""How much noise disturbs the way back."""
    x, g = torch.ones(5000, 2, 2, dtype=torch.float64), torch.Generator().manual_seed(0)
    mean, error = ask(noisy_return, lambda v: v, lambda v: 2 * v, x, 0.0, generator=g)
    hint = "noisy_return: without noise, and twice x returned, the error is 4 for four ones."
    expect_close(mean, 4.0, hint + " Sum over the axes of an example.")
    expect_close(error, 0.0, "noisy_return: equal errors have the standard error 0.")
    mean, error = ask(noisy_return, lambda v: v / 5, lambda v: 5 * v, x, 0.2, generator=g)
    # error of an example: chi-square with 4 degrees of freedom, variance 8
    deviation = math.sqrt(8 / 5000)
    hint = "noisy_return: the noise belongs between the two generators, with sd sigma."
    expect_close(mean, 4.0, hint, rtol=0.0, atol=5 * deviation)
    hint = "noisy_return: the standard error of a mean of 5000 draws is another one."
    expect_close(error, deviation, hint, rtol=0.2)
    turn = _table(0, -1, 1, 0).view(2, 2)
    expect_close(ask(amplification, turn), 1.0, "amplification: an isometry should give 1.")
    expect_close(ask(amplification, 2 * turn), 0.25, "amplification: What does F do to noise?")
    expect_close(ask(best_return, 0 * turn, 1.0), 2.0, "best_return: if G is 0, F has to guess.")
    hint = "best_return: with hardly any noise hardly any error is left."
    expect_close(ask(best_return, 2 * turn, 1e-4), 0.0, hint, atol=5e-6)
    some = float(as_array(ask(best_return, turn, 1.0)))
    expect(some < 2, "best_return: knowing the law of x, one can do better than the inverse.")


@self_check
def q7(map_distance: Fn, exact_interval: Fn, runs: dict[str, Any], report: dict[str, Any]) -> None:
    r"""A share of runs with its interval."""
    lines = _table(1, 0, 1, 2, 3, 0).view(3, 2)
    got = expect_shape(ask(map_distance, lines, (1.0, 0.0), 2.0, 1.5), (3,), "map_distance")
    expect_close(got[:2], [0, 2], "map_distance: the same line is at 0, moved by 2 at 2. A root?")
    hint = "map_distance: slopes that differ count at every x: mean and spread together."
    expect_close(got[2], 5.0, hint)  # let x be 0.5 or 3.5: the gaps are 1 and 7
    for tail in (0.025, 0.1):
        low, high = (float(as_array(end)) for end in ask(exact_interval, 7, 20, tail))
        expect(0 <= low < high <= 1, f"exact_interval: {low}, {high} is no interval in [0, 1].")
        hint = f"exact_interval(7, 20, {tail}): at {{}} or {{}} do not have this probability."
        expect_close(binom.sf(6, 20, low), tail, hint.format("low 7", "more"), rtol=1e-3)
        expect_close(binom.cdf(7, 20, high), tail, hint.format("high 7", "fewer"), rtol=1e-3)
    for law in ("gaussian", "skewed"):
        expect_shape(runs[law], (48, 2), f"runs[{law!r}]")
        share, low, high = (float(as_array(v)) for v in report[law])
        inside = low - 1e-5 < share < high + 1e-5
        expect(inside, f"report of {law}: the share is outside of its interval.")
        ends = ask(exact_interval, round(48 * share), 48)
        expect_close([low, high], ends, f"{law}: interval for tail = 0.025?", atol=2e-6)
