"""The gradient penalty of linear critics and by finite differences; the critic's step; the loop."""

import copy
import itertools

import pytest
import torch
from oracles import randn
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR

from dgm_teach import wgan
from dgm_teach.gan import GAN
from dgm_teach.nets import mlp
from dgm_teach.rng import make_generator
from dgm_teach.wgan import CriticStep, critic_step, gradient_penalty, train_wgan


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def linear_critic(*sizes, seed=0):
    """A critic of slope w on arrays of these sizes, and the length of w."""
    w = randn(*sizes, seed=seed)

    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(w.clone())

        def forward(self, x):
            return (self.w * x).flatten(1).sum(1)

    return Linear(), w.norm()


def players(latent_dim=2, data_dim=3):
    """A generator and a critic in float64, the same every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = mlp([latent_dim, 5, data_dim], nn.Tanh)
        critic = mlp([data_dim, 6, 1], nn.Tanh)
    return GAN(generator.double(), critic.double(), latent_dim)


def optimizers(gan, lr=0.1):
    return SGD(gan.discriminator.parameters(), lr=lr), SGD(gan.generator.parameters(), lr=lr)


def values(module):
    return [value.detach().clone() for value in module.parameters()]


def same(before, module):
    return all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize("sizes", [(2,), (1, 4, 4), (3, 2, 2)])
def test_penalty_of_a_linear_critic_is_that_of_its_length(sizes):
    # Over all axes of an example: a norm along one axis of an image gives another number.
    critic, length = linear_critic(*sizes)
    x, x_fake = randn(5, *sizes, seed=1), randn(5, *sizes, seed=2)
    close(gradient_penalty(critic, x, x_fake), ((length - 1) ** 2).expand(5).detach())


def test_penalty_is_taken_between_the_two_examples_of_a_pair():
    # The critic |x|² / 2 has the gradient x, so that the norm says where the penalty was taken.
    class HalfSquare(nn.Module):
        def forward(self, x):
            return x.square().sum(1) / 2

    x, x_fake = torch.full((4000, 1), 5.0).double(), torch.full((4000, 1), 3.0).double()
    at = gradient_penalty(HalfSquare(), x, x_fake, generator=make_generator(0)).sqrt() + 1
    assert 3 <= at.min() < 3.01
    assert 4.99 < at.max() <= 5
    # uniform on [3, 5]: mean 4, variance 1/3
    assert abs(at.mean() - 4) < 4 * (1 / 3 / 4000) ** 0.5


def test_each_pair_has_its_own_place():
    class HalfSquare(nn.Module):
        def forward(self, x):
            return x.square().sum(1) / 2

    x, x_fake = torch.ones(6, 2).double(), torch.zeros(6, 2).double()
    found = gradient_penalty(HalfSquare(), x, x_fake, generator=make_generator(0))
    t = torch.rand(6, dtype=torch.float64, generator=make_generator(0))
    close(found, (t * 2**0.5 - 1) ** 2)


def test_penalty_of_one_pair_does_not_depend_on_the_others():
    critic = players().discriminator
    x, x_fake = randn(6, 3, seed=1), randn(6, 3, seed=2)
    whole = gradient_penalty(critic, x, x_fake, generator=make_generator(3))
    part = gradient_penalty(critic, x[:2], x_fake[:2], generator=make_generator(3))
    close(whole[:2], part)


def test_gradient_of_the_penalty_is_that_of_finite_differences():
    critic = players().discriminator
    x, x_fake = randn(6, 3, seed=1), randn(6, 3, seed=2)

    def mean_penalty():
        return gradient_penalty(critic, x, x_fake, generator=make_generator(3)).mean()

    step = 1e-5
    for value, gradient in zip(
        critic.parameters(),
        torch.autograd.grad(mean_penalty(), list(critic.parameters()), allow_unused=True),
        strict=True,
    ):
        by_differences = torch.zeros_like(value)
        for entry in itertools.product(*map(range, value.shape)):
            with torch.no_grad():
                value[entry] += step
            plus = mean_penalty().item()
            with torch.no_grad():
                value[entry] -= 2 * step
            by_differences[entry] = (plus - mean_penalty().item()) / (2 * step)
            with torch.no_grad():
                value[entry] += step
        # the last bias does not change the slope, and has no gradient
        found = torch.zeros_like(value) if gradient is None else gradient
        # rounding 1e-16 / 1e-5, and the third derivative times 1e-10
        torch.testing.assert_close(found, by_differences, rtol=0, atol=1e-8)


def test_penalty_reaches_neither_the_generator_nor_the_data():
    gan = players()
    x = randn(4, 3, seed=1).requires_grad_()
    x_fake = gan.generator(randn(4, 2, seed=2))
    gradient_penalty(gan.discriminator, x, x_fake).sum().backward()
    assert x.grad is None
    assert all(value.grad is None for value in gan.generator.parameters())
    assert gan.discriminator[0].weight.grad.abs().max() > 0


def test_a_flat_critic_has_penalty_one_and_a_finite_gradient():
    critic, _ = linear_critic(3)
    with torch.no_grad():
        critic.w.zero_()
    found = gradient_penalty(critic, randn(4, 3, seed=1), randn(4, 3, seed=2))
    close(found, torch.ones(4).double())
    found.sum().backward()
    assert torch.isfinite(critic.w.grad).all()


def test_noise_comes_from_the_generator_alone():
    gan, before = players(), torch.get_rng_state()
    x, x_fake = randn(4, 3, seed=1), randn(4, 3, seed=2)
    first, again, other = (
        gradient_penalty(gan.discriminator, x, x_fake, generator=make_generator(seed))
        for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def loss_by_hand(gan, x, weight, noise):
    """The critic's loss and both terms, from the formulas."""
    z = torch.randn(len(x), gan.latent_dim, dtype=torch.float64, generator=noise)
    t = torch.rand(len(x), 1, dtype=torch.float64, generator=noise)
    x_fake = gan.generator(z).detach()
    distance = gan.discriminator(x).mean() - gan.discriminator(x_fake).mean()
    between = (t * x + (1 - t) * x_fake).requires_grad_()
    rows = [gan.discriminator(row[None])[0, 0] for row in between]
    grads = torch.stack(
        [torch.autograd.grad(f, between, create_graph=True)[0][i] for i, f in enumerate(rows)]
    )
    penalty = ((grads.square().sum(1).sqrt() - 1) ** 2).mean()
    return weight * penalty - distance, distance, penalty


@pytest.mark.parametrize("weight", [0.0, 0.1, 10.0])
def test_critic_step_is_the_step_written_by_hand(weight):
    gan, by_hand, x = players(), players(), randn(6, 3, seed=1)
    step = critic_step(
        gan, optimizers(gan)[0], x, penalty_weight=weight, generator=make_generator(5)
    )
    loss, distance, penalty = loss_by_hand(by_hand, x, weight, make_generator(5))
    loss.backward()
    optimizers(by_hand)[0].step()
    close(step.distance, distance.detach())
    close(step.penalty, penalty.detach())
    for a, b in zip(
        gan.discriminator.parameters(), by_hand.discriminator.parameters(), strict=True
    ):
        close(a, b)


def test_the_default_weight_is_ten():
    gan, other, x = players(), players(), randn(6, 3, seed=1)
    critic_step(gan, optimizers(gan)[0], x, generator=make_generator(5))
    critic_step(other, optimizers(other)[0], x, penalty_weight=10.0, generator=make_generator(5))
    assert same(values(gan.discriminator), other.discriminator)


def test_critic_step_leaves_the_generator_alone_and_forgets_old_gradients():
    gan, x = players(), randn(6, 3, seed=1)
    clean = copy.deepcopy(gan)
    before = values(gan.generator)
    for value in gan.discriminator.parameters():
        value.grad = torch.ones_like(value)  # left over from an earlier step
    critic_step(gan, optimizers(gan)[0], x, generator=make_generator(5))
    critic_step(clean, optimizers(clean)[0], x, generator=make_generator(5))
    assert same(before, gan.generator)
    assert all(value.grad is None for value in gan.generator.parameters())
    assert same(values(clean.discriminator), gan.discriminator)


def test_terms_carry_no_graph():
    gan = players()
    step = critic_step(gan, optimizers(gan)[0], randn(6, 3, seed=1))
    assert isinstance(step, CriticStep)
    assert not step.distance.requires_grad
    assert not step.penalty.requires_grad


@pytest.mark.parametrize("weight", [-0.1, float("nan")])
def test_a_negative_weight_is_refused(weight):
    gan = players()
    before = values(gan.discriminator)
    with pytest.raises(ValueError, match=f"^penalty_weight must be at least 0, got {weight}$"):
        critic_step(gan, optimizers(gan)[0], randn(6, 3, seed=1), penalty_weight=weight)
    assert same(before, gan.discriminator)


def test_the_critic_of_two_points_reaches_the_slope_of_theory():
    # eq-gan-w-penalty-slope: 1 + d / (2 lambda), and the difference d + d² / (2 lambda).
    class Point(nn.Module):
        def forward(self, z):
            return torch.zeros(len(z), 2, dtype=torch.float64)

    critic, _ = linear_critic(2)
    gan, x = GAN(Point(), critic, 1), torch.tensor([[0.6, -0.8]] * 4, dtype=torch.float64)
    optimizer = SGD(critic.parameters(), lr=0.2)
    for _ in range(400):  # contracts by at least 1 - 0.2 · 2 · 2 / (1 + 1 / 4) or so in each step
        step = critic_step(gan, optimizer, x, penalty_weight=2.0)
    assert critic.w.norm().item() == pytest.approx(1 + 1 / 4, abs=1e-9)
    assert step.distance.item() == pytest.approx(1 + 1 / 4, abs=1e-9)
    assert step.penalty.item() == pytest.approx(1 / 16, abs=1e-9)


def loop(gan, x, **settings):
    return train_wgan(
        gan, optimizers(gan), x, **({"num_steps": 4, "batch_size": 3} | settings),
        generator=make_generator(7),
    )  # fmt: skip


def test_loop_is_the_loop_written_by_hand():
    # 7 rows in batches of 3, 3 and 1; two critic steps a round; the rate halved after each round.
    gan, by_hand, x = players(), players(), randn(7, 3, seed=1)
    pair = optimizers(gan)
    record = train_wgan(
        gan,
        pair,
        x,
        num_steps=4,
        num_critic=2,
        batch_size=3,
        penalty_weight=0.5,
        schedulers=tuple(ExponentialLR(each, gamma=0.5) for each in pair),
        generator=make_generator(7),
    )
    noise, queue = make_generator(7), []
    critic_opt, generator_opt = optimizers(by_hand)
    for number in range(4):
        for each in (critic_opt, generator_opt):
            each.param_groups[0]["lr"] = 0.1 * 0.5**number
        for _ in range(2):
            if not queue:
                queue = list(torch.randperm(7, generator=noise).split(3))
            rows = x[queue.pop(0)]
            loss, distance, penalty = loss_by_hand(by_hand, rows, 0.5, noise)
            critic_opt.zero_grad()
            loss.backward()
            critic_opt.step()
        assert record[number] == pytest.approx((distance.item(), penalty.item()))
        z = torch.randn(len(rows), 2, dtype=torch.float64, generator=noise)
        generator_opt.zero_grad()
        (-by_hand.discriminator(by_hand.generator(z)).mean()).backward()
        generator_opt.step()
    for a, b in zip(gan.generator.parameters(), by_hand.generator.parameters(), strict=True):
        close(a, b)
    for a, b in zip(
        gan.discriminator.parameters(), by_hand.discriminator.parameters(), strict=True
    ):
        close(a, b)


def test_defaults_are_five_critic_steps_on_batches_of_256_with_weight_ten():
    gan, other, x = players(), players(), randn(300, 3, seed=1)
    first = train_wgan(gan, optimizers(gan), x, num_steps=2, generator=make_generator(7))
    second = loop(other, x, num_steps=2, num_critic=5, batch_size=256, penalty_weight=10.0)
    assert first == second


def test_record_holds_plain_floats_one_a_round():
    record = loop(players(), randn(7, 3, seed=1))
    assert len(record) == 4
    assert all(isinstance(step, CriticStep) for step in record)
    assert all(type(term) is float for step in record for term in step)


@pytest.mark.parametrize("name", ["num_steps", "num_critic", "batch_size"])
def test_bad_numbers_are_refused_before_anything_moves(name):
    gan = players()
    before = values(gan.generator) + values(gan.discriminator)
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        loop(gan, randn(7, 3, seed=1), **{name: 0})
    assert all(
        torch.equal(a, b)
        for a, b in zip(before, values(gan.generator) + values(gan.discriminator), strict=True)
    )


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="x must have at least one row"):
        loop(players(), randn(7, 3, seed=1)[:0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("term", ["distance", "penalty"])
def test_a_term_that_is_not_finite_is_named_with_its_step(monkeypatch, term, bad):
    count = itertools.count()

    def fake_step(*_, **__):
        good = CriticStep(torch.tensor(1.0), torch.tensor(0.5))
        return good._replace(**{term: torch.tensor(bad)}) if next(count) == 5 else good

    monkeypatch.setattr(wgan, "critic_step", fake_step)
    message = f"^{term} is {bad} at step 2; lower the critic's learning rate$"
    with pytest.raises(FloatingPointError, match=message):
        loop(players(), randn(7, 3, seed=1), num_critic=2)


def test_a_bar_counts_the_steps(capsys):
    loop(players(), randn(7, 3, seed=1))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: 100%" in shown.err
    assert "step/s" in shown.err or "s/step" in shown.err
    assert "4/4" in shown.err


def test_training_moves_a_point_to_the_data():
    # The generator is one free point. Against the critic it walks to the data from afar.
    class Point(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.tensor([4.0, -3.0]).double())

        def forward(self, z):
            return self.at.expand(len(z), 2)

    critic, _ = linear_critic(2)
    gan = GAN(Point(), critic, 1)
    x = torch.zeros(8, 2).double()
    train_wgan(
        gan,
        (SGD(critic.parameters(), lr=0.02), SGD(gan.generator.parameters(), lr=0.05)),
        x,
        num_steps=80,
        num_critic=10,
        batch_size=8,
        generator=make_generator(0),
    )
    # slope near one, steps of 0.05: at least 3 of the 5 units in 80 steps
    assert gan.generator.at.norm().item() < 2
