"""What the self-checks of assignment 3 compare with: searches, small players, critics."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli

from dgm_teach.checks.report import as_array, ask, expect, expect_close
from dgm_teach.rng import make_generator

Answer = Callable[..., Any]


def best_score(p: Tensor, q: Tensor, share: float) -> float:
    r"""The largest score of a table, by trying many numbers D at each place."""
    t = torch.linspace(1e-4, 1 - 1e-4, 9999, dtype=torch.float64)[:, None]
    score = share * p * t.log() + (1 - share) * q * (1 - t).log()
    return score.max(dim=0).values.sum().item()


def slope_of(loss_of: Answer, at: Tensor) -> Tensor:
    r"""Derivative of the sum of a loss, which must be finite and have a graph."""
    at = at.clone().requires_grad_()
    loss = ask(loss_of, at)
    expect(isinstance(loss, Tensor) and loss.requires_grad, "A result has no graph for autograd.")
    expect(torch.isfinite(loss).all(), f"A loss is not finite at {at.tolist()}.")
    return torch.autograd.grad(loss.sum(), at)[0]


def check_push(discriminator_loss: Answer, generator_losses: Answer) -> None:
    r"""Where a player is badly wrong, its gradient has its full size."""
    zeros, ends = torch.zeros(4), torch.tensor([-50.0, 50.0])
    real = slope_of(lambda a: discriminator_loss(a, zeros), ends[:1])
    fake = slope_of(lambda a: discriminator_loss(zeros, a), ends[1:])
    hint = "The discriminator gets no push, or a wrong one, where it is badly wrong."
    expect_close(torch.cat([real, fake]), [-1, 1], hint, atol=1e-3)
    first, second = (slope_of(lambda a, i=i: generator_losses(a)[i], ends) for i in (0, 1))
    both = torch.stack([first, second])
    hint = "The two generator losses have exchanged their places."
    expect(not np.allclose(as_array(both), [[-1, 0], [0, -1]], atol=1e-3), hint)
    hint = "A generator loss has a wrong slope at ±50. Is it a sign, or a clamped logarithm?"
    expect_close(both, [[0, -1], [-1, 0]], hint, atol=1e-3)


def check_inverse(logit_at_slope: Answer) -> None:
    r"""The losses have the slopes asked for, by the distributions of PyTorch."""
    size = torch.tensor([0.2, 0.9], dtype=torch.float64)
    found = []
    for label, part in zip((0.0, 1.0), ask(logit_at_slope, size), strict=True):
        logits = torch.as_tensor(as_array(part))
        y = torch.full_like(logits, label)
        found.append(slope_of(lambda a, y=y: Bernoulli(logits=a).log_prob(y), logits).abs())
    slopes = as_array(torch.stack(found))
    hint = "The two ends are exchanged: where does each loss push hardest?"
    expect(not np.allclose(slopes, 1 - as_array(size)), hint)
    hint = "At your logits the slopes are others. Derivative by the logit? Natural logarithm?"
    expect_close(slopes, torch.stack([size, size]), hint)


def players() -> tuple[nn.Module, nn.Module]:
    r"""A small discriminator and a small generator, the same ones at every call."""
    g, both = make_generator(0), (nn.Linear(2, 1), nn.Linear(3, 2))
    with torch.no_grad():
        for weight in itertools.chain(*(player.parameters() for player in both)):
            weight.normal_(generator=g)
    return both


def _still(player: nn.Module, before: nn.Module, name: str) -> None:
    """Refuse a step that moves the other player, leaves gradients on it or freezes it."""
    for weight, old in zip(player.parameters(), before.parameters(), strict=True):
        expect(torch.equal(weight, old), f"The step of the other player moves the {name}.")
        clean = weight.grad is None or not weight.grad.any()
        expect(clean, f"The step of the other player leaves gradients on the {name}.")
        expect(weight.requires_grad, f"The {name} is still frozen after the step.")


def move(step: Answer, which: int, data: tuple[Any, ...], old: float = 0.0) -> np.ndarray:
    r"""How a step moves the discriminator (0) or the generator (1); the other must stand still.

    ``old`` is the gradient that the moving player had before.
    """
    both = players()
    player, other = both[which], both[1 - which]
    start, before = copy.deepcopy(player), copy.deepcopy(other)
    for weight in player.parameters():
        weight.grad = torch.full_like(weight, old)
    ask(step, *both, torch.optim.SGD(player.parameters(), lr=1.0), *data)
    _still(other, before, ("generator", "discriminator")[which])
    pairs = zip(player.parameters(), start.parameters(), strict=True)
    return np.concatenate([as_array(new - was).ravel() for new, was in pairs])


def critic_gap(slope: np.ndarray, x: Tensor, y: Tensor) -> float:
    r"""Mean height over x minus mean height over y, from the slopes between all points."""
    places = torch.cat([x, y]).sort().values.numpy()
    heights = np.concatenate([[0], np.cumsum(slope * np.diff(places))])
    over_x, over_y = (np.interp(each.numpy(), places, heights).mean() for each in (x, y))
    return float(over_x - over_y)
