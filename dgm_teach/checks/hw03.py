"""Self-checks of assignment 3, generative adversarial networks."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dgm_teach.checks import _hw03
from dgm_teach.checks._hw03 import Answer
from dgm_teach.checks.report import as_array, ask, expect, expect_close, expect_shape, self_check
from dgm_teach.rng import make_generator


@self_check
def q1(
    best_discriminator: Answer, value_at_best: Answer, weighted_jsd: Answer, constant: Answer
) -> None:
    r"""The game with unequal numbers: discriminator, value, divergence and constant."""
    p, q = torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.5, 0.1]], dtype=torch.float64)
    D = expect_shape(ask(best_discriminator, p, q, 0.3), (3,), "best_discriminator")
    expect(((D >= 0) & (D <= 1)).all(), "D should be a number from 0 to 1.")
    expect_close(D[1], 0.3, "Where both densities agree, only the share of real points decides.")
    best, level = _hw03.best_score(p, q, 0.3), _hw03.best_score(p, p, 0.3)
    score = (0.3 * as_array(p) * np.log(D) + 0.7 * as_array(q) * np.log1p(-D)).sum()
    expect_close(score, best, "Another discriminator has a higher score than yours.", atol=1e-6)
    value = ask(value_at_best, p / 0.5, q / 0.5, 0.5, 0.3)
    expect_close(value, best, "value_at_best is not the highest score. Is dx in?", atol=1e-6)
    same = ask(weighted_jsd, p, p, 1.0, 0.3)
    expect_close(same, 0.0, "The divergence of equal densities should be zero.")
    apart = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for function in (value_at_best, weighted_jsd):
        found = as_array(ask(function, apart, apart.flip(0), 1.0, 0.3))
        expect(np.isfinite(found), "Not finite where a density is zero. Read 0 log 0 as 0.")
    hint = "weighted_jsd does not fit what trying many discriminators gives: weights, m, base, dx?"
    divergence = ask(weighted_jsd, p / 0.5, q / 0.5, 0.5, 0.3)
    expect_close(divergence, best - level, hint, atol=1e-6)
    hint = "The constant should be the score that is left when both densities are equal."
    expect_close(ask(constant, 0.3), level, hint, atol=1e-6)


@self_check
def q2(discriminator_loss: Answer, generator_losses: Answer, logit_at_slope: Answer) -> None:
    r"""Losses on logits, and the logits at which a generator loss has a given slope."""
    zeros, mixed = torch.zeros(4), torch.tensor([-2.0, 1.0, 3.0])
    loss = expect_shape(ask(discriminator_loss, zeros, zeros), (), "discriminator_loss")
    expect_close(loss, np.log(4), "At D = 1/2 everywhere the loss should be log 4, in nats.")
    once, twice = (ask(discriminator_loss, each, zeros) for each in (mixed, mixed.repeat(2)))
    hint = "Real points given twice change the loss. Take a mean over each batch by itself."
    expect_close(once, twice, hint)
    pair = ask(generator_losses, mixed)
    expect(len(pair) == 2, "generator_losses should return two tensors.")
    for name, part in zip(("saturating", "non-saturating"), pair, strict=True):
        expect_shape(part, (3,), f"The {name} loss")
    halves = np.stack([as_array(part) for part in ask(generator_losses, zeros)])
    hint = "At D = 1/2 one generator loss should be -log 2 and the other log 2: which?"
    expect_close(halves, [[-np.log(2)] * 4, [np.log(2)] * 4], hint)
    _hw03.check_push(discriminator_loss, generator_losses)
    _hw03.check_inverse(logit_at_slope)


@self_check
def q3(discriminator_step: Answer, generator_step: Answer) -> None:
    r"""Both steps: gradient routing, parts of unequal size, old gradients, the loss returned."""
    g = make_generator(1)
    x, z = torch.randn(6, 2, generator=g), torch.randn(6, 3, generator=g)
    cut = [x[:1], x[1:]], [z[:1], z[1:]]
    whole = _hw03.move(discriminator_step, 0, ([x], [z]))
    expect(whole.any(), "The discriminator does not move.")
    hint = "Parts of 1 and 5 give another step than the batch of 6. Weights, zero_grad, step?"
    expect_close(_hw03.move(discriminator_step, 0, cut), whole, hint, atol=1e-5)
    alone = _hw03.move(generator_step, 1, (z,))
    expect(alone.any(), "The generator does not move.")
    hint = "Gradients from before the step change it. When are they cleared?"
    expect_close(_hw03.move(discriminator_step, 0, ([x], [z]), 7.0), whole, hint, atol=1e-5)
    expect_close(_hw03.move(generator_step, 1, (z,), 7.0), alone, hint, atol=1e-5)
    disc, gen = _hw03.players()
    for weight in disc.parameters():
        nn.init.zeros_(weight)
    optimizers = [torch.optim.SGD(player.parameters(), lr=0.1) for player in (disc, gen)]
    disc = nn.Sequential(disc, nn.Flatten(0))  # logits of the shape [b]
    second = ask(generator_step, disc, gen, optimizers[1], z)
    first = ask(discriminator_step, disc, gen, optimizers[0], *cut)
    expect_close(first, np.log(4), "With logits of 0 the discriminator's loss should be log 4.")
    hint = "With logits of 0 the generator's loss should be log 2. Which loss, and which sign?"
    expect_close(second, np.log(2), hint)
    graph = any(getattr(loss, "requires_grad", False) for loss in (first, second))
    expect(not graph, "A loss is returned with its graph.")


@self_check
def q4(probability_all_found: Answer, samples_needed: Answer) -> None:
    r"""The probability that no mode is missed, and the number of samples that it needs."""
    words = np.array(list(itertools.product(range(4), repeat=5)))  # mode 3: low quality
    weight = np.where(words == 3, 0.4, 0.2).prod(axis=1)
    every = np.all([(words == mode).any(axis=1) for mode in range(3)], axis=0)
    found, perfect = (ask(probability_all_found, 5, 3, good) for good in (0.6, 1.0))
    expect(0 <= float(found) <= 1, f"A probability lies between 0 and 1, got {float(found):.3f}.")
    hint = "A lower share of high quality should lower the probability. Is it used?"
    expect(float(found) < float(perfect), hint)
    few = ask(probability_all_found, 3, 4, 1.0)
    hint = "Three samples cannot find four modes. A bound, or modes taken as independent?"
    expect_close(few, 0.0, hint, atol=1e-6)
    hint = "Five samples, three modes: writing down all outcomes gives another probability."
    expect_close(found, weight[every].sum(), hint, atol=1e-6)
    needed = ask(samples_needed, 3, 0.6, 0.9)
    expect(isinstance(needed, int | np.integer), "samples_needed should return an int.")
    fewer, enough = (ask(probability_all_found, int(needed) - n, 3, 0.6) for n in (1, 0))
    expect(enough >= 0.9, "So few samples do not reach the confidence. Off by one?")
    expect(fewer < 0.9, "Fewer samples reach the confidence as well. Off by one?")


@self_check
def q5(w1: Answer, best_slope: Answer) -> None:
    r"""The Wasserstein distance on a line, and the slope of a best critic."""
    x, y = torch.tensor([[2.0, -1.0, 0.5, 0.7], [0.1, 3.0, 0.9, -1.5]], dtype=torch.float64)
    distance = expect_shape(ask(w1, x, y), (), "w1")
    expect_close(ask(w1, x, x.flip(0)), 0.0, "A sample in another order is the same sample.")
    for shift in (3.0, -3.0):
        expect_close(ask(w1, x, x + shift), 3.0, f"A shift by {shift:g} has the distance 3.")
    costs = [(x - y[list(order)]).abs().mean() for order in itertools.permutations(range(4))]
    expect_close(distance, min(costs), "w1 is not the cost of the cheapest of all pairings.")
    twice = ask(w1, x, y.repeat(2))
    expect_close(twice, distance, "A sample with each point twice should be at the same distance.")
    places = torch.cat([x, y]).sort().values
    slope = expect_shape(ask(best_slope, x, y, (places[1:] + places[:-1]) / 2), (7,), "best_slope")
    expect(np.allclose(np.abs(slope), 1), "Each slope should be +1 or -1.")
    gap = _hw03.critic_gap(slope, x, y)
    expect(not np.isclose(-gap, distance), "This critic is turned round: a sign.")
    expect_close(gap, distance, "A critic with these slopes does not reach the distance.")


@self_check
def q6(one_sided_penalty: Answer) -> None:
    r"""The one-sided gradient penalty."""
    x, x_fake = torch.randn(2, 5, 2, generator=make_generator(2))
    t, weight = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0]), torch.tensor([1.2, 1.6])  # slope 2

    def penalty(w: Tensor, bound: float = 1.0) -> Tensor:
        """The answer for a linear critic with these weights."""
        return ask(one_sided_penalty, lambda at: at @ w, x, x_fake, t, bound)

    gentle = expect_shape(penalty(weight, 3.0), (5,), "The penalty")
    expect_close(gentle, 0.0, "A slope below the bound should cost nothing.")
    expect_close(penalty(weight), 1.0, "A slope of 2 and a bound of 1 should cost 1 for each pair.")
    chosen = torch.where(t[:, None] == 1, x, x_fake)
    pairs = (x, x_fake), (chosen, chosen)
    bent = [ask(one_sided_penalty, lambda at: at.pow(4).sum(1), *pair, t, 0.1) for pair in pairs]
    expect_close(bent[0], bent[1], "At t = 1 the slope should be taken at the real example.")
    images = torch.randn(2, 5, 2, 2, 2, generator=make_generator(3))
    found = ask(one_sided_penalty, lambda at: 2 * at.flatten(1).sum(1), *images, t, 1.0)
    hint = "For images the norm should be one number for each image, over all its axes."
    expect_close(found, (32**0.5 - 1) ** 2, hint)
    hint = "The penalty does not depend on the critic's weights. Is the graph of the slope kept?"
    expect(_hw03.slope_of(penalty, weight).any(), hint)
    flat = _hw03.slope_of(penalty, torch.zeros(2))
    expect(torch.isfinite(flat).all(), "The gradient is not finite where the critic is constant.")


@self_check
def q7(
    effective_modes: Answer,
    train_ring: Answer,
    effective: Any,
    summary: Any,
) -> None:
    r"""The measurement: its measure, repeatable training, and the table."""
    centres = torch.tensor([[9.0, 0.0], [0.0, 9.0], [0.0, 0.0], [-9.0, -9.0]])
    for number in (1, 2, 4):
        found = ask(effective_modes, centres[:number].repeat(10, 1), centres)
        hint = f"Points on {number} modes, equally often, should give {number}: base, sign, shares?"
        expect_close(found, number, hint)
    uneven = ask(effective_modes, centres[[0, 0, 0, 1]], centres)
    expect(1 < uneven < 2, "Two modes of which one is rarer should count for less than two.")
    first, again, other = (as_array(ask(train_ring, seed, 2e-3, 2)) for seed in (4, 4, 5))
    expect(first.shape == (2000, 2), f"train_ring should return [2000, 2], got {first.shape}.")
    hint = "A seed called twice gives two results. What is seeded?"
    expect_close(first, again, hint, atol=1e-4)
    expect(not np.allclose(first, other), "Two seeds give the same points.")
    for rate in (2e-3, 1e-4):
        hint = "Both dictionaries should have the keys 2e-3 and 1e-4."
        expect(rate in effective and rate in summary, hint)
        values = as_array([float(v) for v in effective[rate]])
        expect(
            len(values) >= 3, "A list of effective holds fewer numbers than the seeds asked for."
        )
        expect((abs(values - 4.5) < 3.501).all(), "An effective number is not between 1 and 8.")
        mean, error = (float(value) for value in summary[rate])
        expect_close(mean, values.mean(), "The mean is another one.", rtol=1e-4)
        hint = "The standard error of the mean is another one. Standard deviation? n or n - 1?"
        expect_close(error**2, values.var() / (len(values) - 1), hint, rtol=1e-4)
