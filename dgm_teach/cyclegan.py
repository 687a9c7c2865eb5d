r"""CycleGAN by Zhu, Park, Isola and Efros (2017): two translators, their losses and two steps."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from dgm_teach.nets import frozen
from dgm_teach.require import require_at_least


class CycleGAN(NamedTuple):
    r"""The four players.

    Attributes
    ----------
    gen_xy, gen_yx
        Generators: G from X to Y, and F from Y to X.
    disc_x, disc_y
        Discriminators of the two domains; they return scores, one or several per example.
    """

    gen_xy: nn.Module
    gen_yx: nn.Module
    disc_x: nn.Module
    disc_y: nn.Module


class GeneratorStep(NamedTuple):
    r"""The terms of the generators' loss before the step, and the translations.

    Attributes
    ----------
    adversarial, cycle, identity
        Batch means, summed over the two directions, without their weights. A weight of 0 leaves
        the identity term out: it is then 0.
    x_fake, y_fake
        F(y) and G(x), without a graph.
    """

    adversarial: Float[Tensor, ""]
    cycle: Float[Tensor, ""]
    identity: Float[Tensor, ""]
    x_fake: Float[Tensor, "batch *event"]
    y_fake: Float[Tensor, "batch *event"]


def least_squares(scores: Float[Tensor, "*batch"], target: float) -> Float[Tensor, "*batch"]:
    r"""Squared distance of each score from its target.

    .. math:: \bigl(D(x)-t\bigr)^2

    Parameters
    ----------
    scores
        What the discriminator returns, :math:`D(x)`: any real number.
    target
        The target t: in CycleGAN 1 for real and 0 for generated examples.

    Returns
    -------
    One number of at least 0 per score, not averaged.

    Notes
    -----
    Equation ``def-cyc-ls``. Mao et al. (2017), section 3.2, who halve it.
    Oracle: ``torch.nn.functional.mse_loss`` with constant targets.
    """
    return (scores - target).square()


def cycle_loss(
    there: nn.Module, back: nn.Module, x: Float[Tensor, "batch *event"]
) -> Float[Tensor, " batch"]:
    r"""How far an example is from itself after the way there and back.

    .. math:: \lVert F(G(x))-x\rVert_1

    Parameters
    ----------
    there, back
        The generator of the other domain, then the one of this domain.
    x
        Examples of one domain.

    Returns
    -------
    One number of at least 0 per example, summed over the event axes, in the unit of x.

    Notes
    -----
    Equation ``def-cyc-cycle``. Zhu et al. (2017), section 3.2.
    Oracle: ``torch.distributions.Laplace``, up to its constant.
    """
    return _l1(back(there(x)), x)


def identity_loss(gen: nn.Module, y: Float[Tensor, "batch *event"]) -> Float[Tensor, " batch"]:
    r"""How much a generator changes an example of the domain that it translates *to*.

    .. math:: \lVert G(y)-y\rVert_1

    Parameters
    ----------
    gen
        A generator.
    y
        Examples of its target domain.

    Returns
    -------
    One number of at least 0 per example, summed over the event axes, in the unit of y.

    Notes
    -----
    Equation ``def-cyc-identity``. Zhu et al. (2017), section 5.2.
    Oracle: the values of G(x) = 2x and F(y) = 3y, by hand.
    """
    return _l1(gen(y), y)


def generator_step(
    model: CycleGAN,
    optimizer: Optimizer,
    x: Float[Tensor, "batch *event"],
    y: Float[Tensor, "batch *event"],
    *,
    lambda_cyc: float,
    lambda_id: float = 0.0,
) -> GeneratorStep:
    r"""One step of both generators; the discriminators do not move.

    Parameters
    ----------
    model, optimizer
        The players, and one optimiser of the parameters of both generators. A generator gets both
        domains in one batch, so its normalisation must be per example.
    x, y
        As many examples of one domain as of the other, not in pairs.
    lambda_cyc, lambda_id
        Weights, at least 0, of sums over pixels: what weighs a mean over d pixels by w is w / d.

    Returns
    -------
    The terms before the step, and the translations for the discriminators' step.

    Raises
    ------
    ValueError
        If a weight is negative, or the batches differ in size.

    Notes
    -----
    Equation ``def-cyc-objective``. Zhu et al. (2017), sections 3.3 and 4.
    """
    require_at_least(0, lambda_cyc=lambda_cyc, lambda_id=lambda_id)
    if len(x) != len(y):
        raise ValueError(f"y must have as many rows as x, {len(x)}, got {len(y)}")
    extra_x, extra_y = (x, y) if lambda_id > 0 else (x[:0], y[:0])
    y_fake, y_same = model.gen_xy(torch.cat([x, extra_y])).tensor_split([len(x)])
    x_fake, x_same = model.gen_yx(torch.cat([y, extra_x])).tensor_split([len(y)])
    x_cycle, y_cycle = model.gen_yx(y_fake), model.gen_xy(x_fake)
    with frozen(model.disc_x, model.disc_y):  # gradients would be computed and thrown away
        scores_x, scores_y = model.disc_x(x_fake), model.disc_y(y_fake)
    adversarial = least_squares(scores_x, 1.0).mean() + least_squares(scores_y, 1.0).mean()
    cycle = (_l1(x_cycle, x) + _l1(y_cycle, y)).mean()
    identity = (_l1(x_same, extra_x) + _l1(y_same, extra_y)).sum() / len(x)
    optimizer.zero_grad()
    (adversarial + lambda_cyc * cycle + lambda_id * identity).backward()
    optimizer.step()
    return GeneratorStep(*(t.detach() for t in (adversarial, cycle, identity, x_fake, y_fake)))


def discriminator_step(
    model: CycleGAN,
    optimizer: Optimizer,
    x: Float[Tensor, "batch *event"],
    y: Float[Tensor, "batch *event"],
    x_fake: Float[Tensor, "fakes *event"],
    y_fake: Float[Tensor, "fakes *event"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    r"""One step of both discriminators; the generators do not move.

    Parameters
    ----------
    model, optimizer
        The players, and one optimiser of the parameters of both discriminators.
    x, y
        Real examples of both domains.
    x_fake, y_fake
        Generated ones, from the last generator step or from its history; their graph is cut.

    Returns
    -------
    The losses of ``disc_x`` and ``disc_y`` before the step: batch means, without a graph.

    Notes
    -----
    Equation ``def-cyc-ls`` with the targets 1 and 0. Zhu et al. (2017), section 4.
    """
    loss_x = _judge(model.disc_x, x, x_fake)
    loss_y = _judge(model.disc_y, y, y_fake)
    optimizer.zero_grad()
    (loss_x + loss_y).backward()
    optimizer.step()
    return loss_x.detach(), loss_y.detach()


def _judge(disc: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Half the squared error of a discriminator: 1 is wanted on real, 0 on generated examples."""
    on_real, on_fake = disc(real), disc(fake.detach())
    return (least_squares(on_real, 1.0).mean() + least_squares(on_fake, 0.0).mean()) / 2


def _l1(a: Tensor, b: Tensor) -> Tensor:
    """Sum of absolute differences over all axes but the first."""
    return (a - b).abs().flatten(1).sum(1)
