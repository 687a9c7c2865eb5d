"""The losses of CycleGAN against PyTorch's own and by hand; both steps, written out again."""

import copy

import pytest
import torch
import torch.nn.functional as nnf
from cyclegan_pair import ONE, TEN, Times, networks, optimizers, stub
from oracles import as_readers_have_it, randn
from torch import nn
from torch.distributions import Laplace
from torch.testing import assert_close

from dgm_teach.cyclegan import (
    CycleGAN,
    cycle_loss,
    discriminator_step,
    generator_step,
    identity_loss,
    least_squares,
)

X, Y = randn(5, 2, seed=1), randn(5, 2, seed=2)
IMAGES = [(3,), (1, 4, 4), (3, 2, 2)]


@pytest.mark.parametrize("target", [0.0, 1.0, -1.5])
@pytest.mark.parametrize("shape", [(), (7,), (4, 1), (2, 1, 3, 3)])
def test_least_squares_is_the_mean_squared_error_before_the_mean(shape, target):
    scores = randn(*shape, seed=0)
    expected = nnf.mse_loss(scores, torch.full_like(scores, target), reduction="none")
    assert_close(least_squares(scores, target), expected)


def test_the_slope_of_least_squares_is_twice_the_distance():
    scores = randn(6, seed=0).requires_grad_()
    (slope,) = torch.autograd.grad(least_squares(scores, 0.3).sum(), scores)
    assert_close(slope, 2 * (scores.detach() - 0.3))


@pytest.mark.parametrize("shape", IMAGES)
def test_cycle_loss_is_a_laplace_likelihood_without_its_constant(shape):
    x, there, back = randn(4, *shape, seed=3), Times(1.7), Times(-0.4)
    centre = (-0.4 * 1.7 * x).flatten(1)
    density = Laplace(centre, torch.tensor(0.5).double()).log_prob(x.flatten(1)).sum(1)
    at_centre = Laplace(0.0, torch.tensor(0.5).double()).log_prob(torch.tensor(0.0).double())
    found = 2 * cycle_loss(there, back, x)
    assert_close(found.detach(), x[0].numel() * at_centre - density)


@pytest.mark.parametrize("shape", IMAGES)
def test_identity_loss_of_a_multiple(shape):
    y = randn(4, *shape, seed=3)
    found = identity_loss(Times(3.5), y).detach()
    assert_close(found, 2.5 * torch.linalg.vector_norm(y.flatten(1), ord=1, dim=1))


def test_losses_are_summed_over_pixels_and_not_over_the_batch():
    # twice the pixels: twice the loss of each example; twice the batch: the same losses again
    x, G, F = randn(3, 4, seed=4), Times(2.0), Times(3.0)
    for loss in (lambda v: cycle_loss(G, F, v), lambda v: identity_loss(G, v)):
        assert_close(loss(torch.cat([x, x], dim=1)), 2 * loss(x))
        assert_close(loss(torch.cat([x, x])), torch.cat([loss(x), loss(x)]))


def test_zero_for_an_inverse_pair_and_for_the_identity():
    x = randn(3, 4, seed=4)
    assert_close(cycle_loss(Times(4.0), Times(0.25), x), torch.zeros(3).double())
    assert_close(identity_loss(nn.Identity(), x), torch.zeros(3).double())


def by_hand(model, x, y, lambda_cyc, lambda_id):
    """The generators' loss and its terms, every translation on its own."""
    G, F, D_X, D_Y = model
    adversarial = (D_Y(G(x)) - 1).pow(2).mean() + (D_X(F(y)) - 1).pow(2).mean()
    rows = range(len(x))
    cycle = sum((F(G(x[i : i + 1])) - x[i]).abs().sum() for i in rows) / len(x)
    cycle = cycle + sum((G(F(y[i : i + 1])) - y[i]).abs().sum() for i in rows) / len(x)
    identity = sum((G(y[i : i + 1]) - y[i]).abs().sum() for i in rows) / len(x)
    identity = identity + sum((F(x[i : i + 1]) - x[i]).abs().sum() for i in rows) / len(x)
    return adversarial + lambda_cyc * cycle + lambda_id * identity, adversarial, cycle, identity


@pytest.mark.parametrize("weights", [(10.0, 5.0), (0.3, 0.0), (0.0, 2.0), (0.0, 0.0)])
def test_generator_step_is_the_step_written_by_hand(weights):
    model, twin = networks(), networks()
    lambda_cyc, lambda_id = weights
    made = generator_step(
        model, optimizers(model)[0], X, Y, lambda_cyc=lambda_cyc, lambda_id=lambda_id
    )
    before = copy.deepcopy(twin)
    loss, *terms = by_hand(twin, X, Y, lambda_cyc, lambda_id)
    optimizer = optimizers(twin)[0]
    loss.backward()
    optimizer.step()
    for found, expected in zip(made[:2], terms[:2], strict=True):
        assert_close(found, expected.detach())
    # without its weight, the identity term is not computed
    assert_close(made.identity, terms[2].detach() if lambda_id else torch.tensor(0.0).double())
    assert_close(made.y_fake, before.gen_xy(X).detach())
    assert_close(made.x_fake, before.gen_yx(Y).detach())
    for gen, other in zip(model[:2], twin[:2], strict=True):
        assert_close(list(gen.parameters()), list(other.parameters()))


def test_the_identity_term_is_off_unless_asked_for():
    model, twin = networks(), networks()
    made = generator_step(model, optimizers(model)[0], X, Y, lambda_cyc=1.0)
    again = generator_step(twin, optimizers(twin)[0], X, Y, lambda_cyc=1.0, lambda_id=0.0)
    assert made.identity == again.identity == 0
    for gen, other in zip(model[:2], twin[:2], strict=True):
        assert_close(list(gen.parameters()), list(other.parameters()))


def test_the_step_adds_up_the_losses_of_the_definitions():
    model = networks()
    G, F = model[:2]
    terms = [cycle_loss(G, F, X) + cycle_loss(F, G, Y), identity_loss(G, Y) + identity_loss(F, X)]
    expected = [term.mean().detach() for term in terms]
    made = generator_step(model, optimizers(model)[0], X, Y, lambda_cyc=1.0, lambda_id=1.0)
    assert_close([made.cycle, made.identity], expected)


def test_discriminator_step_is_the_step_written_by_hand():
    model, twin = networks(), networks()
    x_fake, y_fake = randn(3, 2, seed=5), randn(3, 2, seed=6)
    found = discriminator_step(model, optimizers(model)[1], X, Y, x_fake, y_fake)
    losses = []
    for disc, real, fake in ((twin.disc_x, X, x_fake), (twin.disc_y, Y, y_fake)):
        # def-cyc-ls with the targets 1 and 0
        losses.append(0.5 * (disc(real) - 1).pow(2).mean() + 0.5 * disc(fake).pow(2).mean())
    optimizer = optimizers(twin)[1]
    sum(losses).backward()
    optimizer.step()
    assert_close(found, tuple(loss.detach() for loss in losses))
    for disc, other in zip(model[2:], twin[2:], strict=True):
        assert_close(list(disc.parameters()), list(other.parameters()))


def test_stub_values_of_the_discriminators():
    # D_X(1) = 0.1, D_X(30) = 3; D_Y(10) = 2, D_Y(2) = 0.4
    model = stub()
    found = discriminator_step(model, optimizers(model)[1], ONE, TEN, 3 * TEN, 2 * ONE)
    expected = torch.tensor([(0.81 + 9) / 2, (1 + 0.16) / 2], dtype=torch.float64)
    assert_close(torch.stack(found), expected)


def test_patches_of_scores_are_averaged():
    conv = nn.Conv2d(1, 1, kernel_size=2).double()
    model = CycleGAN(Times(2.0), Times(0.5), conv, conv)
    x = randn(3, 1, 4, 4, seed=7)
    made = generator_step(model, optimizers(model)[0], x, x, lambda_cyc=1.0)
    scores = [conv(2 * x), conv(0.5 * x)]
    expected = sum((score - 1).pow(2).mean() for score in scores)
    assert_close(made.adversarial, expected.detach())


def test_terms_and_translations_carry_no_graph():
    model = networks()
    made = generator_step(model, optimizers(model)[0], X, Y, lambda_cyc=1.0, lambda_id=1.0)
    judged = discriminator_step(model, optimizers(model)[1], X, Y, made.x_fake, made.y_fake)
    assert not any(part.requires_grad for part in (*made, *judged))


@pytest.mark.parametrize("bad", [-0.1, float("nan")])
@pytest.mark.parametrize("name", ["lambda_cyc", "lambda_id"])
def test_bad_weights_are_refused_before_anything_moves(name, bad):
    model = networks()
    before = copy.deepcopy(model.gen_xy.state_dict())
    with pytest.raises(ValueError, match=f"^{name} must be at least 0, got {bad}$"):
        generator_step(model, optimizers(model)[0], X, Y, **({"lambda_cyc": 1.0} | {name: bad}))
    assert all(torch.equal(before[key], now) for key, now in model.gen_xy.state_dict().items())


def test_batches_of_different_sizes_are_refused(monkeypatch):
    as_readers_have_it(monkeypatch)  # the shapes are refused by the checker otherwise
    model = networks()
    with pytest.raises(ValueError, match=r"^y must have as many rows as x, 5, got 4$"):
        generator_step(model, optimizers(model)[0], X, Y[:4], lambda_cyc=1.0)


def test_readers_get_the_same_numbers_without_the_type_checker(monkeypatch):
    as_readers_have_it(monkeypatch)
    assert_close(cycle_loss(Times(2.0), Times(3.0), TEN).detach(), torch.tensor([50.0]).double())
    assert_close(identity_loss(Times(2.0), TEN).detach(), torch.tensor([10.0]).double())
