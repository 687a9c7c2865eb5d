"""Training a CycleGAN: the loop against one written by hand, the record, and what is refused."""

import itertools

import pytest
import torch
from cyclegan_pair import networks, optimizers
from oracles import randn
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR
from torch.testing import assert_close

from dgm_teach import cyclegan_training
from dgm_teach.cyclegan import CycleGAN, discriminator_step, generator_step
from dgm_teach.cyclegan_training import CycleGANStep, train_cyclegan
from dgm_teach.history import HistoryBuffer
from dgm_teach.rng import make_generator

X, Y = randn(7, 2, seed=1), randn(8, 2, seed=2)


def loop(model, **settings):
    settings = {"num_steps": 3, "lambda_cyc": 2.0, "batch_size": 3, "buffer_size": 4} | settings
    return train_cyclegan(model, optimizers(model), X, Y, **settings, generator=make_generator(5))


def assert_same_players(model, other):
    for player, twin in zip(model, other, strict=True):
        assert_close(list(player.parameters()), list(twin.parameters()))


def full_batches(x, batch_size, noise):
    """Passes over the rows, each in a new order; what is left of a pass is skipped."""
    while True:
        order = torch.randperm(len(x), generator=noise)
        for start in range(0, len(x) - batch_size + 1, batch_size):
            yield x[order[start : start + batch_size]]


@pytest.mark.parametrize("buffer_size", [0, 4])
@pytest.mark.parametrize("lambda_id", [0.0, 0.5])
def test_training_is_the_loop_written_by_hand(buffer_size, lambda_id):
    model, twin = networks(), networks()
    opts, twins = optimizers(model), optimizers(twin)
    record = train_cyclegan(
        model,
        opts,
        X,
        Y,
        num_steps=6,
        lambda_cyc=2.0,
        lambda_id=lambda_id,
        batch_size=3,
        buffer_size=buffer_size,
        schedulers=tuple(ExponentialLR(optimizer, gamma=0.5) for optimizer in opts),
        generator=make_generator(5),
    )
    noise = make_generator(5)
    xs, ys = full_batches(X, 3, noise), full_batches(Y, 3, noise)
    buffers = [HistoryBuffer(4), HistoryBuffer(4)]
    for number in range(6):
        for optimizer in twins:
            optimizer.param_groups[0]["lr"] = 0.1 * 0.5**number
        x, y = next(xs), next(ys)
        made = generator_step(twin, twins[0], x, y, lambda_cyc=2.0, lambda_id=lambda_id)
        x_fake, y_fake = made.x_fake, made.y_fake
        if buffer_size:
            x_fake = buffers[0].exchange(x_fake, generator=noise)
            y_fake = buffers[1].exchange(y_fake, generator=noise)
        judged = discriminator_step(twin, twins[1], x, y, x_fake, y_fake)
        expected = [term.item() for term in (*made[:3], *judged)]
        assert list(record[number]) == pytest.approx(expected)
    assert len(record) == 6
    assert_same_players(model, twin)


def test_defaults_are_batches_of_16_a_history_of_50_and_no_identity_term():
    model, twin = networks(), networks()
    x, y = randn(40, 2, seed=3), randn(33, 2, seed=4)
    first = train_cyclegan(
        model, optimizers(model), x, y, num_steps=6, lambda_cyc=1.0, generator=make_generator(5)
    )
    second = train_cyclegan(
        twin, optimizers(twin), x, y, num_steps=6, lambda_cyc=1.0, lambda_id=0.0, batch_size=16,
        buffer_size=50, generator=make_generator(5),
    )  # fmt: skip
    assert first == second
    assert_same_players(model, twin)


def test_record_holds_plain_floats():
    record = loop(networks())
    assert all(isinstance(step, CycleGANStep) for step in record)
    assert all(type(term) is float for step in record for term in step)


def test_noise_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    assert loop(networks(), num_steps=8) == loop(networks(), num_steps=8)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["num_steps", "batch_size"])
def test_counts_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        loop(networks(), **{name: 0})


@pytest.mark.parametrize(("size", "least"), [(2, 3), (-1, 3)])
def test_a_history_smaller_than_a_batch_is_refused(size, least):
    with pytest.raises(ValueError, match=f"^buffer_size must be at least {least}, got {size}$"):
        loop(networks(), buffer_size=size)


@pytest.mark.parametrize(("name", "rows"), [("x_train", (2, 7)), ("y_train", (7, 2))])
def test_too_few_rows_are_refused_before_anything_moves(name, rows):
    model = networks()
    x, y = X[: rows[0]], Y[: rows[1]]
    message = f"^{name} must have at least batch_size = 3 rows, got 2$"
    with pytest.raises(ValueError, match=message):
        train_cyclegan(model, optimizers(model), x, y, num_steps=1, lambda_cyc=1.0, batch_size=3)
    assert_same_players(model, networks())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 1])
def test_a_term_that_is_not_finite_is_named_with_its_step(monkeypatch, place, bad):
    count = itertools.count()

    def fake_step(*_):
        losses = [torch.tensor(1.0).double(), torch.tensor(2.0).double()]
        if next(count) == 2:
            losses[place] = torch.tensor(bad).double()
        return tuple(losses)

    monkeypatch.setattr(cyclegan_training, "discriminator_step", fake_step)
    name = ("disc_x", "disc_y")[place]
    with pytest.raises(FloatingPointError, match=f"^{name} is {bad} at step 2; lower the"):
        loop(networks(), num_steps=4)


def test_a_domain_may_be_one_batch():
    x, model = X[:3], networks()
    record = train_cyclegan(
        model, optimizers(model), x, x, num_steps=2, lambda_cyc=1.0, batch_size=3
    )
    assert len(record) == 2


@pytest.mark.parametrize(("batch_size", "onednn"), [(2, False), (4, True)])
def test_a_batch_of_few_pixels_is_trained_without_onednn(batch_size, onednn):
    model = CycleGAN(*(nn.Conv2d(1, 1, 1).double() for _ in range(4)))
    seen = []
    for player in model:
        player.register_forward_hook(lambda *_: seen.append(torch.backends.mkldnn.enabled))
    x = randn(4, 1, 28, 28, seed=1)
    train_cyclegan(
        model, optimizers(model), x, x, num_steps=2, lambda_cyc=1.0, batch_size=batch_size
    )
    assert seen == [onednn] * len(seen) != []


def test_a_bar_counts_the_steps(capsys):
    loop(networks())
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: 100%" in shown.err
    assert "step/s" in shown.err or "s/step" in shown.err
    assert "3/3" in shown.err
