"""Stacked CycleGANs: one copy alone trains as it does among others, and pairs pull."""

import copy

import pytest
import torch
from oracles import randn
from torch import nn
from torch.optim import SGD, Adam

from dgm_teach import toy_translation
from dgm_teach.cyclegan import CycleGAN, generator_step
from dgm_teach.rng import make_generator
from dgm_teach.toy_translation import paired_step, stacked_cyclegan, train_stack


def players(copies, seed=0, hidden=6):
    """Stacked players in double precision."""
    torch.manual_seed(seed)
    return CycleGAN(*(net.double() for net in stacked_cyclegan(copies, hidden=hidden)))


def only(model, c):
    """Copy c of the players, as a stack of one."""
    alone = players(1)
    for net, mine in zip(model, alone, strict=True):
        for theirs, ours in zip(net.parameters(), mine.parameters(), strict=True):
            ours.data = theirs.data[c : c + 1].clone()
    return alone


def parameters(model):
    return [p.detach().clone() for net in model for p in net.parameters()]


@pytest.mark.parametrize(("lambda_id", "with_pairs"), [(0.0, False), (0.5, False), (0.5, True)])
def test_a_copy_trains_as_it_does_alone(lambda_id, with_pairs):
    """Adam does not see a common factor, but for the 1e-8 that it adds to the root.

    With three copies that is 2e-8 more beside a gradient: at a gradient of 1e-5 it changes each of
    ten steps of 0.01 by 0.2 %, in all 2e-4. Smaller gradients than that are not expected here.
    """
    x, y = randn(50, 3, 2, seed=1), randn(50, 3, 2, seed=2)
    pairs = (x[:2], y[:2]) if with_pairs else None
    model = players(3)
    alone = only(model, 1)
    settings = {"num_steps": 10, "lambda_cyc": 2.0, "lambda_id": lambda_id, "batch_size": 8}
    train_stack(model, x, y, pairs=pairs, generator=make_generator(3), **settings)
    mine = pairs and (x[:2, 1:2], y[:2, 1:2])
    train_stack(alone, x[:, 1:2], y[:, 1:2], pairs=mine, generator=make_generator(3), **settings)
    for net, other in zip(model, alone, strict=True):
        for among, single in zip(net.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(among[1:2], single, rtol=0, atol=2e-4)
    other_pairs = None if with_pairs else (x[:2, 1:2], y[:2, 1:2])
    different = only(players(3), 1)
    train_stack(
        different, x[:, 1:2], y[:, 1:2], pairs=other_pairs, generator=make_generator(3), **settings
    )
    gap = (different.gen_xy[0].weight - alone.gen_xy[0].weight).abs().max()
    assert gap > 1e-3  # so that the comparison can fail


def test_the_record_is_the_mean_over_the_copies():
    x, y, model = randn(50, 3, 2, seed=1), randn(50, 3, 2, seed=2), players(3)
    alone = [only(model, c) for c in range(3)]
    record = train_stack(model, x, y, num_steps=1, batch_size=8, generator=make_generator(3))
    single = [
        train_stack(
            player, x[:, [c]], y[:, [c]], num_steps=1, batch_size=8, generator=make_generator(3)
        )
        for c, player in enumerate(alone)
    ]
    mean = torch.tensor(single, dtype=torch.float64).mean(0)
    torch.testing.assert_close(
        torch.tensor(record, dtype=torch.float64), mean, rtol=1e-12, atol=1e-12
    )


def test_the_paired_loss_is_pytorchs():
    model, x, y = players(3), randn(4, 3, 2, seed=1), randn(4, 3, 2, seed=2)
    l1 = nn.L1Loss()
    expected = [
        2 * (l1(model.gen_xy(x)[:, c], y[:, c]) + l1(model.gen_yx(y)[:, c], x[:, c]))
        for c in range(3)
    ]
    moving = nn.ModuleList(model[:2]).parameters()
    loss = paired_step(model, SGD(moving, lr=0.0), x, y)
    torch.testing.assert_close(loss, torch.stack(expected).detach(), rtol=1e-12, atol=1e-12)
    assert not loss.requires_grad


def test_a_paired_step_goes_down_and_leaves_the_discriminators():
    model, x, y = players(2), randn(4, 2, 2, seed=1), randn(4, 2, 2, seed=2)
    before = parameters(model[2:])
    optimizer = SGD(nn.ModuleList(model[:2]).parameters(), lr=0.01)
    losses = [paired_step(model, optimizer, x, y) for _ in range(30)]
    assert (losses[-1] < losses[0]).all()
    assert all(torch.equal(a, b) for a, b in zip(before, parameters(model[2:]), strict=True))
    assert all(p.grad is None for net in model[2:] for p in net.parameters())


def test_pairs_are_learned():
    """Four pairs and nothing else that matters: both generators pass through them."""
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]).double()[:, None]
    x, model = -y.flip(2), players(1, hidden=16)
    cloud = randn(200, 1, 2, seed=3)
    train_stack(
        model,
        cloud,
        cloud,
        num_steps=300,
        lambda_cyc=0.0,
        pairs=(x, y),
        generator=make_generator(0),
    )
    with torch.no_grad():
        assert (model.gen_xy(x) - y).abs().max() < 0.3
        assert (model.gen_yx(y) - x).abs().max() < 0.3


def test_the_learning_rate_falls_to_a_hundredth():
    """After the schedule a step moves a weight by a hundredth of the first step's length."""
    x, y, model = randn(50, 1, 2, seed=1), randn(50, 1, 2, seed=2), players(1)
    start = parameters(model)
    train_stack(copy_ := copy.deepcopy(model), x, y, num_steps=1, generator=make_generator(0))
    first = max((a - b).abs().max() for a, b in zip(start, parameters(copy_), strict=True))
    # the first step of Adam moves every weight by lr, if its gradient is far above 1e-8
    assert first.item() == pytest.approx(0.01, rel=1e-3)
    short, long = copy.deepcopy(model), copy.deepcopy(model)
    train_stack(short, x, y, num_steps=30, schedule_steps=5, generator=make_generator(0))
    train_stack(long, x, y, num_steps=31, schedule_steps=5, generator=make_generator(0))
    pairs = zip(parameters(short), parameters(long), strict=True)
    last = max((a - b).abs().max() for a, b in pairs)
    # |m| / sqrt(v) is at most the root of (1 - 0.5)^2 / ((1 - 0.99)(1 - 0.25 / 0.99)) = 5.8
    assert 0 < last < 6e-4


def test_the_generator_decides_the_batches():
    x, y, model = randn(50, 2, 2, seed=1), randn(50, 2, 2, seed=2), players(2)
    runs = [
        train_stack(copy.deepcopy(model), x, y, num_steps=3, generator=make_generator(seed))
        for seed in (0, 0, 1)
    ]
    assert runs[0] == runs[1] != runs[2]
    assert len(runs[0]) == 3


@pytest.mark.parametrize("name", ["num_steps", "batch_size"])
def test_numbers_that_are_too_small_are_refused(name):
    x, y = randn(5, 1, 2, seed=1), randn(5, 1, 2, seed=2)
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        train_stack(players(1), x, y, **{"num_steps": 1, name: 0})


def test_a_negative_weight_is_refused():
    x, y = randn(5, 1, 2, seed=1), randn(5, 1, 2, seed=2)
    with pytest.raises(ValueError, match="lambda_id must be at least 0"):
        train_stack(players(1), x, y, num_steps=1, lambda_id=-1.0)


def test_the_players_have_their_sizes():
    model = stacked_cyclegan(4)
    shapes = [tuple(net(torch.zeros(5, 4, 2)).shape) for net in model]
    assert shapes[:2] == [(5, 4, 2)] * 2
    for net, out in zip(model, (2, 2, 1, 1), strict=True):
        numbers = (2 * 16 + 16) + (16 * 16 + 16) + (16 * out + out)
        assert sum(p.numel() for p in net.parameters()) == 4 * numbers


def test_the_first_record_holds_the_terms_of_the_first_step():
    x, y, model = randn(50, 2, 2, seed=1), randn(50, 2, 2, seed=2), players(2)
    g = make_generator(3)
    rows = [torch.randint(50, (32,), generator=g) for _ in range(2)]
    still = SGD(nn.ModuleList(model[:2]).parameters(), lr=0.0)
    made = generator_step(model, still, x[rows[0]], y[rows[1]], lambda_cyc=1.0)
    ((adversarial, cycle),) = train_stack(model, x, y, num_steps=1, generator=make_generator(3))
    assert adversarial == pytest.approx(made.adversarial.item(), rel=1e-12)
    assert cycle == pytest.approx(made.cycle.item() / 2, rel=1e-12)


def test_the_default_weights_and_optimisers(monkeypatch):
    """The cycle term weighs 1 and the identity term 0; every team has its own players and Adam."""
    weights, teams = [], []

    def watched_step(model, optimizer, x, y, **given):
        weights.append(given)
        return generator_step(model, optimizer, x, y, **given)

    def watched_adam(parameters, **given):
        moved = list(parameters)
        teams.append((len(moved), given))
        return Adam(moved, **given)

    monkeypatch.setattr(toy_translation, "generator_step", watched_step)
    monkeypatch.setattr(toy_translation, "Adam", watched_adam)
    x, y = randn(50, 2, 2, seed=1), randn(50, 2, 2, seed=2)
    train_stack(players(2), x, y, num_steps=1, pairs=(x[:2], y[:2]), generator=make_generator(3))
    assert weights == [{"lambda_cyc": 0.5, "lambda_id": 0.0}]  # over two copies
    adam = {"lr": 0.01, "betas": (0.5, 0.99), "fused": True}
    two_players = 2 * 6  # three layers each, with weights and biases
    assert teams == [(two_players, adam)] * 3


def test_a_bar_counts_the_steps(capsys):
    x, y = randn(50, 1, 2, seed=1), randn(50, 1, 2, seed=2)
    train_stack(players(1), x, y, num_steps=3, generator=make_generator(3))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: 100%" in shown.err
    assert "step/s" in shown.err or "s/step" in shown.err
    assert "3/3" in shown.err
