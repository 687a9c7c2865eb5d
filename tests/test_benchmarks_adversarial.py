"""The benchmark of the adversarial trainings compares equal things."""

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from benchmarks import adversarial, games, translation
from benchmarks.floor import floor_of
from benchmarks.timing import Turn


@pytest.fixture(autouse=True)
def own_noise():
    with torch.random.fork_rng():
        yield


class Flops(TorchDispatchMode):
    """Counts like ``FlopCounterMode``, which refuses a gradient inside a loss."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, out_val=result)
        return result


@pytest.mark.parametrize("name", games.GAMES)
def test_the_floor_has_the_products_of_our_step(name):
    step = games.ours(games.GAMES[name])
    with Flops() as ours:
        step()
    products = floor_of(step)
    with Flops() as floor:
        products()
    assert floor.total == ours.total > 0


def test_the_floor_runs_products_and_nothing_else():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    x = torch.randn(5, 3)
    products = floor_of(lambda: net(x).sum().backward())
    with FlopCounterMode(display=False) as counter:
        products()
    # Forward 2 n (3*4 + 4*2); backward twice the second layer, once the first (x needs none).
    assert counter.get_total_flops() == 2 * 5 * (12 + 8 + 2 * 8 + 12)


@pytest.mark.parametrize("name", games.GAMES)
@pytest.mark.parametrize("loop", [games.ours, games.tutorial])
def test_every_loop_moves_both_players(name, loop, monkeypatch):
    made = []
    new = games.players
    monkeypatch.setattr(games, "players", lambda *a: made.append(new(*a)) or made[-1])
    step = loop(games.GAMES[name])
    before = [[p.clone() for p in player.parameters()] for player in made[0][:2]]
    step()
    for old, player in zip(before, made[0][:2], strict=True):
        assert any(not torch.equal(p, q) for p, q in zip(old, player.parameters(), strict=True))


def test_the_tutorial_has_our_loss():
    game = games.GAMES["ring GAN"]
    gan, x = games.players(game, "cpu"), next(games.batches_of(game, "cpu"))
    judge = torch.nn.Sequential(gan.discriminator, torch.nn.Sigmoid())
    still = [torch.optim.SGD(player.parameters(), lr=0.0) for player in gan[1::-1]]
    torch.manual_seed(1)
    theirs, _ = games.tutorial_pair(gan, judge, still, x)
    torch.manual_seed(1)
    loss = games.discriminator_step(gan, still[0], x)
    assert_close(torch.tensor(theirs), loss, rtol=1e-5, atol=0)  # float32 sums of 256 terms


@pytest.mark.parametrize("batch_size", translation.GOALS)
def test_the_floor_of_a_translation_has_the_products_of_our_step(batch_size):
    step = translation.ours(batch_size)
    with Flops() as ours:
        step()
    products = floor_of(step)
    with Flops() as floor:
        products()
    assert floor.total == ours.total > 0


def test_the_tutorial_moves_the_generators_as_we_do():
    """With the same weights and pictures the two write the same step."""
    moved = []
    x, y = next(translation.batches_of(4, "cpu"))
    pixels = translation.NUM_PIXELS
    for tutorial in (False, True):
        model = translation.players("cpu")
        sgd = torch.optim.SGD([*model.gen_xy.parameters(), *model.gen_yx.parameters()], lr=0.1)
        if tutorial:
            translation.tutorial_generators(model, sgd, x, y)
        else:
            weights = {
                "lambda_cyc": translation.LAMBDA_CYC / pixels,
                "lambda_id": translation.LAMBDA_ID / pixels,
            }
            translation.generator_step(model, sgd, x, y, **weights)
        moved.append([p.detach().clone() for p in model.gen_xy.parameters()])
    for ours, theirs in zip(*moved, strict=True):
        assert_close(ours, theirs, rtol=1e-3, atol=1e-6)  # float32 sums in another order


def test_the_pool_of_the_tutorial_keeps_and_exchanges():
    pool = translation.ImagePool(3)
    first = torch.arange(3.0).view(3, 1)
    assert torch.equal(pool.query(first), first)
    seen = torch.cat([pool.query(torch.tensor([[float(i)]])) for i in range(3, 103)])
    kept = {float(image) for image in pool.images}
    assert kept | set(seen.flatten().tolist()) == {float(i) for i in range(103)}


def test_the_line_of_fake_times():
    seconds = {"ours": [1, 2, 3], "tutorial": [2, 3, 9], "floor": [0.5, 1, 1.5]}
    turns = {name: [Turn(s, s) for s in times] for name, times in seconds.items()}
    line = adversarial.row("ring GAN", turns, steps=10)
    assert (line.steps_per_s, line.tutorial.median, line.floor.median) == (5, 2, 0.5)
    text = adversarial.report([line, line._replace(goal=9)]).splitlines()
    assert "goal 1.35 met" in text[1]
    assert "goal 9 missed" in text[2]


def test_a_game_is_measured():
    threads = torch.get_num_threads()
    try:
        line = adversarial.measure("ring GAN", "cpu", threads=1, rounds=2, steps=1)
    finally:
        torch.set_num_threads(threads)
    assert line.steps_per_s > 0
    assert 0 < line.floor.median < line.tutorial.median
