"""Training a GAN: every step against one written out by hand, the record, and what is refused."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as nnf
from gan_pair import optimizers, small_gan, snapshot
from oracles import randn
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.testing import assert_close

from dgm_teach import gan_training
from dgm_teach.gan import GAN, discriminator_step, fake_loss, generator_step
from dgm_teach.gan_training import GANStep, train_gan
from dgm_teach.rng import make_generator

X = randn(7, 2, seed=4)


def cross_entropy(logits, target):
    """The loss of a list of logits, by torch."""
    return nnf.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def descend(player, loss, lr):
    parameters = list(player.parameters())
    slopes = torch.autograd.grad(loss, parameters)
    with torch.no_grad():
        for parameter, slope in zip(parameters, slopes, strict=True):
            parameter -= lr * slope
    return loss.item()


def pair_by_hand(gan, x, noise, *, lr=0.1, sd=0.0, saturating=False):
    """One step of each player: losses by torch, gradient descent without an optimiser."""

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=noise)

    def blurred(points):
        points = points + sd * draw(len(x), 2) if sd else points
        rows = range(0, len(x), gan.pack_size)
        return torch.stack([torch.cat(list(points[i : i + gan.pack_size])) for i in rows])

    x_fake = gan.generator(draw(len(x), 3)).detach()
    real, fake = gan.discriminator(blurred(x)), gan.discriminator(blurred(x_fake))
    first = descend(gan.discriminator, cross_entropy(real, 1.0) + cross_entropy(fake, 0.0), lr)
    logits = gan.discriminator(blurred(gan.generator(draw(len(x), 3))))
    loss = -cross_entropy(logits, 0.0) if saturating else cross_entropy(logits, 1.0)
    return first, descend(gan.generator, loss, lr)


def assert_same_players(gan, other):
    for player, twin in zip(gan[:2], other[:2], strict=True):
        assert_close(list(player.parameters()), list(twin.parameters()))


@pytest.mark.parametrize("sd", [0.0, 0.5])
@pytest.mark.parametrize("pack_size", [1, 7])
@pytest.mark.parametrize("saturating", [False, True])
def test_training_is_the_steps_written_by_hand(sd, pack_size, saturating):
    # Whole batches, then the rate halved after every pair, and the noise falling over the first
    # half of four pairs: sd, sd / 2, 0, 0.
    gan, by_hand = small_gan(pack_size), small_gan(pack_size)
    opts = optimizers(gan)
    options = {"loss_of": lambda logits: -fake_loss(logits)} if saturating else {}
    record = train_gan(
        gan,
        opts,
        X,
        num_steps=4,
        batch_size=7,
        noise_sd=sd,
        schedulers=tuple(ExponentialLR(optimizer, gamma=0.5) for optimizer in opts),
        generator=make_generator(5),
        **options,
    )
    noise, expected = make_generator(5), []
    for number in range(4):
        x = X[torch.randperm(7, generator=noise)]
        left = sd * (1 - number / 2) if number < 2 else 0.0
        expected.append(
            pair_by_hand(by_hand, x, noise, lr=0.1 * 0.5**number, sd=left, saturating=saturating)
        )
    assert len(record) == 4
    for found, losses in zip(record, expected, strict=True):
        assert found == pytest.approx(losses)
    assert_same_players(gan, by_hand)


@pytest.mark.parametrize(
    ("pack_size", "event", "judged"),
    [(1, (2,), (6, 2)), (2, (2,), (3, 4)), (3, (2,), (2, 6)), (1, (1, 2, 2), (6, 1, 2, 2))],
)
def test_the_discriminator_is_shown_packs_and_single_examples_as_they_are(pack_size, event, judged):
    size = math.prod(event)
    generator = nn.Sequential(nn.Linear(3, size), nn.Unflatten(1, event))
    gan = GAN(generator, nn.Sequential(nn.Flatten(), nn.Linear(pack_size * size, 1)), 3, pack_size)
    shapes = []
    gan.discriminator.register_forward_pre_hook(lambda _, shown: shapes.append(shown[0].shape))
    first, second = optimizers(gan)
    discriminator_step(gan, first, torch.zeros(6, *event))
    generator_step(gan, second, torch.zeros(6, *event))
    assert shapes == [judged] * 3


def test_batches_go_round_and_training_stops_in_the_middle_of_a_round():
    gan, by_hand = small_gan(), small_gan()
    record = train_gan(
        gan, optimizers(gan), X, num_steps=5, batch_size=3, generator=make_generator(5)
    )
    noise, expected = make_generator(5), []
    for _ in range(2):
        for rows in torch.randperm(7, generator=noise).split(3):
            if len(expected) < 5:
                expected.append(pair_by_hand(by_hand, X[rows], noise))
    assert [len(record), len(expected)] == [5, 5]
    for found, losses in zip(record, expected, strict=True):
        assert found == pytest.approx(losses)
    assert_same_players(gan, by_hand)


def test_defaults_are_batches_of_256_without_noise():
    gan, by_hand = small_gan(), small_gan()
    x = randn(300, 2, seed=0)
    train_gan(gan, optimizers(gan), x, num_steps=3, generator=make_generator(5))
    noise, pairs = make_generator(5), 0
    for _ in range(2):
        for rows in torch.randperm(300, generator=noise).split(256):
            if pairs < 3:
                pair_by_hand(by_hand, x[rows], noise)
                pairs += 1
    assert_same_players(gan, by_hand)


def test_record_holds_plain_floats():
    gan = small_gan()
    record = train_gan(gan, optimizers(gan), X, num_steps=3, batch_size=4)
    assert all(isinstance(step, GANStep) for step in record)
    assert all(type(loss) is float for step in record for loss in step)


def test_average_is_the_running_mean_of_the_generators_weights():
    # rate 0.75: the first weights are taken over, later ones count a quarter
    gan = small_gan()
    average = AveragedModel(gan.generator, multi_avg_fn=get_ema_multi_avg_fn(0.75))
    weights, generator = [], make_generator(5)
    for _ in range(3):
        train_gan(
            gan, optimizers(gan), X, num_steps=1, batch_size=7, average=average,
            generator=generator,
        )  # fmt: skip
        weights.append(snapshot(gan.generator))
    for name, tensor in average.module.state_dict().items():
        first, second, third = (stored[name] for stored in weights)
        assert_close(tensor, 0.75**2 * first + 0.75 * 0.25 * second + 0.25 * third)


def test_noise_comes_from_the_generator_alone():
    before = torch.get_rng_state()
    records = []
    for seed in (5, 5, 6):
        gan = small_gan()
        records.append(
            train_gan(
                gan, optimizers(gan), X, num_steps=3, noise_sd=0.3, generator=make_generator(seed)
            )
        )
    assert records[0] == records[1] != records[2]
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("name", "value", "minimum"),
    [("num_steps", 0, 1), ("batch_size", 0, 1), ("noise_sd", -0.1, 0)],
)
def test_bad_numbers_are_refused_before_anything_moves(name, value, minimum):
    gan, untouched = small_gan(), small_gan()
    options = {"num_steps": 1, "batch_size": 4} | {name: value}
    with pytest.raises(ValueError, match=f"^{name} must be at least {minimum}, got {value}$"):
        train_gan(gan, optimizers(gan), X, **options)
    assert_same_players(gan, untouched)


def test_a_bar_counts_the_steps(capsys):
    gan = small_gan()
    train_gan(gan, optimizers(gan), X, num_steps=3, batch_size=4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "train: 100%" in shown.err
    assert "step/s" in shown.err or "s/step" in shown.err
    assert "3/3" in shown.err


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("step", [0, 3])
def test_a_loss_that_is_not_finite_is_named_with_its_step(monkeypatch, step, player, bad):
    count = itertools.count()
    good = torch.tensor(1.0)

    def fake_step(kind):
        def step_of(*_, **__):
            at = next(count) // 2
            return torch.tensor(bad) if (at, kind) == (step, player) else good

        return step_of

    for kind in ("discriminator", "generator"):
        monkeypatch.setattr(gan_training, f"{kind}_step", fake_step(kind))
    gan = small_gan()
    message = f"^the loss of the {player} is {bad} at step {step}; lower its learning rate$"
    with pytest.raises(FloatingPointError, match=message):
        train_gan(gan, optimizers(gan), X, num_steps=9, batch_size=4)
    assert next(count) <= 8  # no round was spent after it


def test_the_record_is_read_from_the_device_once_a_round(monkeypatch):
    tolist, calls = torch.Tensor.tolist, []
    monkeypatch.setattr(torch.Tensor, "tolist", lambda x: calls.append(x.shape) or tolist(x))
    gan = small_gan()
    train_gan(gan, optimizers(gan), X, num_steps=6, batch_size=3)
    assert calls == [(3, 2)] * 2


def test_training_finds_a_gaussian():
    # The generator is a shift and a stretch, the discriminator a parabola: both hold the truth.
    # With N data points the best fit has mean and sd of the sample; the game ends near it.
    class Parabola(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Linear(2, 1)

        def forward(self, x):
            return self.weights(torch.cat([x, x.square()], dim=1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        gan = GAN(nn.Linear(1, 1).double(), Parabola().double(), 1)
    x = 0.3 + 0.5 * randn(4096, 1, seed=0)
    opts = tuple(
        torch.optim.Adam(player.parameters(), lr=lr, betas=(0.0, 0.99))
        for player, lr in ((gan.discriminator, 0.05), (gan.generator, 0.01))
    )
    schedulers = tuple(ExponentialLR(optimizer, gamma=0.992) for optimizer in opts)
    train_gan(gan, opts, x, num_steps=600, schedulers=schedulers, generator=make_generator(1))
    shift, stretch = gan.generator.bias.item(), gan.generator.weight.abs().item()
    # the last steps are of size 1e-4, 0.01 * 0.992^600; the noise of a batch of 256 leaves
    # a few standard errors, 0.5 / 16 = 0.03 for the mean
    assert abs(shift - x.mean()) < 0.1
    assert abs(stretch - x.std()) < 0.1
