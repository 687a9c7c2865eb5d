"""Self-checks of assignment 2, building, training and measuring a VAE."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dgm_teach.checks.report import as_array, ask, expect, expect_close, expect_shape, self_check

F64 = torch.float64
HEAD = torch.tensor([[1.0, -2.0, math.log(4.0), math.log(9.0)]], dtype=F64)
ONE = torch.ones(1, 1, 2, dtype=F64)
Answer = Callable[..., Any]


@self_check
def q1(draw_codes: Answer, head_gradient: Answer) -> None:
    r"""A draw through which gradients flow, and the gradient of the loss by hand."""
    still = expect_shape(ask(draw_codes, HEAD, 0 * ONE), (1, 1, 2), "draw_codes")
    expect_close(still, HEAD[None, :, :2], "Without noise a draw is the mean: the first half.")
    moved = as_array(draw_codes(HEAD, ONE)) - still
    hint = "At variance 4 a noise of 1 should move z by 2."
    hint += " You multiply by the variance." * np.allclose(moved, [4.0, 9.0])
    hint += " The head holds a logarithm." * np.allclose(moved, HEAD[:, 2:])
    expect_close(moved, [[[2.0, 3.0]]], hint)
    reached = getattr(draw_codes(HEAD.clone().requires_grad_(), ONE), "requires_grad", False)
    expect(reached, "No gradient reaches the head: look for detach, no_grad, NumPy or .data.")
    _by_hand(draw_codes, head_gradient)


def _by_hand(draw_codes: Answer, head_gradient: Answer) -> None:
    """Signs, the mean over the batch, and the part through z by a central difference."""
    zero = torch.zeros(1, 2, dtype=F64)
    flat = expect_shape(ask(head_gradient, 0 * HEAD, zero, zero), (1, 4), "head_gradient")
    expect_close(flat, 0, "At the prior, with a flat cost, every derivative should be 0.")
    wide = as_array(head_gradient(HEAD, ONE[0], zero))
    expect((np.sign(wide) == [1, -1, 1, 1]).all(), "Leaving the prior, the KL term should rise.")
    both = as_array(head_gradient(HEAD.repeat(2, 1), ONE[0].repeat(2, 1), zero.repeat(2, 1)))
    expect_close(2 * both[:1], wide, "L is a mean: each of two equal images has half the weight.")
    slope = as_array(head_gradient(HEAD, ONE[0], ONE[0])) - wide
    for j, step in enumerate(1e-2 * torch.eye(4, dtype=F64)):
        after, before = (as_array(draw_codes(HEAD + s * step, ONE)).sum() for s in (1, -1))
        which = "mean" if j < 2 else "log variance"
        hint = f"The part through z is wrong for a {which}: a small step moves z otherwise."
        expect_close(slope[0, j], (after - before) / 2e-2, hint, atol=1e-3)


@self_check
def q2(neg_elbo: Answer) -> None:
    r"""The negative ELBO of grey digits: normalisation and reductions."""

    def cost(counts: Tensor, head: Tensor, draws: int = 1) -> np.ndarray:
        """The answer for a decoder that returns the logit 0 for every pixel."""
        eps = torch.full((draws, len(head), head.shape[1] // 2), 0.5, dtype=F64)
        logits = 0 * counts[0]
        answer = ask(neg_elbo, counts, head, lambda z: logits.expand(*z.shape[:-1], -1), eps)
        return expect_shape(answer, (len(counts),), "neg_elbo")

    each = cost(torch.arange(17, dtype=F64)[:, None], torch.zeros(17, 2, dtype=F64))
    expect((each > 0).all(), "A probability below 1 should cost more than 0 nats. Mind the sign.")
    hint = "The 17 grey levels should have the probability 1 together."
    hint += " In how many ways can 8 of 16 dots be ink?" * np.allclose(each, each[0])
    expect_close(np.exp(-each).sum(), 1, hint)
    expect_close(each, each[::-1], "At the logit 0, k and 16 - k dots of ink should cost the same.")
    pixel = torch.full((1, 1), 3.0, dtype=F64)
    three = cost(pixel.repeat(1, 3), torch.zeros(1, 2, dtype=F64))
    expect_close(three, 3 * each[3], "A pixel given three times should cost three times as much.")
    far = torch.tensor([[1.5, 0.2]], dtype=F64)
    kl = cost(pixel, far) - each[3]
    expect(kl > 0, "A q that is not the prior should cost more. Where is the KL term?")
    two = cost(pixel, far.repeat_interleave(2, dim=1)) - each[3]
    expect_close(two, 2 * kl, "Every latent variable given twice should double the KL term.")
    expect_close(cost(pixel, far, 4), each[3] + kl, "Four equal draws should cost what one costs.")


@self_check
def q3(make_optimizer: Answer, train_step: Answer) -> None:
    r"""One optimiser for two networks, and one step on a batch in parts."""
    held = ask(make_optimizer, nn.Linear(5, 4), nn.Linear(2, 5), 0.01).param_groups
    n = sum(len(group["params"]) for group in held)
    expect(n == 4, f"Two linear layers have 4 parameter tensors, your optimiser holds {n}.")
    value, bias = _one_step(train_step, part_size=4)
    expect(isinstance(value, float), f"A float is asked for, got {type(value).__name__}.")
    hint = "With a decoder that knows nothing an image of 5 pixels should cost 5 log 2 nats."
    expect_close(value, 5 * math.log(2), f"{hint} You return {value:.3f}.")
    expect((bias != 0).any(), "The decoder has not moved: is there a step?")
    right_way = torch.equal(bias.sign(), torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0]))
    expect(right_way, "Where most images have ink, the logit should rise: the step is uphill.")
    hint = "When is the gradient cleared, when is the step, what weight has a small part?"
    for n in (1, 3):
        (other, moved), parts = _one_step(train_step, n), f"Parts of {n} and of 4 images"
        expect_close(moved, bias, f"{parts} take different steps. {hint}")
        expect_close(other, value, f"{parts} return different values.")


def _one_step(train_step: Answer, part_size: int) -> tuple[Any, Tensor]:
    """A step from an encoder that returns the prior and a decoder that knows nothing."""
    encoder, decoder = nn.Linear(5, 4), nn.Linear(2, 5)
    for parameter in (parameters := [*encoder.parameters(), *decoder.parameters()]):
        nn.init.zeros_(parameter)
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    rows = [[1, 0, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 0, 0, 1], [1, 0, 1, 0, 1]]
    eps = torch.tensor([[0.5, -1.0], [0.1, 0.4], [-0.7, 2.0], [1.0, -0.3]])
    x = torch.tensor(rows, dtype=torch.float32)
    value = ask(train_step, encoder, decoder, optimizer, x, eps, part_size)
    return value, decoder.bias.detach()


@self_check
def q4(hidden_beta: Answer, predicted_active: Answer) -> None:
    r"""The β of a pair of reductions, and what it switches off."""
    for how in ("sum", "per_example"):
        beta = float(ask(hidden_beta, 10, 4, 3, how, how))
        expect_close(beta, 1, f"{how} for both tables hides no weight: β should be 1.")
    betas = [float(hidden_beta(10, 4, batch, "mean", "mean")) for batch in (3, 6)]
    expect_close(betas[0], betas[1], "With two means the batch size should cancel.")
    expect(betas[0] > 1, "A mean over many pixels makes the KL term heavier, not lighter.")
    betas = [float(hidden_beta(10, 4, batch, "mean", "sum")) for batch in (3, 6)]
    expect_close(betas[1], 2 * betas[0], "A mean beside a sum: a batch of double size doubles β.")
    # around 7: two directions with the variances 100 and 4, and one without any
    corners = torch.tensor([[10.0, 2, 0], [-10, 2, 0], [10, -2, 0], [-10, -2, 0]], dtype=F64)
    x = corners.repeat(25, 1) + 7
    for latent_dim, latents, target in ((2, "sum", 2), (1, "mean", 1)):
        got = int(ask(predicted_active, x, latent_dim, 50, "sum", latents))
        hint = f"The variances are 100, 4 and 0, and the noise of (sum, {latents}) is small."
        expect(got == target, f"{hint} With {latent_dim} latent variables you say {got} are on.")
    few = int(predicted_active(x, 2, 50, "mean", "sum"))
    expect(few < 2, "A large hidden β should switch latent variables off.")


@self_check
def q5(unit_report: Answer) -> None:
    r"""Active units, KL terms and total variances from heads in parts."""
    mu = torch.tensor([[0.0, 3.0, 0.0]] * 30 + [[2.0, 3.0, 0.0]] * 10, dtype=F64)
    head = torch.cat([mu, torch.zeros(40, 3, dtype=F64)], 1)
    answer = ask(unit_report, [head[:30], head[30:36], head[36:]])
    names = ("active", "kl", "total_var")
    active, kl, total = (expect_shape(a, (3,), n) for a, n in zip(answer, names, strict=True))
    expect(active[2] == 0, "A latent variable that is the prior for every image is not active.")
    expect(active[1] == 0, "A mean that is 3 for every image says nothing about the image.")
    expect(active[0] == 1, "A mean that is 0 for some parts and 2 for others does vary.")
    expect_close(kl[2], 0, "Where q is the prior for every image, the KL term is 0.")
    expect_close(kl[1], 4.5, "With variance 1 and mean 3 the KL term is 4.5 nats.")
    expect_close(total[1], 1.0, "If every q is N(3, 1), z should have the variance 1.", rtol=0.05)
    expect(total[0] > 1.5, "Means that differ between images should add to the variance of z.")


@self_check
def q6(log_weights: Answer, log_px_and_error: Answer) -> None:
    r"""Importance weights, and the log of their mean with its standard error."""
    eps = torch.linspace(-9, 9, 2001, dtype=F64)[:, None, None]
    mass = torch.softmax(-(eps[:, 0, 0] ** 2) / 2, 0).numpy()  # quadrature over the noise
    for mean, var in ((0.0, 1.0), (0.6, 1.0), (0.0, 0.7)):
        head = torch.tensor([[mean, math.log(var)]], dtype=F64)
        log_w = ask(log_weights, lambda z: 0 * torch.as_tensor(z)[..., 0], head, eps)
        average = mass @ np.exp(expect_shape(log_w, (2001, 1), "log_weights")[:, 0])
        hint = f"With likelihood 1 and q = N({mean:g}, {var:g}) weights should average to 1, not"
        expect_close(average, 1, f"{hint} {average:.3f}. Which densities are in a weight?")
    values = [[0.0], [0.0], [math.log(7)]]
    middle, error = _joined(log_px_and_error, values, 2)
    expect(middle > 0.9, "The mean is taken of the weights, not of their logarithms.")
    expect_close(middle, math.log(3), "The weights 1, 1 and 7 in portions of 2 have the mean 3.")
    expect(error > 0, "Weights that scatter should give an error above 0.")
    again = _joined(log_px_and_error, [[value[0] + 5] for value in values], 2)[1]
    expect_close(again, error, "A common factor of the weights should not change the error.")
    many = _joined(log_px_and_error, values * 400, 100)[1]
    expect(many < error / 15, "400 times as many weights should give about a 20th of the error.")


def _joined(function: Answer, log_w: list[list[float]], chunk: int) -> np.ndarray:
    """What the function makes of these log weights, given out in portions."""
    left = list(log_w)

    def draw(n: int) -> Tensor:
        expect(1 <= n <= min(chunk, len(left)), f"draw({n}) asks for too many, or for none.")
        part, left[:n] = left[:n], []
        return torch.tensor(part, dtype=F64)

    pair = ask(function, draw, len(log_w), chunk)
    return np.array([expect_shape(part, (1,), "the estimate or its error")[0] for part in pair])


@self_check
def q7(report: Answer, per_image: Any) -> None:
    r"""Standard errors, and two trainings under one measure."""
    first = np.array([1.0, 2.0, 4.0, 9.0])
    got = ask(report, first, first + 3)
    expect_close(got["first"][0], 4, "The mean of 1, 2, 4 and 9 is 4.")
    expect_close(got["difference"][0], 3, "The difference is second minus first.")
    expect_close(got["difference"][1], 0, "Every pair differs by exactly 3: the error is 0.")
    many = report(np.tile(first, 100), np.tile(first, 100) + 3)["first"][1]
    expect(8 < got["first"][1] / many < 20, "100 times as many images: about a tenth of the error.")
    by_sum, by_mean = (expect_shape(per_image[n], (360,), n).mean() for n in ("sum", "mean"))
    expect(by_sum > 0, "Black-or-white images cost more than 0 nats. Mind the sign.")
    expect(by_mean > 5, "Measure both models by the same proper bound, summed over pixels.")
    expect(by_sum < by_mean, "By the proper bound the sum should do better.")
