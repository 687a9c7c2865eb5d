r"""Training many small CycleGANs at once on points of the plane, with or without a few pairs."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LinearLR
from tqdm import tqdm

from dgm_teach.cyclegan import CycleGAN, discriminator_step, generator_step
from dgm_teach.require import require_at_least
from dgm_teach.stacked import stacked_mlp

Pairs = Float[Tensor, "pairs copies 2"]


def stacked_cyclegan(copies: int, *, hidden: int = 16) -> CycleGAN:
    r"""Players for points of the plane, each with two hidden layers of rectifiers.

    Parameters
    ----------
    copies
        Number of CycleGANs side by side, at least 1.
    hidden
        Units of each hidden layer, at least 1.

    Returns
    -------
    Four modules that take ``[batch, copies, 2]``.

    Raises
    ------
    ValueError
        If a number is less than 1.
    """
    sizes = [2, hidden, hidden]
    return CycleGAN(*(stacked_mlp([*sizes, out], copies) for out in (2, 2, 1, 1)))


def paired_step(
    model: CycleGAN, optimizer: Optimizer, x: Pairs, y: Pairs
) -> Float[Tensor, " copies"]:
    r"""One step of both generators towards known pairs.

    .. math:: \lVert G(x)-y\rVert_1 + \lVert F(y)-x\rVert_1

    Parameters
    ----------
    model, optimizer
        The players, and one optimiser of the parameters of both generators.
    x, y
        Examples of both domains; those in the same row and copy belong together.

    Returns
    -------
    The loss before the step, one number of at least 0 for each copy: summed over coordinates,
    the mean over the pairs.

    Notes
    -----
    Equation ``def-cyc-toy-paired``. Oracle: ``torch.nn.L1Loss`` with its reduction undone.
    """
    forth, back = (model.gen_xy(x) - y).abs(), (model.gen_yx(y) - x).abs()
    loss = (forth + back).sum(dim=2).mean(dim=0)
    optimizer.zero_grad()
    loss.sum().backward()  # no copy has a part in another's loss
    optimizer.step()
    return loss.detach()


def train_stack(
    model: CycleGAN,
    x_train: Float[Tensor, "xs copies 2"],
    y_train: Float[Tensor, "ys copies 2"],
    *,
    num_steps: int,
    schedule_steps: int | None = None,
    lambda_cyc: float = 1.0,
    lambda_id: float = 0.0,
    pairs: tuple[Pairs, Pairs] | None = None,
    batch_size: int = 32,
    lr: float = 0.01,
    generator: torch.Generator | None = None,
) -> list[tuple[float, float]]:
    r"""Alternate the steps of the generators and of the discriminators of all copies.

    Parameters
    ----------
    model
        Stacked players; they are changed in place.
    x_train, y_train
        The two training sets, one column for each copy.
    num_steps, schedule_steps
        Steps, at least 1, and those in which the learning rate falls to a hundredth; by default
        the same.
    lambda_cyc, lambda_id
        Weights of the cycle and of the identity term in the loss of *one* copy.
    pairs
        Examples of X and of Y that belong together, for :func:`paired_step` after every step.
    batch_size, lr
        Examples of each domain in a batch, and the learning rate of all players at the start.
    generator
        Source of the batches.

    Returns
    -------
    Adversarial and cycle term of each step, means over the copies.

    Raises
    ------
    ValueError
        If a number is too small or a weight is negative.

    Notes
    -----
    Equation ``def-cyc-objective``, without a history. :func:`~dgm_teach.cyclegan.generator_step`
    takes the mean of the scores over the copies and the sum of the L1 terms, so that the
    weights are divided by the number of copies; Adam does not notice the common factor left.
    """
    require_at_least(1, num_steps=num_steps, batch_size=batch_size)
    copies = x_train.shape[1]
    weights = {"lambda_cyc": lambda_cyc / copies, "lambda_id": lambda_id / copies}
    total = num_steps if schedule_steps is None else schedule_steps
    teams = [model[:2], model[2:], model[:2]][: 2 if pairs is None else 3]
    optimizers = [_adam(team, lr) for team in teams]
    schedulers = [LinearLR(o, 1.0, 0.01, total_iters=total) for o in optimizers]
    record = []
    for _ in tqdm(range(num_steps), desc="train", unit="step"):
        x, y = (_draw(data, batch_size, generator) for data in (x_train, y_train))
        made = generator_step(model, optimizers[0], x, y, **weights)
        if pairs is not None:
            paired_step(model, optimizers[2], *pairs)
        discriminator_step(model, optimizers[1], x, y, made.x_fake, made.y_fake)
        record.append(torch.stack([made.adversarial, made.cycle / copies]))
        for scheduler in schedulers:
            scheduler.step()
    return [(step[0], step[1]) for step in torch.stack(record).tolist()]


def _adam(players: tuple[nn.Module, ...], lr: float) -> Optimizer:
    return Adam(nn.ModuleList(players).parameters(), lr=lr, betas=(0.5, 0.99), fused=True)


def _draw(data: Tensor, batch_size: int, generator: torch.Generator | None) -> Tensor:
    """Rows with repetition, on the device of the data."""
    rows = torch.randint(len(data), (batch_size,), device=data.device, generator=generator)
    return data[rows]
