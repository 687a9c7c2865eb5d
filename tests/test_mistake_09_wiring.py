"""Mistake 9: CycleGAN wired wrongly. No exception, just poor pictures.

With G(x) = 2x, F(y) = 3y, D_X(x) = x / 10 and D_Y(y) = y / 5 at x = 1 and y = 10, every term has
a value of its own, worked out by hand below.
"""

import pytest
import torch
from cyclegan_pair import ONE, TEN, networks, optimizers, stub
from gan_pair import has_gradients, same, snapshot
from oracles import randn
from planting import judge, planted
from torch import nn
from torch.testing import assert_close

from dgm_teach.cyclegan import (
    CycleGAN,
    cycle_loss,
    discriminator_step,
    generator_step,
    identity_loss,
)
from dgm_teach.history import HistoryBuffer
from dgm_teach.rng import make_generator

X, Y = randn(5, 2, seed=1), randn(5, 2, seed=2)


def l1(a, b):
    return (a - b).abs().flatten(1).sum(1).mean()


def terms(model, x, y):
    """The six terms, each on its own, as the definitions say."""
    G, F, D_X, D_Y = model
    return {
        "cycle": [l1(F(G(x)), x), l1(G(F(y)), y)],
        "identity": [l1(G(y), y), l1(F(x), x)],
        "adversarial": [(D_X(F(y)) - 1).pow(2).mean(), (D_Y(G(x)) - 1).pow(2).mean()],
    }


def wired(**wrong):
    """A generator step's terms, with one of them replaced by a wrong one."""

    def step(model, x, y):
        parts = terms(model, x, y)
        for name, wire in wrong.items():
            parts[name] = wire(*model, x, y)
        return [torch.stack(parts[name]).sum() for name in ("adversarial", "cycle", "identity")]

    return step


def right(model, x, y):
    made = generator_step(model, optimizers(model)[0], x, y, lambda_cyc=10.0, lambda_id=5.0)
    return list(made[:3])


def identity_through_the_wrong_generator(G, F, D_X, D_Y, x, y):
    return [l1(F(y), y), l1(G(x), x)]


def wrong_generator_in_one_cycle(G, F, D_X, D_Y, x, y):
    return [l1(G(G(x)), x), l1(G(F(y)), y)]


def wrong_generator_in_the_other_cycle(G, F, D_X, D_Y, x, y):
    return [l1(F(G(x)), x), l1(F(F(y)), y)]


def wrong_start_of_the_cycle(G, F, D_X, D_Y, x, y):
    return [l1(F(G(y)), y), l1(F(G(x)), x)]


def generators_in_the_other_order(G, F, D_X, D_Y, x, y):
    return [l1(G(F(x)), x), l1(F(G(y)), y)]


def cycle_compared_with_the_translation(G, F, D_X, D_Y, x, y):
    return [l1(F(G(x)), G(x)), l1(G(F(y)), F(y))]


def discriminators_exchanged(G, F, D_X, D_Y, x, y):
    return [(D_Y(F(y)) - 1).pow(2).mean(), (D_X(G(x)) - 1).pow(2).mean()]


def target_of_the_discriminator(G, F, D_X, D_Y, x, y):
    return [D_X(F(y)).pow(2).mean(), D_Y(G(x)).pow(2).mean()]


def every_term_has_its_value(step):
    """(3 - 1)² + (0.4 - 1)², 5 + 50, 10 + 2."""
    found = [term.item() for term in step(stub(), ONE, TEN)]
    assert found == pytest.approx([4.36, 55.0, 12.0])


WRONG = [
    wired(identity=identity_through_the_wrong_generator),
    wired(cycle=wrong_generator_in_one_cycle),
    wired(cycle=wrong_generator_in_the_other_cycle),
    wired(cycle=cycle_compared_with_the_translation),
    wired(adversarial=discriminators_exchanged),
    wired(adversarial=target_of_the_discriminator),
]


@planted(right, *WRONG)
def test_every_term_has_its_value(subject, is_right):
    judge(every_term_has_its_value, subject, is_right)


def each_cycle_has_its_order(step):
    """G(x) = 2x + 1 and F(y) = 3y at 1 and -10: F(G(1)) = 9 and G(F(-10)) = -59, so 8 + 49."""
    G = nn.Linear(1, 1).double()
    nn.init.constant_(G.weight, 2.0)
    nn.init.constant_(G.bias, 1.0)
    found = [term.item() for term in step(stub()._replace(gen_xy=G), ONE, -TEN)]
    assert found[1] == pytest.approx(57.0)


@planted(right, wired(cycle=generators_in_the_other_order), wired(cycle=wrong_start_of_the_cycle))
def test_the_order_of_the_generators_counts(subject, is_right):
    judge(each_cycle_has_its_order, subject, is_right)


def test_the_stub_cannot_see_the_order():
    judge(every_term_has_its_value, wired(cycle=generators_in_the_other_order), True)


def test_the_definitions_have_the_values_of_each_direction():
    G, F = stub()[:2]
    found = [cycle_loss(G, F, ONE), cycle_loss(F, G, TEN), identity_loss(G, TEN)]
    found = [term.item() for term in (*found, identity_loss(F, ONE))]
    assert found == pytest.approx([5.0, 50.0, 10.0, 2.0])
    flipped = [identity_loss(G, ONE).item(), identity_loss(F, TEN).item()]
    assert flipped == pytest.approx([1.0, 20.0])


def the_total_survives_a_change_of_names(step):
    """X and Y exchanged everywhere: generators, discriminators, data."""
    weights = torch.tensor([1.0, 10.0, 5.0], dtype=torch.float64)
    G, F, D_X, D_Y = networks()
    total = weights @ torch.stack(step(CycleGAN(G, F, D_X, D_Y), X, Y)).detach()
    G, F, D_X, D_Y = networks()
    renamed = weights @ torch.stack(step(CycleGAN(F, G, D_Y, D_X), Y, X)).detach()
    assert_close(total, renamed)


@planted(
    right,
    wired(cycle=wrong_generator_in_one_cycle),
    wired(cycle=wrong_start_of_the_cycle),
    wired(identity=lambda G, F, D_X, D_Y, x, y: [l1(G(y), y), l1(G(x), x)]),
    wired(adversarial=lambda G, F, D_X, D_Y, x, y: [(D_Y(G(x)) - 1).pow(2).mean()]),
)
def test_relabelling_leaves_the_total_unchanged(subject, is_right):
    judge(the_total_survives_a_change_of_names, subject, is_right)


def the_generators_fool_their_discriminators(step):
    """A step raises the score of a translation that is thought generated.

    D_Y(G(x)) = 0.4 is below 1, so without a cycle term G must grow; D_X(F(y)) = 3 is above 1, so
    F must shrink.
    """
    model = stub()
    step(model)
    assert model.gen_xy.factor > 2
    assert model.gen_yx.factor < 3


def descend(model, loss):
    optimizer = optimizers(model, lr=1e-3)[0]
    loss.backward()
    optimizer.step()


def right_direction(model):
    generator_step(model, optimizers(model, lr=1e-3)[0], ONE, TEN, lambda_cyc=0.0)


def discriminators_loss_minimised(model):
    descend(model, sum(target_of_the_discriminator(*model, ONE, TEN)))


def sign_lost(model):
    descend(model, -sum(terms(model, ONE, TEN)["adversarial"]))


@planted(right_direction, discriminators_loss_minimised, sign_lost)
def test_generators_go_the_right_way(subject, is_right):
    judge(the_generators_fool_their_discriminators, subject, is_right)


def the_discriminators_learn_to_tell(step):
    """Scores of real examples rise towards 1, scores of generated ones fall towards 0."""
    model = networks()
    x_fake, y_fake = randn(5, 2, seed=3) + 4, randn(5, 2, seed=4) - 4
    for _ in range(60):
        step(model, x_fake, y_fake)
    for disc, real, fake in ((model.disc_x, X, x_fake), (model.disc_y, Y, y_fake)):
        assert disc(real).mean() > 0.7
        assert disc(fake).mean() < 0.3


def right_targets(model, x_fake, y_fake):
    discriminator_step(model, optimizers(model)[1], X, Y, x_fake, y_fake)


def targets_exchanged(model, x_fake, y_fake):
    discriminator_step(model, optimizers(model)[1], x_fake, y_fake, X, Y)


def domains_exchanged(model, x_fake, y_fake):
    discriminator_step(model, optimizers(model)[1], X, Y, y_fake, x_fake)


def generators_loss_for_the_discriminators(model, x_fake, y_fake):
    discriminator_step(model, optimizers(model)[1], x_fake, y_fake, x_fake, y_fake)


@planted(
    right_targets, targets_exchanged, domains_exchanged, generators_loss_for_the_discriminators
)
def test_discriminators_learn_to_tell(subject, is_right):
    judge(the_discriminators_learn_to_tell, subject, is_right)


# Mistake 6 for CycleGAN: every step moves its own pair of players alone.


def moves_the_generators_alone(step):
    model = networks()
    before = [snapshot(player) for player in model]
    step(model)
    for player, kept in zip(model, before, strict=True):
        assert same(kept, player) == (player in model[2:])
    assert not any(has_gradients(disc) for disc in model[2:])
    assert all(weight.requires_grad for disc in model[2:] for weight in disc.parameters())


def right_generators(model):
    generator_step(model, optimizers(model)[0], X, Y, lambda_cyc=1.0, lambda_id=1.0)


def discriminators_not_frozen(model):
    parts = terms(model, X, Y)
    optimizer = optimizers(model)[0]
    sum(sum(part) for part in parts.values()).backward()
    optimizer.step()


def wrong_optimizer(model):
    parts = terms(model, X, Y)
    optimizer = optimizers(model)[1]
    sum(sum(part) for part in parts.values()).backward()
    optimizer.step()


def left_frozen(model):
    right_generators(model)
    model.disc_y.requires_grad_(False)


@planted(right_generators, discriminators_not_frozen, wrong_optimizer, left_frozen)
def test_a_generator_step_leaves_the_discriminators_alone(subject, is_right):
    judge(moves_the_generators_alone, subject, is_right)


def moves_the_discriminators_alone(step):
    """Even if the translations come with their graph."""
    model = networks()
    before = [snapshot(player) for player in model]
    step(model, model.gen_yx(Y), model.gen_xy(X))
    for player, kept in zip(model, before, strict=True):
        assert same(kept, player) == (player in model[:2])
    assert not any(has_gradients(gen) for gen in model[:2])


def not_detached(model, x_fake, y_fake):
    optimizer = optimizers(model)[1]
    losses = (model.disc_x(X) - 1).pow(2).mean() + model.disc_x(x_fake).pow(2).mean()
    losses = losses + (model.disc_y(Y) - 1).pow(2).mean() + model.disc_y(y_fake).pow(2).mean()
    losses.backward()
    optimizer.step()


def moves_all(model, x_fake, y_fake):
    optimizer = torch.optim.SGD(torch.nn.ModuleList(model).parameters(), lr=0.1)
    loss = model.disc_x(x_fake).pow(2).mean() + model.disc_y(y_fake).pow(2).mean()
    loss.backward()
    optimizer.step()


@planted(right_targets, not_detached, moves_all)
def test_a_discriminator_step_leaves_the_generators_alone(subject, is_right):
    judge(moves_the_discriminators_alone, subject, is_right)


def forgets_old_gradients(step):
    model, clean = networks(), networks()
    for player in model:
        for weight in player.parameters():
            weight.grad = torch.ones_like(weight)  # left over from an earlier step
    step(model)
    step(clean)
    for player, other in zip(model, clean, strict=True):
        assert_close(list(player.parameters()), list(other.parameters()))


def both_steps(model):
    for disc in model[2:]:
        disc.zero_grad()  # only the generators' own may be left over here
    right_generators(model)
    right_targets(model, randn(5, 2, seed=3), randn(5, 2, seed=4))


@planted(both_steps, discriminators_not_frozen)
def test_steps_take_fresh_gradients(subject, is_right):
    judge(forgets_old_gradients, subject, is_right)


# The buffer: without a graph, and replaced.


class Attached(HistoryBuffer):
    """Wrong: keeps the graph of what it stores."""

    def exchange(self, x_fake, *, generator=None):
        out = super().exchange(x_fake, generator=generator)
        return out + 0 * x_fake


class NeverReplaces(HistoryBuffer):
    """Wrong: what was stored first stays for ever."""

    def exchange(self, x_fake, *, generator=None):
        full = self.rows is not None and len(self.rows) == self.size
        before = self.rows.clone() if full else None
        out = super().exchange(x_fake, generator=generator)
        if full:
            self.rows = before
        return out


class AlwaysNew(HistoryBuffer):
    """Wrong: no history at all."""

    def exchange(self, x_fake, *, generator=None):
        super().exchange(x_fake, generator=generator)
        return x_fake.detach()


def returns_no_graph(kind):
    model = networks()
    out = kind(8).exchange(model.gen_xy(X))
    assert not out.requires_grad


@planted(HistoryBuffer, Attached)
def test_a_buffer_returns_no_graph(subject, is_right):
    judge(returns_no_graph, subject, is_right)


def mean_age_is_size_over_batch(kind):
    """eq-cyc-buffer-mean: K / B = 2 in the long run.

    Each row waits once, for a time of standard deviation below 4 (see tests/test_history.py), and
    about 6,000 rows pass: 0.05 or so for the standard error of their mean.
    """
    buffer, g, ages = kind(4), make_generator(0), []
    for time in range(3000):
        out = buffer.exchange(torch.full((2, 1), float(time)), generator=g)
        ages.append((time - out).mean().item())
    assert abs(sum(ages) / 3000 - 2) < 0.3


@planted(HistoryBuffer, NeverReplaces, AlwaysNew)
def test_the_mean_age_is_the_size_over_the_batch(subject, is_right):
    judge(mean_age_is_size_over_batch, subject, is_right)
